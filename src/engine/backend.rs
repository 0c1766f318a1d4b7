//! The interface of an engine: evaluation of a program on a batch of rows. Independent of
//! Parquet and of r, u1, u2, s.

use crate::bundle::Program;
use crate::error::{Error, Result};

/// Input tensors of a batch, row-major and contiguous.
#[derive(Debug, Clone, Copy)]
pub struct BatchInputs<'a> {
    /// n.
    pub rows: usize,
    /// `[n, d1]`.
    pub x1: &'a [f32],
    /// `[n, d2]`.
    pub x2: &'a [f32],
    /// Class index of each row, in `0..C`.
    pub y: &'a [i64],
}

/// Outputs of the five models, in nats; each vector has length n.
#[derive(Debug, Clone, Default)]
pub struct BatchOutputs {
    /// h_1 and h_2, −ln p(x_m).
    pub h: [Vec<f32>; 2],
    /// ln p(y|x1), ln p(y|x2), ln p(y|x1, x2).
    pub log_prob: [Vec<f32>; 3],
}

impl BatchOutputs {
    /// The values of a role, by its index in `Role::ALL`.
    pub(super) fn values(&self, role: usize) -> &[f32] {
        match role {
            0 | 1 => &self.h[role],
            classifier => &self.log_prob[classifier - 2],
        }
    }

    /// The vector of a role, by its index in `Role::ALL`.
    pub(super) fn values_mut(&mut self, role: usize) -> &mut Vec<f32> {
        match role {
            0 | 1 => &mut self.h[role],
            classifier => &mut self.log_prob[classifier - 2],
        }
    }
}

/// A session of an engine, owned by one worker: evaluates one batch at a time.
pub trait Backend: Send {
    /// Evaluates a batch into `out`, whose previous contents are overwritten.
    ///
    /// # Errors
    /// [`Error::Bundle`] where the graphs can't be run, [`Error::Engine`] where the engine fails.
    fn evaluate(&mut self, batch: &BatchInputs<'_>, out: &mut BatchOutputs) -> Result<()>;
}

/// A session of one model on its own, for checks.
pub trait ModelSession: Send {
    /// All of the model's output on a batch, row-major. y is not read.
    ///
    /// # Errors
    /// As for [`Backend::evaluate`].
    fn values(&mut self, batch: &BatchInputs<'_>) -> Result<Vec<f32>>;
}

/// Checks the lengths of a batch's slices and the range of its class indices.
pub(super) fn check(program: &Program, batch: &BatchInputs<'_>) -> Result<()> {
    let [d1, d2] = program.dims;
    let fits = batch.x1.len() == batch.rows * d1
        && batch.x2.len() == batch.rows * d2
        && batch.y.len() == batch.rows
        && batch.y.iter().all(|y| (0..program.classes as i64).contains(y));
    if fits { Ok(()) } else { Err(Error::Internal("a batch does not have the program's shape".into())) }
}
