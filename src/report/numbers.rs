//! The report's numbers: the JSON document of `--format json`, from which the page is rendered. The
//! JSON Schema in `schemas/` is generated from these types.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::bundle::Figures;
use crate::interaction::{Moments, Quantity, Subset};

use super::origin::Origin;
use super::parts::{Atoms, Information, Parts, described};
use super::redundancy_cases::Cases;
use super::sample::Samples;

/// Version of the JSON document, incremented when a key changes its meaning.
pub const FORMAT_VERSION: u32 = 2;

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

/// One data set's numbers. The mean and the distribution of a quantity are of the rows that have it; atoms,
/// bounds, cases, density and samples of complete rows, which lack no modality.
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
    /// Rows with values.
    pub computed_rows: u64,
    /// Computed rows that lack a modality and have the values of the others.
    pub reduced_rows: u64,
    /// Rows without values.
    pub bad_rows: u64,
    /// The label's column; empty where annotate has read none (`--label-free`), so that there are no classes.
    pub label: String,
    /// Entropy of the label over complete rows, the upper bound of its mutual information; over computed
    /// rows where none is complete.
    pub label_entropy_nats: Option<f64>,
    /// Moments of r, u1 … uM and s.
    pub parts: Parts<Figure>,
    /// Moments of i1, i2 and i12; of more than two modalities, of those that all files have as columns
    /// or as sums of atoms.
    pub information: Information<Figure>,
    /// Moments of the atoms of more than two modalities, where all files have their columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub atoms: Option<Atoms<Figure>>,
    /// E min(i1, i2) and E max(i1, i2), of more than two modalities the least and the largest of all:
    /// the mean of r lies between them for any densities, unless the data set was adjusted.
    pub redundancy_bounds_nats: Option<[f64; 2]>,
    /// Rows by the case that determined r; none where the data set was adjusted, and of more than two
    /// modalities where not all files have the i of each as a column.
    pub cases: Option<Cases>,
    /// Moments of h of each modality, where all files have the columns.
    pub specificity: Option<Specificity>,
    /// Distribution of each part.
    pub distributions: Parts<Distribution>,
    /// Joint distribution of r and s.
    pub density: Density,
    /// Every class, in the order of its values; none without a label.
    pub classes: Vec<Class>,
    /// The extreme rows of each quantity.
    pub samples: Samples,
    /// Provenance, from the files' metadata.
    pub origin: Origin,
}

/// Moments of one quantity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
pub struct Figure {
    /// Rows that have the quantity.
    pub rows: u64,
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
            rows: moments.count(),
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

/// −ln p of each modality. In JSON the keys are h1, h2 and difference; of more than two modalities
/// h_1, h_2 …
#[derive(Debug, Clone, PartialEq)]
pub struct Specificity {
    /// −ln p of each modality's embedding.
    pub h: Vec<Figure>,
    /// h1 − h2 of two modalities.
    pub difference: Option<Figure>,
}

impl Specificity {
    /// The figures with the names of their columns, in order.
    pub fn named(&self) -> impl Iterator<Item = (Cow<'static, str>, &Figure)> {
        let modalities = self.h.len();
        let singles = Subset::all(modalities).into_iter().take(modalities);
        singles.map(move |set| Quantity::H(set).name(modalities)).zip(&self.h)
    }
}

impl Serialize for Specificity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let difference = self.difference.iter().map(|figure| ("difference".into(), figure));
        serializer.collect_map(self.named().chain(difference))
    }
}

impl JsonSchema for Specificity {
    fn schema_name() -> Cow<'static, str> {
        "Specificity".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = serde_json::Map::new();
        for (name, description) in [
            ("h1", "Of two modalities: −ln p(x1)."),
            ("h2", "Of two modalities: −ln p(x2)."),
            ("difference", "Of two modalities: h1 − h2."),
        ] {
            properties.insert(name.to_owned(), described::<Figure>(generator, description.to_owned()));
        }
        let of_more = "Of more than two modalities: −ln p of this one.";
        json_schema!({
            "description": "−ln p of each modality.",
            "type": "object",
            "properties": properties,
            "patternProperties": { "^h_[1-4]$": described::<Figure>(generator, of_more.to_owned()) }
        })
    }
}

/// Distribution of one part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Distribution {
    /// Quantiles in nats, exact to `resolution_nats`.
    pub quantiles: Vec<Quantile>,
    /// Width of the bins that quantiles are read from.
    pub resolution_nats: f64,
    /// Rows that have the part.
    pub rows: u64,
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
    /// Moments of r, u1 … uM and s.
    pub parts: Parts<Figure>,
    /// Moments of the mutual informations of the data set.
    pub information: Information<Figure>,
    /// Rows by the largest of the parts that they have, the first of equal ones.
    pub dominant: Parts<u64>,
}

/// Differences of the means, second data set minus first.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Differences {
    /// Of r, u1 … uM and s.
    pub parts: Parts<Difference>,
    /// Of the mutual informations that both data sets have.
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

impl Dataset {
    /// Computed rows that lack no modality.
    pub fn complete_rows(&self) -> u64 {
        self.computed_rows.saturating_sub(self.reduced_rows)
    }

    /// The label in a sentence.
    pub(super) fn quoted_label(&self) -> String {
        if self.label.is_empty() { "the label".to_owned() } else { format!("“{}”", self.label) }
    }

    /// The number of modalities.
    pub fn modality_count(&self) -> usize {
        self.parts.modalities()
    }

    /// Names of the modalities: their columns, where all files agree.
    pub fn modalities(&self) -> Vec<String> {
        let named = |index: usize| match self.origin.x.of(index) {
            [one] => one.clone(),
            _ => format!("x{}", index + 1),
        };
        (0..self.modality_count()).map(named).collect()
    }
}

impl Differences {
    pub(super) fn between(first: &Dataset, second: &Dataset) -> Self {
        let of = |a: &Figure, b: &Figure| Difference {
            nats: a.mean_nats.zip(b.mean_nats).map(|(a, b)| b - a),
            std_error_nats: a.std_error_nats.zip(b.std_error_nats).map(|(a, b)| a.hypot(b)),
        };
        Self {
            parts: first.parts.zip_with(&second.parts, of),
            information: first.information.zip_with(&second.information, of),
        }
    }
}
