//! The options of `annotate`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::evaluate::OnShift;
use crate::interaction::{ColumnName, ColumnPrefix};
use crate::parquet_file::EncryptionKeys;
use crate::samples::{FateCounts, OnMissingModality};

/// The treatment of a row that can not be computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnBadRow {
    /// Its columns are null, and it is counted
    #[default]
    Null,
    /// The run fails and names it
    Fail,
}

/// The treatment of a file of a folder or glob that can not be annotated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnBadFile {
    /// The other files are annotated, then the run fails with exit code 65
    #[default]
    Fail,
    /// The other files are annotated, and a warning names it
    Skip,
}

/// Whether the four columns are shifted by one constant of the dataset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Adjust {
    /// As computed
    #[default]
    None,
    /// One constant for the dataset, so that their means are not negative
    Dataset,
}

impl Adjust {
    /// Its name on the command line and in the footer.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Dataset => "dataset",
        }
    }
}

/// Maximum number or share of bad rows before the run fails.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxBadRows {
    /// A number of rows; one more ends the run at once.
    Rows(u64),
    /// A percentage, checked when all rows are computed.
    Percent(f64),
}

impl MaxBadRows {
    /// Whether more of all rows are bad.
    pub(super) fn is_exceeded_by(self, fates: &FateCounts) -> bool {
        match self {
            Self::Rows(most) => fates.bad() > most,
            Self::Percent(most) => fates.bad() as f64 * 100.0 > most * fates.rows() as f64,
        }
    }
}

impl FromStr for MaxBadRows {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected a number of rows, or a share such as 0.5%".to_owned();
        match text.strip_suffix('%') {
            None => text.parse().map(Self::Rows).map_err(|_| wrong()),
            Some(share) => {
                let share = share.parse().ok().filter(|share| (0.0..=100.0).contains(share));
                share.map(Self::Percent).ok_or_else(wrong)
            }
        }
    }
}

impl std::fmt::Display for MaxBadRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rows(rows) => write!(f, "{rows}"),
            Self::Percent(share) => write!(f, "{share}%"),
        }
    }
}

/// The options of a run. As JSON they travel without the keys.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AnnotateOptions {
    /// Columns of the modalities in their order; of one that is not named the bundle's.
    pub x: Vec<Option<String>>,
    /// Column of the label, else the bundle's.
    pub label: Option<String>,
    /// Keys of encrypted inputs.
    #[serde(skip)]
    pub keys: Option<EncryptionKeys>,
    /// Columns beside r, u1 … uM, s.
    pub extras: Vec<ColumnName>,
    /// Prefix of the names of the new columns.
    #[serde(default, skip_serializing_if = "ColumnPrefix::is_empty")]
    pub prefix: ColumnPrefix,
    /// Whether columns of an earlier annotate are replaced.
    #[serde(default)]
    pub replace_columns: bool,
    /// Whether every pair of more than two modalities gets the four columns of two.
    pub pairs: bool,
    /// Whether pages are not compared with their checksums.
    pub no_page_checksums: bool,
    /// The treatment of rows without some of their embeddings.
    pub on_missing: OnMissingModality,
    /// The treatment of bad rows.
    pub on_bad_row: OnBadRow,
    /// Maximum number or share of bad rows before the run fails; unlimited where `None`.
    pub max_bad_rows: Option<MaxBadRows>,
    /// A file that lists bad rows: Parquet, or CSV or lines of JSON by its name.
    pub rejects: Option<PathBuf>,
    /// The treatment of rows that the models do not describe.
    pub on_shift: OnShift,
    /// Whether the label is not read, and the columns are expectations over it.
    pub label_free: bool,
    /// Whether the columns are shifted.
    pub adjust: Adjust,
    /// Whether an output that exists is replaced.
    pub overwrite: bool,
    /// Whether all of an input is compared with the output that was made of it.
    pub verify_inputs: bool,
    /// Whether the journal of an unfinished run is discarded.
    pub restart: bool,
    /// Whether a stream is written without the columns of its input.
    pub new_columns_only: bool,
    /// Workers, each with a session; the machine's cores, or three a GPU, where `None`.
    pub workers: Option<usize>,
    /// Rows a batch; chosen by dimensions, memory, device and timing where `None`.
    pub batch_rows: Option<usize>,
    /// Bytes that batches may take; a quarter of the machine's memory where `None`.
    pub memory_limit_bytes: Option<u64>,
}
