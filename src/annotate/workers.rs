//! The way of the rows: each worker takes the next batch, reads and evaluates it, and brings
//! it back; batches are handed on in order. Where finding a batch means reading it, one
//! thread does that ahead of the workers. All that waits is bounded, so that whoever is
//! slowest sets the pace and memory does not grow. Where the rows come from
//! is the reader's own affair: the row groups of a file, the record batches of a stream.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef};
use arrow::util::display::array_value_to_string;
use crossbeam_channel::bounded;

use crate::engine::Backend;
use crate::error::{Error, Result};
use crate::evaluate::{ComputedColumns, EvaluationConstants, Evaluator};
use crate::samples::{DeferredSamples, Fate, ReadBuffers, Source};

use super::journal::{BadRow, Batch, Position};
use super::progress::{Progress, Stage};
use super::reorder::ReorderBuffer;

/// A batch to compute.
pub(super) struct Task<T> {
    /// The row group it is of; of a stream, the record batch.
    pub(super) group: usize,
    pub(super) samples: DeferredSamples,
    /// What goes along with it to the sink.
    pub(super) with: T,
}

/// A piece that was computed.
pub(super) struct TaskResult<T> {
    pub(super) group: usize,
    /// Position of the first row in its group.
    pub(super) first_row: usize,
    pub(super) computed: ComputedColumns,
    /// The label column of the piece, for reports on bad rows.
    pub(super) label: ArrayRef,
    pub(super) with: T,
}

impl<T> TaskResult<T> {
    /// The batch as a journal keeps it, and what went along.
    pub(super) fn into_batch(self) -> Result<(Batch, T)> {
        let TaskResult { group, first_row, computed, label, with } = self;
        let bad = computed.fates.iter().enumerate().filter(|(_, fate)| **fate != Fate::Good);
        let bad = bad.map(|(row, &fate)| {
            let text = || array_value_to_string(&label, row).map_err(|e| Error::Internal(e.to_string()));
            let label = if label.is_null(row) { None } else { Some(text()?) };
            Ok(BadRow { row: row as u32, fate, label })
        });
        let bad = bad.collect::<Result<_>>()?;
        let (rows, columns) = (computed.fates.len(), computed.columns);
        Ok((Batch { row_group: group, first_row, rows, columns, bad }, with))
    }
}

/// How rows are worked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchPlan {
    pub(super) batch_rows: usize,
    /// Batches that may wait for a worker, and for those before them when they are computed.
    pub(super) queue: usize,
}

/// Who ends the run, and who is told of it.
#[derive(Clone, Copy)]
pub(super) struct Control<'a> {
    /// Set by a signal.
    pub(super) stop: &'a AtomicBool,
    pub(super) progress: &'a dyn Progress,
}

/// The rows of a file from `from` on, in batches of `batch_rows`.
pub(super) fn of_file(
    source: &Source,
    batch_rows: usize,
    from: Position,
) -> impl Iterator<Item = Result<Task<()>>> + Send {
    let groups = from.row_group..source.input().metadata().num_row_groups();
    groups.flat_map(move |group| {
        let first = if group == from.row_group { from.first_row } else { 0 };
        let (reader, failure) = match source.read(group, first..source.input().rows_in(group), batch_rows) {
            Ok(reader) => (Some(reader), None),
            Err(e) => (None, Some(Err(e))),
        };
        let pieces = reader.into_iter().flatten();
        let pieces = pieces.map(move |samples| samples.map(|samples| Task { group, samples, with: () }));
        pieces.chain(failure)
    })
}

/// Who finds the pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefetch {
    /// The workers, in turn: there is next to nothing to do.
    Workers,
    /// A thread of its own, ahead of them.
    Ahead,
}

/// Sends pieces through the workers and gives `sink` what they computed, in the order
/// of the pieces. The first error, in whatever stage, ends it all. At most `queue` pieces
/// wait for a worker; so many results, and one of each worker, for those before them.
pub(super) fn run<T: Send>(
    pieces: impl Iterator<Item = Result<Task<T>>> + Send,
    finder: Prefetch,
    sessions: Vec<Box<dyn Backend>>,
    constants: &EvaluationConstants,
    queue: usize,
    control: Control<'_>,
    sink: impl FnMut(TaskResult<T>) -> Result<()> + Send,
) -> Result<()> {
    let mut ahead = None;
    let pieces: Pieces<'_, T> = match finder {
        Prefetch::Workers => Box::new(pieces.enumerate()),
        Prefetch::Ahead => {
            let (sender, receiver) = bounded(queue);
            ahead = Some((pieces, sender));
            let pieces = std::iter::from_fn(move || {
                let piece = receiver.recv().ok()?;
                control.progress.waiting(receiver.len());
                Some(piece)
            });
            Box::new(pieces.enumerate())
        }
    };
    let order = ReorderBuffer::new(sessions.len() + queue, sink);
    let stages = Stages { pieces: Mutex::new(Some(pieces)), order, control };
    let all_lived = std::thread::scope(|scope| {
        let mut threads = Vec::with_capacity(sessions.len() + 1);
        if let Some((mut pieces, sender)) = ahead {
            // Nobody wants more where nobody receives.
            threads.push(scope.spawn(move || _ = pieces.all(|piece| sender.send(piece).is_ok())));
        }
        for session in sessions {
            let stages = &stages;
            threads.push(scope.spawn(move || stages.work(Evaluator::new(session, constants))));
        }
        threads.into_iter().map(|thread| thread.join()).fold(true, |lived, last| lived & last.is_ok())
    });
    let done = stages.order.finish();
    if all_lived { done } else { Err(Error::Internal("a thread has died".to_owned())) }
}

type Pieces<'a, T> = Box<dyn Iterator<Item = (usize, Result<Task<T>>)> + Send + 'a>;

/// What the workers share.
struct Stages<'a, T, F: FnMut(TaskResult<T>) -> Result<()>> {
    /// None when there are no more, or no more are wanted.
    pieces: Mutex<Option<Pieces<'a, T>>>,
    order: ReorderBuffer<TaskResult<T>, F>,
    control: Control<'a>,
}

impl<T, F: FnMut(TaskResult<T>) -> Result<()>> Stages<'_, T, F> {
    fn work(&self, mut worker: Evaluator<'_>) {
        let _leaving = WorkerGuard(self);
        let mut memory = ReadBuffers::default();
        while let Some((number, piece)) = self.next_piece() {
            let done =
                piece.and_then(|piece| compute(&mut worker, piece, &mut memory, self.control.progress));
            self.order.take(number, done);
        }
    }

    fn next_piece(&self) -> Option<(usize, Result<Task<T>>)> {
        if self.order.is_ended() {
            return None;
        }
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        let (number, piece) = pieces.as_mut()?.next()?;
        let stopped = self.control.stop.load(Ordering::Relaxed);
        let piece = if stopped { Err(Error::Interrupted) } else { piece };
        if piece.is_err() {
            *pieces = None;
        }
        Some((number, piece))
    }
}

/// A worker's last act, also where it dies: nobody must wait for it.
struct WorkerGuard<'s, 'a, T, F: FnMut(TaskResult<T>) -> Result<()>>(&'s Stages<'a, T, F>);

impl<T, F: FnMut(TaskResult<T>) -> Result<()>> Drop for WorkerGuard<'_, '_, T, F> {
    fn drop(&mut self) {
        let Self(stages) = self;
        stages.order.end_if_dying();
        if stages.order.is_ended() {
            // Which ends whoever reads ahead.
            *stages.pieces.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

fn compute<T>(
    worker: &mut Evaluator<'_>,
    piece: Task<T>,
    memory: &mut ReadBuffers,
    progress: &dyn Progress,
) -> Result<TaskResult<T>> {
    let Task { group, samples, with } = piece;
    let samples = progress.time(Stage::Read, || samples.read(memory))?;
    let computed = progress.time(Stage::Evaluate, || worker.compute(&samples))?;
    let (first_row, label) = (samples.first_row, Arc::clone(&samples.label));
    memory.reuse(samples);
    Ok(TaskResult { group, first_row, computed, label, with })
}
