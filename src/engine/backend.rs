//! The interface of an engine: evaluation of a program on a batch of rows. Independent of
//! Parquet and of the columns.

use crate::bundle::{Program, Role};
use crate::error::{Error, Result};

/// Input tensors of a batch, row-major and contiguous.
#[derive(Debug, Clone, Copy)]
pub struct BatchInputs<'a> {
    /// n.
    pub rows: usize,
    /// The embeddings, each `[n, d_m]`.
    pub x: &'a [&'a [f32]],
    /// Class index of each row, in `0..C`.
    pub y: &'a [i64],
}

impl<'a> BatchInputs<'a> {
    /// The embedding of a modality.
    pub(super) fn embedding(&self, modality: usize) -> &'a [f32] {
        self.x.get(modality).copied().unwrap_or_default()
    }
}

/// Outputs of the models, in nats; each vector has length n.
#[derive(Debug, Clone)]
pub struct BatchOutputs {
    /// By the place of their roles in [`Role::all`], and behind them two for each classifier's most probable class,
    /// which are empty unless the program gives them.
    values: Vec<Vec<f32>>,
    densities: usize,
    roles: usize,
}

impl BatchOutputs {
    /// Room for the outputs of the models of so many modalities.
    pub fn new(modalities: usize) -> Self {
        let roles = Role::all(modalities);
        let densities = roles.iter().filter(|role| role.is_density()).count();
        let classifiers = roles.len() - densities;
        Self { values: vec![Vec::new(); roles.len() + 2 * classifiers], densities, roles: roles.len() }
    }

    /// h_A = −ln p(x_A) of the densities, in their order.
    pub fn h(&self) -> &[Vec<f32>] {
        self.values.get(..self.densities).unwrap_or_default()
    }

    /// As [`Self::h`].
    pub fn h_mut(&mut self) -> &mut [Vec<f32>] {
        self.values.get_mut(..self.densities).unwrap_or_default()
    }

    /// ln p(y|x_A) of the classifiers, in their order: that of all modalities is the last.
    pub fn log_prob(&self) -> &[Vec<f32>] {
        self.values.get(self.densities..self.roles).unwrap_or_default()
    }

    /// The most probable class by a classifier, as a place among the classes, and its ln p; empty where the program
    /// does not give them.
    pub fn top_class(&self, classifier: usize) -> [&[f32]; 2] {
        let place = self.roles + 2 * classifier;
        [place, place + 1].map(|place| self.values.get(place).map(Vec::as_slice).unwrap_or_default())
    }

    /// The outputs of all models.
    pub fn all(&self) -> &[Vec<f32>] {
        &self.values
    }

    /// As [`Self::all`].
    pub fn all_mut(&mut self) -> &mut [Vec<f32>] {
        &mut self.values
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
    let fits = batch.x.len() == program.dims.len()
        && batch.x.iter().zip(&program.dims).all(|(x, dim)| x.len() == batch.rows * dim)
        && batch.y.len() == batch.rows
        && batch.y.iter().all(|y| (0..program.classes as i64).contains(y));
    if fits { Ok(()) } else { Err(Error::Internal("a batch does not have the program's shape".into())) }
}
