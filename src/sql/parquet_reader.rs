//! A reader of Parquet files whose metadata are believable (see [`super::parquet_metadata`]) and
//! whose pages are compared with their checksums. Footers are cached within the session's limit.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{
    CachedParquetMetaData, DefaultParquetFileReaderFactory, ParquetFileReaderFactory,
};
use datafusion::error::Result;
use datafusion::execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadataCache};
use datafusion::object_store::path::Path;
use datafusion::object_store::{ObjectMeta, ObjectStore};
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::errors::Result as ParquetResult;
use datafusion::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::parquet_file::check_indexed_rows;
use crate::storage::VersionedPath;

use super::checked_reader::CheckedReader;
use super::parquet_metadata::believable;
use super::read_chunks::{ReadChunks, ReadFile};

/// A cache of believable metadata.
#[derive(Debug, Clone)]
pub(super) struct MetadataCache(Arc<FileMetadataCache>);

impl MetadataCache {
    pub(super) fn new(cache: Arc<FileMetadataCache>) -> Self {
        Self(cache)
    }

    pub(super) fn get(&self, file: &ObjectMeta) -> Option<Arc<ParquetMetaData>> {
        let entry = self.0.get(&file.location).filter(|entry| entry.is_valid_for(file))?;
        let metadata = entry.file_metadata.as_any().downcast_ref::<CachedParquetMetaData>()?;
        Some(Arc::clone(metadata.parquet_metadata()))
    }

    pub(super) fn put(&self, file: &ObjectMeta, metadata: &Arc<ParquetMetaData>) {
        let cached = Arc::new(CachedParquetMetaData::new(Arc::clone(metadata)));
        self.0.put(&file.location, CachedFileMetadataEntry::new(file.clone(), cached));
    }
}

/// A factory of readers over one object store.
#[derive(Debug)]
pub(super) struct ReaderFactory {
    readers: DefaultParquetFileReaderFactory,
    store: Arc<dyn ObjectStore>,
    cache: MetadataCache,
    names: Arc<FileNames>,
    read: Arc<ReadChunks>,
}

/// The names of files, as the user named them.
pub(super) type FileNames = HashMap<Path, String>;

impl ReaderFactory {
    /// A factory of readers that note in `read` what they read.
    pub(super) fn new(
        store: Arc<dyn ObjectStore>,
        cache: MetadataCache,
        names: Arc<FileNames>,
        read: Arc<ReadChunks>,
    ) -> Self {
        let readers = DefaultParquetFileReaderFactory::new(Arc::clone(&store));
        Self { readers, store, cache, names, read }
    }
}

impl ParquetFileReaderFactory for ReaderFactory {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let meta = file.object_meta.clone();
        let scanned = file.extension::<VersionedPath>().cloned();
        let name = self.names.get(&meta.location).cloned();
        let name = name.unwrap_or_else(|| meta.location.to_string());
        let read_file = Arc::new(ReadFile { store: Arc::clone(&self.store), meta: meta.clone(), name });
        let reader = self.readers.create_reader(partition, file, metadata_size_hint, metrics)?;
        let reader = Box::new(CheckedReader::new(reader, read_file, Arc::clone(&self.read), scanned));
        Ok(Box::new(Reader { reader, meta, cache: self.cache.clone() }))
    }
}

struct Reader {
    reader: Box<dyn AsyncFileReader + Send>,
    meta: ObjectMeta,
    cache: MetadataCache,
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.reader.get_bytes(range)
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        self.reader.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        let wants_pages =
            options.is_some_and(|options| options.column_index_policy() != PageIndexPolicy::Skip);
        let cached = self.cache.get(&self.meta);
        let cached = cached.filter(|metadata| !wants_pages || metadata.column_index().is_some());
        async move {
            if let Some(metadata) = cached {
                return Ok(metadata);
            }
            let metadata = self.reader.get_metadata(options).await?;
            check_indexed_rows(&metadata)?;
            let metadata = believable(metadata)?;
            self.cache.put(&self.meta, &metadata);
            Ok(metadata)
        }
        .boxed()
    }
}
