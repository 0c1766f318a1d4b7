//! The column chunks that the queries of a session read last. Errors and panics of decoders do not
//! say whose bytes they were given, so after one these chunks are decoded again, one by one.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{
    DefaultParquetFileReaderFactory, ParquetFileReaderFactory,
};
use datafusion::object_store::{ObjectMeta, ObjectStore};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use datafusion::parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use datafusion::parquet::errors::{ParquetError, Result as ParquetResult};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::prelude::SessionContext;
use futures::{FutureExt, StreamExt};

use crate::error::{Error, Place};
use crate::parquet_file::{ChunkMap, catch_panics, panic_message};
use crate::storage::io_errors;

use super::errors::convert_error;
use super::panics::UNKNOWN_FILE;

/// The number of chunks kept: more than all partitions read ahead.
const KEPT: usize = 1 << 16;
/// How long a search may take. The chunk at fault is among the last, which come first.
const SEARCH_LIMIT: Duration = Duration::from_secs(20);

/// An extension of a session's configuration: whether it compares pages with their checksums, and
/// the chunks that it read last.
#[derive(Debug, Default)]
pub(super) struct ReadChunks {
    ignores_checksums: bool,
    kept: Mutex<VecDeque<ReadChunk>>,
}

/// A file that a query reads.
#[derive(Debug)]
pub(super) struct ReadFile {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) meta: ObjectMeta,
    /// As the user named it.
    pub(super) name: String,
}

#[derive(Debug, Clone)]
struct ReadChunk {
    file: Arc<ReadFile>,
    chunks: Arc<ChunkMap>,
    row_group: usize,
    leaf: usize,
}

impl ReadChunks {
    pub(super) fn new(ignores_checksums: bool) -> Self {
        Self { ignores_checksums, kept: Mutex::default() }
    }

    /// Whether pages are taken for pages without checksums.
    pub(super) fn ignores_checksums(&self) -> bool {
        self.ignores_checksums
    }

    /// Notes that the bytes at an offset of a file were read.
    pub(super) fn add(&self, file: &Arc<ReadFile>, chunks: &Arc<ChunkMap>, offset: u64) {
        let Some((row_group, leaf)) = chunks.chunk_at(offset) else { return };
        let mut kept = self.kept();
        let is_same = |last: &ReadChunk| {
            (last.row_group, last.leaf) == (row_group, leaf) && Arc::ptr_eq(&last.file, file)
        };
        // Pages of a chunk may come one by one.
        if kept.back().is_some_and(is_same) {
            return;
        }
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(ReadChunk { file: Arc::clone(file), chunks: Arc::clone(chunks), row_group, leaf });
    }

    /// Forgets all chunks, before a query.
    pub(super) fn clear(&self) {
        self.kept().clear();
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<ReadChunk>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The damage of the last chunk that cannot be decoded.
    async fn find_damage(&self) -> Option<Error> {
        let deadline = Instant::now() + SEARCH_LIMIT;
        let chunks: Vec<ReadChunk> = self.kept().iter().rev().cloned().collect();
        for chunk in chunks {
            if Instant::now() > deadline {
                return None;
            }
            let damage = chunk.decode(deadline).await.err();
            if let Some(damage @ Error::BadData { .. }) = damage {
                return Some(damage);
            }
        }
        None
    }

    /// Names the file, row group and column of an error of decoding that does not name them, where
    /// they can be found. Other errors come back as they are.
    pub(super) async fn locate(&self, error: Error) -> Error {
        let is_vague = match &error {
            Error::BadData { place, .. } => place.row_group.is_none() && place.column.is_none(),
            // A task of a query that panicked.
            Error::Internal(_) => true,
            _ => false,
        };
        if !is_vague {
            return error;
        }
        if let Some(damage) = self.find_damage().await {
            return damage;
        }
        match (error, self.only_file()) {
            // The result of a function, where no file is at fault.
            (Error::BadData { what, .. }, _) if what.contains("offset overflow") => Error::Usage(
                "the query makes texts or lists of more than 2 GiB in one batch of rows; make them shorter, or lower \
                 the rows: SET datafusion.execution.batch_size = 256"
                    .to_owned(),
            ),
            (Error::BadData { place, what }, Some(file)) if place.file == UNKNOWN_FILE => {
                Error::bad_data(Place::file(file), what)
            }
            (error, _) => error,
        }
    }

    /// The file, if all chunks are of one.
    fn only_file(&self) -> Option<String> {
        let kept = self.kept();
        let name = &kept.front()?.file.name;
        kept.iter().all(|chunk| chunk.file.name == *name).then(|| name.clone())
    }
}

impl ReadChunk {
    fn place(&self) -> Place {
        self.chunks.place(self.row_group, self.leaf)
    }

    async fn decode(&self, deadline: Instant) -> crate::error::Result<()> {
        let read = AssertUnwindSafe(self.read(deadline)).catch_unwind().await;
        match read.unwrap_or_else(|panic| Err(ParquetError::General(panic_message(panic.as_ref())))) {
            Ok(()) => Ok(()),
            Err(error @ ParquetError::External(_)) => {
                Err(match convert_error(error.into(), &self.file.name) {
                    Error::BadData { place, what } if place.row_group.is_none() => {
                        Error::bad_data(self.place(), what)
                    }
                    error => error,
                })
            }
            Err(error) => Err(io_errors::parquet(self.place(), "read", error)),
        }
    }

    async fn read(&self, deadline: Instant) -> ParquetResult<()> {
        let metadata = Arc::clone(self.chunks.metadata());
        let metadata = catch_panics(|| ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new()))?;
        let (file, metrics) = (&self.file, ExecutionPlanMetricsSet::new());
        let readers = DefaultParquetFileReaderFactory::new(Arc::clone(&file.store));
        let object = PartitionedFile::new_from_meta(file.meta.clone());
        let reader = readers.create_reader(0, object, None, &metrics);
        let reader: Box<dyn AsyncFileReader> = reader.map_err(|e| ParquetError::External(Box::new(e)))?;
        let schema = metadata.metadata().file_metadata().schema_descr_ptr();
        let mut batches = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata)
            .with_row_groups(vec![self.row_group])
            .with_projection(ProjectionMask::leaves(&schema, [self.leaf]))
            .build()?;
        while let Some(batch) = batches.next().await {
            batch?;
            if Instant::now() > deadline {
                break;
            }
        }
        Ok(())
    }
}

/// As [`ReadChunks::locate`], by the chunks of a session.
pub(crate) async fn locate_damage(context: &SessionContext, error: Error) -> Error {
    match context.state().config().get_extension::<ReadChunks>() {
        Some(chunks) => chunks.locate(error).await,
        None => error,
    }
}
