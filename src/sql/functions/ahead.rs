//! Evaluation of the batches of a partition by threads that have no partition to read. A file of one row
//! group is one partition, however many cores there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::arrow::array::RecordBatch;
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::{DataFusionError, Result};
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, unfold};
use futures::{FutureExt, Stream, StreamExt};

/// The threads that no partition uses.
#[derive(Debug)]
pub(super) struct SpareThreads {
    threads: usize,
    partitions: AtomicUsize,
    batches: AtomicUsize,
}

/// A batch that is evaluated beside the reading of its partition.
struct SpareBatch(Arc<SpareThreads>);

/// A partition that is read by a thread of its own.
struct OpenPartition(Arc<SpareThreads>);

impl SpareThreads {
    /// Of this number of threads, none is in use.
    pub(super) fn new(threads: usize) -> Arc<Self> {
        Arc::new(Self { threads, partitions: AtomicUsize::new(0), batches: AtomicUsize::new(0) })
    }

    /// Batches that may wait for a spare thread or be evaluated by it: two for each, so that it need not
    /// wait for a reader that evaluates a batch itself.
    fn most_batches(&self) -> usize {
        self.threads.saturating_sub(self.partitions.load(Ordering::Relaxed)) * 2
    }

    fn open_partition(self: &Arc<Self>) -> OpenPartition {
        self.partitions.fetch_add(1, Ordering::Relaxed);
        OpenPartition(Arc::clone(self))
    }

    fn take(self: &Arc<Self>) -> Option<SpareBatch> {
        let most = self.most_batches();
        let more = |batches| (batches < most).then_some(batches + 1);
        let taken = self.batches.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.is_ok().then(|| SpareBatch(Arc::clone(self)))
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

/// A partition, and the batches of it that are being evaluated, in order.
struct Partition<S> {
    /// None behind its end, or an error.
    open: Option<(S, OpenPartition)>,
    ahead: FuturesOrdered<BoxFuture<'static, Result<RecordBatch>>>,
}

/// Evaluates the batches of a partition: by spare threads, as long as there are any, else by the reader.
/// Results are in the order of `input`. At most two batches for each spare thread are held.
pub(super) fn evaluate<S, E>(
    input: S,
    threads: &Arc<SpareThreads>,
    evaluate: Arc<E>,
) -> impl Stream<Item = Result<RecordBatch>> + use<S, E>
where
    S: Stream<Item = Result<RecordBatch>> + Unpin,
    E: Fn(&RecordBatch) -> Result<RecordBatch> + Send + Sync + 'static,
{
    let open = Some((input, threads.open_partition()));
    let partition = Partition { open, ahead: FuturesOrdered::new() };
    unfold(partition, move |mut partition| {
        let evaluate = Arc::clone(&evaluate);
        async move {
            while let Some((input, OpenPartition(threads))) = &mut partition.open {
                if partition.ahead.len() > threads.most_batches() {
                    break;
                }
                if let Some(Some(done)) = partition.ahead.next().now_or_never() {
                    return Some((done, partition));
                }
                let batch = match input.next().await {
                    Some(Ok(batch)) => batch,
                    end => {
                        partition.open = None;
                        end.into_iter().for_each(|error| partition.ahead.push_back(async { error }.boxed()));
                        break;
                    }
                };
                let evaluated = match threads.take() {
                    Some(spare) => beside(spare, batch, Arc::clone(&evaluate)).boxed(),
                    None => {
                        let evaluated = evaluate(&batch);
                        async { evaluated }.boxed()
                    }
                };
                partition.ahead.push_back(evaluated);
            }
            Some((partition.ahead.next().await?, partition))
        }
    })
}

/// Evaluates a batch in a thread of its own: another task would not begin before the reader's task waits.
fn beside<E>(
    spare: SpareBatch,
    batch: RecordBatch,
    evaluate: Arc<E>,
) -> impl Future<Output = Result<RecordBatch>>
where
    E: Fn(&RecordBatch) -> Result<RecordBatch> + Send + Sync + 'static,
{
    let task = SpawnedTask::spawn_blocking(move || evaluate(&batch));
    async move {
        let evaluated = task.join_unwind().await;
        drop(spare);
        evaluated.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?
    }
}
