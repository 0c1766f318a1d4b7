//! The `annotate` subcommand: adds r, u1, u2 and s to the rows of Parquet files.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;

use crate::annotate::{Adjust, AnnotateOptions, Plan, Progress, Run, Summary};
use crate::bundle::Bundle;
#[cfg(feature = "cluster")]
use crate::config::TlsArgs;
use crate::config::{AnnotateSettings, ClusterArgs, EngineArgs, IfNothing};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::evaluate::SharedBundle;
use crate::printable::counted;
use crate::storage::{Destinations, FileEnding, FileKind, FilePair, Files, is_stdio, join_path};
use crate::telemetry::Telemetry;

#[cfg(feature = "cluster")]
use super::annotate_cluster::ClusterWork;
pub(super) use super::annotate_outcome::Outcome;
use super::annotate_outcome::check_bad_files;
use super::annotate_texts::{log_summary, plan_text, warn_about_many_columns};
use super::output;
use super::progress::ProgressBar;

/// The exit code that tells schedulers that there was nothing to do.
const NOTHING_TO_DO: u8 = 99;

/// Add r, u1, u2 and s to every row of Parquet files
///
/// The column chunks of the input are copied byte for byte and the new columns follow them
/// (an encrypted input is decoded, encoded and encrypted again, see --parquet-keys). An
/// output appears under its name only when it is complete. Where the input is a folder or a
/// glob, every file keeps its path below the output folder. Input, output and bundle may be
/// in an object store (s3://, gs://, az://, https://), configured by the environment
/// variables of the store's own tools: AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL,
/// GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_NAME and so on. `-` is an Arrow IPC
/// stream on stdin or stdout: its record batches keep their order, lengths and metadata.
///
/// Every flag except --dry-run, --json, --summary and --new-columns-only can also be set by an environment
/// variable: --max-bad-rows by LSMI_ETL_MAX_BAD_ROWS, and so on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lsmi-etl annotate in.parquet out.parquet
  lsmi-etl annotate in.parquet out.parquet --bundle models/ --x1 image --x2 text --label y
  lsmi-etl annotate in.parquet out.parquet --columns i1,i2,i12 --json
  lsmi-etl annotate data/ annotated/
  lsmi-etl annotate 'data/year=2024/**/*.parquet' annotated/ --files-per-job 2/20
  lsmi-etl annotate s3://bucket/data/ s3://bucket/annotated/
  lsmi-etl annotate in.parquet out.parquet --rejects bad.parquet --max-bad-rows 0.1%
  lsmi-etl annotate in.parquet out.parquet --dry-run
  lsmi-etl annotate in.parquet out.parquet --bundle s3://bucket/models/lsmi-bundle
  produce | lsmi-etl annotate - - | consume
  produce | lsmi-etl annotate - out.parquet

A run that was killed resumes from its journal, .OUTPUT.lsmi-journal, when it is started
again. An output made from the same input by the same bundle is left unchanged, and the
exit code is 0.")]
pub(super) struct AnnotateArgs {
    /// Parquet file, folder or glob to read, as a path or a URL; - for stdin
    pub(super) input: PathBuf,
    /// Parquet file to write, or a folder if the input is a folder or a glob; - for stdout
    pub(super) output: PathBuf,
    #[command(flatten)]
    pub(super) settings: AnnotateSettings,
    /// The bundle, where a pipeline has opened it.
    #[arg(skip)]
    pub(super) shared: SharedBundle,
    /// Write the new columns alone to stdout, without those of the input
    ///
    /// For a program that has the rows already: batches keep their order and their lengths.
    #[arg(long)]
    pub(super) new_columns_only: bool,
    /// Read footers, time the models and print the plan: files, rows, bytes and the estimated time
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print the summary as one line of JSON, last on stdout
    #[arg(long)]
    pub(super) json: bool,
    /// Write the summary as JSON to a file
    #[arg(long, value_name = "PATH")]
    pub(super) summary: Option<PathBuf>,
    #[command(flatten)]
    pub(super) engine: EngineArgs,
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    pub(super) tls: TlsArgs,
}

/// Runs `lsmi-etl annotate` and returns the exit code.
pub(super) fn run(args: &AnnotateArgs, telemetry: &Telemetry, stop: &AtomicBool) -> Result<ExitCode> {
    if args.dry_run {
        let plan = plan(args, stop)?;
        if args.json { output::json(&plan) } else { output::text(&plan_text(&plan)) }?;
        return check_planned(&plan, &args.settings).map(|()| ExitCode::SUCCESS);
    }
    let found = discover(args);
    destinations(args, &found)?.check()?;
    let outcome = with_observers(&args.settings, telemetry, stop, |observers| {
        let outcome = annotate(args, found?, observers, stop)?;
        if let Some(outcome) = &outcome {
            output::results(outcome, args.summary.as_deref(), args.json)?;
            outcome.check_bad_files(&args.settings)?;
        }
        Ok(outcome)
    })?;
    let nothing_to_do = outcome.is_some_and(|outcome| outcome.had_nothing_to_do());
    Ok(exit_code(args.settings.if_nothing, nothing_to_do))
}

/// Enforces `--on-bad-file` on a plan.
///
/// # Errors
/// As for [`BadFiles::check`].
pub(super) fn check_planned(plan: &Plan, settings: &AnnotateSettings) -> Result<()> {
    check_bad_files(&plan.bad_files, plan.files as usize, settings, "in order")
}

/// The exit code of a successful run.
pub(super) fn exit_code(if_nothing: Option<IfNothing>, nothing_to_do: bool) -> ExitCode {
    let skip = nothing_to_do && if_nothing == Some(IfNothing::Exit99);
    if skip { ExitCode::from(NOTHING_TO_DO) } else { ExitCode::SUCCESS }
}

/// The observers of a run: the progress bar, and the progress sink that updates the bar and the
/// metrics.
#[derive(Clone, Copy)]
pub(super) struct Observers<'a> {
    bar: &'a ProgressBar<'a>,
    progress: &'a dyn Progress,
}

/// Runs work with a progress bar, and with metrics where a metrics file or an exporter is
/// configured.
pub(super) fn with_observers<T>(
    settings: &AnnotateSettings,
    telemetry: &Telemetry,
    stop: &AtomicBool,
    work: impl FnOnce(Observers<'_>) -> Result<T>,
) -> Result<T> {
    let bar = ProgressBar::new(stop);
    telemetry.metered(&bar, settings.metrics.as_deref(), |progress| work(Observers { bar: &bar, progress }))
}

/// The plan of a run, from footers only.
pub(super) fn plan(args: &AnnotateArgs, stop: &AtomicBool) -> Result<Plan> {
    let found = discover(args);
    let paths = destinations(args, &found)?;
    paths.check_stores()?;
    paths.check()?;
    let files = found?.ok_or_else(|| Error::Internal("a stream has no plan".to_owned()))?;
    let (bundle, engine, options) = prepare(args)?;
    let progress = ProgressBar::new(stop);
    let run = Run::new(&bundle, &engine, &options, &progress, stop);
    let plan = run.plan(&files)?;
    #[cfg(feature = "cluster")]
    let plan = Plan { cluster: args.cluster.address().map(ToString::to_string), ..plan };
    Ok(plan)
}

/// Annotates the files of [`discover`] and logs the summary; `None` where the reader of stdout closed
/// the pipe.
pub(super) fn annotate(
    args: &AnnotateArgs,
    files: Option<Files>,
    observers: Observers<'_>,
    stop: &AtomicBool,
) -> Result<Option<Outcome>> {
    if args.settings.asks_for_former_prior() {
        tracing::warn!(
            "--columns p_y is the prior of the label, and is written by its new name prior_y; p_y12 is what the models say"
        );
    }
    #[cfg(feature = "cluster")]
    if let (Some(address), Some(files)) = (args.cluster.address(), &files) {
        let work =
            ClusterWork { settings: &args.settings, engine: &args.engine, address, tls: &args.tls, files };
        return work.annotate(observers.bar, observers.progress, stop).map(Some);
    }
    // Its ends come while the models are loaded.
    let file = files.as_ref().and_then(Files::prefetch);
    let (bundle, engine, options) = prepare(args)?;
    let run = Run::new(&bundle, &engine, &options, observers.progress, stop).with_prefetched(file);
    let outcome = match files {
        Some(files) if !is_stdio(&args.output) => match (files.pairs(), args.settings.files_per_job) {
            ([pair], None) if files.is_file() => {
                run.file(&pair.input, &pair.output).map(|one| Some(Outcome::One(Box::new(one))))
            }
            _ => {
                let log = |summary: &Summary| log_summary(summary, bundle.classes());
                run.files(&files, log).map(|many| Some(Outcome::Many(Box::new(many))))
            }
        },
        _ => stream_outcome(run.stream(&args.input, &args.output)),
    };
    observers.bar.finish();
    let outcome = outcome?;
    outcome.iter().for_each(|outcome| outcome.log(&bundle));
    Ok(outcome)
}

/// Opens the bundle, finds the engine and reads the encryption keys.
pub(super) fn prepare(args: &AnnotateArgs) -> Result<(Arc<Bundle>, Engine, AnnotateOptions)> {
    let bundle = args.shared.open(&args.settings.bundle)?;
    let engine = args.engine.find()?;
    let options = AnnotateOptions { new_columns_only: args.new_columns_only, ..args.settings.options()? };
    warn_about_many_columns(&options, bundle.modalities());
    Ok((bundle, engine, options))
}

/// Refuses combinations of flags that contradict each other.
pub(super) fn check(args: &AnnotateArgs) -> Result<()> {
    let (from_stdin, to_stdout) = (is_stdio(&args.input), is_stdio(&args.output));
    let settings = &args.settings;
    let adjust = settings.adjust == Adjust::Dataset;
    check_cluster(args)?;
    let refused = if from_stdin && args.dry_run {
        "--dry-run reads footers, and a stream has none; give a Parquet file"
    } else if args.new_columns_only && !to_stdout {
        "--new-columns-only leaves the columns of the input out of a stream, and an output file holds all of them; \
         write to stdout (-), or omit the flag"
    } else if (from_stdin || to_stdout) && settings.files_per_job.is_some() {
        "--files-per-job selects a share of many files, but the input or output is a stream; omit the flag"
    } else if to_stdout && args.json && !args.dry_run {
        "--json prints to stdout, which carries the stream; write the summary to a file with --summary PATH"
    } else if (from_stdin || to_stdout) && settings.parquet_keys.is_some() {
        "--parquet-keys applies to files, and a stream is not encrypted; give Parquet files as input and output"
    } else if adjust && settings.files_per_job.is_some() {
        "--adjust dataset needs the means of all rows, and a share of the files is not the dataset; omit \
         --files-per-job"
    } else {
        return Ok(());
    };
    Err(Error::Usage(refused.to_owned()))
}

/// Refuses what a cluster can't do.
fn check_cluster(args: &AnnotateArgs) -> Result<()> {
    if !args.cluster.is_named() {
        return Ok(());
    }
    args.cluster.check_feature()?;
    let refused = if is_stdio(&args.input) || is_stdio(&args.output) {
        "a cluster annotates files, and a stream is in this process"
    } else if args.settings.adjust == Adjust::Dataset {
        "--adjust dataset computes all rows before it writes the first file, which a cluster does not"
    } else {
        return Ok(());
    };
    Err(args.cluster.refusal(refused))
}

/// The paths that are read and written, as far as they are known: where the search for the inputs has
/// failed, that is reported later, in the metrics, too.
///
/// # Errors
/// [`Error::Usage`] where rejects would be found among the inputs.
pub(super) fn destinations(args: &AnnotateArgs, found: &Result<Option<Files>>) -> Result<Destinations> {
    let settings = &args.settings;
    let mut paths = Destinations::default();
    paths.reads_folder("a file of the bundle", &settings.bundle);
    settings.parquet_keys.iter().for_each(|keys| paths.reads("the file of keys", keys));
    let rejects = settings.rejects.as_deref();
    if let Ok(files) = found
        && files.as_ref().is_none_or(Files::is_file)
    {
        check_endings(&args.output, rejects)?;
    } else if let Err(error) = FileEnding::check_parquet(&args.output, "the output of several files")
        && found.is_ok()
    {
        return Err(error);
    } else if let Some(rejects) = rejects
        && let Some(FileEnding::Csv | FileEnding::Ndjson) = FileEnding::of(rejects)
    {
        let what = "the rejects (--rejects) of several files are a folder of Parquet files";
        FileEnding::check(rejects, None, what, "name a folder without an ending")?;
    }
    match found {
        Ok(Some(files)) => {
            // A file that is annotated alone, in this process, is written into a folder that is there.
            let is_alone = settings.files_per_job.is_none() && !args.cluster.is_named();
            let creates = !files.is_file() || !is_alone;
            if let Some(rejects) = rejects.filter(|_| !files.is_file()) {
                let mut apart = Destinations::default();
                apart.reserves("the annotated files", &args.output);
                apart.writes("--rejects", rejects);
                apart.check()?;
            }
            for FilePair { input, output, relative, .. } in files.pairs() {
                paths.reads("an input", input);
                match files.is_file() {
                    // It holds all of its input.
                    true => paths.writes_over("the output", output, input),
                    false => paths.writes("an output", output),
                }
                output
                    .parent()
                    .filter(|_| creates)
                    .into_iter()
                    .for_each(|folder| paths.creates_folder(folder));
                let Some(rejects) = rejects else { continue };
                let rejects = if files.is_file() { rejects.to_owned() } else { join_path(rejects, relative) };
                files.check_outside(&rejects)?;
                match creates {
                    true => paths.writes("--rejects", &rejects),
                    false => paths.writes_beside("--rejects", &rejects),
                }
            }
        }
        _ => {
            paths.reads("the input", &args.input);
            paths.writes("the output", &args.output);
            rejects.into_iter().for_each(|rejects| paths.writes("--rejects", rejects));
        }
    }
    if let Some(metrics) = &settings.metrics {
        paths.writes_kind("--metrics", metrics, FileKind::Metrics, settings.overwrite);
    }
    if let Some(summary) = &args.summary {
        paths.writes_kind("--summary", summary, FileKind::Summary, settings.overwrite);
    }
    Ok(paths)
}

/// The output is Parquet, a stream is Arrow's; rejects are Parquet, CSV or lines of JSON.
fn check_endings(output: &Path, rejects: Option<&Path>) -> Result<()> {
    if let Some(FileEnding::ArrowFile | FileEnding::ArrowStream) = FileEnding::of(output) {
        let advice =
            "name it .parquet, or write - for a stream of Arrow: lsmi-etl annotate IN - > out.arrows";
        FileEnding::check(output, Some(FileEnding::Parquet), "an output is written as Parquet", advice)?;
    }
    FileEnding::check_parquet(output, "an output")?;
    match rejects.map(|rejects| (rejects, FileEnding::of(rejects))) {
        None | Some((_, Some(FileEnding::Csv | FileEnding::Ndjson))) => Ok(()),
        Some((rejects, _)) => {
            let what = "rejects (--rejects) are written as Parquet, CSV or lines of JSON";
            FileEnding::check(rejects, Some(FileEnding::Parquet), what, "name it .parquet, .csv or .ndjson")
        }
    }
}

/// Checks the flags and finds the files to annotate; `None` of a stream.
///
/// # Errors
/// [`Error::Usage`] of flags that contradict each other; as for [`Files::discover`].
pub(super) fn discover(args: &AnnotateArgs) -> Result<Option<Files>> {
    check(args)?;
    if is_stdio(&args.input) {
        return Ok(None);
    }
    let files = Files::discover(&args.input, &args.output)?;
    let files = if args.settings.if_nothing.is_some() { files } else { files.require_any()? };
    if is_stdio(&args.output) && !files.is_file() {
        let (input, files) = (args.input.display(), counted(files.pairs().len(), "file"));
        let what =
            format!("{input} is {files}, and a stream holds the rows of one; name a folder to write to");
        return Err(Error::Usage(what));
    }
    Ok(Some(args.settings.files_per_job.into_iter().fold(files, Files::share)))
}

/// The outcome of a stream. A broken pipe on stdout (`| head`) is not an error, but the counts
/// up to it are not a summary either.
fn stream_outcome(summary: Result<Summary>) -> Result<Option<Outcome>> {
    match summary {
        Err(Error::Io { place, source, .. })
            if place.file == "stdout" && source.kind() == ErrorKind::BrokenPipe =>
        {
            tracing::warn!(
                "the reader of stdout closed the pipe; the remaining rows are not written, and there is no summary"
            );
            Ok(None)
        }
        summary => Ok(Some(Outcome::One(Box::new(summary?)))),
    }
}
