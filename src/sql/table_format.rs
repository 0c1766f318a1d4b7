//! The formats of tables: by a file's ending, or by its first bytes.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::datasource::file_format::FileFormat;
use datafusion::execution::session_state::SessionState;
use datafusion::object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Place, Result};
use crate::storage::DataNames;

use super::errors::convert_error;

/// The formats that SQL reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum TableFormat {
    Parquet,
    Csv,
    /// CSV with tabs.
    Tsv,
    /// Lines, or one array.
    Json,
    Arrow,
}

/// The endings of the other formats, beside [`DataNames::PARQUET`].
pub(super) const OTHER_NAMES: DataNames =
    DataNames::with_endings(&["csv", "tsv", "json", "ndjson", "jsonl", "arrow", "arrows", "feather", "ipc"]);

/// Bytes of a file that tell its format.
const HEAD_BYTES: u64 = 64;

impl TableFormat {
    /// What is between the fields of a row, whose columns are known by their position alone.
    pub(super) fn delimiter(self) -> Option<u8> {
        match self {
            Self::Csv => Some(b','),
            Self::Tsv => Some(b'\t'),
            Self::Parquet | Self::Json | Self::Arrow => None,
        }
    }

    /// The format that a file name's ending denotes.
    pub(super) fn of_name(file: &str) -> Option<Self> {
        let ending = file.rsplit_once('.').filter(|(stem, _)| !stem.is_empty())?.1;
        Some(match ending.to_ascii_lowercase().as_str() {
            "parquet" | "pq" => Self::Parquet,
            "csv" => Self::Csv,
            "tsv" => Self::Tsv,
            "json" | "ndjson" | "jsonl" => Self::Json,
            "arrow" | "arrows" | "feather" | "ipc" => Self::Arrow,
            _ => return None,
        })
    }

    /// The format of a file whose name does not tell it.
    pub(super) async fn of_content(store: &dyn ObjectStore, file: &ObjectMeta, name: &str) -> Result<Self> {
        let head = head(store, file, name).await?;
        match head.get(..4) {
            Some(b"PAR1") => Ok(Self::Parquet),
            Some(b"ARRO") => Ok(Self::Arrow),
            _ => Err(Error::bad_data(
                Place::file(name),
                "not a file that SQL can read; its name must end in one of .parquet, .csv, .tsv, .json, .ndjson, .arrow",
            )),
        }
    }

    /// DataFusion's reader of files like the first one.
    pub(super) async fn reader(
        self,
        state: &SessionState,
        store: &dyn ObjectStore,
        first: &ObjectMeta,
        name: &str,
    ) -> Result<Arc<dyn FileFormat>> {
        let (factory, option) = match self {
            Self::Parquet => ("parquet", None),
            Self::Csv => ("csv", None),
            Self::Tsv => ("csv", Some(("format.delimiter", "\t"))),
            Self::Json if holds_array(&head(store, first, name).await?) => {
                ("json", Some(("format.newline_delimited", "false")))
            }
            Self::Json => ("json", None),
            Self::Arrow => ("arrow", None),
        };
        let options: HashMap<_, _> =
            option.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let factory = state
            .get_file_format_factory(factory)
            .ok_or_else(|| Error::Internal(format!("DataFusion was built without {factory}")))?;
        factory.create(state, &options).map_err(|e| convert_error(e, name))
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

/// Whether JSON is one array instead of lines.
fn holds_array(head: &[u8]) -> bool {
    head.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}
