//! The schema of a delimited file by its first rows. DataFusion's own cuts the bytes at line breaks in quoted fields,
//! and then takes the pieces of a row for rows.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::csv::reader::Format;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::error::DataFusionError;
use datafusion::object_store::{ObjectStore, ObjectStoreExt};
use futures::TryStreamExt;

use crate::error::{Error, Place, Result};

use super::compressed_text::text_of;
use super::csv_quotes::CsvQuotes;
use super::errors::convert_error;
use super::inferred_types::INFERRED_ROWS;
use super::located_source::convert_reader_error;
use super::table_files::TableFile;
use super::table_format::CsvLayout;
use super::text_check::require_text;
use super::unique_names::unique;

/// The most bytes that are read for it, if a row ends within.
const MOST_BYTES: usize = 64 << 20;

/// The schema of a file; without columns where it is empty.
///
/// # Errors
/// [`Error::BadData`] of a file whose first line names no columns, or whose first rows are not of as many fields or
/// not closed; those of reading.
pub(super) async fn csv_schema(
    store: &dyn ObjectStore,
    file: &TableFile,
    CsvLayout { delimiter, has_header }: CsvLayout,
) -> Result<SchemaRef> {
    if file.meta.size == 0 {
        return Ok(Arc::new(Schema::empty()));
    }
    let head = first_rows(store, file, delimiter).await?;
    let format = Format::default().with_header(has_header).with_delimiter(delimiter);
    let inferred = format.infer_schema(head.as_slice(), Some(INFERRED_ROWS));
    let (schema, _) = inferred.map_err(|e| convert_reader_error(DataFusionError::from(e), &file.name))?;
    if schema.fields().is_empty() {
        let what =
            "has no header: its first line that is not empty names the columns, and all lines are empty";
        return Err(Error::bad_data(Place::file(&file.name), what));
    }
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let unique = unique(&names);
    let names = unique.unwrap_or_else(|| names.into_iter().map(str::to_owned).collect());
    let fields = schema.fields().iter().zip(names);
    let fields = fields.map(|(field, name)| Field::new(name, widened(field.data_type()), true));
    Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

/// The type as which a column is read: later times may have a fraction where the first have none.
fn widened(inferred: &DataType) -> DataType {
    match inferred {
        DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond, zone) => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
        }
        other => other.clone(),
    }
}

/// The bytes of the first rows, none of which is cut off.
async fn first_rows(store: &dyn ObjectStore, file: &TableFile, delimiter: u8) -> Result<Vec<u8>> {
    let failed = |e: datafusion::object_store::Error| convert_error(DataFusionError::from(e), &file.name);
    let bytes = store.get(&file.meta.location).await.map_err(failed)?.into_stream();
    let mut bytes = text_of(bytes, &file.name);
    let (mut head, mut quotes) = (Vec::new(), CsvQuotes::new(delimiter));
    while let Some(chunk) = bytes.try_next().await.map_err(failed)? {
        let chunk: Bytes = chunk;
        if head.is_empty() {
            require_text(&chunk, &file.name)?;
        }
        quotes.push(&chunk);
        head.extend_from_slice(&chunk);
        // The header is a record, too.
        if quotes.records() > INFERRED_ROWS || head.len() > MOST_BYTES {
            match usize::try_from(quotes.record_end()) {
                Ok(end) if end > 0 => {
                    head.truncate(end);
                    return Ok(head);
                }
                _ => break,
            }
        }
    }
    match quotes.unclosed() {
        Some(what) => Err(Error::bad_data(Place::file(&file.name), what)),
        None => Ok(head),
    }
}
