//! The runner of units in an executor: its engine, its bundles and its workers. The session's
//! configuration carries it to the operator.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use futures::future;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::mpsc;

use crate::annotate::AnnotateOptions;
use crate::bundle::Bundle;
use crate::engine::{Engine, EngineOptions};
use crate::error::Result;
use crate::memory::usable_bytes;
use crate::parquet_file::EncryptionKeys;

use super::attempt::{Attempt, may_pass};
use super::executor_bundles::{ExecutorBundles, Unable};
use super::executor_metrics::ExecutorMetrics;
use super::fetched_parts::{FRAMES, FetchedParts, PartRow};
use super::job::{AnnotateJob, EncodedJob, EngineRequest};
use super::measures::UnitMeasures;
use super::tls::Tls;
use super::unit::{Unit, UnitOutcome, UnitResult, UnitWork, row_batch};
use super::worker::{Done, Frames, Worker};

/// The time that a refusal takes: other executors get the units that this one refuses.
const REFUSAL_HOLD: Duration = Duration::from_secs(2);
/// As [`REFUSAL_HOLD`], of a part: the parts that are refused are sent again.
const PART_REFUSAL_HOLD: Duration = Duration::from_millis(100);

/// The runner of an executor's units.
pub(super) struct UnitRunner {
    /// The executor's address.
    name: String,
    engine: Engine,
    tf32: bool,
    tls: Option<Tls>,
    /// Units at a time.
    slots: usize,
    bundles: ExecutorBundles,
    /// Workers without a unit, the latest last.
    idle: Mutex<Vec<Worker>>,
    /// The stop flags of all workers.
    flags: Mutex<Vec<Weak<AtomicBool>>>,
    is_ending: AtomicBool,
    metrics: Arc<ExecutorMetrics>,
}

impl fmt::Debug for UnitRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnitRunner").field("name", &self.name).finish_non_exhaustive()
    }
}

impl UnitRunner {
    /// A runner of this many units at a time.
    pub(super) fn new(
        name: String,
        engine: Engine,
        options: &EngineOptions,
        slots: usize,
        tls: Option<Tls>,
    ) -> Self {
        Self {
            bundles: ExecutorBundles::new(name.clone(), tls.clone()),
            name,
            engine,
            tf32: options.tf32,
            tls,
            slots,
            idle: Mutex::default(),
            flags: Mutex::default(),
            is_ending: AtomicBool::new(false),
            metrics: Arc::new(ExecutorMetrics::new(slots)),
        }
    }

    /// The metrics of the executor.
    pub(super) fn metrics(&self) -> &Arc<ExecutorMetrics> {
        &self.metrics
    }

    /// Does a unit's work, and counts it. The rows are the outcome of a file, or those of a part.
    ///
    /// # Errors
    /// Where another attempt may succeed: an I/O error, as only these are tried again by Ballista.
    pub(super) fn run(
        self: Arc<Self>,
        job: Arc<EncodedJob>,
        unit: Unit,
        attempt: Attempt,
    ) -> BoxStream<'static, DataFusionResult<RecordBatch>> {
        match unit.work {
            UnitWork::Check => {
                stream::once(async move { row_batch(&self.check(&job, &unit, attempt).await?) }).boxed()
            }
            UnitWork::File(_) => {
                stream::once(async move { row_batch(&self.file(&job, unit, attempt).await?) }).boxed()
            }
            UnitWork::Part(_) => {
                let (frames, computed) = mpsc::channel(FRAMES);
                let rows = stream::unfold(computed, |mut computed: mpsc::Receiver<Vec<u8>>| async move {
                    let frame = computed.recv().await?;
                    Some((PartRow::Frame(frame).batch(), computed))
                });
                let end = async move { self.part(&job, unit, attempt, frames).await.transpose() };
                let end = stream::once(end).filter_map(future::ready);
                stream::select(rows, end).boxed()
            }
        }
    }

    /// Annotates a file, and counts it.
    async fn file(
        &self,
        job: &Arc<EncodedJob>,
        unit: Unit,
        attempt: Attempt,
    ) -> DataFusionResult<UnitOutcome> {
        let _running = self.metrics.begin();
        let outcome = self.outcome(job, unit, attempt).await;
        self.metrics.count(outcome.as_ref().ok().map(|outcome| &outcome.result));
        outcome
    }

    /// Says whether this executor can do the job.
    async fn check(
        &self,
        job: &Arc<EncodedJob>,
        unit: &Unit,
        attempt: Attempt,
    ) -> DataFusionResult<UnitOutcome> {
        let result = match self.worker(job, REFUSAL_HOLD).await? {
            Ok(worker) => {
                self.put_back(worker);
                UnitResult::Able
            }
            Err(unable) => unable.into(),
        };
        Ok(self.outcome_of(unit.index, attempt, UnitMeasures::default(), result))
    }

    async fn outcome(
        &self,
        job: &Arc<EncodedJob>,
        unit: Unit,
        attempt: Attempt,
    ) -> DataFusionResult<UnitOutcome> {
        let index = unit.index;
        let mut measures = UnitMeasures::default();
        let result = match self.worker(job, REFUSAL_HOLD).await? {
            Ok(worker) => {
                let (frames, of_parts) = FetchedParts::begin(unit.parts(), self.tls.clone());
                let result;
                (result, measures) = self.work(worker, job, unit, Frames::Of(frames), attempt).await?;
                measures.merge(&of_parts.measures());
                match result {
                    Ok(file) => UnitResult::File(
                        file.ok_or_else(|| DataFusionError::Internal("a file without a result".to_owned()))?,
                    ),
                    Err(error) => UnitResult::Failed(error.into()),
                }
            }
            Err(unable) => unable.into(),
        };
        Ok(self.outcome_of(index, attempt, measures, result))
    }

    fn outcome_of(
        &self,
        index: usize,
        attempt: Attempt,
        measures: UnitMeasures,
        result: UnitResult,
    ) -> UnitOutcome {
        let engine = self.engine.describe().to_string();
        UnitOutcome { index, engine, attempts: attempt.number(), measures, result }
    }

    /// Computes a part; `None` where no worker can. What is wrong with its rows is found again, and said,
    /// where the file is annotated.
    async fn part(
        &self,
        job: &Arc<EncodedJob>,
        unit: Unit,
        attempt: Attempt,
        frames: mpsc::Sender<Vec<u8>>,
    ) -> DataFusionResult<Option<RecordBatch>> {
        let _running = self.metrics.begin();
        let Ok(worker) = self.worker(job, PART_REFUSAL_HOLD).await? else { return Ok(None) };
        let (result, measures) = self.work(worker, job, unit, Frames::To(frames), attempt).await?;
        if let Err(error) = result {
            tracing::info!("a part ends early: {error}");
        }
        PartRow::End(measures).batch().map(Some)
    }

    /// Why this executor can't run models on the engine that is asked for, naming both sides.
    pub(super) fn refusal(&self, asked: &EngineRequest) -> Option<String> {
        asked.refusal(&self.name, &self.engine, self.tf32)
    }

    /// Its bundles.
    pub(super) fn bundles(&self) -> &ExecutorBundles {
        &self.bundles
    }

    /// The executor's address.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The engine.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Gives a unit to a worker.
    async fn work(
        &self,
        worker: Worker,
        job: &EncodedJob,
        unit: Unit,
        frames: Frames,
        attempt: Attempt,
    ) -> DataFusionResult<Done> {
        let (result, measures) = worker.work(unit, job.trace.clone(), frames).await;
        // A worker whose unit was stopped ends instead.
        if !worker.stop_flag().load(Ordering::Relaxed) {
            self.put_back(worker);
        }
        match result {
            Err(error) if may_pass(&error) && (!attempt.is_last() || self.is_ending()) => {
                tracing::warn!("{error}: attempt {} of the unit", attempt.number());
                Err(DataFusionError::IoError(std::io::Error::other(error.to_string())))
            }
            result => Ok((result, measures)),
        }
    }

    /// A worker of a job, or the reason why this executor has none. A refusal takes a while.
    async fn worker(
        &self,
        job: &Arc<EncodedJob>,
        refusal_hold: Duration,
    ) -> DataFusionResult<std::result::Result<Worker, Unable>> {
        if self.is_ending() {
            // The scheduler does not know yet that the executor leaves.
            tokio::time::sleep(REFUSAL_HOLD).await;
            return Err(DataFusionError::IoError(std::io::Error::other("the executor ends")));
        }
        let worker = self.find_worker(job).await?;
        match &worker {
            Ok(_) => {}
            Err(Unable::Refused(reason)) => {
                tracing::warn!("unit refused: {reason}");
                tokio::time::sleep(refusal_hold).await;
            }
            Err(Unable::BundleLost(reason)) => tracing::warn!("{reason}"),
        }
        Ok(worker)
    }

    async fn find_worker(
        &self,
        encoded: &Arc<EncodedJob>,
    ) -> DataFusionResult<std::result::Result<Worker, Unable>> {
        if let Some(idle) = self.take_idle(encoded) {
            return Ok(Ok(idle));
        }
        let job = match encoded.open(&self.name) {
            Ok(job) => job,
            Err(reason) => return Ok(Err(Unable::Refused(reason))),
        };
        if let Some(reason) = self.refusal(&job.engine) {
            return Ok(Err(Unable::Refused(reason)));
        }
        let bundle = match self.bundles.open(&job.bundle, encoded.bundle_parts.clone()).await? {
            Ok(bundle) => bundle,
            Err(none) => return Ok(Err(none)),
        };
        Ok(self
            .start(&job, encoded, bundle)
            .map_err(|e| Unable::Refused(format!("executor {}: {e}", self.name))))
    }

    fn start(&self, job: &AnnotateJob, encoded: &Arc<EncodedJob>, bundle: Arc<Bundle>) -> Result<Worker> {
        let keys = job.keys.as_deref().map(EncryptionKeys::open).transpose()?;
        let (given, slots) = (&job.options, self.slots.max(1));
        let workers = given.workers.unwrap_or_else(|| (self.engine.device().workers() / slots).max(1));
        // A quarter of the machine's memory for all slots, as for a run on one machine.
        let limit = given.memory_limit_bytes.unwrap_or_else(|| usable_bytes() / 4 / slots as u64);
        let options = AnnotateOptions {
            keys,
            workers: Some(workers),
            memory_limit_bytes: Some(limit),
            ..given.clone()
        };
        let worker = Worker::start(Arc::clone(encoded), bundle, self.engine.clone(), options)?;
        let mut flags = self.flags.lock().unwrap_or_else(PoisonError::into_inner);
        flags.retain(|flag| flag.strong_count() > 0);
        flags.push(Arc::downgrade(&worker.stop_flag()));
        Ok(worker)
    }

    fn take_idle(&self, job: &EncodedJob) -> Option<Worker> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let place = idle.iter().rposition(|worker| worker.job.is_same(job))?;
        Some(idle.remove(place))
    }

    fn put_back(&self, worker: Worker) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(worker);
        // The models of earlier jobs.
        while idle.len() > self.slots {
            idle.remove(0);
        }
    }

    fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }

    /// Stops all units: their journals stay, and their tasks fail as what may be tried again.
    pub(super) fn stop_units(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let flags = self.flags.lock().unwrap_or_else(PoisonError::into_inner);
        flags.iter().filter_map(Weak::upgrade).for_each(|flag| flag.store(true, Ordering::Relaxed));
    }

    /// Waits for the ends of the workers' threads.
    pub(super) fn wait(&self, at_most: Duration) {
        const POLL: Duration = Duration::from_millis(20);
        let start = std::time::Instant::now();
        let is_any_left = || {
            let flags = self.flags.lock().unwrap_or_else(PoisonError::into_inner);
            flags.iter().any(|flag| flag.strong_count() > 0)
        };
        while is_any_left() && start.elapsed() < at_most {
            std::thread::sleep(POLL);
        }
    }
}

impl From<Unable> for UnitResult {
    fn from(unable: Unable) -> Self {
        match unable {
            Unable::Refused(reason) => Self::Refused(reason),
            Unable::BundleLost(reason) => Self::BundleLost(reason),
        }
    }
}
