//! The way of a file's rows: one thread reads, workers evaluate, the calling thread
//! puts batches back in order and hands them on. Bounded channels join them, so that
//! whoever is slowest sets the pace and memory does not grow.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::ArrayRef;
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::dataset::{Samples, Source};
use crate::engine::Backend;
use crate::error::{Error, Result};
use crate::evaluate::{Computed, Constants, Worker};

use super::journal::Position;

/// A batch and its place in the file.
struct Task {
    sequence: usize,
    row_group: usize,
    samples: Samples,
}

/// A batch that was computed.
pub(super) struct Done {
    pub(super) row_group: usize,
    /// Position of the first row in its row group.
    pub(super) first_row: usize,
    pub(super) computed: Computed,
    /// The label column of the batch, for reports on bad rows.
    pub(super) label: ArrayRef,
}

/// How a file is worked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) batch_rows: usize,
    /// Batches that may wait between two stages.
    pub(super) queue: usize,
}

/// Sends the rows of a file from `from` on through the workers and gives `sink` the batches in the
/// order of the file. The first error, in whatever stage, ends it all.
pub(super) fn run(
    source: &Source,
    sessions: Vec<Box<dyn Backend>>,
    constants: &Constants,
    shape: Shape,
    from: Position,
    stop: &AtomicBool,
    mut sink: impl FnMut(Done) -> Result<()>,
) -> Result<()> {
    let (to_workers, tasks) = bounded::<Task>(shape.queue);
    let (to_sink, results) = bounded::<(usize, Result<Done>)>(shape.queue);
    std::thread::scope(|scope| {
        let to_sink_reader = to_sink.clone();
        scope.spawn(move || {
            if let Err((sequence, e)) = read(source, shape.batch_rows, from, stop, &to_workers) {
                // No receiver: another stage has failed before.
                let _ = to_sink_reader.send((sequence, Err(e)));
            }
        });
        for session in sessions {
            let (tasks, to_sink) = (tasks.clone(), to_sink.clone());
            scope.spawn(move || work(Worker::new(session, constants), &tasks, &to_sink));
        }
        drop((tasks, to_sink));
        // Taken by value: an early return drops it, which ends the other stages.
        in_order(results, &mut sink)
    })
}

fn read(
    source: &Source,
    batch_rows: usize,
    from: Position,
    stop: &AtomicBool,
    to_workers: &Sender<Task>,
) -> std::result::Result<(), (usize, Error)> {
    let mut sequence = 0;
    for row_group in from.row_group..source.input().metadata().num_row_groups() {
        let first = if row_group == from.row_group { from.first_row } else { 0 };
        let rows = first..source.input().rows_in(row_group);
        let reader = source.read(row_group, rows, batch_rows).map_err(|e| (sequence, e))?;
        for samples in reader {
            if stop.load(Ordering::Relaxed) {
                return Err((sequence, Error::Interrupted));
            }
            let samples = samples.map_err(|e| (sequence, e))?;
            if to_workers.send(Task { sequence, row_group, samples }).is_err() {
                return Ok(());
            }
            sequence += 1;
        }
    }
    Ok(())
}

fn work(mut worker: Worker<'_>, tasks: &Receiver<Task>, to_sink: &Sender<(usize, Result<Done>)>) {
    for Task { sequence, row_group, samples } in tasks {
        let done = worker.compute(&samples).map(|computed| Done {
            row_group,
            first_row: samples.first_row,
            computed,
            label: samples.label,
        });
        if to_sink.send((sequence, done)).is_err() {
            return;
        }
    }
}

fn in_order(
    results: Receiver<(usize, Result<Done>)>,
    sink: &mut impl FnMut(Done) -> Result<()>,
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
