//! The splicing writer: a copy of a Parquet file with columns appended. The old
//! column chunks are copied byte for byte, and everything the format lets a copy
//! keep is kept: dictionaries, encodings, compression, statistics, size
//! statistics, page indexes, bloom filters, sorting columns, key-values, the
//! schema with its field ids, and `created_by`, by which readers know the habits
//! of whoever wrote the pages.
//!
//! Not kept, since the Parquet crate does not read them: key-values of single
//! column chunks, page indexes of a file in which only some columns have them.
//! Column orders other than the type's own cannot be written, so that columns of
//! another order, or of none, lose their minima and maxima. Encrypted files cannot be
//! spliced at all; [`Reencoder`](super::reencode::Reencoder) writes those.
//!
//! A large column chunk lies in the pages of memory and disk as it does in the input, so
//! that the system can hand them on without copying a byte; less than a page of zeros
//! stands before it where that takes some.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, Float32Array};
use arrow::datatypes::Field;
use parquet::basic::{Compression, Repetition, Type as PhysicalType};
use parquet::bloom_filter::Sbbf;
use parquet::data_type::FloatType;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{
    FileMetaData, KeyValue, ParquetMetaDataBuilder, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr, WriterVersion};
use parquet::file::writer::{SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor, Type};

use crate::error::{Error, Place, Result};
use crate::parquet_file::{Input, check_new_fields};
use crate::storage::block_writer::{BlockWriter, FirstError};
use crate::storage::{SourceFile, Staged, io_errors};

use self::chunk::{Chunk, is_ordered, offset, portable};
use super::key_values;

mod chunk;
mod footer;

/// Parquet numbers row groups with 16 bits, of which one is the sign.
const MAX_ROW_GROUPS: usize = i16::MAX as usize;

/// Writes a copy of an input with more columns, row group by row group.
pub struct SpliceWriter {
    input: Input,
    source: SourceFile,
    schema: SchemaDescPtr,
    /// Of the new columns alone.
    new_schema: SchemaDescPtr,
    key_values: Vec<KeyValue>,
    properties: WriterPropertiesPtr,
    out: BlockWriter,
    failure: FirstError,
    row_groups: Vec<Spliced>,
    staged: Staged,
}

/// What the footer says of a row group that is written.
struct Spliced {
    metadata: RowGroupMetaData,
    column_index: Vec<ColumnIndexMetaData>,
    offset_index: Option<Vec<OffsetIndexMetaData>>,
}

impl SpliceWriter {
    /// Starts a file with the columns of `input` and then `new_fields`, nullable
    /// and all Float32. `key_values` replace the input's of the same keys.
    ///
    /// # Errors
    /// [`Error::Usage`] where the input has a column of a new name already;
    /// [`Error::BadData`] where it cannot be spliced; [`Error::Io`].
    pub fn new(input: &Input, staged: Staged, new_fields: &[Field], key_values: &[KeyValue]) -> Result<Self> {
        let footer = input.metadata().file_metadata();
        check_spliceable(input)?;
        check_new_fields(input.schema(), &input.place(), new_fields)?;
        let bad_data = |what: String| Error::bad_data(input.place(), what);
        let old_key_values = footer.key_value_metadata().map(Vec::as_slice).unwrap_or_default();
        let key_values = key_values::extend(old_key_values, new_fields, key_values).map_err(bad_data)?;
        let parse = |error| io_errors::parquet(input.place(), "read", error);
        let schema = extended_schema(footer.schema(), new_fields).map_err(parse)?;
        let none = Type::group_type_builder(footer.schema().name()).build().map_err(parse)?;
        let new_schema = extended_schema(&none, new_fields).map_err(parse)?;

        let (mut out, failure) = BlockWriter::new(staged.writer()?);
        // It stays in a block's memory: nothing can go wrong yet.
        out.write_all(b"PAR1").map_err(|error| parse(error.into()))?;
        Ok(Self {
            // A clone reads ahead for itself.
            source: input.file().clone(),
            input: input.clone(),
            schema: Arc::new(schema),
            new_schema: Arc::new(new_schema),
            key_values,
            properties: Arc::new(new_page_properties(input)),
            out,
            failure,
            row_groups: Vec::new(),
            staged,
        })
    }

    /// Copies the next row group, `index`, and appends its new columns, each given
    /// as the pieces it was computed in.
    ///
    /// # Errors
    /// [`Error::Internal`] where row groups come out of order or the columns have
    /// another number of rows than the row group; [`Error::Io`] and
    /// [`Error::BadData`] of the input or the output.
    pub fn row_group<P, C>(&mut self, index: usize, columns: C) -> Result<()>
    where
        C: IntoIterator<Item = P>,
        P: IntoIterator<Item = Float32Array>,
    {
        if index != self.row_groups.len() || index >= self.input.metadata().num_row_groups() {
            return Err(Error::Internal(format!("row group {index} after {}", self.row_groups.len())));
        }
        let spliced = self.splice(index, columns).map_err(|error| match error {
            Stop::Parquet(error) => self.fault_in(error, Some(index)),
            Stop::Rows(what) => Error::Internal(format!("row group {index}: {what}")),
        })?;
        self.row_groups.push(spliced);
        Ok(())
    }

    /// Replaces or adds a key-value of the footer, which is written last.
    pub fn set_key_value(&mut self, key: &str, value: String) {
        self.key_values.retain(|old| old.key != key);
        self.key_values.push(KeyValue::new(key.to_owned(), value));
    }

    /// Writes the footer, makes sure that the input is still what it was, and
    /// gives the output its name. Returns its size in bytes.
    ///
    /// # Errors
    /// [`Error::Transient`] where the input was changed meanwhile, [`Error::Io`],
    /// [`Error::OutputExists`].
    pub fn finish(self) -> Result<u64> {
        let expected = self.input.metadata().num_row_groups();
        if self.row_groups.len() != expected {
            return Err(Error::Internal(format!(
                "{} of {expected} row groups were written",
                self.row_groups.len()
            )));
        }
        let old = self.input.metadata().file_metadata();
        let mut metadata = Vec::with_capacity(expected);
        let mut column_index = Vec::with_capacity(expected);
        let mut offset_index = Vec::with_capacity(expected);
        for group in self.row_groups {
            metadata.push(group.metadata);
            column_index.push(group.column_index);
            offset_index.extend(group.offset_index);
        }
        let rows = metadata.iter().map(RowGroupMetaData::num_rows).sum();
        let created_by = old.created_by().unwrap_or(concat!("lsmi-etl version ", env!("CARGO_PKG_VERSION")));
        let key_values = (!self.key_values.is_empty()).then_some(self.key_values);
        let footer = FileMetaData::new(
            old.version(),
            rows,
            Some(created_by.to_owned()),
            key_values,
            self.schema,
            None,
        );
        let metadata = ParquetMetaDataBuilder::new(footer)
            .set_row_groups(metadata)
            .set_column_index(Some(column_index))
            .set_offset_index((!offset_index.is_empty()).then_some(offset_index))
            .build();
        let output = Place::file(self.staged.path().display());
        let written = footer::begin(self.out)
            .map_err(ParquetError::from)
            .and_then(|out| ParquetMetaDataWriter::new_with_tracked(out, &metadata).finish());
        // The crate's writer drops its buffer without asking how that went.
        if let Some(source) = self.failure.take() {
            return Err(io_errors::io(output, "write", source));
        }
        written.map_err(|error| io_errors::parquet(output.clone(), "write", error))?;
        self.input.verify_unchanged()?;
        let bytes = self.staged.bytes()?;
        self.staged.commit()?;
        Ok(bytes)
    }

    fn splice<P, C>(&mut self, index: usize, columns: C) -> Spliceable<Spliced>
    where
        C: IntoIterator<Item = P>,
        P: IntoIterator<Item = Float32Array>,
    {
        let metadata = Arc::clone(self.input.metadata());
        let group = metadata.row_group(index);
        let rows = usize::try_from(group.num_rows()).map_err(|_| Stop::Rows("negative rows".to_owned()))?;
        let ordinal = i16::try_from(index).map_err(|_| Stop::Rows("beyond 16 bits".to_owned()))?;
        let mut chunks = Vec::with_capacity(self.schema.num_columns());
        for position in 0..group.num_columns() {
            chunks.push(self.copy(index, position)?);
        }
        chunks.extend(self.append(columns, rows, ordinal)?);
        for chunk in &mut chunks {
            chunk.write_bloom_filter(&mut self.out)?;
        }
        let start = chunks.first().map(Chunk::start).unwrap_or_default();
        let bytes = chunks.iter().map(|chunk| chunk.metadata.uncompressed_size()).sum();
        let offset_index = chunks.iter_mut().map(|chunk| chunk.offset_index.take()).collect();
        let column_index = chunks.iter_mut().map(|chunk| chunk.column_index.take());
        let column_index = column_index.map(|index| index.unwrap_or(ColumnIndexMetaData::NONE)).collect();
        let metadata = RowGroupMetaData::builder(Arc::clone(&self.schema))
            .set_column_metadata(chunks.into_iter().map(|chunk| chunk.metadata).collect())
            .set_total_byte_size(bytes)
            .set_num_rows(group.num_rows())
            .set_sorting_columns(group.sorting_columns().cloned())
            .set_ordinal(ordinal)
            .set_file_offset(start)
            .build()?;
        Ok(Spliced { metadata, column_index, offset_index })
    }

    /// Copies an old column chunk as it stands.
    fn copy(&mut self, row_group: usize, position: usize) -> ParquetResult<Chunk> {
        let old = self.input.metadata();
        let order = old.file_metadata().column_order(position);
        let metadata = portable(old.row_group(row_group).column(position), order)?;
        let column_index = old.column_index().filter(|_| is_ordered(order));
        let chunk = Chunk {
            bloom_filter: Sbbf::read_from_column_chunk(&metadata, &self.source)?,
            column_index: column_index.and_then(|all| all.get(row_group)?.get(position)).cloned(),
            offset_index: old.offset_index().and_then(|all| all.get(row_group)?.get(position)).cloned(),
            metadata,
        };
        let from = u64::try_from(chunk.start())?;
        let bytes = u64::try_from(chunk.metadata.compressed_size())?;
        self.out.align(from, bytes)?;
        let shift = offset(self.out.position())? - chunk.start();
        let copied = self.out.copy(&self.source, from, bytes)?;
        if copied != bytes {
            return Err(ParquetError::EOF(format!("a column chunk of {bytes} bytes ends after {copied}")));
        }
        chunk.moved(shift)
    }

    /// Encodes the new columns.
    fn append<P, C>(&mut self, columns: C, rows: usize, ordinal: i16) -> Spliceable<Vec<Chunk>>
    where
        C: IntoIterator<Item = P>,
        P: IntoIterator<Item = Float32Array>,
    {
        // The crate counts from the start of what it is given to write to.
        let shift = offset(self.out.position())?;
        let mut out = TrackedWrite::new(&mut self.out);
        let mut written = None;
        let on_close = |_: &mut TrackedWrite<_>,
                        group: RowGroupMetaData,
                        _: Vec<Option<Sbbf>>,
                        column_index: Vec<Option<ColumnIndexMetaData>>,
                        offset_index: Vec<Option<OffsetIndexMetaData>>| {
            written = Some((group, column_index, offset_index));
            Ok(())
        };
        let (schema, properties) = (Arc::clone(&self.new_schema), Arc::clone(&self.properties));
        let mut writer =
            SerializedRowGroupWriter::new(schema, properties, &mut out, ordinal, Some(Box::new(on_close)));
        let mut appended = 0;
        for pieces in columns {
            append_new(&mut writer, pieces, rows)?;
            appended += 1;
        }
        if appended != self.new_schema.num_columns() {
            return Err(Stop::Rows(format!(
                "{appended} of {} columns were given",
                self.new_schema.num_columns()
            )));
        }
        writer.close()?;
        out.flush().map_err(ParquetError::from)?;
        let (group, column_index, offset_index) =
            written.ok_or_else(|| Stop::Rows("it was not closed".to_owned()))?;
        let chunks = group.columns().iter().cloned().zip(column_index.into_iter().zip(offset_index));
        let chunks = chunks.map(|(metadata, (column_index, offset_index))| {
            Chunk { metadata, bloom_filter: None, column_index, offset_index }.moved(shift)
        });
        Ok(chunks.collect::<ParquetResult<_>>()?)
    }

    /// Reading and writing fail through the same calls; the sink knows which it was.
    fn fault_in(&self, error: ParquetError, row_group: Option<usize>) -> Error {
        match self.failure.take() {
            Some(source) => io_errors::io(Place::file(self.staged.path().display()), "write", source),
            None => io_errors::parquet(Place { row_group, ..self.input.place() }, "read", error),
        }
    }
}

impl std::fmt::Debug for SpliceWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpliceWriter")
            .field("input", &self.input.file().path())
            .field("staged", &self.staged)
            .finish()
    }
}

/// Why a row group was not written: the files' fault or the caller's.
pub(super) enum Stop {
    Parquet(ParquetError),
    Rows(String),
}

pub(super) type Spliceable<T> = std::result::Result<T, Stop>;

impl From<ParquetError> for Stop {
    fn from(error: ParquetError) -> Self {
        Self::Parquet(error)
    }
}

/// Appends a new column, given as the pieces it was computed in.
pub(super) fn append_new<W: Write + Send>(
    writer: &mut SerializedRowGroupWriter<'_, W>,
    pieces: impl IntoIterator<Item = Float32Array>,
    rows: usize,
) -> Spliceable<()> {
    let mut column =
        writer.next_column()?.ok_or_else(|| Stop::Rows("more columns than fields".to_owned()))?;
    let mut written = 0;
    for piece in pieces {
        let levels: Vec<i16> = (0..piece.len()).map(|row| i16::from(piece.is_valid(row))).collect();
        let present: Vec<f32>;
        let values = if piece.null_count() == 0 {
            piece.values()
        } else {
            present = piece.iter().flatten().collect();
            &present[..]
        };
        column.typed::<FloatType>().write_batch(values, Some(&levels), None)?;
        written += piece.len();
    }
    if written != rows {
        return Err(Stop::Rows(format!("a new column has {written} rows, the row group {rows}")));
    }
    column.close()?;
    Ok(())
}

pub(super) fn check_spliceable(input: &Input) -> Result<()> {
    let groups = input.metadata().row_groups();
    if groups.len() > MAX_ROW_GROUPS {
        let what = format!(
            "has {} row groups, Parquet numbers {MAX_ROW_GROUPS}; write fewer, larger ones",
            groups.len()
        );
        return Err(Error::bad_data(input.place(), what));
    }
    for (index, group) in groups.iter().enumerate() {
        if let Some(chunk) = group.columns().iter().find(|chunk| chunk.file_path().is_some()) {
            let place = input.place().row_group(index).column(chunk.column_path().string());
            return Err(Error::bad_data(place, "its data are in another file; write the file again as one"));
        }
    }
    Ok(())
}

pub(super) fn extended_schema(old: &Type, new_fields: &[Field]) -> ParquetResult<SchemaDescriptor> {
    let mut fields = old.get_fields().to_vec();
    for field in new_fields {
        let column = Type::primitive_type_builder(field.name(), PhysicalType::FLOAT);
        fields.push(Arc::new(column.with_repetition(Repetition::OPTIONAL).build()?));
    }
    let root = Type::group_type_builder(old.name()).with_fields(fields).build()?;
    Ok(SchemaDescriptor::new(Arc::new(root)))
}

/// How the new columns are written: as the input's first column is compressed,
/// with an index where the input has one (a file has it in all columns or in
/// none), in pages that every reader knows.
fn new_page_properties(input: &Input) -> WriterProperties {
    let metadata = input.metadata();
    let first = metadata.row_groups().first().and_then(|group| group.columns().first());
    let compression = first.map_or(Compression::UNCOMPRESSED, |chunk| writable(chunk.compression()));
    let statistics = match metadata.column_index() {
        Some(_) => EnabledStatistics::Page,
        None => EnabledStatistics::Chunk,
    };
    WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_dictionary_enabled(false)
        .set_compression(compression)
        .set_statistics_enabled(statistics)
        .set_offset_index_disabled(metadata.offset_index().is_none())
        .build()
}

/// The compression nearest to one that a file has, of those that can be written.
pub(super) fn writable(compression: Compression) -> Compression {
    match compression {
        Compression::LZ4 => Compression::LZ4_RAW,
        Compression::LZO => Compression::UNCOMPRESSED,
        other => other,
    }
}

#[cfg(test)]
mod tests;
