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

use std::sync::Arc;

use arrow::array::{Array, Float32Array};
use arrow::datatypes::Field;
use parquet::basic::{ColumnOrder, Compression, Repetition, Type as PhysicalType};
use parquet::bloom_filter::Sbbf;
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::FloatType;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, KeyValue, ParquetMetaDataBuilder, ParquetMetaDataWriter,
    RowGroupMetaData,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr, WriterVersion};
use parquet::file::writer::{SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor, Type};

use crate::error::{Error, Place, Result};

use super::column::check_new_fields;
use super::fault;
use super::file::InputFile;
use super::input::Input;
use super::keyvalues;
use super::publish::Staged;
use super::sink::{Failure, Sink};

/// Bytes of a column chunk that are in memory at once.
const COPY_BYTES: usize = 1 << 18;

/// Parquet numbers row groups with 16 bits, of which one is the sign.
const MAX_ROW_GROUPS: usize = i16::MAX as usize;

/// "PAR1": no page starts before its end.
const MAGIC_BYTES: i64 = 4;

/// Writes a copy of an input with more columns, row group by row group.
pub struct SpliceWriter {
    input: Input,
    source: InputFile,
    schema: SchemaDescPtr,
    new_columns: usize,
    key_values: Vec<KeyValue>,
    properties: WriterPropertiesPtr,
    out: TrackedWrite<Sink>,
    failure: Failure,
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
        let key_values = keyvalues::extend(old_key_values, new_fields, key_values).map_err(bad_data)?;
        let schema = extended_schema(footer.schema(), new_fields)
            .map_err(|error| fault::parquet(input.place(), "read", error))?;

        let (sink, failure) = Sink::new(staged.writer()?);
        let mut writer = Self {
            source: input.file().with_buffer(COPY_BYTES),
            input: input.clone(),
            schema: Arc::new(schema),
            new_columns: new_fields.len(),
            key_values,
            properties: Arc::new(new_page_properties(input)),
            out: TrackedWrite::new(sink),
            failure,
            row_groups: Vec::new(),
            staged,
        };
        std::io::Write::write_all(&mut writer.out, b"PAR1").map_err(|error| writer.fault(error.into()))?;
        Ok(writer)
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
        let written = ParquetMetaDataWriter::new_with_tracked(self.out, &metadata).finish();
        // The crate's writer drops its buffer without asking how that went.
        if let Some(source) = self.failure.take() {
            return Err(fault::io(output, "write", source));
        }
        written.map_err(|error| fault::parquet(output.clone(), "write", error))?;
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
        let old = self.input.metadata();
        let group = old.row_group(index);
        let rows = usize::try_from(group.num_rows()).map_err(|_| Stop::Rows("negative rows".to_owned()))?;
        let ordinal = i16::try_from(index).map_err(|_| Stop::Rows("beyond 16 bits".to_owned()))?;
        let mut spliced = None;
        let on_close = |out: &mut TrackedWrite<Sink>,
                        mut metadata: RowGroupMetaData,
                        bloom_filters: Vec<Option<Sbbf>>,
                        column_index: Vec<Option<ColumnIndexMetaData>>,
                        offset_index: Vec<Option<OffsetIndexMetaData>>| {
            write_bloom_filters(out, &mut metadata, bloom_filters)?;
            spliced = Some(Spliced {
                metadata: metadata
                    .into_builder()
                    .set_sorting_columns(group.sorting_columns().cloned())
                    .build()?,
                column_index: column_index
                    .into_iter()
                    .map(|index| index.unwrap_or(ColumnIndexMetaData::NONE))
                    .collect(),
                offset_index: offset_index.into_iter().collect(),
            });
            Ok(())
        };
        let mut writer = SerializedRowGroupWriter::new(
            Arc::clone(&self.schema),
            Arc::clone(&self.properties),
            &mut self.out,
            ordinal,
            Some(Box::new(on_close)),
        );
        for (position, chunk) in group.columns().iter().enumerate() {
            let order = old.file_metadata().column_order(position);
            let chunk = portable(chunk, order)?;
            let column_index = old.column_index().filter(|_| is_ordered(order));
            let close = ColumnCloseResult {
                bytes_written: chunk.compressed_size().unsigned_abs(),
                rows_written: rows as u64,
                bloom_filter: Sbbf::read_from_column_chunk(&chunk, &self.source)?,
                column_index: column_index.and_then(|all| all.get(index)?.get(position)).cloned(),
                offset_index: old.offset_index().and_then(|all| all.get(index)?.get(position)).cloned(),
                metadata: chunk,
            };
            writer.append_column(&self.source, close)?;
        }
        let mut appended = 0;
        for pieces in columns {
            append_new(&mut writer, pieces, rows)?;
            appended += 1;
        }
        if appended != self.new_columns {
            return Err(Stop::Rows(format!("{appended} of {} columns were given", self.new_columns)));
        }
        writer.close()?;
        spliced.ok_or_else(|| Stop::Rows("it was not closed".to_owned()))
    }

    fn fault(&self, error: ParquetError) -> Error {
        self.fault_in(error, None)
    }

    /// Reading and writing fail through the same calls; the sink knows which it was.
    fn fault_in(&self, error: ParquetError, row_group: Option<usize>) -> Error {
        match self.failure.take() {
            Some(source) => fault::io(Place::file(self.staged.path().display()), "write", source),
            None => fault::parquet(Place { row_group, ..self.input.place() }, "read", error),
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
pub(super) fn append_new(
    writer: &mut SerializedRowGroupWriter<'_, Sink>,
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

/// A column chunk's metadata as it can stand in another file.
fn portable(chunk: &ColumnChunkMetaData, order: ColumnOrder) -> ParquetResult<ColumnChunkMetaData> {
    let mut builder = chunk.clone().into_builder();
    if let Some(dictionary) = chunk.dictionary_page_offset() {
        if dictionary < MAGIC_BYTES {
            // Some writers say 0 when there is no dictionary.
            builder = builder.set_dictionary_page_offset(None);
        } else if chunk.data_page_offset() < dictionary {
            // A chunk without a value has a dictionary but no data page: say that
            // it would come behind, or moving the chunk makes the offset negative.
            builder = builder.set_data_page_offset(dictionary + chunk.compressed_size());
        }
    }
    if !is_ordered(order) && chunk.statistics().is_some_and(|found| !found.is_min_max_deprecated()) {
        builder = builder.clear_statistics();
    }
    builder.build()
}

/// Whether minima and maxima mean what the output's footer, which knows no other
/// order than the type's own, will say they mean.
fn is_ordered(order: ColumnOrder) -> bool {
    matches!(order, ColumnOrder::TYPE_DEFINED_ORDER(_))
}

fn write_bloom_filters(
    out: &mut TrackedWrite<Sink>,
    metadata: &mut RowGroupMetaData,
    filters: Vec<Option<Sbbf>>,
) -> ParquetResult<()> {
    for (chunk, filter) in metadata.columns_mut().iter_mut().zip(filters) {
        let Some(filter) = filter else { continue };
        let start = out.bytes_written();
        filter.write(&mut *out)?;
        let length = i32::try_from(out.bytes_written() - start)?;
        let builder = chunk.clone().into_builder();
        *chunk = builder
            .set_bloom_filter_offset(Some(i64::try_from(start)?))
            .set_bloom_filter_length(Some(length))
            .build()?;
    }
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
