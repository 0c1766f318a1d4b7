//! The formats of tables: by a file's ending, or by its first bytes.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::datasource::file_format::FileFormat;
use datafusion::execution::session_state::SessionState;
use datafusion::object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Place, Result};
use crate::parquet_file::not_text;
use crate::storage::DataNames;

use super::compressed_text::Compression;
use super::errors::convert_error;

/// The formats that SQL reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum TableFormat {
    Parquet,
    Csv(CsvLayout),
    /// Objects on lines, one after the other, or in one array.
    Json(JsonFields),
    Arrow,
}

/// How the fields of delimited text are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CsvLayout {
    pub(super) delimiter: u8,
    /// Whether the first line names the columns.
    pub(super) has_header: bool,
}

/// Where the columns of JSON come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum JsonFields {
    /// From the first rows: a field that is in none of these would be lost.
    Inferred,
    /// From a declaration: other fields are left out.
    Declared,
}

impl CsvLayout {
    pub(super) const CSV: Self = Self { delimiter: b',', has_header: true };
    pub(super) const TSV: Self = Self { delimiter: b'\t', has_header: true };
}

/// The endings of the other formats, beside [`DataNames::PARQUET`].
#[rustfmt::skip]
pub(super) const OTHER_NAMES: DataNames = DataNames::with_endings(&[
    "csv", "tsv", "json", "ndjson", "jsonl", "arrow", "arrows", "feather", "ipc",
    "csv.gz", "tsv.gz", "json.gz", "ndjson.gz", "jsonl.gz",
    "csv.zst", "tsv.zst", "json.zst", "ndjson.zst", "jsonl.zst",
]);

/// Bytes of a file that tell its format.
const HEAD_BYTES: u64 = 64;

impl TableFormat {
    /// Its name, for plans.
    #[cfg(feature = "cluster")]
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Parquet => "Parquet",
            Self::Csv(_) => "CSV",
            Self::Json(_) => "JSON",
            Self::Arrow => "Arrow",
        }
    }

    /// The layout of text whose columns are known by their position alone.
    pub(super) fn csv(self) -> Option<CsvLayout> {
        match self {
            Self::Csv(layout) => Some(layout),
            Self::Parquet | Self::Json(_) | Self::Arrow => None,
        }
    }

    /// The format that a file name's ending denotes.
    pub(super) fn of_name(file: &str) -> Option<Self> {
        let (file, compression) = Compression::of_name(file);
        let ending = file.rsplit_once('.').filter(|(stem, _)| !stem.is_empty())?.1;
        let format = match ending.to_ascii_lowercase().as_str() {
            "parquet" | "pq" => Self::Parquet,
            "csv" => Self::Csv(CsvLayout::CSV),
            "tsv" => Self::Csv(CsvLayout::TSV),
            "json" | "ndjson" | "jsonl" => Self::Json(JsonFields::Inferred),
            "arrow" | "arrows" | "feather" | "ipc" => Self::Arrow,
            _ => return None,
        };
        // The others compress their own parts.
        let is_text = matches!(format, Self::Csv(_) | Self::Json(_));
        (is_text || compression.is_none()).then_some(format)
    }

    /// The format of a file whose name does not tell it.
    pub(super) async fn of_content(
        store: &dyn ObjectStore,
        file: &ObjectMeta,
        name: &str,
        otherwise: Option<Self>,
    ) -> Result<Self> {
        let head = head(store, file, name).await?;
        match head.get(..4) {
            Some(b"PAR1") => Ok(Self::Parquet),
            Some(b"ARRO") => Ok(Self::Arrow),
            _ => otherwise.ok_or_else(|| {
                let told = not_text(&head);
                let what = "not a file that SQL can read; its name must end in one of .parquet, .csv, .tsv, .json, \
                            .ndjson, .arrow, and that of text may have .gz or .zst behind it";
                Error::bad_data(Place::file(name), told.as_deref().unwrap_or(what))
            }),
        }
    }

    /// DataFusion's reader of such files.
    ///
    /// # Errors
    /// Of DataFusion.
    pub(super) fn reader(self, state: &SessionState) -> Result<Arc<dyn FileFormat>> {
        let (factory, options) = match self {
            Self::Parquet => ("parquet", HashMap::new()),
            Self::Csv(CsvLayout { delimiter, has_header }) => {
                let delimiter = ("format.delimiter".to_owned(), char::from(delimiter).to_string());
                ("csv", HashMap::from([delimiter, ("format.has_header".to_owned(), has_header.to_string())]))
            }
            // An array comes to it as lines.
            Self::Json(_) => ("json", HashMap::new()),
            Self::Arrow => ("arrow", HashMap::new()),
        };
        let factory = state
            .get_file_format_factory(factory)
            .ok_or_else(|| Error::Internal(format!("DataFusion was built without {factory}")))?;
        factory.create(state, &options).map_err(|e| convert_error(e, ""))
    }
}

async fn head(store: &dyn ObjectStore, file: &ObjectMeta, name: &str) -> Result<Vec<u8>> {
    let end = file.size.min(HEAD_BYTES);
    if end == 0 {
        return Ok(Vec::new());
    }
    let bytes = store.get_range(&file.location, 0..end).await;
    bytes.map(Vec::from).map_err(|e| convert_error(e.into(), name))
}
