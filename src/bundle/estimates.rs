//! A fit's estimates on its own training rows, each by the models that have not seen it, with their
//! errors and with how far densities, rows and labels decide them: part of the manifest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_column::{Agreement, ByColumn, EstimatedMeans};
use super::redundancy::Redundancy;

/// Means over the training rows, out of fold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimates {
    /// Rows of the means.
    pub rows: usize,
    /// Groups of related rows, which the bootstrap draws whole; as many as rows where none are related.
    pub groups: usize,
    /// The means.
    #[serde(flatten)]
    pub means: EstimatedMeans,
    /// How far the densities decide R; absent in bundles of more than two modalities of earlier versions.
    #[serde(flatten)]
    pub redundancy: Option<Redundancy>,
}

/// Rows of similar confidence: one bin of a classifier's calibration curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalibrationBin {
    /// Mean probability of the most probable class.
    pub confidence: f64,
    /// Share of rows whose label it is.
    pub accuracy: f64,
    /// Rows.
    pub rows: usize,
}

/// Means of a fit on a part of the rows, on the same held-out rows as those of the whole fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PowerPoint {
    /// Rows that were trained on.
    pub trained_rows: usize,
    /// The means.
    #[serde(flatten)]
    pub means: ByColumn<f64>,
    /// The rows' r beside that of the whole fit; absent for the whole fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r_agreement: Option<Agreement>,
    /// The rows' s, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s_agreement: Option<Agreement>,
}

/// The expectations over the label, as of `annotate --label-free`, beside the values of the rows' own
/// labels, out of fold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LabelFreeCheck {
    /// Rows.
    pub rows: usize,
    /// Of each default column the expectation against the value.
    #[serde(flatten)]
    pub columns: ByColumn<Agreement>,
    /// Mean entropy of the label given all modalities: the less it is, the nearer expectation and value.
    pub mean_entropy_nats: f64,
}
