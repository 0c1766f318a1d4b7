//! The annotation of files by a cluster: files become units, outcomes become the results of files.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::annotate::{BadFile, ClusterUse, FileResult, Progress, Summary, divide};
use crate::bundle::Bundle;
use crate::error::{Error, Place, Result};
use crate::parquet_file::Input;
use crate::printable::without_secrets;
use crate::storage::{FilePair, Files};
use crate::threads::runtime;

use super::address::ClusterAddress;
use super::bundle_parts;
use super::job::{AnnotateJob, absolute};
use super::local::LocalCluster;
use super::measures::UnitMeasures;
use super::rounds::{ClusterClient, Outcomes, Work};
use super::status;
use super::unit::{Part, Unit, UnitResult, UnitWork};

/// Threads of the client, which waits most of the time.
const CLIENT_THREADS: usize = 2;
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
    let units = units(files, client)?;
    let travelling = bundle_parts::travelling_files(bundle)?;
    if travelling.is_none() {
        tracing::info!("executors open the bundle themselves: {}", bundle.dir().display());
    }
    let bundle = travelling.as_ref();
    let outcomes = match address {
        ClusterAddress::Scheduler(address) => {
            let runtime = runtime(Some(CLIENT_THREADS), "cluster")?;
            let outcomes = runtime.block_on(async {
                match status::ask(address, client.tls).await? {
                    0 => tracing::warn!("{address} has no executor yet; the run waits two minutes for one: start `lsmi-etl cluster executor`"),
                    1 => tracing::info!("{address} has 1 executor"),
                    executors => tracing::info!("{address} has {executors} executors"),
                }
                Work { address, job, bundle, client }.run(units).await
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
            outcomes
        }
        ClusterAddress::Local(executors) => {
            let engine = (client.find_engine)()?;
            let runtime = runtime(None, "cluster")?;
            let local = runtime.block_on(LocalCluster::start(*executors, &engine, client.engine))?;
            // The parts of one process are reached by nobody else.
            let client = &ClusterClient { tls: None, ..*client };
            let work = Work { address: &local.address, job, bundle, client };
            let outcomes = runtime.block_on(work.run(units));
            local.end(LOCAL_UNITS_END);
            runtime.shutdown_timeout(Duration::from_millis(200));
            outcomes
        }
    }?;
    collect(files, outcomes)
}

/// The units of the files, the largest first: what begins last decides when the run ends.
fn units(files: &Files, client: &ClusterClient<'_>) -> Result<Vec<Unit>> {
    let mut units = Vec::with_capacity(files.pairs().len());
    for (index, pair) in files.pairs().iter().enumerate() {
        for path in [&pair.input, &pair.output] {
            if path.to_str().is_none() {
                let what = format!("{} is not UTF-8, and can't be named to a cluster", path.display());
                return Err(Error::Usage(what));
            }
        }
        let (input, output) = (absolute(&pair.input)?, absolute(&pair.output)?);
        let (name, work) = (pair.input.clone(), UnitWork::File(parts(pair, client)));
        let sent = FilePair { input, output, ..pair.clone() };
        units.push((pair.bytes, Unit::new(index, name, sent, files.is_file(), work)));
    }
    units.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    Ok(units.into_iter().map(|(_, unit)| unit).collect())
}

/// The parts of a file that is larger than a unit; none of another one, or where they are unknown: what is
/// wrong with such a file is said when it is annotated.
fn parts(pair: &FilePair, client: &ClusterClient<'_>) -> Vec<Part> {
    if pair.bytes <= client.unit_bytes {
        return Vec::new();
    }
    let Ok(input) = Input::open_with(&pair.input, client.keys) else { return Vec::new() };
    let row_groups = input.metadata().row_groups().iter();
    let bytes: Vec<u64> = row_groups.map(|group| group.compressed_size().unsigned_abs()).collect();
    let parts = divide(&bytes, client.unit_bytes);
    if parts.len() < 2 {
        return Vec::new();
    }
    parts.into_iter().map(|row_groups| Part { row_groups, place: None }).collect()
}

/// The results of the files, in their order.
fn collect(files: &Files, outcomes: Outcomes) -> Result<ClusterOutcome> {
    let Outcomes { mut outcomes, executors } = outcomes;
    let mut engines = BTreeSet::new();
    let (mut attempts, mut measures) = (0, Vec::with_capacity(outcomes.len()));
    let mut results = Vec::with_capacity(outcomes.len());
    for (index, pair) in files.pairs().iter().enumerate() {
        let outcome = outcomes
            .remove(&index)
            .ok_or_else(|| Error::Internal(format!("{} has no outcome", pair.input.display())))?;
        engines.insert(outcome.engine);
        attempts += outcome.attempts;
        measures.push(outcome.measures);
        results.push(match outcome.result {
            UnitResult::File(result) => Ok(as_given(pair, result)),
            UnitResult::Failed(error) => Err(error_as_given(pair, error.into())),
            UnitResult::Refused(reason) | UnitResult::BundleLost(reason) => Err(Error::Engine(reason)),
            UnitResult::Able => Err(Error::Internal(format!("{} was not annotated", pair.input.display()))),
        });
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
    | Error::Transient { place, .. }
    | Error::ExecutorLost { place, .. } = &mut error
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
