//! The summary of an inspection; its JSON Schema is in `schemas/`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bundle::{Class, FitWarning};

/// What a dataset holds.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "InspectSummary")]
pub struct Inspection {
    /// Number of files.
    pub files: usize,
    /// Rows of all files.
    pub rows: u64,
    /// Row groups of all files.
    pub row_groups: u64,
    /// Size of all files.
    pub bytes: u64,
    /// The codecs of the column chunks, by size.
    pub codecs: Vec<CodecBytes>,
    /// The columns of the first file.
    pub columns: Vec<ColumnType>,
    /// Files whose columns differ from those of the first, at most ten.
    pub differences: Vec<FileDifference>,
    /// The rows whose embeddings were read.
    pub sample: SampleSize,
    /// Embedding columns.
    pub embeddings: Vec<EmbeddingColumn>,
    /// The label, counted in all rows.
    pub label: Option<LabelColumn>,
    /// Rows of the sample that are nearly another; null where there is nothing to compare.
    pub near_duplicates: Option<NearDuplicates>,
    /// What a fit would take.
    pub fit: FitOutlook,
}

/// Compressed size of the column chunks of a codec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CodecBytes {
    /// The codec's name, such as SNAPPY.
    pub codec: String,
    /// Compressed bytes.
    pub bytes: u64,
}

/// A column and its Arrow type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ColumnType {
    /// The name.
    pub column: String,
    /// The type in Arrow.
    #[serde(rename = "type")]
    pub data_type: String,
}

/// A file whose columns differ from those of the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FileDifference {
    /// The file.
    pub file: String,
    /// What it lacks, has more, or has of another type.
    pub what: String,
}

/// The size of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SampleSize {
    /// Its rows.
    pub rows: usize,
    /// The places in the data that they are read from, at equal distances.
    pub places: usize,
    /// Whether these are all rows.
    pub whole: bool,
}

/// An embedding column, by the sample.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EmbeddingColumn {
    /// The name.
    pub column: String,
    /// The type in Arrow.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Values of an embedding; 0 where the first file has none.
    pub dim: usize,
    /// Rows that are null, or whose file lacks the column.
    pub null_rows: usize,
    /// Rows of another number of values.
    pub wrong_length_rows: usize,
    /// Rows with NaN, an infinity or a null among their values.
    pub non_finite_rows: usize,
    /// Euclidean norms; null without a row.
    pub norms: Option<Norms>,
    /// Dimensions that have one value in all rows.
    pub constant_dims: usize,
    /// Dimensions that vary and equal an earlier one in all rows.
    pub repeated_dims: usize,
}

/// Euclidean norms of vectors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Norms {
    /// The smallest.
    pub min: f64,
    /// Their mean.
    pub mean: f64,
    /// The largest.
    pub max: f64,
}

/// The label's column.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LabelColumn {
    /// The column, or the folders' name.
    pub column: String,
    /// Rows without a label.
    pub rows_without: u64,
    /// The label of the class.s in ascending order.
    pub classes: Vec<ClassRows>,
}

/// The rows of a class.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ClassRows {
    /// The label of the class.
    pub value: Class,
    /// Its rows.
    pub rows: u64,
}

/// Rows of the sample that are closer to another than 1 % of the usual distance, in every modality; with
/// fewer than 16 values in all, identical rows only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NearDuplicates {
    /// Rows that were compared.
    pub compared_rows: usize,
    /// Rows that have a near duplicate.
    pub rows: usize,
    /// Rows among them that equal another.
    pub identical_rows: usize,
    /// Rows among them whose near duplicate is in another file.
    pub rows_across_files: usize,
}

/// The columns that a fit would take, and what it would say.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FitOutlook {
    /// The modalities; empty where they are not clear.
    pub x: Vec<ModalityColumn>,
    /// The label, where it is clear.
    pub label: Option<String>,
    /// Number of classes.
    pub classes: usize,
    /// Rows with a label.
    pub labelled_rows: u64,
    /// The error with which a fit would end before it trains.
    pub obstacle: Option<String>,
    /// What a fit would warn of.
    pub warnings: Vec<FitWarning>,
}

/// An embedding column that a fit would take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ModalityColumn {
    /// The column.
    pub column: String,
    /// Values of an embedding.
    pub dim: usize,
}
