//! The threads of a query that have no partition to read.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The threads that no partition uses.
#[derive(Debug)]
pub(super) struct SpareThreads {
    threads: usize,
    partitions: AtomicUsize,
    batches: AtomicUsize,
    /// Batches in evaluation, at most as many as spare threads. Each borrows a session of the engine: one more
    /// would borrow the reader's, which would wait for it.
    running: Mutex<usize>,
    is_free: Condvar,
}

/// A batch that is evaluated beside the reading of its partition.
pub(super) struct SpareBatch(Arc<SpareThreads>);

/// A partition that is read by a thread of its own.
pub(super) struct OpenPartition(Arc<SpareThreads>);

impl SpareThreads {
    /// Of this number of threads, none has a partition.
    pub(super) fn new(threads: usize) -> Arc<Self> {
        let (partitions, batches) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { threads, partitions, batches, running: Mutex::default(), is_free: Condvar::new() })
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

    /// The threads for which a partition that is opened now reads ahead: those that are spare, and at least
    /// one that may be later.
    pub(super) fn helpers(&self) -> usize {
        self.spare().max(1).min(self.threads.saturating_sub(1))
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

    fn close_partition(&self) {
        self.partitions.fetch_sub(1, Ordering::Relaxed);
        // A waiting batch looks at their number under the lock, and must not miss this.
        drop(self.running());
        self.is_free.notify_all();
    }

    fn running(&self) -> MutexGuard<'_, usize> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpareBatch {
    /// Runs the evaluation of the batch once a spare thread is free. Where a partition has opened meanwhile
    /// and none is spare any more, one is.
    pub(super) fn evaluate<T>(&self, work: impl FnOnce() -> T) -> T {
        let Self(threads) = self;
        let mut running = threads.running();
        while *running >= threads.spare().max(1) {
            running = threads.is_free.wait(running).unwrap_or_else(PoisonError::into_inner);
        }
        *running += 1;
        drop(running);
        let _running = RunningBatch(threads);
        work()
    }
}

/// A batch in evaluation, until it is dropped, also by a panic.
struct RunningBatch<'a>(&'a SpareThreads);

impl Drop for RunningBatch<'_> {
    fn drop(&mut self) {
        *self.0.running() -= 1;
        self.0.is_free.notify_one();
    }
}

/// A partition whose thread waits for batches that others evaluate. Until this is dropped it is spare, too.
pub(super) struct WaitingPartition(Arc<SpareThreads>);

impl OpenPartition {
    /// The threads that it is one of.
    pub(super) fn threads(&self) -> &Arc<SpareThreads> {
        &self.0
    }

    /// Its thread waits.
    pub(super) fn wait(&self) -> WaitingPartition {
        self.0.close_partition();
        WaitingPartition(Arc::clone(&self.0))
    }
}

impl Drop for WaitingPartition {
    fn drop(&mut self) {
        self.0.partitions.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for SpareBatch {
    fn drop(&mut self) {
        self.0.batches.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for OpenPartition {
    fn drop(&mut self) {
        self.0.close_partition();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread::scope;

    use super::*;

    #[test]
    fn no_more_batches_are_evaluated_than_threads_are_spare() {
        let threads = SpareThreads::new(3);
        let partition = threads.open_partition();
        let batches = [(); 4].map(|()| threads.take().unwrap());
        assert!(threads.take().is_none());
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        scope(|scope| {
            for batch in batches {
                let (now, most) = (&now, &most);
                scope.spawn(move || {
                    batch.evaluate(|| {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                    });
                });
            }
        });
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
        assert_eq!((threads.spare(), partition.threads().helpers()), (2, 2));
        drop(partition);
        assert!(threads.take().is_some());
    }

    #[test]
    fn a_thread_that_waits_is_spare_and_a_batch_needs_no_more() {
        let threads = SpareThreads::new(2);
        let partition = threads.open_partition();
        let (first, second) = (threads.take().unwrap(), threads.take().unwrap());
        let both = Barrier::new(2);
        scope(|scope| {
            // Each ends only beside the other, the second thread being that of the partition.
            let waiting = partition.wait();
            let both = &both;
            let done = [first, second].map(|batch| scope.spawn(move || batch.evaluate(|| both.wait())));
            done.into_iter().for_each(|thread| _ = thread.join().unwrap());
            drop(waiting);
        });
        // A partition more than threads: batches that wait are evaluated all the same.
        let batch = threads.take().unwrap();
        let _second = (threads.open_partition(), threads.open_partition());
        assert_eq!(threads.spare(), 0);
        assert_eq!(batch.evaluate(|| 7), 7);
    }
}
