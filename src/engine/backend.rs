//! What an engine is to the rest of the program: something that evaluates a
//! program on a batch of rows. Knows nothing of Parquet or of r, u1, u2, s.

use crate::bundle::Program;
use crate::error::{Error, Result};

/// Rows to evaluate, row-major and without gaps.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// n.
    pub rows: usize,
    /// `[n, d1]`.
    pub x1: &'a [f32],
    /// `[n, d2]`.
    pub x2: &'a [f32],
    /// Class index of each row, in `0..C`.
    pub y: &'a [i64],
}

/// What the five models say of each row, in nats; each of length n.
#[derive(Debug, Clone, Default)]
pub struct Evaluated {
    /// h_1 and h_2, −ln p(x_m).
    pub h: [Vec<f32>; 2],
    /// ln p(y|x1), ln p(y|x2), ln p(y|x1, x2).
    pub log_prob: [Vec<f32>; 3],
}

impl Evaluated {
    /// The values of a role, by its place in `Role::ALL`.
    pub(super) fn values_mut(&mut self, role: usize) -> &mut Vec<f32> {
        match role {
            0 | 1 => &mut self.h[role],
            classifier => &mut self.log_prob[classifier - 2],
        }
    }
}

/// One session of an engine: evaluates batches one after the other. Made for one
/// worker; workers each have their own.
pub trait Backend: Send {
    /// Evaluates a batch into `out`, replacing what it held.
    ///
    /// # Errors
    /// [`Error::Engine`] where the engine fails.
    fn evaluate(&mut self, batch: &Batch<'_>, out: &mut Evaluated) -> Result<()>;
}

/// Refuses a batch whose slices do not have the lengths it claims.
pub(super) fn check(program: &Program, batch: &Batch<'_>) -> Result<()> {
    let [d1, d2] = program.dims;
    let fits = batch.x1.len() == batch.rows * d1
        && batch.x2.len() == batch.rows * d2
        && batch.y.len() == batch.rows
        && batch.y.iter().all(|y| (0..program.classes as i64).contains(y));
    if fits { Ok(()) } else { Err(Error::Internal("a batch does not have the program's shape".into())) }
}
