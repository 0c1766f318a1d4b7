//! Training: two densities and three classifiers from rows in memory. Pure numerics: slices
//! in, [`crate::bundle`]'s parameters and validation figures out. [`fit_file()`] adds the file
//! and the bundle.
//!
//! One tenth of the rows is the test set: the figures are those of the returned models on rows that
//! training never used. Of the others, one sixth is held out: it selects hyperparameters, stops
//! networks early and fits the stack weights. After selection, densities and regressions are
//! refitted with that sixth included.
//!
//! Cross-fitting needs no new code: `split::folds` makes k folds, of which one is used here.

mod adamw;
mod classifier;
mod covariance;
mod density;
mod em_steps;
mod fit_file;
mod gradient;
mod inference;
mod kmeans;
mod labelled_rows;
mod lanes;
mod lbfgs;
mod linear;
mod logistic_loss;
mod metrics;
mod mixture;
mod network;
mod progress;
mod random;
mod recipe;
mod reservoir;
mod scaling;
mod softmax;
mod split;
mod stack;
#[cfg(test)]
mod tests;
mod training;
mod training_set;

pub use fit_file::{FitOptions, FitReport, fit_file};
pub use progress::FitProgress;
pub use recipe::{DensityFit, Recipe};
pub use split::Fold;
pub use training::{FittedModels, train};
pub use training_set::{EmbeddingMatrix, TrainingSet};
