//! Training parameters and validation figures of a bundle: part of the manifest, written by
//! `fit`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::estimates::{CalibrationBin, Estimates, LabelFreeCheck, PowerPoint};

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
    /// What is off about the rows or the models.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<FitWarning>,
}

/// What is off about training rows or trained models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FitWarning {
    /// A short name that does not change.
    pub code: String,
    /// A plain sentence.
    pub text: String,
}

/// Validation figures of a fit. With cross-fitting, each row's figures are those of the models
/// that have not seen it; otherwise, all are on rows used neither for training nor for selection.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// Number of folds of the cross-fitting; absent where there was one split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<usize>,
    /// Rows for training and model selection.
    pub trained_rows: usize,
    /// Test rows, for the figures.
    pub measured_rows: usize,
    /// The densities of all sets of modalities but the full one, by size: of x1 and x2 for two.
    #[schemars(length(min = 2, max = 14))]
    pub densities: Vec<DensityFigures>,
    /// The classifiers of all sets of modalities, by size: of x1, of x2 and of both for two.
    #[schemars(length(min = 3, max = 15))]
    pub classifiers: Vec<ClassifierFigures>,
    /// Means with their errors; absent where there was one split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimates: Option<Estimates>,
    /// Fits on a quarter and on half of the rows, then the whole fit; of `--power-curve`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub power_curve: Vec<PowerPoint>,
    /// Expectations over the label beside the values of the labels; of `--label-free-check`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_free: Option<LabelFreeCheck>,
}

impl Figures {
    /// M: M modalities have 2^M − 1 classifiers.
    pub fn modalities(&self) -> usize {
        self.classifiers.len().count_ones() as usize
    }
}

/// Goodness of fit of a density.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DensityFigures {
    /// Mean −ln p(x) in nats, in the units of x.
    pub mean_nats: f64,
    /// Number of Gaussians.
    pub components: usize,
    /// The scales at which each of them is repeated, ascending, fitted out of fold; none where they are
    /// Gaussians.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scales: Vec<f64>,
    /// Strength of the shrinkage towards the pooled covariance, in rows' worth; absent
    /// where all components share one covariance, and for gradient descent.
    pub shrinkage_rows: Option<f64>,
    /// Factors of the shared covariance, 0 where it is diagonal; absent where it is no factor analysis's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factors: Option<usize>,
    /// Iterations or epochs until the held-out −ln p was least.
    pub iterations: usize,
    /// Standard error of `mean_nats`, over rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_error_nats: Option<f64>,
    /// Mean −ln p(x) in nats of the trained rows under the main model: the difference to
    /// `mean_nats` is the optimism of in-sample values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_sample_nats: Option<f64>,
    /// What the choice was made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<DensityCandidate>,
}

impl DensityFigures {
    /// The number of Gaussians, of their scales and of the covariance's factors, in words.
    pub fn form(&self) -> String {
        let counted =
            |count: usize, name: &str| format!("{count} {name}{}", if count == 1 { "" } else { "s" });
        let mut text = counted(self.components, "component");
        if !self.scales.is_empty() {
            text += &format!(" at {}", counted(self.scales.len(), "scale"));
        }
        match self.factors {
            None => {}
            Some(0) => text += ", diagonal",
            Some(factors) => text += &format!(", {}", counted(factors, "factor")),
        }
        text
    }
}

/// A candidate of the search for a density.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DensityCandidate {
    /// Number of Gaussians.
    pub components: usize,
    /// Strength of the shrinkage in rows' worth; absent for one shared covariance.
    pub shrinkage_rows: Option<f64>,
    /// Factors of the shared covariance, 0 where it is diagonal; absent where it is no factor analysis's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factors: Option<usize>,
    /// Mean held-out −ln p(x) in nats.
    pub mean_nats: f64,
    /// Its standard error, over rows.
    pub standard_error_nats: f64,
}

/// Accuracy and calibration of a classifier.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClassifierFigures {
    /// Mean −ln p(y|x) in nats.
    pub cross_entropy_nats: f64,
    /// Share of rows whose most probable class is their label.
    pub accuracy: f64,
    /// Expected calibration error over 15 equal bins of the top class's probability.
    pub calibration_error: f64,
    /// The calibration curve: ten bins of equally many rows, by the top class's probability, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calibration: Vec<CalibrationBin>,
    /// L2 strength of the logistic regression; 0 without one.
    pub l2: f64,
    /// Weight decay of the network; 0 without one.
    pub weight_decay: f64,
    /// Epochs until the network's held-out loss was least.
    pub epochs: usize,
    /// Weights of regression and network in the stack; 0 for an absent part.
    pub betas: [f32; 2],
    /// Weight of the discriminant analysis in the stack; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discriminant_beta: Option<f32>,
    /// R, the discriminant analysis's centres of a class; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub centres: Option<usize>,
    /// Units of each hidden layer of the network; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden_units: Option<usize>,
    /// Standard error of `cross_entropy_nats`, over rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_error_nats: Option<f64>,
    /// Mean −ln p(y|x) in nats of the trained rows under the main model: its difference to
    /// `cross_entropy_nats` is the optimism of in-sample values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_sample_nats: Option<f64>,
}
