//! `annotate --cluster`: the same files, summary and exit code, computed by the executors of a cluster.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crate::annotate::{BadFiles, FileResult, FilesOutcome, Progress, Totals};
use crate::cluster::{self, AnnotateJob, ClusterAddress, ClusterClient, ClusterOutcome, EngineRequest};
use crate::config::{AnnotateSettings, EngineArgs, TlsArgs};
use crate::error::{Error, Result};
use crate::evaluate::open_bundle;
use crate::storage::{Files, is_url};

use super::annotate_outcome::Outcome;
use super::annotate_texts::log_summary;
use super::progress::ProgressBar;

/// Files for a cluster.
pub(super) struct ClusterWork<'a> {
    pub(super) settings: &'a AnnotateSettings,
    pub(super) engine: &'a EngineArgs,
    pub(super) address: &'a ClusterAddress,
    pub(super) tls: &'a TlsArgs,
    pub(super) files: &'a Files,
}

impl ClusterWork<'_> {
    /// Annotates the files.
    ///
    /// # Errors
    /// As for [`cluster::annotate`]; the first error of a file that is not about its content.
    pub(super) fn annotate(
        &self,
        bar: &ProgressBar<'_>,
        progress: &dyn Progress,
        stop: &AtomicBool,
    ) -> Result<Outcome> {
        let start = Instant::now();
        let Self { settings, address, files, .. } = *self;
        let tls = self.tls.open()?;
        let engine = self.engine.options();
        let bundle = open_bundle(&settings.bundle)?;
        let keys = settings.parquet_keys.as_deref();
        let job = AnnotateJob::new(&bundle, &settings.options()?, keys, EngineRequest::of(&engine))?;
        tracing::info!("cluster: {address}, {} files", files.pairs().len());
        let outputs = OutputCount::of(files);
        let waiting = || outputs.show(bar);
        let client = ClusterClient {
            engine: &engine,
            find_engine: &|| self.engine.find(),
            tls: tls.as_ref(),
            waiting: &waiting,
            stop,
        };
        let done = cluster::annotate(address, &job, &bundle, files, &client);
        bar.finish();
        let ClusterOutcome { results, engine, cluster } = done?;

        let is_one = files.is_file() && settings.files_per_job.is_none();
        let (mut summaries, mut bad, mut first_error) = (Vec::new(), BadFiles::default(), None);
        for result in results {
            match result {
                Ok(FileResult::Done(summary)) => {
                    progress.end(&summary);
                    if !is_one {
                        log_summary(&summary, bundle.classes());
                    }
                    summaries.push(*summary);
                }
                Ok(FileResult::Bad(file)) => {
                    progress.bad(&file);
                    bad.push(file);
                }
                Err(error) if first_error.is_none() => first_error = Some(error),
                Err(error) => tracing::warn!("{error}"),
            }
        }
        if let Some(error) = first_error {
            return Err(error);
        }
        if is_one {
            let mut summary =
                summaries.pop().ok_or_else(|| Error::Internal("a file without a result".to_owned()))?;
            summary.cluster = Some(cluster);
            let outcome = Outcome::One(Box::new(summary));
            outcome.log(bundle.classes());
            return Ok(outcome);
        }
        let elapsed = start.elapsed();
        let outcome = FilesOutcome { bad, adjustment: None, engine, elapsed, cluster: Some(cluster) };
        let outcome = Outcome::Many(Box::new(Totals::of(files, &bundle, summaries.iter(), outcome)));
        outcome.log(bundle.classes());
        Ok(outcome)
    }
}

/// The interval between two counts.
const COUNT_EVERY: Duration = Duration::from_secs(2);

/// The count of the outputs that are there, which is all that a client sees of the progress before the
/// end. Outputs in object stores are not counted: each would be a request.
struct OutputCount<'a> {
    of: usize,
    missing: RefCell<Vec<&'a Path>>,
    last: Cell<Instant>,
}

impl<'a> OutputCount<'a> {
    fn of(files: &'a Files) -> Self {
        let outputs = files.pairs().iter().map(|pair| pair.output.as_path());
        let missing: Vec<&Path> = outputs.filter(|output| !is_url(output)).collect();
        Self { of: missing.len(), missing: RefCell::new(missing), last: Cell::new(Instant::now()) }
    }

    /// Counts, where the last time is a while ago.
    fn show(&self, bar: &ProgressBar<'_>) {
        if self.of == 0 || self.last.get().elapsed() < COUNT_EVERY {
            return;
        }
        let mut missing = self.missing.borrow_mut();
        missing.retain(|output| !output.exists());
        bar.files(self.of - missing.len(), self.of);
        self.last.set(Instant::now());
    }
}
