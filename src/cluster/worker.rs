//! A worker thread of an executor: one run of one job, which annotates unit after unit, so that the models
//! are loaded once for all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use tokio::sync::oneshot;

use crate::annotate::{AnnotateOptions, FileResult, Run};
use crate::bundle::Bundle;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::parquet_file::caught;
use crate::threads::spawn_detached;

use super::job::EncodedJob;
use super::measures::{MeasuredProgress, UnitMeasures};
use super::trace_context::TraceContext;
use super::unit::Unit;

/// The time that a unit waits for what passes by itself, above all for the end of another attempt at the
/// same output, before it fails and Ballista begins it again.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// A unit to annotate, and where its result goes.
struct Order {
    unit: Unit,
    trace: TraceContext,
    reply: oneshot::Sender<Annotated>,
}

/// The result of a unit, and what was measured until then.
pub(super) type Annotated = (Result<FileResult>, UnitMeasures);

/// A thread that annotates units of one job. It ends when the handle is dropped.
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

    /// Annotates a unit of a run with this trace. Where the future is dropped, the unit stops soon, and its
    /// journal stays for the next attempt.
    pub(super) async fn annotate(&self, unit: Unit, trace: TraceContext) -> Annotated {
        let (reply, replied) = oneshot::channel();
        let lost =
            || (Err(Error::Internal("the worker of a unit has ended".to_owned())), UnitMeasures::default());
        if self.orders.send(Order { unit, trace, reply }).is_err() {
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
    let run = Run::new(bundle, engine, options, &progress, stop);
    for Order { unit, trace, reply } in orders {
        let result = caught(|| trace.around(&unit, || patiently(stop, || annotate(&run, &unit))));
        let result = result.unwrap_or_else(|panic| Err(Error::Internal(panic)));
        // Nobody waits for a unit that was cancelled.
        let _ = reply.send((result, progress.take()));
    }
}

fn annotate(run: &Run<'_>, unit: &Unit) -> Result<FileResult> {
    let pair = unit.pair();
    match unit.is_file {
        true => {
            let annotated = run.file_called(&unit.name, &pair.input, &pair.output);
            annotated.map(|summary| FileResult::Done(Box::new(summary)))
        }
        false => run.file_of_many(&unit.name, &pair),
    }
}

/// Tries again for a while where an error passes by itself.
fn patiently<T>(stop: &AtomicBool, work: impl Fn() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        match work() {
            Err(Error::Transient { .. }) if start.elapsed() < PATIENCE => {}
            result => return result,
        }
        std::thread::sleep(PAUSE);
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
    }
}
