//! The writer of record batches with columns added: an Arrow IPC stream, flushed after every
//! batch, a Parquet file, which gets its name when it is complete, or a channel to another thread.

use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use crossbeam_channel::Sender;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Type as PhysicalType};
use parquet::encryption::encrypt::FileEncryptionProperties;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use crate::error::{Error, Place, Result};
use crate::parquet_file::{catch_panics, check_new_fields};
use crate::storage::block_writer::{BlockWriter, FirstError};
use crate::storage::{Staged, io_errors};

use super::batch_source::BatchSource;
use super::key_values;
use super::parquet_types::check_storable;
use super::stored_types::{parquet_schema, stored_column, stored_schema};

/// Writes record batches and their new columns.
pub struct RowWriter {
    schema: SchemaRef,
    source_columns: SourceColumns,
    destination: Destination,
}

/// What becomes of the columns of the source in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceColumns {
    /// They precede the new columns.
    Kept,
    /// The stream has the new columns alone; its schema keeps the source's metadata.
    Omitted,
}

enum Destination {
    Stream(Box<StreamWriter<BufWriter<CountingWriter>>>, Place),
    File(Box<FileDestination>),
    Channel(Sender<RecordBatch>),
}

struct FileDestination {
    writer: ArrowWriter<BlockWriter>,
    failure: FirstError,
    staged: Staged,
    /// Where the rows come from.
    source: Place,
}

/// Rows that are written completely. A file that is not published is removed.
#[derive(Debug)]
pub struct ClosedRows {
    staged: Option<Staged>,
    bytes: u64,
}

/// The new columns and key-values of an output.
#[derive(Debug, Clone, Copy)]
pub struct NewColumns<'a> {
    /// The new columns: nullable, Float32 or Int32.
    pub fields: &'a [Field],
    /// Key-values of the output; they replace the source's of the same keys.
    pub key_values: &'a [KeyValue],
}

impl RowWriter {
    /// Begins an Arrow IPC stream; its schema is written at once.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is a column of a new name already; [`Error::Io`];
    /// [`Error::BadData`] where a type has no place in a stream.
    pub fn stream(
        rows: &BatchSource<'_>,
        new_columns: NewColumns<'_>,
        source_columns: SourceColumns,
        out: impl Write + Send + 'static,
        place: Place,
    ) -> Result<Self> {
        let pairs = key_values(rows, new_columns)?;
        let metadata: HashMap<String, String> =
            pairs.into_iter().filter_map(|pair| Some((pair.key, pair.value?))).collect();
        let old = match source_columns {
            SourceColumns::Kept => rows.schema().fields(),
            SourceColumns::Omitted => &Fields::empty(),
        };
        let schema = Arc::new(extended(old, new_columns.fields, metadata));
        let out = BufWriter::new(CountingWriter { out: Box::new(out), bytes: 0 });
        let writer = StreamWriter::try_new(out, &schema).and_then(|mut writer| {
            writer.flush()?;
            Ok(writer)
        });
        let writer = writer.map_err(|e| stream_error(&place, e))?;
        Ok(Self { schema, source_columns, destination: Destination::Stream(Box::new(writer), place) })
    }

    /// Begins to send the new columns to another thread, a batch for each one of the source.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is a column of a new name already.
    pub fn channel(
        rows: &BatchSource<'_>,
        new_columns: NewColumns<'_>,
        annotated: Sender<RecordBatch>,
    ) -> Result<Self> {
        let pairs = key_values(rows, new_columns)?;
        let metadata = pairs.into_iter().filter_map(|pair| Some((pair.key, pair.value?))).collect();
        let schema = Arc::new(extended(&Fields::empty(), new_columns.fields, metadata));
        let source_columns = SourceColumns::Omitted;
        Ok(Self { schema, source_columns, destination: Destination::Channel(annotated) })
    }

    /// Begins a Parquet file: Snappy, row groups of at most `row_group_bytes`, and no
    /// dictionaries for the values of the columns in `dense`, all of which differ; encrypted where
    /// `encryption` says how.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is a column of a new name already; [`Error::Io`];
    /// [`Error::BadData`] where a type has no place in Parquet.
    pub fn file(
        rows: &BatchSource<'_>,
        new_columns: NewColumns<'_>,
        staged: Staged,
        dense: &[&str],
        row_group_bytes: usize,
        encryption: Option<Arc<FileEncryptionProperties>>,
    ) -> Result<Self> {
        let pairs = key_values(rows, new_columns)?;
        let schema = extended(rows.schema().fields(), new_columns.fields, rows.schema().metadata().clone());
        let schema = Arc::new(stored_schema(&schema));
        check_storable(&schema, rows.place())?;
        let no_place = |error: ParquetError| {
            Error::bad_data(rows.place().clone(), format!("cannot become Parquet: {error}; cast that column"))
        };
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_bytes(Some(row_group_bytes.max(1)))
            .set_key_value_metadata(Some(pairs));
        if let Some(encryption) = encryption {
            properties = properties.with_file_encryption_properties(encryption);
        }
        let leaves = parquet_schema(&schema, rows.parquet_schema()).map_err(no_place)?;
        for leaf in leaves.columns() {
            let Some(root) = leaf.path().parts().first() else { continue };
            let is_dense =
                dense.contains(&root.as_str()) || new_columns.fields.iter().any(|field| field.name() == root);
            if is_dense && leaf.physical_type() != PhysicalType::BYTE_ARRAY {
                properties = properties.set_column_dictionary_enabled(leaf.path().clone(), false);
            }
        }
        let (sink, failure) = BlockWriter::new(staged.writer()?);
        let options =
            ArrowWriterOptions::new().with_properties(properties.build()).with_parquet_schema(leaves);
        let writer = ArrowWriter::try_new_with_options(sink, schema.clone(), options);
        let (writer, source) = (writer.map_err(no_place)?, rows.place().clone());
        let file = FileDestination { writer, failure, staged, source };
        Ok(Self {
            schema,
            source_columns: SourceColumns::Kept,
            destination: Destination::File(Box::new(file)),
        })
    }

    /// A batch without rows that tells another thread the schema, and the channel to it, where one is the destination.
    pub fn schema_message(&self) -> Option<(RecordBatch, Sender<RecordBatch>)> {
        match &self.destination {
            Destination::Channel(annotated) => {
                Some((RecordBatch::new_empty(Arc::clone(&self.schema)), annotated.clone()))
            }
            Destination::Stream(..) | Destination::File(_) => None,
        }
    }

    /// Writes a batch and its new columns.
    ///
    /// # Errors
    /// [`Error::Internal`] where they do not fit together; [`Error::Io`]. A reader that
    /// has closed a stream gives one of the kind [`io::ErrorKind::BrokenPipe`].
    pub fn write(&mut self, rows: &RecordBatch, new: Vec<ArrayRef>) -> Result<()> {
        let old = match self.source_columns {
            SourceColumns::Kept => rows.columns(),
            SourceColumns::Omitted => &[],
        };
        let columns = old.iter().cloned().chain(new).zip(self.schema.fields());
        let columns = columns
            .map(|(column, field)| match &self.destination {
                Destination::File(file) => stored_column(&column, field.data_type())
                    .map_err(|e| Error::bad_data(file.source.clone().column(field.name()), e.to_string())),
                Destination::Stream(..) | Destination::Channel(_) => Ok(column),
            })
            .collect::<Result<Vec<_>>>()?;
        let batch = RecordBatch::try_new(self.schema.clone(), columns);
        let batch = batch.map_err(|e| Error::Internal(e.to_string()))?;
        match &mut self.destination {
            Destination::Stream(writer, place) => {
                writer.write(&batch).and_then(|()| writer.flush()).map_err(|error| stream_error(place, error))
            }
            Destination::File(file) => {
                let written = catch_panics(|| file.writer.write(&batch));
                written.map_err(|error| file_error(&file.staged, &file.failure, &file.source, &error))
            }
            Destination::Channel(annotated) => send(annotated, batch),
        }
    }

    /// Adds a key-value that is known at the end only, to the footer of a file. A stream
    /// ignores it, since its metadata is written before its rows.
    pub fn set_key_value(&mut self, key: &str, value: String) {
        if let Destination::File(file) = &mut self.destination {
            file.writer.append_key_value_metadata(KeyValue::new(key.to_owned(), value));
        }
    }

    /// Writes the end; a file gets its name. Returns the size in bytes.
    ///
    /// # Errors
    /// As for [`RowWriter::close`] and [`ClosedRows::publish`].
    pub fn finish(self) -> Result<u64> {
        self.close()?.publish()
    }

    /// Writes the end; a file has no name yet, so that several can be published together.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::BadData`] of values that Parquet does not hold.
    pub fn close(self) -> Result<ClosedRows> {
        match self.destination {
            Destination::Stream(mut writer, place) => {
                writer.finish().map_err(|error| stream_error(&place, error))?;
                Ok(ClosedRows { staged: None, bytes: writer.get_ref().get_ref().bytes })
            }
            Destination::File(file) => {
                let FileDestination { writer, failure, staged, source } = *file;
                // Closing drops the block writer, which writes its last block.
                let closed = catch_panics(|| writer.close());
                if let Some(error) = failure.take() {
                    return Err(io_errors::io(Place::file(staged.path().display()), "write", error));
                }
                closed.map_err(|error| file_error(&staged, &failure, &source, &error))?;
                let bytes = staged.bytes()?;
                Ok(ClosedRows { staged: Some(staged), bytes })
            }
            // What was sent is written nowhere.
            Destination::Channel(_) => Ok(ClosedRows { staged: None, bytes: 0 }),
        }
    }
}

impl ClosedRows {
    /// Gives a file its name. Returns the size in bytes.
    ///
    /// # Errors
    /// [`Error::OutputExists`] where a file of this name has appeared meanwhile; [`Error::Io`];
    /// [`Error::Transient`] of a store.
    pub fn publish(self) -> Result<u64> {
        self.staged.map_or(Ok(()), Staged::commit)?;
        Ok(self.bytes)
    }
}

impl std::fmt::Debug for RowWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowWriter").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// The rows' metadata with the new ones, in the order of their keys.
fn key_values(rows: &BatchSource<'_>, new_columns: NewColumns<'_>) -> Result<Vec<KeyValue>> {
    check_new_fields(rows.schema(), rows.place(), new_columns.fields)?;
    let old = rows.schema().metadata().iter();
    let mut old: Vec<_> = old.map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
    old.sort_by(|a, b| a.key.cmp(&b.key));
    key_values::extend(&old, new_columns.fields, new_columns.key_values)
        .map_err(|what| Error::bad_data(rows.place().clone(), what))
}

fn extended(old: &Fields, new: &[Field], metadata: HashMap<String, String>) -> Schema {
    let fields = old.iter().cloned().chain(new.iter().cloned().map(Arc::new));
    Schema::new_with_metadata(fields.collect::<Vec<_>>(), metadata)
}

fn stream_error(place: &Place, error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, source) => io_errors::io(place.clone(), "write", source),
        other => Error::bad_data(place.clone(), format!("cannot be written as an Arrow IPC stream: {other}")),
    }
}

/// A failed write, or values from `source` that Parquet does not hold.
fn file_error(staged: &Staged, failure: &FirstError, source: &Place, error: &ParquetError) -> Error {
    match failure.take() {
        Some(error) => io_errors::io(Place::file(staged.path().display()), "write", error),
        None => Error::bad_data(source.clone(), format!("cannot become Parquet: {error}")),
    }
}

fn send(annotated: &Sender<RecordBatch>, batch: RecordBatch) -> Result<()> {
    let closed = |_| Error::io(Place::file("the annotated rows"), "write", io::ErrorKind::BrokenPipe.into());
    annotated.send(batch).map_err(closed)
}

/// Counts the bytes written.
struct CountingWriter {
    out: Box<dyn Write + Send>,
    bytes: u64,
}

impl Write for CountingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
