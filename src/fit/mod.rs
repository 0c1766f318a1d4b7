//! Training: densities and classifiers of sets of modalities from rows in memory, of two modalities two
//! densities and three classifiers. Pure numerics: slices in, [`crate::bundle`]'s parameters and
//! validation figures out. [`fit_files()`] adds the files and the bundle.
//!
//! With cross-fitting, every row is held out in one of the folds: hyper-parameters, stack weights
//! and figures come of the predictions for it by models that have not seen it, and these models are
//! kept for its evaluation. The main classifiers are the means of the folds', the main densities are
//! fitted on all rows.
//!
//! Without, one tenth of the rows is the test set: the figures are those of the returned models on
//! rows that training never used. Of the others, one sixth is held out: it selects hyperparameters,
//! stops networks early and fits the stack weights. After selection, densities and regressions are
//! refitted with that sixth included.

mod adamw;
mod class_rows;
mod classifier;
mod classifier_data;
mod covariance;
mod covariance_model;
mod cross_density;
mod cross_fit;
mod density;
mod diagnostics;
mod discriminant;
mod em_steps;
mod factor_analysis;
mod fit_files;
mod gradient;
mod held_out_rows;
mod inference;
mod kmeans;
mod labelled_rows;
mod lanes;
mod lbfgs;
mod linear;
mod linear_ensemble;
mod logistic_loss;
mod mean_shrinkage;
mod member;
mod memory_plan;
mod metrics;
mod mixture;
mod network;
mod outlook;
mod outlying_rows;
mod part_selection;
mod progress;
mod random;
mod recipe;
mod reservoir;
mod row_groups;
mod row_reader;
mod scales;
mod scaling;
mod softmax;
mod split;
mod stack;
mod streamed;
#[cfg(test)]
mod tests;
mod training;
mod training_files;
mod training_set;
mod training_source;
mod warnings;

pub use fit_files::{FitOptions, FitReport, fit_files};
pub use outlook::{FitColumns, Outlook};
pub use progress::FitProgress;
pub use recipe::{DensityFit, Recipe};
pub use split::Fold;
pub use training::{FittedModels, train};
pub use training_set::{EmbeddingMatrix, TrainingSet};
