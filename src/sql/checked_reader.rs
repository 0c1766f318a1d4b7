//! A decorator of DataFusion's readers of Parquet files that compares pages with their checksums
//! before they are decoded, and a local file with what it was when the scan began: each read opens its
//! path again.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::errors::{ParquetError, Result as ParquetResult};
use datafusion::parquet::file::metadata::ParquetMetaData;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::error::Place;
use crate::parquet_file::ChunkMap;
use crate::storage::VersionedPath;

use super::read_chunks::{ReadChunks, ReadFile};

/// A reader that checks the pages that pass through it.
pub(super) struct CheckedReader {
    reader: Box<dyn AsyncFileReader + Send>,
    file: Arc<ReadFile>,
    read: Arc<ReadChunks>,
    chunks: Option<Arc<ChunkMap>>,
    /// The version of a local file when the scan began.
    scanned: Option<VersionedPath>,
}

impl CheckedReader {
    /// Decorates the reader of a file, and notes in `read` what is read of it.
    pub(super) fn new(
        reader: Box<dyn AsyncFileReader + Send>,
        file: Arc<ReadFile>,
        read: Arc<ReadChunks>,
        scanned: Option<VersionedPath>,
    ) -> Self {
        Self { reader, file, read, chunks: None, scanned }
    }

    /// What was read, if it is of the version that the scan began with.
    fn of_scanned<T>(&self, read: ParquetResult<T>) -> ParquetResult<T> {
        let unchanged = self.scanned.as_ref().map_or(Ok(()), VersionedPath::verify_unchanged);
        unchanged.map_err(|error| ParquetError::External(Box::new(error)))?;
        read
    }

    async fn chunks(&mut self) -> ParquetResult<Arc<ChunkMap>> {
        if let Some(chunks) = &self.chunks {
            return Ok(Arc::clone(chunks));
        }
        let metadata = self.reader.get_metadata(None).await?;
        Ok(self.map(&metadata))
    }

    fn map(&mut self, metadata: &Arc<ParquetMetaData>) -> Arc<ChunkMap> {
        let chunks =
            Arc::new(ChunkMap::new(metadata, Place::file(&self.file.name), self.read.ignores_checksums()));
        self.chunks = Some(Arc::clone(&chunks));
        chunks
    }
}

fn check(chunks: &ChunkMap, range: &Range<u64>, bytes: &Bytes) -> ParquetResult<()> {
    chunks.check(range.start, bytes).map_err(|error| ParquetError::External(Box::new(error)))
}

impl AsyncFileReader for CheckedReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        async move {
            let chunks = self.chunks().await?;
            self.read.add(&self.file, &chunks, range.start);
            let bytes = self.reader.get_bytes(range.clone()).await;
            let bytes = self.of_scanned(bytes)?;
            check(&chunks, &range, &bytes)?;
            Ok(bytes)
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move {
            let chunks = self.chunks().await?;
            ranges.iter().for_each(|range| self.read.add(&self.file, &chunks, range.start));
            let found = self.reader.get_byte_ranges(ranges.clone()).await;
            let found = self.of_scanned(found)?;
            ranges.iter().zip(&found).try_for_each(|(range, bytes)| check(&chunks, range, bytes))?;
            Ok(found)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let metadata = self.reader.get_metadata(options).await;
            let metadata = self.of_scanned(metadata)?;
            self.map(&metadata);
            Ok(metadata)
        }
        .boxed()
    }
}
