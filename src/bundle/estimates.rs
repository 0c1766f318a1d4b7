//! A fit's estimates on its own training rows, each by the models that have not seen it, with their
//! errors and with how far densities, rows and labels decide them: part of the manifest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::estimated_means::EstimatedMeans;

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
    /// How far the densities decide R; of two modalities.
    #[serde(flatten)]
    pub redundancy: Option<RedundancyOfTwo>,
}

/// How far the densities of two modalities decide R.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RedundancyOfTwo {
    /// Where r lies between i1 and i2.
    #[serde(rename = "redundancy_shares")]
    pub shares: RedundancyShares,
    /// What R would be in other units.
    #[serde(rename = "redundancy_by_shift")]
    pub by_shift: RedundancyByShift,
}

/// Shares of the rows by the value of r. They add up to one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RedundancyShares {
    /// r = i1, and i2 is another.
    pub i1: f64,
    /// r = i2, and i1 is another.
    pub i2: f64,
    /// r = i1 = i2.
    pub both: f64,
    /// r strictly between i1 and i2: only here a small error of a density moves it.
    pub between: f64,
}

/// R as a function of a shift of h1 − h2. Scaling x1 by c adds d1·ln c to h1 and changes no i, so the
/// shift is all that other units change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RedundancyByShift {
    /// R at some shifts, ascending; at 0 that of the bundle's convention.
    pub shifts: Vec<ShiftedRedundancy>,
    /// R for ever smaller h1: the mean of i1.
    pub at_minus_infinity_nats: f64,
    /// R for ever larger h1: the mean of i2.
    pub at_plus_infinity_nats: f64,
    /// The least and the largest R that any densities may give: the means of min(i1, i2) and
    /// max(i1, i2).
    pub bounds_nats: [f64; 2],
}

/// R where a constant is added to h1 − h2 of every row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShiftedRedundancy {
    /// The constant, in nats.
    pub shift_nats: f64,
    /// R.
    pub r_nats: f64,
}

impl RedundancyByShift {
    /// The least and the largest R over all shifts that were tried, the infinite ones included.
    pub fn range_nats(&self) -> [f64; 2] {
        let ends = [self.at_minus_infinity_nats, self.at_plus_infinity_nats];
        let all = || self.shifts.iter().map(|shift| shift.r_nats).chain(ends);
        [all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max)]
    }
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
    /// Mean of r.
    pub r_nats: f64,
    /// Mean of u1.
    pub u1_nats: f64,
    /// Mean of u2.
    pub u2_nats: f64,
    /// Mean of s.
    pub s_nats: f64,
    /// Mean of i12.
    pub i12_nats: f64,
    /// The rows' r beside that of the whole fit; absent for the whole fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r_agreement: Option<Agreement>,
    /// The rows' s, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s_agreement: Option<Agreement>,
}

/// Two values of the same rows: how far one is from the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Agreement {
    /// Mean of the one minus the other.
    pub mean_difference_nats: f64,
    /// Root of the mean square of their differences.
    pub rmse_nats: f64,
    /// Pearson's correlation; absent where one of them is constant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<f64>,
}

/// The expectations over the label, as of `annotate --label-free`, beside the values of the rows' own
/// labels, out of fold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LabelFreeCheck {
    /// Rows.
    pub rows: usize,
    /// r: the expectation against the value.
    pub r: Agreement,
    /// u1.
    pub u1: Agreement,
    /// u2.
    pub u2: Agreement,
    /// s.
    pub s: Agreement,
    /// Mean entropy of p(y|x1, x2): the less it is, the nearer expectation and value.
    pub mean_entropy_nats: f64,
}
