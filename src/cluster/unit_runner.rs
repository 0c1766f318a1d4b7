//! The runner of units in an executor: its engine, its bundles and its workers. The session's
//! configuration carries it to the operator.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use ballista_core::serde::protobuf::PartitionLocation;
use datafusion::arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use futures::future::{self, BoxFuture};
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::mpsc;

use crate::annotate::AnnotateOptions;
use crate::bundle::Bundle;
use crate::engine::{Engine, EngineOptions};
use crate::error::{Error, Result};
use crate::evaluate::open_bundle;
use crate::memory::usable_bytes;
use crate::parquet_file::EncryptionKeys;

use super::attempt::Attempt;
use super::bundle_parts;
use super::executor_metrics::ExecutorMetrics;
use super::fetched_parts::{FRAMES, FetchedParts, PartRow};
use super::job::{AnnotateJob, BundleReference, EncodedJob, EngineRequest};
use super::measures::UnitMeasures;
use super::partition::Executors;
use super::tls::Tls;
use super::unit::{Unit, UnitOutcome, UnitResult, UnitWork, row_batch};
use super::worker::{Done, Frames, Worker};

/// The time that a refusal takes: other executors get the units that this one refuses.
const REFUSAL_HOLD: Duration = Duration::from_secs(2);
/// As [`REFUSAL_HOLD`], of a part: the parts that are refused are sent again.
const PART_REFUSAL_HOLD: Duration = Duration::from_millis(100);
/// Bundles that are kept for later jobs.
const KEPT_BUNDLES: usize = 4;

/// The runner of an executor's units.
pub(super) struct UnitRunner {
    /// The executor's address.
    name: String,
    engine: Engine,
    tf32: bool,
    tls: Option<Tls>,
    /// Units at a time.
    slots: usize,
    /// Opened bundles by hash, the latest last. One is opened at a time, so that each is fetched once.
    bundles: tokio::sync::Mutex<Vec<Arc<Bundle>>>,
    /// Workers without a unit, the latest last.
    idle: Mutex<Vec<Worker>>,
    /// The stop flags of all workers.
    flags: Mutex<Vec<Weak<AtomicBool>>>,
    is_ending: AtomicBool,
    metrics: Arc<ExecutorMetrics>,
}

/// Why an executor has no worker for a unit.
pub(super) enum NoWorker {
    /// It can't do the job.
    Refused(String),
    /// The bundle that travels is gone.
    BundleLost(String),
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
            name,
            engine,
            tf32: options.tf32,
            tls,
            slots,
            bundles: tokio::sync::Mutex::default(),
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
            Err(NoWorker::Refused(reason)) => UnitResult::Refused(reason),
            Err(NoWorker::BundleLost(reason)) => UnitResult::BundleLost(reason),
        };
        let engine = self.engine.describe().to_string();
        Ok(UnitOutcome { index, engine, attempts: attempt.number(), measures, result })
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
    ) -> DataFusionResult<std::result::Result<Worker, NoWorker>> {
        if self.is_ending() {
            // The scheduler does not know yet that the executor leaves.
            tokio::time::sleep(REFUSAL_HOLD).await;
            return Err(DataFusionError::IoError(std::io::Error::other("the executor ends")));
        }
        let worker = self.find_worker(job).await?;
        match &worker {
            Ok(_) => {}
            Err(NoWorker::Refused(reason)) => {
                tracing::warn!("unit refused: {reason}");
                tokio::time::sleep(refusal_hold).await;
            }
            Err(NoWorker::BundleLost(reason)) => tracing::warn!("{reason}"),
        }
        Ok(worker)
    }

    async fn find_worker(
        &self,
        encoded: &Arc<EncodedJob>,
    ) -> DataFusionResult<std::result::Result<Worker, NoWorker>> {
        if let Some(idle) = self.take_idle(encoded) {
            return Ok(Ok(idle));
        }
        let job = match encoded.open(&self.name) {
            Ok(job) => job,
            Err(reason) => return Ok(Err(NoWorker::Refused(reason))),
        };
        if let Some(reason) = self.refusal(&job.engine) {
            return Ok(Err(NoWorker::Refused(reason)));
        }
        let bundle = match self.bundle(&job.bundle, encoded.bundle_parts.clone()).await? {
            Ok(bundle) => bundle,
            Err(none) => return Ok(Err(none)),
        };
        Ok(self
            .start(&job, encoded, bundle)
            .map_err(|e| NoWorker::Refused(format!("executor {}: {e}", self.name))))
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

    /// A bundle by its hash: one that is open already, that of its parts, or that of its place; or the
    /// reason why there is none.
    pub(super) async fn bundle(
        &self,
        wanted: &BundleReference,
        parts: Option<PartitionLocation>,
    ) -> DataFusionResult<std::result::Result<Arc<Bundle>, NoWorker>> {
        let mut bundles = self.bundles.lock().await;
        if let Some(open) = bundles.iter().find(|bundle| bundle.digest() == wanted.sha256) {
            return Ok(Ok(Arc::clone(open)));
        }
        let files = match parts {
            Some(parts) => {
                let fetched = Executors::new(self.tls.as_ref()).fetch(parts).await;
                match fetched.and_then(|parts| bundle_parts::collect(&parts)) {
                    Ok(files) => Some(files),
                    Err(why) => {
                        let what = format!("executor {} {NO_BUNDLE}: {why}", self.name);
                        return Ok(Err(NoWorker::BundleLost(what)));
                    }
                }
            }
            None => None,
        };
        let place = wanted.place.clone();
        let opened = blocking(move || match files {
            Some(files) => open_files(&place, files),
            None => open_bundle(&place),
        });
        let bundle = match opened.await? {
            Ok(bundle) => bundle,
            Err(error) if may_pass(&error) => {
                return Err(DataFusionError::IoError(std::io::Error::other(error.to_string())));
            }
            Err(error) => {
                let what = format!("executor {} has not the client's bundle: {error}", self.name);
                return Ok(Err(NoWorker::Refused(what)));
            }
        };
        if bundle.digest() != wanted.sha256 {
            return Ok(Err(NoWorker::Refused(format!(
                "executor {} finds another bundle at {} ({}) than the client ({})",
                self.name,
                wanted.place.display(),
                bundle.digest(),
                wanted.sha256
            ))));
        }
        let bundle = Arc::new(bundle);
        if bundles.len() >= KEPT_BUNDLES {
            bundles.remove(0);
        }
        bundles.push(Arc::clone(&bundle));
        Ok(Ok(bundle))
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

/// What is said of a bundle that travels and is gone.
const NO_BUNDLE: &str = "does not get the client's bundle";

/// Whether a bundle that travels is gone with the executor that kept it.
pub(super) fn is_bundle_lost(error: &Error) -> bool {
    matches!(error, Error::Transient { what, .. } if what.contains(NO_BUNDLE))
}

/// Whether another attempt may succeed.
pub(super) fn may_pass(error: &Error) -> bool {
    matches!(error, Error::Transient { .. } | Error::NoThread(_) | Error::Interrupted)
}

fn open_files(place: &Path, files: HashMap<String, Vec<u8>>) -> Result<Bundle> {
    Bundle::read(place, move |file| Ok(files.get(file).cloned()))
}

/// Runs blocking work beside the runtime's threads.
fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> BoxFuture<'static, DataFusionResult<T>> {
    Box::pin(async {
        tokio::task::spawn_blocking(work).await.map_err(|e| DataFusionError::External(Box::new(e)))
    })
}
