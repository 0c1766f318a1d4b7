//! `annotate --cluster`: the same files, summary and exit code, computed by the executors of a cluster.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crate::annotate::{BadFiles, FileResult, FilesOutcome, Progress, Totals};
use crate::cluster::{self, AnnotateJob, ClusterAddress, ClusterClient, ClusterOutcome, EngineRequest};
use crate::config::{AnnotateSettings, EngineArgs, TlsArgs};
use crate::error::{Error, Result};
use crate::evaluate::open_bundle;
use crate::printable::counted;
use crate::storage::Files;

use super::annotate_outcome::Outcome;
use super::annotate_texts::{log_summary, warn_about_many_columns};
use super::output_count::OutputCount;
use super::progress::ProgressBar;

/// Size of a file beyond which it is divided, unless another is given.
const UNIT_BYTES: u64 = 8 << 30;

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
        AnnotateJob::check_keys(settings.parquet_keys.as_deref())?;
        let (options, keys) = (settings.options()?, settings.parquet_keys.as_deref());
        warn_about_many_columns(&options, bundle.modalities());
        let job = AnnotateJob::new(&bundle, &options, keys, EngineRequest::of(&engine))?;
        tracing::info!("cluster: {address}, {}", counted(files.pairs().len(), "file"));
        let outputs = OutputCount::begin(files)?;
        let waiting = || bar.files(outputs.found(), files.pairs().len());
        let client = ClusterClient {
            engine: &engine,
            find_engine: &|| self.engine.find(),
            tls: tls.as_ref(),
            waiting: &waiting,
            stop,
            keys: options.keys.as_ref(),
            unit_bytes: settings.unit_bytes.map_or(UNIT_BYTES, |size| size.0),
        };
        let done = cluster::annotate(address, &job, &bundle, files, &client);
        bar.finish();
        let done = done?;
        done.report(progress);
        let ClusterOutcome { results, engine, cluster, .. } = done;

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
            summary.set_cluster(cluster, start.elapsed());
            let outcome = Outcome::One(Box::new(summary));
            outcome.log(&bundle);
            return Ok(outcome);
        }
        let elapsed = start.elapsed();
        let outcome = FilesOutcome { bad, adjustment: None, engine, elapsed, cluster: Some(cluster) };
        let outcome = Outcome::Many(Box::new(Totals::of(files, &bundle, summaries.iter(), outcome)));
        outcome.log(&bundle);
        Ok(outcome)
    }
}
