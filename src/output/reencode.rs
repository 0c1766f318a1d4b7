//! The writer for encrypted inputs, whose pages mean nothing in another file: every
//! column is decoded, through Arrow, and encoded and encrypted again with the same
//! keys. Memory does not grow with the row group: a column chunk's pages that wait for
//! the chunk's end go to a temporary file.
//!
//! Kept are values, the schema with its names, nesting, field ids and annotations (but
//! decimals take their shortest form), row groups, compression (with its default level),
//! statistics and page indexes where there were any (computed anew), sorting columns,
//! key-values, keys and what the file says of them, and which columns are encrypted.
//! Not kept are pages and their versions, encodings other than dictionaries and plain
//! values, bloom filters (they would not be encrypted), an AAD prefix that the file holds
//! and the user has not given, and `created_by`. Nonces are random, so that two runs do
//! not give the same bytes. INT96 and INTERVAL values may not fit into Arrow's types;
//! files with them are refused.

use std::sync::Arc;

use arrow::array::Float32Array;
use arrow::datatypes::{Field, Schema, SchemaRef};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{ConvertedType, Type as PhysicalType};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{SchemaDescriptor, Type};

use crate::error::{Error, Place, Result};
use crate::parquet_file::{ColumnReader, Encryption, Input, check_new_fields};
use crate::storage::block_writer::{BlockWriter, FirstError};
use crate::storage::{Staged, io_errors, temporary_folder};

use super::key_values;
use super::spill::Spills;
use super::splice::{Stop, append_new, check_spliceable, extended_schema, writable};

/// Bytes of a column that are decoded at once, about.
const BATCH_BYTES: usize = 8 << 20;
/// Rows that are decoded at once at most.
const BATCH_ROWS: usize = 8192;
/// Values of a column chunk beyond which it gets no dictionary: its pages would wait in
/// memory for the dictionary's end.
const DICTIONARY_VALUES: i64 = 1 << 24;

/// Writes a copy of an encrypted input with more columns, encrypted in the same way.
pub struct Reencoder {
    input: Input,
    /// Fields of the old columns.
    schema: SchemaRef,
    /// Leaves of each old column.
    leaves: Vec<usize>,
    new_columns: usize,
    key_values: Vec<KeyValue>,
    writer: SerializedFileWriter<BlockWriter>,
    columns: ArrowRowGroupWriterFactory,
    failure: FirstError,
    row_groups: usize,
    staged: Staged,
}

impl Reencoder {
    /// As [`Writer::new`](super::Writer::new).
    pub(super) fn new(
        input: &Input,
        encryption: &Encryption,
        staged: Staged,
        new_fields: &[Field],
        like: &[&str],
        key_values: &[KeyValue],
    ) -> Result<Self> {
        let read = |error| io_errors::parquet(input.place(), "read", error);
        let bad_data = |what: String| Error::bad_data(input.place(), what);
        input.check_keys()?;
        check_spliceable(input)?;
        check_representable(input)?;
        check_new_fields(input.schema(), &input.place(), new_fields)?;
        let like = like.iter().map(|name| Ok(input.column(name)?.0)).collect::<Result<Vec<_>>>()?;
        let footer = input.metadata().file_metadata();
        let old_key_values = footer.key_value_metadata().map(Vec::as_slice).unwrap_or_default();
        let key_values = key_values::extend(old_key_values, new_fields, key_values).map_err(bad_data)?;

        let old = old_schema(input).map_err(read)?;
        let schema = extended_schema(&old, new_fields).map_err(read)?;
        let encrypted = encryption.properties_for_copy(input.metadata(), &schema, &like).map_err(read)?;
        let properties = properties(input, &schema).with_file_encryption_properties(encrypted).build();
        let (sink, failure) = BlockWriter::new(staged.writer()?);
        let output = Place::file(staged.path().display());
        let writer = SerializedFileWriter::new(sink, schema.root_schema_ptr(), Arc::new(properties));
        let writer = writer.map_err(|error| match failure.take() {
            Some(source) => io_errors::io(output.clone(), "write", source),
            None => io_errors::parquet(output, "write", error),
        })?;

        // The schema's metadata is in the key-values already.
        let fields = Arc::new(Schema::new(input.schema().fields().clone()));
        let spills = Arc::new(Spills { folder: temporary_folder(staged.path()) });
        let columns =
            ArrowRowGroupWriterFactory::new(&writer, fields.clone()).with_page_store_factory(spills);
        let old = SchemaDescriptor::new(Arc::new(old));
        let leaves = (0..fields.fields().len()).map(|root| leaves_of(&old, root).count()).collect();
        Ok(Self {
            input: input.clone(),
            schema: fields,
            leaves,
            new_columns: new_fields.len(),
            key_values,
            writer,
            columns,
            failure,
            row_groups: 0,
            staged,
        })
    }

    pub(super) fn row_group<P, C>(&mut self, index: usize, columns: C) -> Result<()>
    where
        C: IntoIterator<Item = P>,
        P: IntoIterator<Item = Float32Array>,
    {
        if index != self.row_groups || index >= self.input.metadata().num_row_groups() {
            return Err(Error::Internal(format!("row group {index} after {}", self.row_groups)));
        }
        self.encode(index, columns).map_err(|error| match error {
            Refusal::Ours(error) => error,
            Refusal::Rows(what) => Error::Internal(format!("row group {index}: {what}")),
            Refusal::Parquet(error) => {
                let output = Place::file(self.staged.path().display()).row_group(index);
                match self.failure.take() {
                    Some(source) => io_errors::io(output, "write", source),
                    None => io_errors::parquet(output, "write", error),
                }
            }
        })?;
        self.row_groups += 1;
        Ok(())
    }

    pub(super) fn set_key_value(&mut self, key: &str, value: String) {
        self.key_values.retain(|old| old.key != key);
        self.key_values.push(KeyValue::new(key.to_owned(), value));
    }

    pub(super) fn finish(mut self) -> Result<u64> {
        let expected = self.input.metadata().num_row_groups();
        if self.row_groups != expected {
            return Err(Error::Internal(format!(
                "{} of {expected} row groups were written",
                self.row_groups
            )));
        }
        for pair in std::mem::take(&mut self.key_values) {
            self.writer.append_key_value_metadata(pair);
        }
        let written = self.writer.finish();
        // What is buffered is written when the writer goes.
        drop(self.writer);
        let output = Place::file(self.staged.path().display());
        if let Some(source) = self.failure.take() {
            return Err(io_errors::io(output, "write", source));
        }
        written.map_err(|error| io_errors::parquet(output, "write", error))?;
        self.input.verify_unchanged()?;
        let bytes = self.staged.bytes()?;
        self.staged.commit()?;
        Ok(bytes)
    }

    fn encode<P, C>(&mut self, index: usize, columns: C) -> std::result::Result<(), Refusal>
    where
        C: IntoIterator<Item = P>,
        P: IntoIterator<Item = Float32Array>,
    {
        let rows = self.input.rows_in(index);
        let mut encoders = self.columns.create_column_writers(index)?.into_iter();
        let mut group = self.writer.next_row_group()?;
        for (position, (field, &leaves)) in self.schema.fields().iter().zip(&self.leaves).enumerate() {
            let mut encoders: Vec<ArrowColumnWriter> = encoders.by_ref().take(leaves).collect();
            let batch = batch_rows(&self.input, index, position);
            if rows > 0 {
                let name = field.name();
                let mut reader = ColumnReader::open(&self.input, position, name, index, 0..rows, batch)?;
                for start in (0..rows).step_by(batch) {
                    let array = reader.read(batch.min(rows - start))?;
                    for (encoder, leaf) in encoders.iter_mut().zip(compute_leaves(field, &array)?) {
                        encoder.write(&leaf)?;
                    }
                }
            }
            for encoder in encoders {
                encoder.close()?.append_to_row_group(&mut group)?;
            }
        }
        let mut appended = 0;
        for pieces in columns {
            append_new(&mut group, pieces, rows)?;
            appended += 1;
        }
        if appended != self.new_columns {
            return Err(Refusal::Rows(format!("{appended} of {} columns were given", self.new_columns)));
        }
        group.close()?;
        Ok(())
    }
}

impl std::fmt::Debug for Reencoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reencoder")
            .field("input", &self.input.file().path())
            .field("staged", &self.staged)
            .finish_non_exhaustive()
    }
}

/// Why a row group was not written.
enum Refusal {
    /// The input's fault, with its place.
    Ours(Error),
    /// The output's.
    Parquet(ParquetError),
    /// The caller's.
    Rows(String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl From<ParquetError> for Refusal {
    fn from(error: ParquetError) -> Self {
        Self::Parquet(error)
    }
}

impl From<Stop> for Refusal {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Parquet(error) => Self::Parquet(error),
            Stop::Rows(what) => Self::Rows(what),
        }
    }
}

fn check_representable(input: &Input) -> Result<()> {
    let schema = input.metadata().file_metadata().schema_descr();
    for column in schema.columns() {
        let what = match (column.physical_type(), column.converted_type()) {
            (PhysicalType::INT96, _) => "INT96 timestamps",
            (_, ConvertedType::INTERVAL) => "intervals",
            _ => continue,
        };
        let what = format!(
            "holds {what}, which may be changed where they are encoded again, as an encrypted file must be; \
             write them in another type"
        );
        return Err(Error::bad_data(input.place().column(column.path().string()), what));
    }
    Ok(())
}

/// The schema of the old columns: each column's own, unless Arrow writes its type in
/// another form.
fn old_schema(input: &Input) -> ParquetResult<Type> {
    let own = input.metadata().file_metadata().schema_descr();
    let arrow = ArrowSchemaConverter::new().convert(input.schema())?;
    let roots = own.root_schema().get_fields().iter().zip(arrow.root_schema().get_fields());
    let fields = roots.enumerate().map(|(root, (own_field, arrow_field))| {
        let same = leaves_of(own, root).eq(leaves_of(&arrow, root));
        Arc::clone(if same { own_field } else { arrow_field })
    });
    Type::group_type_builder(own.root_schema().name()).with_fields(fields.collect()).build()
}

/// What is written of the leaves of a top-level column: their physical types and levels.
fn leaves_of(
    schema: &SchemaDescriptor,
    root: usize,
) -> impl Iterator<Item = (PhysicalType, Option<i32>, i16, i16)> {
    let leaves = (0..schema.num_columns()).filter(move |leaf| schema.get_column_root_idx(*leaf) == root);
    leaves.map(|leaf| {
        let column = schema.column(leaf);
        let physical = column.physical_type();
        let length = (physical == PhysicalType::FIXED_LEN_BYTE_ARRAY).then(|| column.type_length());
        (physical, length, column.max_def_level(), column.max_rep_level())
    })
}

/// Properties after those of the first row group; of the new columns, after those of its
/// first column.
fn properties(input: &Input, schema: &SchemaDescriptor) -> WriterPropertiesBuilder {
    let metadata = input.metadata();
    let statistics = match metadata.column_index() {
        Some(_) => EnabledStatistics::Page,
        None => EnabledStatistics::Chunk,
    };
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("lsmi-etl version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_dictionary_enabled(false)
        .set_statistics_enabled(statistics)
        .set_offset_index_disabled(metadata.offset_index().is_none());
    let Some(group) = metadata.row_groups().first() else { return properties };
    properties = properties.set_sorting_columns(group.sorting_columns().cloned());
    if let Some(first) = group.columns().first() {
        properties = properties.set_compression(writable(first.compression()));
    }
    for (column, chunk) in schema.columns().iter().zip(group.columns()) {
        let path = column.path();
        let statistics = if chunk.statistics().is_some() { statistics } else { EnabledStatistics::None };
        properties = properties
            .set_column_compression(path.clone(), writable(chunk.compression()))
            .set_column_dictionary_enabled(path.clone(), has_dictionary(chunk))
            .set_column_statistics_enabled(path.clone(), statistics);
    }
    properties
}

fn has_dictionary(chunk: &ColumnChunkMetaData) -> bool {
    chunk.dictionary_page_offset().is_some_and(|offset| offset > 0) && chunk.num_values() <= DICTIONARY_VALUES
}

/// Rows of a column that are decoded at once.
fn batch_rows(input: &Input, row_group: usize, position: usize) -> usize {
    let group = input.metadata().row_group(row_group);
    let schema = input.metadata().file_metadata().schema_descr();
    let leaves = (0..schema.num_columns()).filter(|leaf| schema.get_column_root_idx(*leaf) == position);
    let bytes: i64 = leaves.map(|leaf| group.column(leaf).uncompressed_size()).sum();
    let bytes = usize::try_from(bytes).unwrap_or(0);
    let row_bytes = bytes / input.rows_in(row_group).max(1) + 1;
    (BATCH_BYTES / row_bytes).clamp(1, BATCH_ROWS)
}

#[cfg(test)]
mod tests;
