//! The rounds of a run: units are sent as jobs, again and again, until each has an outcome. One round is
//! enough unless executors refuse units, or are lost together with the outcomes that they hold: Ballista
//! begins lost tasks again, and knows neither of these.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ballista_core::serde::protobuf::PartitionLocation;
use datafusion::error::DataFusionError;
use prost::Message;

use crate::engine::{Engine, EngineOptions};
use crate::error::{Error, Place, Result};
use crate::parquet_file::EncryptionKeys;

use super::address::HostPort;
use super::annotate_exec::AnnotateExec;
use super::bundle_parts::{self, BundleFiles};
use super::client::Client;
use super::job::{AnnotateJob, EncodedJob};
use super::partition::Executors;
use super::status;
use super::tls::Tls;
use super::unit::{self, Part, Unit, UnitOutcome, UnitResult, UnitWork, rows_of};

/// Rounds in which no file is done, one after the other, after which the cluster counts as lost.
const MOST_IDLE_ROUNDS: usize = 10;
/// Files of a job. Its plan must fit a message (some 600 bytes a file, and more of long paths), and the
/// scheduler's memory.
const JOB_UNITS: usize = 100_000;

/// Files of an executor beyond which executors are asked first whether they can annotate: each file that all
/// of them refuse takes a while.
const UNASKED_UNITS: usize = 32;

/// Questions before units that are sent again: more than a cluster has slots that refuse.
const MOST_QUESTIONS: usize = 10_000;

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
    /// The keys of encrypted files.
    pub keys: Option<&'a EncryptionKeys>,
    /// Size of a file beyond which its row groups are divided.
    pub unit_bytes: u64,
}

/// What came of the units.
#[derive(Default)]
pub(super) struct Outcomes {
    /// By the position of the file.
    pub(super) outcomes: BTreeMap<usize, UnitOutcome>,
    /// The executors that took part, by their addresses.
    pub(super) executors: BTreeSet<String>,
}

impl Outcomes {
    /// Keeps the outcome of a file. There may be two, where one seemed lost: that which has found the output
    /// done says less.
    fn add(&mut self, outcome: UnitOutcome) {
        let known = self.outcomes.get(&outcome.index);
        if known.is_none_or(UnitOutcome::is_skipped) {
            self.outcomes.insert(outcome.index, outcome);
        }
    }

    fn add_executor(&mut self, place: &PartitionLocation) {
        self.executors.extend(place.executor_meta.as_ref().map(|on| format!("{}:{}", on.host, on.port)));
    }
}

/// What all rounds of a run share.
pub(super) struct Work<'a> {
    pub(super) address: &'a HostPort,
    pub(super) job: &'a AnnotateJob,
    /// The files of a bundle that travels.
    pub(super) bundle: Option<&'a BundleFiles>,
    pub(super) client: &'a ClusterClient<'a>,
}

impl Work<'_> {
    /// Computes the parts of divided files, and then annotates all files.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; [`Error::Transient`] where the scheduler or all executors are lost;
    /// [`Error::Engine`] where all executors refuse what is left.
    pub(super) async fn run(&self, mut units: Vec<Unit>) -> Result<Outcomes> {
        let mut done = Outcomes::default();
        self.check(&units).await?;
        self.compute_parts(&mut units, &mut done).await?;
        self.annotate(units, &mut done).await?;
        Ok(done)
    }

    /// Asks executors whether they can do the job, where it has many files. One that can is enough.
    ///
    /// # Errors
    /// [`Error::Engine`] where all executors refuse.
    async fn check(&self, units: &[Unit]) -> Result<()> {
        if units.len() <= UNASKED_UNITS {
            return Ok(());
        }
        let executors = self.executors().await?;
        // As many as there are slots are needed for all executors to be asked.
        let numbers = std::iter::successors(Some(executors), |number| number.checked_mul(4));
        for number in numbers.take_while(|number| number.saturating_mul(UNASKED_UNITS) < units.len()) {
            let checks = units.iter().take(number).map(|unit| unit.with_work(UnitWork::Check));
            let checks = checks.collect::<Vec<_>>();
            let mut refusing = BTreeMap::new();
            for (place, outcome) in Round::begin(self).await?.outcomes(&checks).await? {
                match outcome.result {
                    UnitResult::Refused(reason) => {
                        refusing.insert(place.executor_meta.map(|on| on.id), reason);
                    }
                    _ => return Ok(()),
                }
            }
            if refusing.len() >= executors
                && let Some(reason) = refusing.into_values().next()
            {
                return Err(none_can(units.len(), &reason));
            }
        }
        Ok(())
    }

    /// The executors that the scheduler has, at least one.
    async fn executors(&self) -> Result<usize> {
        let executors = status::ask(self.address, self.client.tls).await?;
        Ok(usize::try_from(executors).unwrap_or(usize::MAX).max(1))
    }

    /// Computes the parts of the units that are divided, and notes where their rows are. A part that no
    /// executor has computed is left to the unit of its file.
    async fn compute_parts(&self, units: &mut [Unit], done: &mut Outcomes) -> Result<()> {
        loop {
            let missing: Vec<(usize, usize)> = units
                .iter()
                .enumerate()
                .flat_map(|(unit, of)| (0..of.parts().len()).map(move |part| (unit, part)))
                .filter(|&(unit, part)| part_of(units, unit, part).is_some_and(|part| part.place.is_none()))
                .collect();
            if missing.is_empty() {
                return Ok(());
            }
            let part_units: Vec<Unit> = missing
                .iter()
                .filter_map(|&(unit, part)| {
                    let row_groups = part_of(units, unit, part)?.row_groups.clone();
                    Some(units.get(unit)?.with_work(UnitWork::Part(row_groups)))
                })
                .collect();
            tracing::info!("{} parts of files are computed", part_units.len());
            let mut round = Round::begin(self).await?;
            let mut is_idle = true;
            for place in round.send(&part_units).await? {
                let number = place.partition_id.as_ref().map(|id| id.partition_id as usize);
                // An executor that refuses a part leaves no rows.
                let has_rows = place.partition_stats.as_ref().is_some_and(|stats| stats.num_rows > 0);
                let part = number.and_then(|number| missing.get(number));
                let Some(&(unit, part)) = part.filter(|_| has_rows) else { continue };
                done.add_executor(&place);
                if let Some(part) = units.get_mut(unit).and_then(|unit| unit.parts_mut().get_mut(part)) {
                    part.place = Some(place.encode_to_vec());
                    is_idle = false;
                }
            }
            round.client.leave().await;
            if is_idle {
                tracing::warn!("{} parts of files are computed with their files", part_units.len());
                return Ok(());
            }
        }
    }

    /// Sends the units until each has an outcome. Those that an executor has refused are sent again, for
    /// another one to take, and those whose outcome was lost with its executor, as long as others are done.
    ///
    /// Before units that were refused go questions, which keep those busy that refuse: few units would else
    /// come to them again and again. There are more of them in each round, until there is one for each slot.
    async fn annotate(&self, mut units: Vec<Unit>, done: &mut Outcomes) -> Result<()> {
        let (mut idle_rounds, mut questions) = (0, 0);
        let mut refusing = BTreeSet::new();
        while !units.is_empty() {
            let (mut known, mut refused) = (BTreeSet::new(), Vec::new());
            let now = units.get(..JOB_UNITS).unwrap_or(&units);
            let sent = now.len();
            let asked = now.iter().cycle().take(questions).map(|unit| unit.with_work(UnitWork::Check));
            let round: Vec<Unit> = asked.chain(now.iter().cloned()).collect();
            for (place, outcome) in Round::begin(self).await?.outcomes(&round).await? {
                match outcome.result {
                    UnitResult::Refused(reason) => {
                        refusing.insert(place.executor_meta.map(|on| on.id));
                        refused.push(reason);
                    }
                    UnitResult::BundleLost(_) | UnitResult::Able => {}
                    UnitResult::File(_) | UnitResult::Failed(_) => {
                        known.insert(outcome.index);
                        done.add_executor(&place);
                        done.add(outcome);
                    }
                }
            }
            units.retain(|unit| !known.contains(&unit.index));
            let left = sent - known.len();
            if left == 0 {
                continue;
            }
            idle_rounds = if left == sent { idle_rounds + 1 } else { 0 };
            let executors = self.executors().await?;
            questions = if refused.is_empty() { 0 } else { (4 * questions).clamp(executors, MOST_QUESTIONS) };
            match refused.first() {
                Some(reason) if left == sent && refusing.len() >= executors => {
                    return Err(none_can(left, reason));
                }
                Some(reason) if idle_rounds > MOST_IDLE_ROUNDS => return Err(none_can(left, reason)),
                None if idle_rounds > MOST_IDLE_ROUNDS => {
                    let what =
                        format!("executors are lost again and again; {left} files are left, the others stay");
                    return Err(Error::Transient { place: Place::file(self.address), what });
                }
                Some(reason) => tracing::warn!("{left} files are sent again: {reason}"),
                None => tracing::warn!("{left} files are sent again, as executors were lost"),
            }
        }
        Ok(())
    }
}

fn none_can(files: usize, reason: &str) -> Error {
    let files = if files == 1 { "the file".to_owned() } else { format!("{files} files") };
    Error::Engine(format!("no executor can annotate {files}: {reason}"))
}

fn part_of(units: &[Unit], unit: usize, part: usize) -> Option<&Part> {
    units.get(unit)?.parts().get(part)
}

/// A connection to the scheduler, with the bundle where executors fetch it.
struct Round<'a> {
    work: &'a Work<'a>,
    client: Client,
    job: Arc<EncodedJob>,
}

impl<'a> Round<'a> {
    /// Connects, and sends the bundle, where it travels.
    async fn begin(work: &'a Work<'a>) -> Result<Self> {
        let mut client = Client::connect(work.address, work.client.tls).await?;
        let bundle = match work.bundle {
            Some(files) => {
                let ClusterClient { stop, waiting, .. } = work.client;
                client.run(&bundle_parts::source(files).map_err(internal)?, stop, waiting).await?.pop()
            }
            None => None,
        };
        let job = Arc::new(EncodedJob::of(work.job, bundle)?);
        Ok(Self { work, client, job })
    }

    /// Sends units and waits for them. Returns the places of their rows.
    async fn send(&mut self, units: &[Unit]) -> Result<Vec<PartitionLocation>> {
        let ClusterClient { stop, waiting, .. } = self.work.client;
        let exec = AnnotateExec::new(Arc::clone(&self.job), unit::source(units).map_err(internal)?);
        self.client.run(&(Arc::new(exec) as _), stop, waiting).await
    }

    /// Sends units of files; returns the outcomes that are not lost, and where they were.
    async fn outcomes(mut self, units: &[Unit]) -> Result<Vec<(PartitionLocation, UnitOutcome)>> {
        let places = self.send(units).await?;
        let (mut executors, mut outcomes) =
            (Executors::new(self.work.client.tls), Vec::with_capacity(units.len()));
        for place in places {
            if self.work.client.stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            match executors.fetch(place.clone()).await {
                Ok(batches) => {
                    for batch in &batches {
                        let rows = rows_of::<UnitOutcome>(batch).map_err(internal)?;
                        outcomes.extend(rows.into_iter().map(|outcome| (place.clone(), outcome)));
                    }
                }
                Err(why) => tracing::warn!("the outcome of a file is lost: {why}"),
            }
        }
        self.client.leave().await;
        Ok(outcomes)
    }
}

fn internal(error: DataFusionError) -> Error {
    Error::Internal(format!("a plan of units: {error}"))
}
