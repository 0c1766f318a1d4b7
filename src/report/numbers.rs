//! The numbers behind every picture: what `--format json` writes and the page is drawn
//! from. The JSON Schema in `schemas/` is generated from these types.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bundle::Figures;
use crate::interaction::Moments;

use super::origin::Origin;

/// The version of the JSON document; raised when a key changes its meaning.
pub const FORMAT_VERSION: u32 = 1;

/// Nats in a bit.
const LN_2: f64 = std::f64::consts::LN_2;

/// A report: one data set, and where asked for another beside it.
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
    /// The one it is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compare: Option<Dataset>,
    /// `compare` minus `data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differences: Option<Differences>,
    /// The models' figures on rows held out, where the bundle was there to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Models>,
    /// What a reader must know before believing the numbers.
    pub warnings: Vec<Warning>,
}

/// Something for each of the four parts.
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

/// Something for each mutual information.
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
    /// A short name: the last part of the path.
    pub name: String,
    /// The paths as they were given.
    pub inputs: Vec<String>,
    /// Parquet files read.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Rows that have all four parts.
    pub computed_rows: u64,
    /// Rows that have not.
    pub bad_rows: u64,
    /// The label's column.
    pub label: String,
    /// Entropy of the label over computed rows: no more can be said about it.
    pub label_entropy_nats: Option<f64>,
    /// Moments of r, u1, u2 and s.
    pub parts: Parts<Figure>,
    /// Moments of i1, i2 and i12.
    pub information: Information<Figure>,
    /// E min(i1, i2) and E max(i1, i2): the mean of r lies between them whatever the
    /// densities are, unless the data set was adjusted.
    pub redundancy_bounds_nats: Option<[f64; 2]>,
    /// Where r comes from; none where the data set was adjusted, which hides it.
    pub cases: Option<Cases>,
    /// Moments of h1, h2 and h1 − h2, where all files have the columns.
    pub specificity: Option<Specificity>,
    /// How the values are distributed.
    pub distributions: Parts<Distribution>,
    /// r against s.
    pub density: Density,
    /// Every class, in the order of its values.
    pub classes: Vec<Class>,
    /// The rows at the ends.
    pub samples: Samples,
    /// How it was made, as the files' metadata tell.
    pub origin: Origin,
}

/// A mean and what belongs to it.
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

/// Rows by what decided their redundancy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cases {
    /// r = i1: all that modality 1 says is redundant.
    pub first: u64,
    /// r = i2.
    pub second: u64,
    /// r = i1 = i2.
    pub both: u64,
    /// r between i1 and i2.
    pub between: u64,
}

/// −ln p of each modality, and how far apart they are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Specificity {
    /// −ln p(x1).
    pub h1: Figure,
    /// −ln p(x2).
    pub h2: Figure,
    /// h1 − h2.
    pub difference: Figure,
}

/// How one part is distributed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Distribution {
    /// Quantiles in nats, exact to `resolution_nats`.
    pub quantiles: Vec<Quantile>,
    /// Width of the bins that quantiles are read from.
    pub resolution_nats: f64,
    /// Rows whose value is zero, exactly.
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

/// A value that a share of the rows stays below.
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
    /// Rows in each bin: for each bin of r those of s.
    pub counts: Vec<Vec<u64>>,
    /// Rows outside.
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
    /// Rows by the part that is largest on them; the earlier one where two are equal.
    pub dominant: Parts<u64>,
}

/// Rows at the ends, the utmost first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Samples {
    /// Names of the columns in `key`; none where rows are known by file and position.
    pub key: Vec<String>,
    /// Largest r.
    pub redundant: Vec<Sample>,
    /// Largest u1.
    pub unique_1: Vec<Sample>,
    /// Largest u2.
    pub unique_2: Vec<Sample>,
    /// Largest s.
    pub synergistic: Vec<Sample>,
    /// Smallest i12: both modalities together speak against the label.
    pub contradicted: Vec<Sample>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Sample {
    /// Values of the key's columns, as text.
    pub key: Vec<String>,
    /// The file it is in.
    pub file: String,
    /// Its position in the file, from zero.
    pub row: u64,
    /// Where `--link-template` leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Its label.
    pub class: String,
    /// r, u1, u2 and s in nats.
    pub parts: Parts<f64>,
    /// r + u1 + u2 + s in nats.
    pub i12: f64,
}

/// What the second data set has more than the first.
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
    /// Its standard error, as if the rows of one told nothing of those of the other.
    pub std_error_nats: Option<f64>,
}

/// The models' figures.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Models {
    /// The bundle as it was named.
    pub bundle: String,
    /// SHA-256 of its manifest.
    pub sha256: String,
    /// Whether the files say that they were computed by this bundle.
    pub is_the_files: bool,
    /// Figures of its fit; none for models packed from elsewhere.
    pub validation: Option<Figures>,
}

/// Something to know before believing the numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Warning {
    /// A stable name.
    pub code: String,
    /// What it is and what to do.
    pub text: String,
}

impl<T> Parts<T> {
    /// The four in their order.
    pub fn each(&self) -> [&T; 4] {
        [&self.r, &self.u1, &self.u2, &self.s]
    }

    /// From the four in their order.
    pub fn from_array([r, u1, u2, s]: [T; 4]) -> Self {
        Self { r, u1, u2, s }
    }
}

impl<T> Information<T> {
    /// The three in their order.
    pub fn each(&self) -> [&T; 3] {
        [&self.i1, &self.i2, &self.i12]
    }
}

impl Dataset {
    /// What the two modalities are called: their columns, where all files tell the same.
    pub fn modalities(&self) -> [String; 2] {
        let named = |columns: &[String], other: &str| match columns {
            [one] => one.clone(),
            _ => other.to_owned(),
        };
        [named(&self.origin.x1, "x1"), named(&self.origin.x2, "x2")]
    }
}

impl Samples {
    /// The five lists in their order.
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
