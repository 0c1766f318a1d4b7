//! The schema of a file of JSON by its first rows.

use std::sync::Arc;

use datafusion::arrow::datatypes::{Fields, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::object_store::{ObjectStore, ObjectStoreExt};
use futures::TryStreamExt;
use serde::de::DeserializeSeed;

use crate::error::{Error, Place, Result};

use super::compressed_text::text_of;
use super::errors::convert_error;
use super::inferred_types::INFERRED_ROWS;
use super::json_records::{JsonRecords, without_position};
use super::json_types::JsonTypes;
use super::table_files::TableFile;
use super::text_check::require_text;

/// The bytes of objects that are read for it at least: a file with fields beyond these is one whose columns are declared.
const LEAST_BYTES: usize = 4 << 20;

/// The schema of a file; without columns where it has no rows.
///
/// # Errors
/// [`Error::BadData`] of a file whose first rows are no objects; those of reading.
pub(super) async fn json_schema(store: &dyn ObjectStore, file: &TableFile) -> Result<SchemaRef> {
    let mut types = JsonTypes::default();
    add_types(&mut types, store, file).await?;
    Ok(Arc::new(Schema::new(types.fields())))
}

/// Checks that declared fields are those of rows: one of another name would be null in all.
///
/// # Errors
/// [`Error::Usage`] where the files are read to their end, and none has the field; as for [`json_schema`].
pub(super) async fn check_declared(
    store: &dyn ObjectStore,
    files: &[TableFile],
    declared: &Fields,
) -> Result<()> {
    let mut types = JsonTypes::default();
    for file in files {
        let is_whole = add_types(&mut types, store, file).await?;
        let found = types.fields();
        if !is_whole || declared.iter().all(|field| found.find(field.name()).is_some()) {
            return Ok(());
        }
    }
    let found = types.fields();
    let missing = declared.iter().find(|field| found.find(field.name()).is_none());
    match (missing, files.last()) {
        // Files without rows have no fields.
        (Some(field), Some(last)) if !found.is_empty() => {
            let names: Vec<&str> = found.iter().map(|field| field.name().as_str()).collect();
            Err(Error::Usage(format!(
                "{}: no row has the field {}, which is declared; the fields are {}",
                last.name,
                field.name(),
                names.join(", ")
            )))
        }
        _ => Ok(()),
    }
}

/// Adds the types of the first rows of a file, and says whether these are all.
async fn add_types(types: &mut JsonTypes, store: &dyn ObjectStore, file: &TableFile) -> Result<bool> {
    let bad = |what: String| Error::bad_data(Place::file(&file.name), what);
    let failed = |e: datafusion::object_store::Error| convert_error(DataFusionError::from(e), &file.name);
    let bytes = store.get(&file.meta.location).await.map_err(failed)?.into_stream();
    let mut bytes = text_of(bytes, &file.name);
    let (mut records, mut rows, mut read, mut is_begun) = (JsonRecords::new(), 0, 0, false);
    while let Some(chunk) = bytes.try_next().await.map_err(failed)? {
        if !std::mem::replace(&mut is_begun, true) {
            require_text(&chunk, &file.name)?;
        }
        let pushed = records.push(&chunk, |record| {
            (rows, read) = (rows + 1, read + record.len());
            let mut values = serde_json::Deserializer::from_slice(record);
            types.deserialize(&mut values).map_err(|e| without_position(&e))
        });
        pushed.map_err(bad)?;
        if rows >= INFERRED_ROWS && read >= LEAST_BYTES {
            return Ok(false);
        }
    }
    records.end().map_err(bad)?;
    Ok(true)
}
