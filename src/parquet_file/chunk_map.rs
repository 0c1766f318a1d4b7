//! The column chunks of a file by their place in it, for a reader that is given ranges of bytes.

use std::ops::Range;
use std::sync::Arc;

use parquet::file::metadata::ParquetMetaData;

use crate::error::{Place, Result};

use super::column_chunk::ColumnChunk;

/// The column chunks of a file, in the order of their bytes.
#[derive(Debug)]
pub(crate) struct ChunkMap {
    metadata: Arc<ParquetMetaData>,
    file: Place,
    chunks: Vec<MappedChunk>,
}

#[derive(Debug)]
struct MappedChunk {
    bytes: Range<u64>,
    row_group: usize,
    leaf: usize,
}

impl ChunkMap {
    /// The chunks that the metadata of a file name.
    pub(crate) fn new(metadata: &Arc<ParquetMetaData>, file: Place) -> Self {
        let groups = metadata.row_groups().iter().enumerate();
        let chunks = groups.flat_map(|(row_group, group)| {
            (0..group.num_columns()).filter_map(move |leaf| {
                let bytes = ColumnChunk::range(metadata, row_group, leaf)?;
                Some(MappedChunk { bytes, row_group, leaf })
            })
        });
        let mut chunks: Vec<_> = chunks.collect();
        chunks.sort_unstable_by_key(|chunk| chunk.bytes.start);
        Self { metadata: Arc::clone(metadata), file, chunks }
    }

    /// Checks bytes at `start` of the file that are whole pages of a column chunk with their
    /// headers. Bytes elsewhere, such as a bloom filter, pass.
    ///
    /// # Errors
    /// [`Error::BadData`](crate::Error::BadData) with file, row group, column and page.
    pub(crate) fn check(&self, start: u64, bytes: &[u8]) -> Result<()> {
        let behind = self.chunks.partition_point(|chunk| chunk.bytes.start <= start);
        let Some(found) = behind.checked_sub(1).and_then(|before| self.chunks.get(before)) else {
            return Ok(());
        };
        if !found.bytes.contains(&start) {
            return Ok(());
        }
        let chunk = ColumnChunk::of(&self.metadata, &self.file, found.row_group, found.leaf);
        chunk.map_or(Ok(()), |chunk| chunk.check(start, bytes))
    }
}
