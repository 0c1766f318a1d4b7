//! The column chunks of a file by their place in it, for a reader that is given ranges of bytes.

use std::ops::Range;
use std::sync::Arc;

use parquet::file::metadata::ParquetMetaData;

use crate::error::{Place, Result};
use crate::storage::io_errors;

use super::column_chunk::ColumnChunk;
use super::column_names::column_name;
use super::footer::{check_offset_indexes, offset_indexes};

/// The column chunks of a file, in the order of their bytes.
#[derive(Debug)]
pub(crate) struct ChunkMap {
    metadata: Arc<ParquetMetaData>,
    file: Place,
    ignores_checksums: bool,
    chunks: Vec<MappedChunk>,
    offset_indexes: Vec<Range<u64>>,
}

#[derive(Debug)]
struct MappedChunk {
    bytes: Range<u64>,
    row_group: usize,
    leaf: usize,
}

impl ChunkMap {
    /// The chunks that the metadata of a file name. With `ignores_checksums` their pages are taken
    /// for pages without them.
    pub(crate) fn new(metadata: &Arc<ParquetMetaData>, file: Place, ignores_checksums: bool) -> Self {
        let groups = metadata.row_groups().iter().enumerate();
        let chunks = groups.flat_map(|(row_group, group)| {
            (0..group.num_columns()).filter_map(move |leaf| {
                let bytes = ColumnChunk::range(metadata, row_group, leaf)?;
                Some(MappedChunk { bytes, row_group, leaf })
            })
        });
        let mut chunks: Vec<_> = chunks.collect();
        chunks.sort_unstable_by_key(|chunk| chunk.bytes.start);
        let offset_indexes = offset_indexes(metadata);
        Self { metadata: Arc::clone(metadata), file, ignores_checksums, chunks, offset_indexes }
    }

    /// The metadata that name the chunks.
    pub(crate) fn metadata(&self) -> &Arc<ParquetMetaData> {
        &self.metadata
    }

    /// The row group and the leaf column of the chunk that holds an offset of the file.
    pub(crate) fn chunk_at(&self, offset: u64) -> Option<(usize, usize)> {
        let behind = self.chunks.partition_point(|chunk| chunk.bytes.start <= offset);
        let found = self.chunks.get(behind.checked_sub(1)?)?;
        found.bytes.contains(&offset).then_some((found.row_group, found.leaf))
    }

    /// File, row group and column of a chunk.
    pub(crate) fn place(&self, row_group: usize, leaf: usize) -> Place {
        self.file.clone().row_group(row_group).column(column_name(&self.metadata, leaf))
    }

    /// Checks bytes at `start` of the file that are whole pages of a column chunk with their
    /// headers, or a page index. Bytes elsewhere, such as a bloom filter, pass.
    ///
    /// # Errors
    /// [`Error::BadData`](crate::Error::BadData) with file, row group, column and page.
    pub(crate) fn check(&self, start: u64, bytes: &[u8]) -> Result<()> {
        let Some((row_group, leaf)) = self.chunk_at(start) else {
            let checked = check_offset_indexes(&self.offset_indexes, start, bytes);
            return checked.map_err(|error| io_errors::parquet(self.file.clone(), "read", error));
        };
        let chunk = ColumnChunk::of(&self.metadata, &self.file, row_group, leaf, self.ignores_checksums);
        chunk.map_or(Ok(()), |chunk| chunk.check(start, bytes))
    }
}
