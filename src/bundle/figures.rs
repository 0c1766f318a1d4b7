//! How a bundle's models were fitted and how they did on rows held out: part of
//! the manifest, written by `fit`, read by whoever has to trust the numbers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The training run behind a bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Rows in the training data.
    pub rows_seen: u64,
    /// Rows of them that were trained on or held out.
    pub rows_used: u64,
    /// The seed of the sample, the split and the starts.
    pub seed: u64,
    /// How the densities were fitted: "em" or "sgd".
    pub density_fit: String,
    /// Figures on rows held out.
    pub validation: Figures,
}

/// Figures of all five models on rows held out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Rows they were measured on.
    pub rows: u64,
    /// p(x1) and p(x2).
    pub densities: [DensityFigures; 2],
    /// p(y|x1), p(y|x2) and p(y|x1, x2).
    pub classifiers: [ClassifierFigures; 3],
}

/// A density on rows held out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DensityFigures {
    /// Mean of −ln p(x), in nats.
    pub mean_h_nats: f64,
    /// Number of Gaussians.
    pub components: usize,
    /// Rows' worth of the pooled covariance in each component's; absent where the
    /// components share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shrinkage_rows: Option<f64>,
}

/// A classifier on rows held out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassifierFigures {
    /// Mean of −ln p(y|x), in nats.
    pub cross_entropy_nats: f64,
    /// Share of rows whose most probable class is theirs.
    pub accuracy: f64,
    /// Expected calibration error: mean |confidence − accuracy| over 15 bins of equal width.
    pub calibration_error: f64,
}
