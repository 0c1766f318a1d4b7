//! The summary of a split; its JSON Schema is in `schemas/`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

/// The parts of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "SplitSummary")]
pub struct Split {
    /// Rows of all parts.
    pub rows: u64,
    /// The seed of the choice.
    pub seed: u64,
    /// The column of the strata.
    pub by: Option<String>,
    /// The column of the groups.
    pub group: Option<String>,
    /// Number of groups; null without a column of groups.
    pub groups: Option<u64>,
    /// The parts: train, test and perhaps validation.
    pub parts: Vec<PartSummary>,
    /// The rows of each value of the strata's column; empty without one.
    pub strata: Vec<StratumRows>,
}

/// A part.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PartSummary {
    /// train, test or validation.
    pub part: String,
    /// Its file.
    pub file: PathBuf,
    /// Its rows.
    pub rows: u64,
    /// Its share of all rows.
    pub share: f64,
    /// Size of the file.
    pub bytes: u64,
}

/// The rows of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StratumRows {
    /// The value as text; null of rows without one.
    pub value: Option<String>,
    /// Rows of the training part.
    pub train: u64,
    /// Rows of the test part.
    pub test: u64,
    /// Rows of the validation part.
    pub validation: u64,
}
