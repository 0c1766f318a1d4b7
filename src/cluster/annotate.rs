//! The annotation of files by a cluster: files become units, outcomes become the results of files.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use datafusion::error::DataFusionError;

use crate::annotate::{BadFile, ClusterUse, FileResult, Progress, Summary};
use crate::bundle::Bundle;
use crate::engine::{Engine, EngineOptions};
use crate::error::{Error, Place, Result};
use crate::printable::without_secrets;
use crate::storage::{FilePair, Files};
use crate::threads::runtime;

use super::address::{ClusterAddress, HostPort};
use super::annotate_exec::AnnotateExec;
use super::bundle_parts::{self, BundleFiles};
use super::client::Client;
use super::job::{AnnotateJob, EncodedJob, absolute};
use super::local::LocalCluster;
use super::measures::UnitMeasures;
use super::partition::Executors;
use super::status;
use super::tls::Tls;
use super::unit::{self, Unit, UnitOutcome, UnitResult, rows_of};

/// Threads of the client, which waits most of the time.
const CLIENT_THREADS: usize = 2;
/// Rounds in which no file is done, one after the other, after which the cluster counts as lost.
const MOST_IDLE_ROUNDS: usize = 10;
/// The time that the units of a local cluster have to stop after a signal.
const LOCAL_UNITS_END: Duration = Duration::from_secs(1);

/// What became of the files.
#[derive(Debug)]
pub struct ClusterOutcome {
    /// The results in the order of the files.
    pub results: Vec<Result<FileResult>>,
    /// The engines of the executors, "NAME (VERSION) on DEVICE", joined by commas.
    pub engine: String,
    /// What was used of the cluster.
    pub cluster: ClusterUse,
    measures: Vec<UnitMeasures>,
}

impl ClusterOutcome {
    /// Reports what the executors have measured as a run on one machine does.
    pub fn report(&self, progress: &dyn Progress) {
        self.measures.iter().for_each(|measures| measures.report(progress));
    }
}

/// The side of the client: what it has beside the job and the files.
pub struct ClusterClient<'a> {
    /// The engine of a local cluster, as it is described.
    pub engine: &'a EngineOptions,
    /// Finds that engine.
    pub find_engine: &'a dyn Fn() -> Result<Engine>,
    /// TLS with a scheduler and its executors.
    pub tls: Option<&'a Tls>,
    /// Is called again and again while the cluster works.
    pub waiting: &'a dyn Fn(),
    /// Cancels the job.
    pub stop: &'a AtomicBool,
}

/// Annotates files by a cluster.
///
/// # Errors
/// [`Error::Interrupted`]; [`Error::Transient`] where the cluster is lost: what is done stays; as for
/// [`Bundle::open`]. Errors of files are among the results.
pub fn annotate(
    address: &ClusterAddress,
    job: &AnnotateJob,
    bundle: &Bundle,
    files: &Files,
    client: &ClusterClient<'_>,
) -> Result<ClusterOutcome> {
    let units = units(files)?;
    let travelling = bundle_parts::travelling_files(bundle)?;
    if travelling.is_none() {
        tracing::info!("executors open the bundle themselves: {}", bundle.dir().display());
    }
    let work = Work { job, bundle: travelling, client };
    let outcomes = match address {
        ClusterAddress::Scheduler(address) => {
            let runtime = runtime(Some(CLIENT_THREADS), "cluster")?;
            let outcomes = runtime.block_on(async {
                match status::ask(address, client.tls).await? {
                    0 => tracing::warn!("{address} has no executor yet; the run waits for one"),
                    1 => tracing::info!("{address} has 1 executor"),
                    executors => tracing::info!("{address} has {executors} executors"),
                }
                run_all(address, units, &work).await
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
            outcomes
        }
        ClusterAddress::Local(executors) => {
            let engine = (client.find_engine)()?;
            let runtime = runtime(None, "cluster")?;
            let local = runtime.block_on(LocalCluster::start(*executors, &engine, client.engine))?;
            // The parts of one process are reached by nobody else.
            let work = Work { client: &ClusterClient { tls: None, ..*client }, ..work };
            let outcomes = runtime.block_on(run_all(&local.address, units, &work));
            local.stop_units(LOCAL_UNITS_END);
            runtime.shutdown_timeout(Duration::from_millis(200));
            outcomes
        }
    }?;
    collect(files, outcomes)
}

/// The units of the files, the largest first: what begins last decides when the run ends.
fn units(files: &Files) -> Result<Vec<Unit>> {
    let mut units = Vec::with_capacity(files.pairs().len());
    for (index, pair) in files.pairs().iter().enumerate() {
        for path in [&pair.input, &pair.output] {
            if path.to_str().is_none() {
                let what = format!("{} is not UTF-8, and can't be named to a cluster", path.display());
                return Err(Error::Usage(what));
            }
        }
        let (input, output) = (absolute(&pair.input)?, absolute(&pair.output)?);
        let unit = Unit::new(index, pair.input.clone(), FilePair { input, output, ..pair.clone() });
        units.push((pair.bytes, unit.of_one_file(files.is_file())));
    }
    units.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    Ok(units.into_iter().map(|(_, unit)| unit).collect())
}

/// What all rounds of a run share.
struct Work<'a> {
    job: &'a AnnotateJob,
    /// The files of a bundle that travels.
    bundle: Option<BundleFiles>,
    client: &'a ClusterClient<'a>,
}

/// Sends the units until each has an outcome. Those that an executor has refused are sent again, for another
/// one to take, and those whose outcome was lost with its executor, as long as others are done.
async fn run_all(address: &HostPort, mut units: Vec<Unit>, work: &Work<'_>) -> Result<Vec<UnitOutcome>> {
    let mut done: Vec<UnitOutcome> = Vec::with_capacity(units.len());
    let mut idle_rounds = 0;
    while !units.is_empty() {
        let (mut known, mut refused) = (BTreeSet::new(), Vec::new());
        let mut outcomes = run_round(address, &units, work).await?;
        // Of two attempts, the one that wrote the file before the one that found it.
        outcomes.sort_by_key(UnitOutcome::is_skipped);
        for outcome in outcomes {
            match outcome.result {
                UnitResult::Refused(reason) => refused.push(reason),
                UnitResult::BundleLost(_) => {}
                // An executor that was only cut off may report what another one has done since.
                UnitResult::File(_) | UnitResult::Failed(_) if !known.insert(outcome.index) => {}
                UnitResult::File(_) | UnitResult::Failed(_) => done.push(outcome),
            }
        }
        let sent = units.len();
        units.retain(|unit| !known.contains(&unit.index));
        let left = units.len();
        idle_rounds = if left == sent { idle_rounds + 1 } else { 0 };
        match refused.first() {
            Some(reason) if refused.len() == sent => {
                return Err(Error::Engine(format!("no executor can annotate {left} files: {reason}")));
            }
            _ if idle_rounds > MOST_IDLE_ROUNDS => {
                let what =
                    format!("executors are lost again and again; {left} files are left, the others stay");
                return Err(Error::Transient { place: Place::file(address), what });
            }
            Some(reason) => tracing::warn!("{left} files are sent again: {reason}"),
            None if left > 0 => tracing::warn!("{left} files are sent again, as executors were lost"),
            None => {}
        }
    }
    Ok(done)
}

/// Sends the bundle, where it travels, and then the units. Returns the outcomes that are not lost.
async fn run_round(address: &HostPort, units: &[Unit], work: &Work<'_>) -> Result<Vec<UnitOutcome>> {
    let internal = |e: DataFusionError| Error::Internal(format!("a plan of units: {e}"));
    let ClusterClient { stop, waiting, tls, .. } = work.client;
    let mut client = Client::connect(address, *tls).await?;
    let bundle = match &work.bundle {
        Some(files) => {
            client.run(&bundle_parts::source(files).map_err(internal)?, stop, waiting).await?.pop()
        }
        None => None,
    };
    let job = Arc::new(EncodedJob::of(work.job, bundle.as_ref())?);
    let exec = AnnotateExec::new(job, unit::source(units).map_err(internal)?);
    let places = client.run(&(Arc::new(exec) as _), stop, waiting).await?;
    let (mut executors, mut outcomes) = (Executors::new(*tls), Vec::with_capacity(units.len()));
    for place in places {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        match executors.fetch(place).await {
            Ok(batches) => {
                for batch in &batches {
                    outcomes.extend(rows_of::<UnitOutcome>(batch).map_err(internal)?);
                }
            }
            Err(why) => tracing::warn!("the outcome of a file is lost: {why}"),
        }
    }
    client.leave().await;
    Ok(outcomes)
}

/// The results of the files, in their order.
fn collect(files: &Files, mut outcomes: Vec<UnitOutcome>) -> Result<ClusterOutcome> {
    outcomes.sort_by_key(|outcome| outcome.index);
    let (mut executors, mut engines) = (BTreeSet::new(), BTreeSet::new());
    let (mut attempts, mut measures) = (0, Vec::with_capacity(outcomes.len()));
    let mut results = Vec::with_capacity(outcomes.len());
    for (pair, outcome) in files.pairs().iter().zip(outcomes) {
        if files.pairs().get(outcome.index) != Some(pair) {
            return Err(Error::Internal(format!("{} has no outcome", pair.input.display())));
        }
        executors.insert(outcome.executor);
        engines.insert(outcome.engine);
        attempts += outcome.attempts;
        measures.push(outcome.measures);
        results.push(match outcome.result {
            UnitResult::File(result) => Ok(as_given(pair, result)),
            UnitResult::Failed(error) => Err(error_as_given(pair, error.into())),
            UnitResult::Refused(reason) | UnitResult::BundleLost(reason) => Err(Error::Engine(reason)),
        });
    }
    if results.len() != files.pairs().len() {
        let what = format!("{} of {} files have an outcome", results.len(), files.pairs().len());
        return Err(Error::Internal(what));
    }
    let engine = engines.into_iter().collect::<Vec<_>>().join(", ");
    Ok(ClusterOutcome {
        results,
        engine,
        cluster: ClusterUse { executors: executors.len() as u64, attempts },
        measures,
    })
}

/// A result with the paths as they were given.
fn as_given(pair: &FilePair, result: FileResult) -> FileResult {
    let (input, output) = (without_secrets(&pair.input), without_secrets(&pair.output));
    match result {
        FileResult::Done(summary) => FileResult::Done(Box::new(Summary { input, output, ..*summary })),
        FileResult::Bad(file) => FileResult::Bad(BadFile { input, ..file }),
    }
}

/// An error with the place of the input as it was given.
fn error_as_given(pair: &FilePair, mut error: Error) -> Error {
    if let Error::NoInput { place, .. }
    | Error::BadData { place, .. }
    | Error::BadRows { place, .. }
    | Error::Io { place, .. }
    | Error::Transient { place, .. } = &mut error
    {
        for path in [&pair.input, &pair.output] {
            let sent = absolute(path).map(|path| Place::file(path.display()).file);
            if sent.is_ok_and(|sent| sent == place.file) {
                place.file = Place::file(path.display()).file;
            }
        }
    }
    if let Error::OutputExists(path) | Error::OtherOutput { path, .. } | Error::CannotCreate { path, .. } =
        &mut error
        && absolute(&pair.output).is_ok_and(|sent| sent == *path)
    {
        path.clone_from(&pair.output);
    }
    error
}
