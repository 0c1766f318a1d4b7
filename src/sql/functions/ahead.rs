//! Evaluation of the batches of a partition by threads that have no partition to read. A file of one row
//! group is one partition, however many cores there are.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::{DataFusionError, Result};
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, unfold};
use futures::{FutureExt, Stream, StreamExt};

use super::super::spare_threads::{OpenPartition, SpareBatch, SpareThreads};

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
            while let Some((input, open)) = &mut partition.open {
                let threads = open.threads();
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
            let waiting = partition.open.as_ref().map(|(_, open)| open.wait());
            let done = partition.ahead.next().await?;
            drop(waiting);
            Some((done, partition))
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
    let task = SpawnedTask::spawn_blocking(move || spare.evaluate(|| evaluate(&batch)));
    async move {
        let evaluated = task.join_unwind().await;
        evaluated.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?
    }
}
