//! The footer of a spliced file. The Parquet crate's writer takes its offsets from the bytes
//! that it has counted, but the copied column chunks have not passed through it: the bytes
//! before the footer are counted first, without being written.

use std::io::{self, Write};

use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::{
    FileMetaData, KeyValue, ParquetMetaDataBuilder, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::writer::TrackedWrite;
use parquet::schema::types::SchemaDescPtr;

use crate::storage::block_writer::BlockWriter;

use super::chunk::Chunk;

/// The footer's metadata of a row group that was written.
pub(super) struct SplicedRowGroup {
    metadata: RowGroupMetaData,
    column_index: Vec<ColumnIndexMetaData>,
    offset_index: Option<Vec<OffsetIndexMetaData>>,
}

impl SplicedRowGroup {
    /// The row group `old` of the input, now of these column chunks.
    pub(super) fn new(
        old: &RowGroupMetaData,
        ordinal: i16,
        schema: SchemaDescPtr,
        mut chunks: Vec<Chunk>,
    ) -> ParquetResult<Self> {
        let start = chunks.first().map_or(0, Chunk::start);
        let bytes = chunks.iter().map(|chunk| chunk.metadata.uncompressed_size()).sum();
        let offset_index = chunks.iter_mut().map(|chunk| chunk.offset_index.take()).collect();
        let column_index = chunks.iter_mut().map(|chunk| chunk.column_index.take());
        let column_index = column_index.map(|index| index.unwrap_or(ColumnIndexMetaData::NONE)).collect();
        let metadata = RowGroupMetaData::builder(schema)
            .set_column_metadata(chunks.into_iter().map(|chunk| chunk.metadata).collect())
            .set_total_byte_size(bytes)
            .set_num_rows(old.num_rows())
            .set_sorting_columns(old.sorting_columns().cloned())
            .set_ordinal(ordinal)
            .set_file_offset(start)
            .build()?;
        Ok(Self { metadata, column_index, offset_index })
    }
}

/// Writes the page indexes and the footer. Format version and `created_by` are those of the
/// input's footer, `old`.
pub(super) fn write(
    out: BlockWriter,
    old: &FileMetaData,
    schema: SchemaDescPtr,
    key_values: Vec<KeyValue>,
    row_groups: Vec<SplicedRowGroup>,
) -> ParquetResult<()> {
    let mut metadata = Vec::with_capacity(row_groups.len());
    let mut column_index = Vec::with_capacity(row_groups.len());
    let mut offset_index = Vec::with_capacity(row_groups.len());
    for group in row_groups {
        metadata.push(group.metadata);
        column_index.push(group.column_index);
        offset_index.extend(group.offset_index);
    }
    let rows = metadata.iter().map(RowGroupMetaData::num_rows).sum();
    let created_by = old.created_by().unwrap_or(concat!("lsmi-etl version ", env!("CARGO_PKG_VERSION")));
    let key_values = (!key_values.is_empty()).then_some(key_values);
    let footer =
        FileMetaData::new(old.version(), rows, Some(created_by.to_owned()), key_values, schema, None);
    let metadata = ParquetMetaDataBuilder::new(footer)
        .set_row_groups(metadata)
        .set_column_index(Some(column_index))
        .set_offset_index((!offset_index.is_empty()).then_some(offset_index))
        .build();
    ParquetMetaDataWriter::new_with_tracked(counted(out)?, &metadata).finish()
}

/// A writer that drops the bytes before an offset, which are in the file already.
struct OffsetWriter {
    out: BlockWriter,
    left: u64,
}

impl Write for OffsetWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left == 0 {
            return self.out.write(bytes);
        }
        let dropped = self.left.min(bytes.len() as u64);
        self.left -= dropped;
        Ok(dropped as usize)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A writer that has counted all bytes of `out`.
fn counted(out: BlockWriter) -> io::Result<TrackedWrite<OffsetWriter>> {
    let mut left = out.position();
    let mut tracked = TrackedWrite::new(OffsetWriter { out, left });
    let zeros = vec![0; 1 << 20];
    while left > 0 {
        let length = zeros.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let (block, _) = zeros.split_at(length);
        tracked.write_all(block)?;
        left -= length as u64;
    }
    tracked.flush()?;
    Ok(tracked)
}
