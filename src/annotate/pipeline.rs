//! The way of the rows: one thread finds them in the file, workers read and evaluate them,
//! the calling thread puts batches back in order and hands them on. Bounded channels join
//! them, so that whoever is slowest sets the pace and memory does not grow. Where the rows come from
//! is the reader's own affair: the row groups of a file, the record batches of a stream.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Array, ArrayRef};
use arrow::util::display::array_value_to_string;
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::dataset::{Fate, Memory, Source, Unread};
use crate::engine::Backend;
use crate::error::{Error, Result};
use crate::evaluate::{Computed, Constants, Worker};

use super::journal::{BadRow, Batch, Position};
use super::progress::{Progress, Stage};

/// A batch to compute.
pub(super) struct Piece<T> {
    /// The row group it is of; of a stream, the record batch.
    pub(super) group: usize,
    pub(super) samples: Unread,
    /// What goes along with it to the sink.
    pub(super) with: T,
}

/// A piece and its place among all.
struct Task<T> {
    sequence: usize,
    piece: Piece<T>,
}

/// A piece that was computed.
pub(super) struct Done<T> {
    pub(super) group: usize,
    /// Position of the first row in its group.
    pub(super) first_row: usize,
    pub(super) computed: Computed,
    /// The label column of the piece, for reports on bad rows.
    pub(super) label: ArrayRef,
    pub(super) with: T,
}

impl<T> Done<T> {
    /// The batch as a journal keeps it, and what went along.
    pub(super) fn into_batch(self) -> Result<(Batch, T)> {
        let Done { group, first_row, computed, label, with } = self;
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
pub(super) struct Shape {
    pub(super) batch_rows: usize,
    /// Batches that may wait between two stages.
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
) -> impl Iterator<Item = Result<Piece<()>>> + Send {
    let groups = from.row_group..source.input().metadata().num_row_groups();
    groups.flat_map(move |group| {
        let first = if group == from.row_group { from.first_row } else { 0 };
        let (reader, failure) = match source.read(group, first..source.input().rows_in(group), batch_rows) {
            Ok(reader) => (Some(reader), None),
            Err(e) => (None, Some(Err(e))),
        };
        let pieces = reader.into_iter().flatten();
        let pieces = pieces.map(move |samples| samples.map(|samples| Piece { group, samples, with: () }));
        pieces.chain(failure)
    })
}

/// Sends pieces through the workers and gives `sink` what they computed, in the order
/// of the pieces. The first error, in whatever stage, ends it all.
pub(super) fn run<T: Send>(
    pieces: impl Iterator<Item = Result<Piece<T>>> + Send,
    sessions: Vec<Box<dyn Backend>>,
    constants: &Constants,
    queue: usize,
    control: Control<'_>,
    sink: impl FnMut(Done<T>) -> Result<()>,
) -> Result<()> {
    let (to_workers, tasks) = bounded::<Task<T>>(queue);
    let (to_sink, results) = bounded::<(usize, Result<Done<T>>)>(queue);
    std::thread::scope(|scope| {
        let to_sink_reader = to_sink.clone();
        scope.spawn(move || {
            if let Err((sequence, e)) = read(pieces, control.stop, &to_workers) {
                // No receiver: another stage has failed before.
                let _ = to_sink_reader.send((sequence, Err(e)));
            }
        });
        for session in sessions {
            let (tasks, to_sink) = (tasks.clone(), to_sink.clone());
            scope.spawn(move || work(Worker::new(session, constants), &tasks, &to_sink, control.progress));
        }
        drop((tasks, to_sink));
        // Both taken by value: an early return drops them, which ends the other stages.
        in_order(results, sink)
    })
}

fn read<T>(
    pieces: impl Iterator<Item = Result<Piece<T>>>,
    stop: &AtomicBool,
    to_workers: &Sender<Task<T>>,
) -> std::result::Result<(), (usize, Error)> {
    for (sequence, piece) in pieces.enumerate() {
        if stop.load(Ordering::Relaxed) {
            return Err((sequence, Error::Interrupted));
        }
        let piece = piece.map_err(|e| (sequence, e))?;
        if to_workers.send(Task { sequence, piece }).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn work<T>(
    mut worker: Worker<'_>,
    tasks: &Receiver<Task<T>>,
    to_sink: &Sender<(usize, Result<Done<T>>)>,
    progress: &dyn Progress,
) {
    let mut memory = Memory::default();
    for Task { sequence, piece } in tasks {
        progress.waiting(tasks.len());
        if to_sink.send((sequence, compute(&mut worker, piece, &mut memory, progress))).is_err() {
            return;
        }
    }
}

fn compute<T>(
    worker: &mut Worker<'_>,
    piece: Piece<T>,
    memory: &mut Memory,
    progress: &dyn Progress,
) -> Result<Done<T>> {
    let Piece { group, samples, with } = piece;
    let samples = progress.time(Stage::Read, || samples.read(memory))?;
    let computed = progress.time(Stage::Evaluate, || worker.compute(&samples))?;
    let (first_row, label) = (samples.first_row, Arc::clone(&samples.label));
    memory.reuse(samples);
    Ok(Done { group, first_row, computed, label, with })
}

fn in_order<T>(
    results: Receiver<(usize, Result<Done<T>>)>,
    mut sink: impl FnMut(Done<T>) -> Result<()>,
) -> Result<()> {
    // Holds as many batches as there are workers and queue places at most.
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    for (sequence, done) in results {
        waiting.insert(sequence, done);
        while let Some(done) = waiting.remove(&next) {
            sink(done?)?;
            next += 1;
        }
    }
    Ok(())
}
