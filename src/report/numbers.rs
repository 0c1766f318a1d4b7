//! The report's numbers: the JSON document of `--format json`, from which the page is rendered. The
//! JSON Schema in `schemas/` is generated from these types.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bundle::Figures;
use crate::interaction::Moments;

use super::origin::Origin;

/// Version of the JSON document, incremented when a key changes its meaning.
pub const FORMAT_VERSION: u32 = 1;

/// Nats per bit.
const LN_2: f64 = std::f64::consts::LN_2;

/// A report on one data set, optionally compared with another.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    /// Version of this document.
    pub format_version: u32,
    /// "lsmi-etl VERSION".
    pub created_by: String,
    /// The heading.
    pub title: String,
    /// The data set.
    pub data: Dataset,
    /// The data set of the comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compare: Option<Dataset>,
    /// `compare` minus `data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differences: Option<Differences>,
    /// Validation figures of the models, where the bundle was available.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Models>,
    /// Warnings about the validity of the numbers.
    pub warnings: Vec<Warning>,
}

/// A value for each of the four parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Parts<T> {
    /// Redundancy.
    pub r: T,
    /// Uniqueness of modality 1.
    pub u1: T,
    /// Uniqueness of modality 2.
    pub u2: T,
    /// Synergy.
    pub s: T,
}

/// A value for each mutual information.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
pub struct Information<T> {
    /// Of modality 1 and the label: r + u1.
    pub i1: T,
    /// Of modality 2 and the label: r + u2.
    pub i2: T,
    /// Of both and the label: r + u1 + u2 + s.
    pub i12: T,
}

/// One data set's numbers. Means, distributions and samples are of computed rows.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct Dataset {
    /// A short name: the last component of the path.
    pub name: String,
    /// Input paths as given.
    pub inputs: Vec<String>,
    /// Parquet files read.
    pub files: u64,
    /// Rows in the files.
    pub rows: u64,
    /// Rows that have all four parts.
    pub computed_rows: u64,
    /// Rows without values.
    pub bad_rows: u64,
    /// The label's column.
    pub label: String,
    /// Entropy of the label over computed rows, the upper bound of its mutual information.
    pub label_entropy_nats: Option<f64>,
    /// Moments of r, u1, u2 and s.
    pub parts: Parts<Figure>,
    /// Moments of i1, i2 and i12.
    pub information: Information<Figure>,
    /// E min(i1, i2) and E max(i1, i2): the mean of r lies between them for any
    /// densities, unless the data set was adjusted.
    pub redundancy_bounds_nats: Option<[f64; 2]>,
    /// Rows by the case that determined r; none where the data set was adjusted.
    pub cases: Option<Cases>,
    /// Moments of h1, h2 and h1 − h2, where all files have the columns.
    pub specificity: Option<Specificity>,
    /// Distribution of each part.
    pub distributions: Parts<Distribution>,
    /// Joint distribution of r and s.
    pub density: Density,
    /// Every class, in the order of its values.
    pub classes: Vec<Class>,
    /// The extreme rows of each quantity.
    pub samples: Samples,
    /// Provenance, from the files' metadata.
    pub origin: Origin,
}

/// Moments of one quantity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
pub struct Figure {
    /// Mean in nats.
    pub mean_nats: Option<f64>,
    /// Its standard error, in nats.
    pub std_error_nats: Option<f64>,
    /// Mean in bits.
    pub mean_bits: Option<f64>,
    /// Its standard error, in bits.
    pub std_error_bits: Option<f64>,
    /// Standard deviation of the rows, in nats.
    pub std_dev_nats: Option<f64>,
    /// Smallest value, in nats.
    pub min_nats: Option<f64>,
    /// Largest value, in nats.
    pub max_nats: Option<f64>,
}

impl From<&Moments> for Figure {
    fn from(moments: &Moments) -> Self {
        Self {
            mean_nats: moments.mean(),
            std_error_nats: moments.std_error(),
            mean_bits: moments.mean().map(|nats| nats / LN_2),
            std_error_bits: moments.std_error().map(|nats| nats / LN_2),
            std_dev_nats: moments.variance().map(f64::sqrt),
            min_nats: moments.min(),
            max_nats: moments.max(),
        }
    }
}

/// Rows by the case that determined their redundancy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cases {
    /// r = i1: all information of modality 1 is redundant.
    pub first: u64,
    /// r = i2.
    pub second: u64,
    /// r = i1 = i2.
    pub both: u64,
    /// r between i1 and i2.
    pub between: u64,
}

/// −ln p of each modality, and their difference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Specificity {
    /// −ln p(x1).
    pub h1: Figure,
    /// −ln p(x2).
    pub h2: Figure,
    /// h1 − h2.
    pub difference: Figure,
}

/// Distribution of one part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Distribution {
    /// Quantiles in nats, exact to `resolution_nats`.
    pub quantiles: Vec<Quantile>,
    /// Width of the bins that quantiles are read from.
    pub resolution_nats: f64,
    /// Rows whose value is exactly zero.
    pub zero_rows: u64,
    /// Edges of the bins shown, one more than counts.
    pub edges_nats: Vec<f64>,
    /// Rows in each bin, from its lower edge to below its upper.
    pub counts: Vec<u64>,
    /// Rows below the first edge.
    pub below_rows: u64,
    /// Rows at or above the last.
    pub above_rows: u64,
}

/// A value below which a share of the rows lies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Quantile {
    /// The share.
    pub share: f64,
    /// The value, in nats.
    pub nats: f64,
}

/// Rows by r and s.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Density {
    /// Edges of the bins of r.
    pub r_edges_nats: Vec<f64>,
    /// Edges of the bins of s.
    pub s_edges_nats: Vec<f64>,
    /// Rows in each bin: for each bin of r, the bins of s.
    pub counts: Vec<Vec<u64>>,
    /// Rows outside the bins.
    pub outside_rows: u64,
}

/// One class.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Class {
    /// The label's value, as text.
    pub class: String,
    /// Computed rows.
    pub rows: u64,
    /// Moments of r, u1, u2 and s.
    pub parts: Parts<Figure>,
    /// Moments of i1, i2 and i12.
    pub information: Information<Figure>,
    /// Rows by their largest part, the first of equal ones.
    pub dominant: Parts<u64>,
}

/// Extreme rows, the most extreme first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Samples {
    /// Names of the columns in `key`; none where rows are identified by file and position.
    pub key: Vec<String>,
    /// Largest r.
    pub redundant: Vec<Sample>,
    /// Largest u1.
    pub unique_1: Vec<Sample>,
    /// Largest u2.
    pub unique_2: Vec<Sample>,
    /// Largest s.
    pub synergistic: Vec<Sample>,
    /// Smallest i12: both modalities together contradict the label.
    pub contradicted: Vec<Sample>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Sample {
    /// Values of the key's columns, as text.
    pub key: Vec<String>,
    /// The file that holds the row.
    pub file: String,
    /// Its position in the file, from zero.
    pub row: u64,
    /// The link from `--link-template`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Its label.
    pub class: String,
    /// r, u1, u2 and s in nats.
    pub parts: Parts<f64>,
    /// r + u1 + u2 + s in nats.
    pub i12: f64,
}

/// Differences of the means, second data set minus first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Differences {
    /// Of r, u1, u2 and s.
    pub parts: Parts<Difference>,
    /// Of i1, i2 and i12.
    pub information: Information<Difference>,
}

/// A difference of two means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
pub struct Difference {
    /// The difference in nats.
    pub nats: Option<f64>,
    /// Its standard error, for independent data sets.
    pub std_error_nats: Option<f64>,
}

/// The models and their validation figures.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Models {
    /// The bundle's path as given.
    pub bundle: String,
    /// SHA-256 of its manifest.
    pub sha256: String,
    /// Whether the files were computed by this bundle, according to their metadata.
    pub is_the_files: bool,
    /// Validation figures of the fit; none for models fitted elsewhere.
    pub validation: Option<Figures>,
}

/// A warning about the validity of the numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Warning {
    /// A stable name.
    pub code: String,
    /// The problem and its remedy.
    pub text: String,
}

impl<T> Parts<T> {
    /// The four values in order.
    pub fn each(&self) -> [&T; 4] {
        [&self.r, &self.u1, &self.u2, &self.s]
    }

    /// The four values from an array, in order.
    pub fn from_array([r, u1, u2, s]: [T; 4]) -> Self {
        Self { r, u1, u2, s }
    }
}

impl<T> Information<T> {
    /// The three values in order.
    pub fn each(&self) -> [&T; 3] {
        [&self.i1, &self.i2, &self.i12]
    }
}

impl Dataset {
    /// Names of the two modalities: their columns, where all files agree.
    pub fn modalities(&self) -> [String; 2] {
        let named = |columns: &[String], other: &str| match columns {
            [one] => one.clone(),
            _ => other.to_owned(),
        };
        [named(&self.origin.x1, "x1"), named(&self.origin.x2, "x2")]
    }
}

impl Samples {
    /// The five lists in order.
    pub fn each(&self) -> [&Vec<Sample>; 5] {
        [&self.redundant, &self.unique_1, &self.unique_2, &self.synergistic, &self.contradicted]
    }
}

impl Differences {
    pub(super) fn between(first: &Dataset, second: &Dataset) -> Self {
        let of = |a: &Figure, b: &Figure| Difference {
            nats: a.mean_nats.zip(b.mean_nats).map(|(a, b)| b - a),
            std_error_nats: a.std_error_nats.zip(b.std_error_nats).map(|(a, b)| a.hypot(b)),
        };
        let (p, q) = (&first.parts, &second.parts);
        let (i, j) = (&first.information, &second.information);
        Self {
            parts: Parts { r: of(&p.r, &q.r), u1: of(&p.u1, &q.u1), u2: of(&p.u2, &q.u2), s: of(&p.s, &q.s) },
            information: Information { i1: of(&i.i1, &j.i1), i2: of(&i.i2, &j.i2), i12: of(&i.i12, &j.i12) },
        }
    }
}
