//! The re-encoding writer, for encrypted inputs, whose pages cannot be decrypted in another
//! file: every column is decoded, through Arrow, and encoded and encrypted again with the
//! same keys. Memory does not grow with the row group: the encoded pages of a column chunk
//! spill to a temporary file until the chunk is complete.
//!
//! Kept are values, the schema with its names, nesting, field ids and annotations (but
//! decimals take their shortest form), row groups, compression (with its default level),
//! statistics and page indexes where there were any (computed anew), sorting columns,
//! key-values, keys and their metadata, and which columns are encrypted.
//! Not kept are pages and their versions, encodings other than dictionaries and plain
//! values, bloom filters (they would not be encrypted), an AAD prefix that the file holds
//! and the user has not given, and `created_by`. Nonces are random, so that two runs do
//! not give the same bytes. INT96 and INTERVAL values may not fit into Arrow's types;
//! files with them are refused.

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{ConvertedType, Type as PhysicalType};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{SchemaDescriptor, Type};

use crate::error::{Error, Place, Result};
use crate::parquet_file::{ColumnReader, Encryption, Input, catch_panics};
use crate::storage::block_writer::BlockWriter;
use crate::storage::{Staged, io_errors, temporary_folder};

use super::appended_columns::{AppendedColumns, extended_schema, statistics_level, writable};
use super::output_file::{OutputFile, check_row_groups};
use super::row_group_error::RowGroupError;
use super::spill::SpillStoreFactory;

/// Approximate bytes of a column that are decoded at once.
const BATCH_BYTES: usize = 8 << 20;
/// Maximum of rows that are decoded at once.
const BATCH_ROWS: usize = 8192;
/// Maximum of values in a column chunk with a dictionary: its pages are held in memory until
/// the dictionary is complete.
const DICTIONARY_VALUES: i64 = 1 << 24;

/// Writes a copy of an encrypted input with more columns, encrypted in the same way.
pub struct Reencoder {
    file: OutputFile,
    /// Fields of the old columns.
    schema: SchemaRef,
    /// Leaves of each old column.
    leaves: Vec<usize>,
    new_fields: Vec<FieldRef>,
    writer: SerializedFileWriter<BlockWriter>,
    columns: ArrowRowGroupWriterFactory,
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
        input.check_keys()?;
        check_row_groups(input)?;
        check_representable(input)?;
        let spill_folder = temporary_folder(staged.path());
        let (file, sink) = OutputFile::create(input, staged, new_fields, key_values)?;
        let like = like.iter().map(|name| Ok(input.column(name)?.0)).collect::<Result<Vec<_>>>()?;

        let old = old_schema(input).map_err(read)?;
        let schema = extended_schema(&old, new_fields).map_err(read)?;
        let encrypted = encryption.properties_for_copy(input.metadata(), &schema, &like).map_err(read)?;
        let properties = properties(input, &schema).with_file_encryption_properties(encrypted).build();
        let writer = SerializedFileWriter::new(sink, schema.root_schema_ptr(), Arc::new(properties));
        let writer = writer.map_err(|error| write_error(&file, file.place(), error))?;

        // The schema's metadata is in the key-values already.
        let fields = Arc::new(Schema::new(input.schema().fields().clone()));
        let new_fields: Vec<FieldRef> = new_fields.iter().cloned().map(Arc::new).collect();
        let all: Vec<FieldRef> = fields.fields().iter().chain(&new_fields).cloned().collect();
        let spills = Arc::new(SpillStoreFactory { folder: spill_folder });
        let columns = ArrowRowGroupWriterFactory::new(&writer, Arc::new(Schema::new(all)));
        let columns = columns.with_page_store_factory(spills);
        let old = SchemaDescriptor::new(Arc::new(old));
        let leaves = (0..fields.fields().len()).map(|root| leaves_of(&old, root).count()).collect();
        Ok(Self { file, schema: fields, leaves, new_fields, writer, columns })
    }

    pub(super) fn row_group(
        &mut self,
        index: usize,
        append: impl FnOnce(&mut AppendedColumns) -> Result<()>,
    ) -> Result<()> {
        self.file.check_next(index)?;
        self.encode(index, append).map_err(|error| {
            let place = self.file.place().row_group(index);
            error.into_error(index, |error| write_error(&self.file, place, error))
        })?;
        self.file.advance();
        Ok(())
    }

    pub(super) fn set_key_value(&mut self, key: &str, value: String) {
        self.file.set_key_value(key, value);
    }

    pub(super) fn finish(mut self) -> Result<u64> {
        for pair in self.file.take_key_values()? {
            self.writer.append_key_value_metadata(pair);
        }
        let written = self.writer.finish();
        // The last block is written when the block writer is dropped.
        drop(self.writer);
        self.file.commit(written)
    }

    fn encode(
        &mut self,
        index: usize,
        append: impl FnOnce(&mut AppendedColumns) -> Result<()>,
    ) -> std::result::Result<(), RowGroupError> {
        let input = self.file.input();
        let rows = input.rows_in(index);
        let mut encoders = self.columns.create_column_writers(index)?.into_iter();
        let mut group = self.writer.next_row_group()?;
        for (position, (field, &leaves)) in self.schema.fields().iter().zip(&self.leaves).enumerate() {
            let mut encoders: Vec<ArrowColumnWriter> = encoders.by_ref().take(leaves).collect();
            let batch = batch_rows(input, index, position);
            if rows > 0 {
                let name = field.name();
                let mut reader = ColumnReader::open(input, position, name, index, 0..rows, batch)?;
                for start in (0..rows).step_by(batch) {
                    let array = reader.read(batch.min(rows - start))?;
                    catch_panics(|| -> ParquetResult<()> {
                        let leaves = compute_leaves(field, &array)?;
                        encoders.iter_mut().zip(leaves).try_for_each(|(encoder, leaf)| encoder.write(&leaf))
                    })?;
                }
            }
            for encoder in encoders {
                encoder.close()?.append_to_row_group(&mut group)?;
            }
        }
        let mut columns =
            AppendedColumns::new(&self.new_fields, encoders, self.file.place().row_group(index));
        append(&mut columns)?;
        columns.finish(&mut group, rows)?;
        group.close()?;
        Ok(())
    }
}

impl std::fmt::Debug for Reencoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reencoder").field("file", &self.file).finish_non_exhaustive()
    }
}

/// An error of writing: the block writer's, which has the system's text, else the crate's.
fn write_error(file: &OutputFile, place: Place, error: ParquetError) -> Error {
    file.write_error(place.clone()).unwrap_or_else(|| io_errors::parquet(place, "write", error))
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

/// The physical types, lengths and levels of the leaves of a top-level column.
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

/// Properties like those of the first row group; of the new columns, like those of its
/// first column.
fn properties(input: &Input, schema: &SchemaDescriptor) -> WriterPropertiesBuilder {
    let metadata = input.metadata();
    let statistics = statistics_level(input);
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
