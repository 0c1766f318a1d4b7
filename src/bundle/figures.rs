//! Training parameters and validation figures of a bundle: part of the manifest, written by
//! `fit`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The training run behind a bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Rows in the training data.
    pub rows_seen: u64,
    /// Rows of the sample: training, selection and test.
    pub rows_used: u64,
    /// Seed of all random streams of the fit.
    pub seed: u64,
    /// Method of the density fit: "em" or "sgd".
    pub density_fit: String,
    /// Figures on test rows.
    pub validation: Figures,
}

/// Validation figures of a fit, all on rows used neither for training nor for selection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// Rows for training and model selection.
    pub trained_rows: usize,
    /// Test rows, for the figures.
    pub measured_rows: usize,
    /// The densities of x1 and x2.
    pub densities: [DensityFigures; 2],
    /// The classifiers of x1, of x2 and of both.
    pub classifiers: [ClassifierFigures; 3],
}

/// Goodness of fit of a density.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DensityFigures {
    /// Mean −ln p(x) in nats, in the units of x.
    pub mean_nats: f64,
    /// Number of Gaussians.
    pub components: usize,
    /// Strength of the shrinkage towards the pooled covariance, in rows' worth; absent
    /// where all components share one covariance, and for gradient descent.
    pub shrinkage_rows: Option<f64>,
    /// Iterations or epochs until the held-out −ln p was least.
    pub iterations: usize,
}

/// Accuracy and calibration of a classifier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClassifierFigures {
    /// Mean −ln p(y|x) in nats.
    pub cross_entropy_nats: f64,
    /// Share of rows whose most probable class is their label.
    pub accuracy: f64,
    /// Expected calibration error over 15 equal bins of the top class's probability.
    pub calibration_error: f64,
    /// L2 strength of the logistic regression.
    pub l2: f64,
    /// Weight decay of the network.
    pub weight_decay: f64,
    /// Epochs until the network's held-out loss was least.
    pub epochs: usize,
    /// Weights of regression and network in the stack.
    pub betas: [f32; 2],
}
