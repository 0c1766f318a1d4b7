//! The worker pool: each worker takes the next task, reads and evaluates its batch, and passes
//! the result to a reorder buffer. Before that it takes the pages that are to be decompressed ahead of
//! the batches, so that all workers share this work. Where locating a batch means reading it, a prefetch
//! thread does that ahead of the workers. All queues are bounded: back-pressure lets the slowest stage
//! set the pace, and memory does not grow. Tasks come from the row groups of a file or the
//! record batches of a stream.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef};
use arrow::util::display::array_value_to_string;
use crossbeam_channel::{Receiver, bounded, select};

use crate::engine::Backend;
use crate::error::{Error, Result};
use crate::evaluate::{ComputedColumns, EvaluationConstants, Evaluator};
use crate::samples::{DeferredSamples, Fate, PageJob, ReadAhead, ReadBuffers};
use crate::threads::spawn_scoped;

use super::batch::{BadRow, Batch};
use super::progress::{Progress, Stage};
use super::reorder::ReorderBuffer;
use super::row_origin::RowOrigin;

/// A batch to compute.
pub(super) struct Task<T> {
    /// The index of its row group; in a stream, of its record batch.
    pub(super) group: usize,
    pub(super) samples: DeferredSamples,
    /// Passed through to the sink.
    pub(super) payload: T,
}

/// A computed batch.
pub(super) struct TaskResult<T> {
    pub(super) group: usize,
    /// Position of the first row in its group.
    pub(super) first_row: usize,
    pub(super) computed: ComputedColumns,
    /// The label column of the batch, for reports on bad rows.
    pub(super) label: ArrayRef,
    pub(super) payload: T,
}

impl<T> TaskResult<T> {
    /// The batch as a journal keeps it, and the payload.
    pub(super) fn into_batch(self) -> Result<(Batch, T)> {
        let TaskResult { group, first_row, computed, label, payload } = self;
        let bad = computed.fates.iter().enumerate().filter(|(_, fate)| **fate != Fate::Good);
        let bad = bad.map(|(row, &fate)| {
            let text = || array_value_to_string(&label, row).map_err(|e| Error::Internal(e.to_string()));
            let label = if label.is_null(row) { None } else { Some(text()?) };
            Ok(BadRow { row: row as u32, fate, label })
        });
        let bad = bad.collect::<Result<_>>()?;
        let trained_rows = computed.trained_rows();
        let (rows, columns) = (computed.fates.len(), computed.columns);
        Ok((Batch { row_group: group, first_row, rows, columns, bad, trained_rows }, payload))
    }
}

/// The stop flag and the observer of a run, and the origin of its rows.
#[derive(Clone, Copy)]
pub(super) struct Control<'a> {
    /// Set by a signal.
    pub(super) stop: &'a AtomicBool,
    /// Set when the run has ended early: ends a blocked read of more rows.
    pub(super) ended: &'a AtomicBool,
    pub(super) progress: &'a dyn Progress,
    pub(super) origin: &'a RowOrigin,
}

/// The prefetching of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefetch {
    /// The workers locate tasks in turn, which costs next to nothing.
    None,
    /// A thread locates tasks ahead of the workers.
    Thread,
}

/// How tasks and pages get to the workers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule<'a> {
    pub(super) prefetch: Prefetch,
    /// The pages that are loaded ahead.
    pub(super) read_ahead: &'a ReadAhead,
    /// Tasks that wait for a worker, and results that wait for an earlier one.
    pub(super) queue: usize,
}

/// Runs tasks on the workers and passes their results to `sink` in the order of the tasks.
/// The first error, in any stage, ends the run. Returns the sessions, for the next run. At most [`Schedule::queue`] prefetched tasks
/// wait for a worker; at most as many results, and one of each worker, wait for an earlier result.
pub(super) fn run<T: Send>(
    tasks: impl Iterator<Item = Result<Task<T>>> + Send,
    schedule: Schedule<'_>,
    sessions: Vec<Box<dyn Backend>>,
    constants: &EvaluationConstants,
    control: Control<'_>,
    sink: impl FnMut(TaskResult<T>) -> Result<()> + Send,
) -> Result<Vec<Box<dyn Backend>>> {
    let tasks = tasks.enumerate();
    let (mut ahead, mut located) = (None, None);
    let prefetched = match schedule.prefetch {
        Prefetch::None => {
            located = Some(Box::new(tasks) as Located<'_, T>);
            None
        }
        Prefetch::Thread => {
            let (sender, receiver) = bounded(schedule.queue);
            ahead = Some((tasks, sender));
            Some(receiver)
        }
    };
    let order = ReorderBuffer::new(sessions.len() + schedule.queue, sink);
    let tasks = match &prefetched {
        None => Tasks::Located(Mutex::new(located)),
        Some(receiver) => Tasks::Prefetched(receiver),
    };
    let stages = Stages { tasks, schedule, order, control };
    let sessions = std::thread::scope(|scope| {
        let mut threads = Vec::with_capacity(sessions.len() + 1);
        let order = &stages.order;
        let prefetch = ahead.into_iter().map(|(mut tasks, sender)| {
            spawn_scoped(scope, move || {
                // Nothing is read behind an error.
                _ = tasks.all(|(number, task)| {
                    let is_ok = task.is_ok();
                    !order.is_ended() && sender.send((number, task)).is_ok() && is_ok
                });
                None
            })
        });
        let stages = &stages;
        let workers = sessions.into_iter().map(|session| {
            spawn_scoped(scope, move || Some(stages.work(Evaluator::new(session, constants))))
        });
        // The prefetch thread starts last: when it asks for the first task, all threads have started.
        for thread in workers.chain(prefetch) {
            match thread {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    stages.end(error);
                    break;
                }
            }
        }
        // All threads are waited for, also behind one that panicked.
        let ended: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        ended.into_iter().collect::<std::thread::Result<Vec<_>>>()
    });
    let done = stages.order.finish();
    let sessions = sessions.map_err(|_| Error::Internal("a worker thread panicked".to_owned()))?;
    done.map(|()| sessions.into_iter().flatten().collect())
}

type Located<'a, T> = Box<dyn Iterator<Item = (usize, Result<Task<T>>)> + Send + 'a>;

/// Where the workers get tasks.
enum Tasks<'a, T> {
    /// Each worker locates its own. None when there are no more, or the run has ended.
    Located(Mutex<Option<Located<'a, T>>>),
    /// From the prefetch thread.
    Prefetched(&'a Receiver<(usize, Result<Task<T>>)>),
}

/// The state that the workers share.
struct Stages<'a, T, F: FnMut(TaskResult<T>) -> Result<()>> {
    tasks: Tasks<'a, T>,
    schedule: Schedule<'a>,
    order: ReorderBuffer<TaskResult<T>, F>,
    control: Control<'a>,
}

impl<T, F: FnMut(TaskResult<T>) -> Result<()>> Stages<'_, T, F> {
    fn work(&self, mut worker: Evaluator<'_>) -> Box<dyn Backend> {
        let _guard = WorkerGuard(self);
        let mut buffers = ReadBuffers::default();
        while let Some((number, task)) = self.next_task() {
            let done = task.and_then(|task| compute(&mut worker, task, &mut buffers, self.control));
            self.order.take(number, done);
        }
        worker.into_session()
    }

    /// Ends the run for a reason that is no task's.
    fn end(&self, error: Error) {
        self.order.fail(error);
        self.close();
    }

    /// Sees to it that nobody gets another task.
    fn close(&self) {
        self.control.ended.store(true, Ordering::Relaxed);
        match &self.tasks {
            Tasks::Located(tasks) => *tasks.lock().unwrap_or_else(PoisonError::into_inner) = None,
            // The prefetch thread ends before its next task; this one may be waiting for a place.
            Tasks::Prefetched(tasks) => drop(tasks.try_recv()),
        }
    }

    /// The next task. Pages that the next batches need are loaded before.
    fn next_task(&self) -> Option<(usize, Result<Task<T>>)> {
        loop {
            if self.order.is_ended() {
                return None;
            }
            if let Ok(page) = self.schedule.read_ahead.jobs().try_recv() {
                self.load(page);
                continue;
            }
            match &self.tasks {
                Tasks::Located(tasks) => {
                    let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
                    let (number, task) = tasks.as_mut()?.next()?;
                    let task = self.unless_stopped(task);
                    if task.is_err() {
                        *tasks = None;
                    }
                    return Some((number, task));
                }
                Tasks::Prefetched(tasks) => select! {
                    recv(self.schedule.read_ahead.jobs()) -> page => self.load(page.ok()?),
                    recv(tasks) -> task => {
                        let (number, task) = task.ok()?;
                        self.control.progress.waiting(tasks.len());
                        return Some((number, self.unless_stopped(task)));
                    }
                },
            }
        }
    }

    fn load(&self, page: PageJob) {
        self.control.progress.time(Stage::Read, || page.run());
    }

    fn unless_stopped(&self, task: Result<Task<T>>) -> Result<Task<T>> {
        if self.control.stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { task }
    }
}

/// Runs when a worker ends, also by a panic: no thread must wait for its result.
struct WorkerGuard<'s, 'a, T, F: FnMut(TaskResult<T>) -> Result<()>>(&'s Stages<'a, T, F>);

impl<T, F: FnMut(TaskResult<T>) -> Result<()>> Drop for WorkerGuard<'_, '_, T, F> {
    fn drop(&mut self) {
        let Self(stages) = self;
        stages.order.end_if_panicking();
        if stages.order.is_ended() {
            stages.close();
        }
    }
}

fn compute<T>(
    worker: &mut Evaluator<'_>,
    task: Task<T>,
    buffers: &mut ReadBuffers,
    Control { progress, origin, .. }: Control<'_>,
) -> Result<TaskResult<T>> {
    let Task { group, samples, payload } = task;
    let samples = progress.time(Stage::Read, || samples.read(buffers))?;
    let bad_data = |row: usize, what: String| {
        let (place, row) = origin.row(group, samples.first_row + row);
        // The model is at fault, and not the file: the run must not go on without the file.
        Error::BadRows { place, what: format!("{row}: {what}") }
    };
    let computed = progress.time(Stage::Evaluate, || worker.compute(&samples, bad_data))?;
    let (first_row, label) = (samples.first_row, Arc::clone(&samples.label));
    buffers.reuse(samples);
    Ok(TaskResult { group, first_row, computed, label, payload })
}
