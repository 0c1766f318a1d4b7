//! The encoder of the new columns: nullable Float32 or Int32, compressed as the input's first column.
//! Both writers append new columns in this way; the splicing one into a row group of
//! its own, whose column chunks then follow the copied ones.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, AsArray, PrimitiveArray};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, Float32Type, Int32Type as ArrowInt32Type};
use parquet::basic::{Compression, Repetition, Type as PhysicalType};
use parquet::bloom_filter::Sbbf;
use parquet::data_type::{self, FloatType, Int32Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr, WriterVersion};
use parquet::file::writer::{SerializedColumnWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor, Type};

use crate::output::row_group_error::RowGroupError;
use crate::parquet_file::Input;
use crate::storage::block_writer::BlockWriter;

use super::chunk::{Chunk, offset};

/// Encodes the new columns of one row group after the other as column chunks.
pub(super) struct NewColumnEncoder {
    schema: SchemaDescPtr,
    properties: WriterPropertiesPtr,
}

impl NewColumnEncoder {
    pub(super) fn new(input: &Input, new_fields: &[Field]) -> ParquetResult<Self> {
        let name = input.metadata().file_metadata().schema().name();
        let schema = extended_schema(&Type::group_type_builder(name).build()?, new_fields)?;
        Ok(Self { schema: Arc::new(schema), properties: Arc::new(page_properties(input)) })
    }

    /// Writes the column chunks of `columns`, each of which has `rows` rows.
    pub(super) fn encode<P, C>(
        &self,
        out: &mut BlockWriter,
        columns: C,
        rows: usize,
        ordinal: i16,
    ) -> Result<Vec<Chunk>, RowGroupError>
    where
        C: IntoIterator<Item = P>,
        P: IntoIterator<Item: Array>,
    {
        // The crate counts from the start of the writer that it is given.
        let shift = offset(out.position())?;
        let mut out = TrackedWrite::new(out);
        let mut written = None;
        let on_close = |_: &mut TrackedWrite<_>,
                        group: RowGroupMetaData,
                        _: Vec<Option<Sbbf>>,
                        column_index: Vec<Option<ColumnIndexMetaData>>,
                        offset_index: Vec<Option<OffsetIndexMetaData>>| {
            written = Some((group, column_index, offset_index));
            Ok(())
        };
        let (schema, properties) = (Arc::clone(&self.schema), Arc::clone(&self.properties));
        let mut writer =
            SerializedRowGroupWriter::new(schema, properties, &mut out, ordinal, Some(Box::new(on_close)));
        append_columns(&mut writer, columns, self.schema.num_columns(), rows)?;
        writer.close()?;
        out.flush().map_err(ParquetError::from)?;
        let (group, column_index, offset_index) =
            written.ok_or_else(|| RowGroupError::Mismatch("it was not closed".to_owned()))?;
        let chunks = group.columns().iter().cloned().zip(column_index.into_iter().zip(offset_index));
        let chunks = chunks.map(|(metadata, (column_index, offset_index))| {
            Chunk { metadata, bloom_filter: None, column_index, offset_index }.shifted(shift)
        });
        Ok(chunks.collect::<ParquetResult<_>>()?)
    }
}

/// Appends `count` new columns of `rows` rows to a row group, each given as a sequence of arrays.
pub(in crate::output) fn append_columns<W, P, C>(
    writer: &mut SerializedRowGroupWriter<'_, W>,
    columns: C,
    count: usize,
    rows: usize,
) -> Result<(), RowGroupError>
where
    W: Write + Send,
    C: IntoIterator<Item = P>,
    P: IntoIterator<Item: Array>,
{
    let mut appended = 0;
    for pieces in columns {
        append_column(writer, pieces, rows)?;
        appended += 1;
    }
    if appended != count {
        return Err(RowGroupError::Mismatch(format!("{appended} of {count} columns were given")));
    }
    Ok(())
}

fn append_column<W: Write + Send>(
    writer: &mut SerializedRowGroupWriter<'_, W>,
    pieces: impl IntoIterator<Item: Array>,
    rows: usize,
) -> Result<(), RowGroupError> {
    let mut column = writer
        .next_column()?
        .ok_or_else(|| RowGroupError::Mismatch("more columns than fields".to_owned()))?;
    let mut written = 0;
    for piece in pieces {
        let array: &dyn Array = &piece;
        if let Some(piece) = array.as_primitive_opt::<Float32Type>() {
            append_piece::<FloatType, _>(&mut column, piece)?;
        } else if let Some(piece) = array.as_primitive_opt::<ArrowInt32Type>() {
            append_piece::<Int32Type, _>(&mut column, piece)?;
        } else {
            return Err(RowGroupError::Mismatch(format!("a new column is {}", piece.data_type())));
        }
        written += piece.len();
    }
    if written != rows {
        let what = format!("a new column has {written} rows, the row group {rows}");
        return Err(RowGroupError::Mismatch(what));
    }
    column.close()?;
    Ok(())
}

fn append_piece<P, A>(
    column: &mut SerializedColumnWriter<'_>,
    piece: &PrimitiveArray<A>,
) -> Result<(), ParquetError>
where
    P: data_type::DataType<T = A::Native>,
    A: ArrowPrimitiveType,
{
    let levels: Vec<i16> = (0..piece.len()).map(|row| i16::from(piece.is_valid(row))).collect();
    let present: Vec<A::Native>;
    let values = if piece.null_count() == 0 {
        piece.values()
    } else {
        present = piece.iter().flatten().collect();
        &present[..]
    };
    column.typed::<P>().write_batch(values, Some(&levels), None).map(drop)
}

/// A schema with the new columns behind its own.
pub(in crate::output) fn extended_schema(
    old: &Type,
    new_fields: &[Field],
) -> ParquetResult<SchemaDescriptor> {
    let mut fields = old.get_fields().to_vec();
    for field in new_fields {
        let physical = match field.data_type() {
            DataType::Int32 => PhysicalType::INT32,
            _ => PhysicalType::FLOAT,
        };
        let column = Type::primitive_type_builder(field.name(), physical);
        fields.push(Arc::new(column.with_repetition(Repetition::OPTIONAL).build()?));
    }
    let root = Type::group_type_builder(old.name()).with_fields(fields).build()?;
    Ok(SchemaDescriptor::new(Arc::new(root)))
}

/// The compression of the input's first column; a page index where the input has one (a file has it
/// in all columns or in none); v1 pages, which every reader supports.
fn page_properties(input: &Input) -> WriterProperties {
    let metadata = input.metadata();
    let first = metadata.row_groups().first().and_then(|group| group.columns().first());
    let compression = first.map_or(Compression::UNCOMPRESSED, |chunk| writable(chunk.compression()));
    WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_dictionary_enabled(false)
        .set_compression(compression)
        .set_statistics_enabled(statistics_level(input))
        .set_offset_index_disabled(metadata.offset_index().is_none())
        .build()
}

/// Statistics of pages where the input has a column index, else of column chunks.
pub(in crate::output) fn statistics_level(input: &Input) -> EnabledStatistics {
    match input.metadata().column_index() {
        Some(_) => EnabledStatistics::Page,
        None => EnabledStatistics::Chunk,
    }
}

/// The nearest compression that can be written.
pub(in crate::output) fn writable(compression: Compression) -> Compression {
    match compression {
        Compression::LZ4 => Compression::LZ4_RAW,
        Compression::LZO => Compression::UNCOMPRESSED,
        other => other,
    }
}
