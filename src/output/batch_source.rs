//! A source of record batches with all columns: an Arrow IPC stream, a Parquet file that is
//! converted to one, or another thread.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor};

use crate::error::{Error, Place, Result};
use crate::parquet_file::{CheckedFile, ColumnReader, Input, catch_panics, next_or_panic};
use crate::storage::io_errors;

use super::ipc::IpcReader;
use super::omitted_columns::OmittedColumns;

/// The interval at which a wait for a silent sender looks whether its rows are still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// The record batches of a stream or a file, in their order.
pub struct BatchSource<'a> {
    schema: SchemaRef,
    place: Place,
    /// The schema in Parquet, of a file.
    parquet_schema: Option<SchemaDescPtr>,
    batches: Box<dyn Iterator<Item = Result<SourceRows>> + Send + 'a>,
}

/// A record batch and its position.
#[derive(Debug, Clone)]
pub struct SourceRows {
    /// The row group of the rows; in a stream, the number of the batch.
    pub group: usize,
    /// Position of the first row in its group.
    pub first_row: usize,
    /// All columns.
    pub rows: RecordBatch,
}

impl<'a> BatchSource<'a> {
    /// Reads an Arrow IPC stream up to its schema. Its batches are those of the stream; one of more
    /// than `limit_bytes`, by default the memory of the machine, is refused.
    ///
    /// # Errors
    /// [`Error::BadData`] where the bytes are no such stream; [`Error::Io`].
    pub fn of_stream(
        chunks: impl Iterator<Item = io::Result<Vec<u8>>> + Send + 'a,
        place: Place,
        limit_bytes: Option<u64>,
    ) -> Result<Self> {
        let reader = IpcReader::open(chunks, place.clone(), limit_bytes)?;
        let schema = reader.schema().clone();
        let batches = reader.enumerate();
        let batches = batches.map(|(group, rows)| rows.map(|rows| SourceRows { group, first_row: 0, rows }));
        Ok(Self { schema, place, parquet_schema: None, batches: Box::new(batches) })
    }

    /// The batches that another thread sends, all of this schema, until it drops the sender or one of the
    /// flags is set.
    pub fn of_channel(
        schema: SchemaRef,
        rows: Receiver<RecordBatch>,
        place: Place,
        ends: [&'a AtomicBool; 2],
    ) -> Self {
        let next = move || {
            while !ends.iter().any(|end| end.load(Ordering::Relaxed)) {
                match rows.recv_timeout(LOOK) {
                    Ok(batch) => return Some(batch),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return None,
                }
            }
            None
        };
        let batches = std::iter::from_fn(next).enumerate();
        let batches = batches.map(|(group, rows)| Ok(SourceRows { group, first_row: 0, rows }));
        Self { schema, place, parquet_schema: None, batches: Box::new(batches) }
    }

    /// The rows of a Parquet file, in batches of `batch_rows` of which the last of a row
    /// group may be shorter.
    pub fn of_file(input: &Input, batch_rows: usize) -> Self {
        let groups = 0..input.metadata().num_row_groups();
        let file = input.clone();
        let batches = groups.flat_map(move |group| {
            let (batches, failure) = match row_group(&file, group, batch_rows) {
                Ok(batches) => (Some(batches), None),
                Err(e) => (None, Some(Err(e))),
            };
            batches.into_iter().flatten().chain(failure)
        });
        let (schema, place) = (input.schema().clone(), input.place());
        let parquet_schema = Some(input.metadata().file_metadata().schema_descr_ptr());
        Self { schema, place, parquet_schema, batches: Box::new(batches) }
    }

    /// The rows without these columns, and without what the schema's metadata say of them.
    #[must_use]
    pub fn without(self, omitted: &OmittedColumns) -> Self {
        if omitted.is_empty() {
            return self;
        }
        let (kept, schema) = omitted.kept(&self.schema);
        let schema: SchemaRef = Arc::new(schema);
        let batches = {
            let schema = Arc::clone(&schema);
            self.batches.map(move |batch| {
                let batch = batch?;
                let columns = kept.iter().filter_map(|column| batch.rows.columns().get(*column)).cloned();
                let count = RecordBatchOptions::new().with_row_count(Some(batch.rows.num_rows()));
                let rows = RecordBatch::try_new_with_options(Arc::clone(&schema), columns.collect(), &count);
                let rows = rows.map_err(|error| Error::Internal(error.to_string()))?;
                Ok(SourceRows { rows, ..batch })
            })
        };
        Self { schema, batches: Box::new(batches), ..self }
    }

    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether the rows are those of a file, and not of a stream or another thread.
    pub fn is_file(&self) -> bool {
        self.parquet_schema.is_some()
    }

    /// The schema in Parquet, of a file.
    pub fn parquet_schema(&self) -> Option<&SchemaDescriptor> {
        self.parquet_schema.as_deref()
    }

    /// The stream or file, as a place for errors.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// A row group of the file, or a record batch of the stream, as a place for errors.
    pub fn place_of(&self, group: usize) -> Place {
        if self.is_file() {
            self.place.clone().row_group(group)
        } else {
            Place { file: format!("{}, record batch {group}", self.place.file), ..self.place.clone() }
        }
    }
}

impl Iterator for BatchSource<'_> {
    type Item = Result<SourceRows>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.next()
    }
}

impl std::fmt::Debug for BatchSource<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchSource")
            .field("place", &self.place)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

fn row_group(
    input: &Input,
    group: usize,
    batch_rows: usize,
) -> Result<impl Iterator<Item = Result<SourceRows>> + Send + use<>> {
    let (input, place) = (input.clone(), input.place().row_group(group));
    let file = CheckedFile::of_row_group(&input, group);
    file.check_lengths()?;
    let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), input.arrow().clone())
        .with_row_groups(vec![group])
        .with_batch_size(batch_rows);
    let mut batches =
        catch_panics(|| batches.build()).map_err(|error| io_errors::parquet(place.clone(), "read", error))?;
    let (mut first_row, promised) = (0, input.rows_in(group));
    let mut ended = false;
    Ok(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let batch = match next_or_panic(&mut batches) {
            Some(Ok(rows)) => {
                let batch = SourceRows { group, first_row, rows };
                first_row += batch.rows.num_rows();
                Some(Ok(batch))
            }
            Some(Err(error)) => {
                // Arrow's reader keeps only the text of an error, and names no column.
                let rows = first_row..promised.min(first_row + batch_rows);
                let known = file.take_error(&place).or_else(|| column_error(&input, group, rows));
                Some(Err(known.unwrap_or_else(|| io_errors::arrow(place.clone(), "read", error))))
            }
            None if first_row != promised => {
                let what = format!(
                    "holds {first_row} rows where the footer promises {promised}; write the file again"
                );
                Some(Err(Error::bad_data(place.clone(), what)))
            }
            None => None,
        };
        ended = !matches!(batch, Some(Ok(_)));
        batch
    }))
}

/// The error of the first column whose rows can't be read on their own.
fn column_error(input: &Input, group: usize, rows: Range<usize>) -> Option<Error> {
    input.schema().fields().iter().enumerate().find_map(|(position, field)| {
        let column = ColumnReader::open(input, position, field.name(), group, rows.clone(), rows.len());
        column.and_then(|mut column| column.read(rows.len())).err()
    })
}
