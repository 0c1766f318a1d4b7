//! A worker thread of an executor: one run of one job, which does unit after unit, so that the models are
//! loaded once for all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use tokio::sync::{mpsc, oneshot};

use crate::annotate::{AnnotateOptions, FileResult, Run};
use crate::bundle::Bundle;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::parquet_file::caught;
use crate::threads::spawn_detached;

use super::job::EncodedJob;
use super::measures::{MeasuredProgress, UnitMeasures};
use super::trace_context::TraceContext;
use super::unit::{Unit, UnitWork};

/// The time that a unit waits for another attempt at the same output to end, before it fails and Ballista
/// begins it again.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);

/// A unit, and where its result goes: that of a file, nothing of a part.
struct Order {
    unit: Unit,
    trace: TraceContext,
    frames: Frames,
    reply: oneshot::Sender<Done>,
}

/// The result of a unit, and what was measured until then.
pub(super) type Done = (Result<Option<FileResult>>, UnitMeasures);

/// The frames of parts, in the order of their rows.
pub(super) enum Frames {
    /// Those of the parts of a file that is annotated.
    Of(mpsc::Receiver<Vec<u8>>),
    /// Those of a part that is computed.
    To(mpsc::Sender<Vec<u8>>),
}

/// A thread that does the units of one job. It ends when the handle is dropped.
pub(super) struct Worker {
    /// The job.
    pub(super) job: Arc<EncodedJob>,
    orders: Sender<Order>,
    stop: Arc<AtomicBool>,
}

impl Worker {
    /// Starts a thread with these models and options.
    ///
    /// # Errors
    /// [`Error::NoThread`].
    pub(super) fn start(
        job: Arc<EncodedJob>,
        bundle: Arc<Bundle>,
        engine: Engine,
        options: AnnotateOptions,
    ) -> Result<Self> {
        let (orders, received) = unbounded();
        let stop = Arc::<AtomicBool>::default();
        let flag = Arc::clone(&stop);
        spawn_detached(move || serve(&bundle, &engine, &options, &flag, &received))?;
        Ok(Self { job, orders, stop })
    }

    /// Does the work of a unit of a run with this trace. Where the future is dropped, the unit stops soon,
    /// and its journal stays for the next attempt.
    pub(super) async fn work(&self, unit: Unit, trace: TraceContext, frames: Frames) -> Done {
        let (reply, replied) = oneshot::channel();
        let lost =
            || (Err(Error::Internal("the worker of a unit has ended".to_owned())), UnitMeasures::default());
        if self.orders.send(Order { unit, trace, frames, reply }).is_err() {
            return lost();
        }
        let mut guard = StopOnDrop { stop: &self.stop, is_done: false };
        let result = replied.await;
        guard.is_done = true;
        result.unwrap_or_else(|_| lost())
    }

    /// The flag that stops its unit.
    pub(super) fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }
}

struct StopOnDrop<'a> {
    stop: &'a AtomicBool,
    is_done: bool,
}

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// The work of the thread.
fn serve(
    bundle: &Bundle,
    engine: &Engine,
    options: &AnnotateOptions,
    stop: &AtomicBool,
    orders: &Receiver<Order>,
) {
    let progress = MeasuredProgress::default();
    let run = Run::new(bundle, engine, options, &progress, stop).with_lock_patience(LOCK_PATIENCE);
    for Order { unit, trace, frames, reply } in orders {
        let result = caught(|| trace.around(&unit, || work(&run, &unit, frames)));
        let result = result.unwrap_or_else(|panic| Err(Error::Internal(panic)));
        // Nobody waits for a unit that was cancelled.
        let _ = reply.send((result, progress.take()));
    }
}

fn work(run: &Run<'_>, unit: &Unit, frames: Frames) -> Result<Option<FileResult>> {
    let (pair, is_file) = (unit.pair(), unit.is_file);
    match (&unit.work, frames) {
        (UnitWork::Part(row_groups), Frames::To(frames)) => {
            // The task was cancelled.
            let emit = |frame| frames.blocking_send(frame).map_err(|_| Error::Interrupted);
            run.part(&pair, is_file, row_groups.clone(), emit).map(|()| None)
        }
        (UnitWork::File(parts), Frames::Of(mut frames)) if !parts.is_empty() => {
            let row_groups: Vec<_> = parts.iter().map(|part| part.row_groups.clone()).collect();
            let frames = std::iter::from_fn(|| frames.blocking_recv());
            run.file_of_parts(&unit.name, &pair, is_file, &row_groups, frames).map(Some)
        }
        (UnitWork::File(_), _) => run.one_of(&unit.name, &pair, is_file).map(Some),
        (UnitWork::Part(_) | UnitWork::Check, _) => {
            Err(Error::Internal("a unit without its frames".to_owned()))
        }
    }
}
