//! The threads of a query that have no partition to read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The threads that no partition uses.
#[derive(Debug)]
pub(super) struct SpareThreads {
    threads: usize,
    partitions: AtomicUsize,
    batches: AtomicUsize,
}

/// A batch that is evaluated beside the reading of its partition.
pub(super) struct SpareBatch(Arc<SpareThreads>);

/// A partition that is read by a thread of its own.
pub(super) struct OpenPartition(Arc<SpareThreads>);

impl SpareThreads {
    /// Of this number of threads, none has a partition.
    pub(super) fn new(threads: usize) -> Arc<Self> {
        Arc::new(Self { threads, partitions: AtomicUsize::new(0), batches: AtomicUsize::new(0) })
    }

    /// Batches that may wait for a spare thread or be evaluated by it: two for each, so that it need not
    /// wait for a reader that evaluates a batch itself.
    pub(super) fn most_batches(&self) -> usize {
        self.spare() * 2
    }

    /// The threads that have no partition to read.
    pub(super) fn spare(&self) -> usize {
        self.threads.saturating_sub(self.partitions.load(Ordering::Relaxed))
    }

    /// Counts a partition as one that a thread reads.
    pub(super) fn open_partition(self: &Arc<Self>) -> OpenPartition {
        self.partitions.fetch_add(1, Ordering::Relaxed);
        OpenPartition(Arc::clone(self))
    }

    /// Takes the place of a batch, if one is free.
    pub(super) fn take(self: &Arc<Self>) -> Option<SpareBatch> {
        let most = self.most_batches();
        let more = |batches| (batches < most).then_some(batches + 1);
        let taken = self.batches.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.is_ok().then(|| SpareBatch(Arc::clone(self)))
    }
}

impl OpenPartition {
    /// The threads that it is one of.
    pub(super) fn threads(&self) -> &Arc<SpareThreads> {
        &self.0
    }
}

impl Drop for SpareBatch {
    fn drop(&mut self) {
        self.0.batches.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for OpenPartition {
    fn drop(&mut self) {
        self.0.partitions.fetch_sub(1, Ordering::Relaxed);
    }
}
