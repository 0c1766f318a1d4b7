//! The schema of a file of JSON by its first rows.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::reader::infer_json_schema_from_iterator;
use datafusion::error::DataFusionError;
use datafusion::object_store::{ObjectStore, ObjectStoreExt};
use futures::TryStreamExt;
use serde_json::Value;

use crate::error::{Error, Place, Result};

use super::errors::convert_error;
use super::inferred_types::INFERRED_ROWS;
use super::json_check::without_position;
use super::json_records::JsonRecords;
use super::located_source::convert_reader_error;
use super::table_files::TableFile;

/// The bytes of objects that are read for it at least: a file with fields beyond these is one whose columns are declared.
const LEAST_BYTES: usize = 4 << 20;

/// The schema of a file; without columns where it has no rows.
///
/// # Errors
/// [`Error::BadData`] of a file whose first rows are no objects, or differ in the kind of a field; those of reading.
pub(super) async fn json_schema(store: &dyn ObjectStore, file: &TableFile) -> Result<SchemaRef> {
    let bad = |what: String| Error::bad_data(Place::file(&file.name), what);
    let failed = |e: datafusion::object_store::Error| convert_error(DataFusionError::from(e), &file.name);
    let mut bytes = store.get(&file.meta.location).await.map_err(failed)?.into_stream();
    let (mut records, mut rows, mut ends) = (JsonRecords::new(), Vec::new(), Vec::new());
    let mut is_whole = true;
    while let Some(chunk) = bytes.try_next().await.map_err(failed)? {
        let pushed = records.push(&chunk, |record| {
            rows.extend_from_slice(record);
            ends.push(rows.len());
            Ok(())
        });
        pushed.map_err(bad)?;
        if ends.len() >= INFERRED_ROWS && rows.len() >= LEAST_BYTES {
            is_whole = false;
            break;
        }
    }
    if is_whole {
        records.end().map_err(bad)?;
    }
    // One after the other: as values they take many times the bytes.
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let values = starts.zip(&ends).map(|(start, end)| {
        let row = rows.get(start..*end).unwrap_or_default();
        serde_json::from_slice::<Value>(row).map_err(|e| ArrowError::JsonError(without_position(&e)))
    });
    let schema = infer_json_schema_from_iterator(values);
    schema.map(Arc::new).map_err(|e| convert_reader_error(DataFusionError::from(e), &file.name))
}
