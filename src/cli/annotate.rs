//! `lsmi-etl annotate`: r, u1, u2 and s beside the columns of a dataset.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use clap::{Args, ValueEnum};

use super::engine::EngineArgs;
use super::output;
use super::progress::Shown;
use crate::annotate::{
    self, Adjust, Column, MaxBadRows, OnBadRow, Options, Plan, Progress, Run, Size, Summary, Totals,
};
use crate::bundle::Bundle;
use crate::dataset::{FateCounts, Files, Keys, Share, Written, is_stdio};
use crate::error::{Error, Result};
use crate::interaction;
use crate::telemetry::metered;

/// The exit code by which schedulers know that there was nothing to do.
const NOTHING_TO_DO: u8 = 99;

/// Add r, u1, u2 and s to every row of Parquet files
///
/// All columns of the input are copied byte for byte, the new ones follow them (of an
/// encrypted input: decoded, encoded and encrypted again, see --parquet-keys). An output
/// appears under its name only when it is whole. Of a folder or a glob, every file keeps
/// its path below the output's folder. Both may be in an object store (s3://, gs://,
/// az://, https://), with the environment variables of the store's own tools:
/// AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS,
/// AZURE_STORAGE_ACCOUNT_NAME and so on. `-` is an Arrow IPC stream on stdin or stdout:
/// its batches keep their order, lengths and metadata.
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
  produce | lsmi-etl annotate - - | consume
  produce | lsmi-etl annotate - out.parquet

A run that was killed goes on where it was when it is started again: what it had computed
is in .OUTPUT.lsmi-journal. An output made of the same input by the same bundle is left as
it is, and the exit code is 0.")]
pub(super) struct AnnotateArgs {
    /// The Parquet file to read, a folder of them, or a glob; a path or a URL; - for stdin
    input: PathBuf,
    /// The Parquet file to write; a folder where the input is one or is a glob; - for stdout
    output: PathBuf,
    /// The models
    #[arg(long, env = "LSMI_ETL_BUNDLE", default_value = "lsmi-bundle", value_name = "DIR")]
    bundle: PathBuf,
    /// Embedding column of the first modality [default: the bundle's]
    #[arg(long, value_name = "COLUMN")]
    x1: Option<String>,
    /// Embedding column of the second modality [default: the bundle's]
    #[arg(long, value_name = "COLUMN")]
    x2: Option<String>,
    /// Label column [default: the bundle's]
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// More columns to add: i1, i2, i12, h1, h2, p_y
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    columns: Vec<Column>,
    /// Keys of encrypted files: a JSON file of footer_key, column_keys and aad_prefix
    ///
    /// For example {"footer_key": "30313233343536373839303132333435", "column_keys":
    /// {"x1": "MDEyMzQ1Njc4OTAxMjM0NQ=="}}: keys of 16 or 32 bytes in hexadecimal digits or in
    /// base64; column_keys only where columns have keys of their own, aad_prefix only where one is
    /// needed. Keys that a key service has wrapped must be unwrapped before. The file may be a pipe.
    /// An encrypted input is not copied but decoded and encoded again, and the output encrypted with
    /// the same keys, the new columns with that of the label, else of x1, else of x2. While a run is
    /// not done, its journal holds the computed values unencrypted, for its owner alone.
    #[arg(long, env = "LSMI_ETL_PARQUET_KEYS", value_name = "FILE")]
    parquet_keys: Option<PathBuf>,
    /// What becomes of a row that can't be computed (null, NaN, unknown label)
    #[arg(long, value_enum, default_value = "null")]
    on_bad_row: BadRow,
    /// Write the rows that can't be computed to a Parquet file (file, row_group, row, reason,
    /// label), or of several files to a folder
    #[arg(long, value_name = "PATH")]
    rejects: Option<PathBuf>,
    /// Fail (65) where more rows are bad than these: a number, or a share of all such as 0.5%
    #[arg(long, value_name = "N|P%")]
    max_bad_rows: Option<MaxBadRows>,
    /// Shift r, u1, u2 and s by one constant so that their means are not negative
    ///
    /// As the authors' code does: where R or S is negative, -min(R, S) is added to r and s and
    /// taken from u1 and u2; else where U1 or U2 is, min(U1, U2). In the second case the means
    /// become R = min(I1, I2), the smaller U = 0 and S = I12 - max(I1, I2): the density models no
    /// longer matter for them, which mostly undoes what they have said. All rows, of all files
    /// where there are several, are computed before the first is written; where a file is added
    /// later and changes the constant, the files are computed and written again.
    #[arg(long, value_enum, default_value = "none")]
    adjust: Adjustment,
    /// Replace the output where it exists
    #[arg(long)]
    overwrite: bool,
    /// Throw away what an unfinished run has computed
    #[arg(long)]
    restart: bool,
    /// Read footers only and say what would be done and how long it would take
    #[arg(long)]
    dry_run: bool,
    /// Memory that batches may take, such as 2GiB [default: a quarter of the machine's]
    #[arg(long, value_name = "SIZE")]
    memory_limit: Option<Size>,
    /// Workers, each with a session of one thread [default: the machine's cores; three a GPU]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    workers: Option<u16>,
    /// Rows evaluated at once [default: by the dimensions]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_rows: Option<u32>,
    /// Take the I-th of N shares of the files, balanced by bytes: for array jobs
    #[arg(long, value_name = "I/N")]
    files_per_job: Option<Share>,
    /// The exit code where there is nothing to do: no file is there, all are annotated already, or
    /// none has a row [default: 66 where no file is there, else 0]
    #[arg(long, value_enum, value_name = "CODE")]
    if_nothing: Option<IfNothing>,
    /// End with one line of JSON on stdout
    #[arg(long)]
    json: bool,
    /// Write the summary as JSON to a file
    #[arg(long, value_name = "PATH")]
    summary: Option<PathBuf>,
    /// Write the run's numbers for Prometheus to a file, also where the run fails
    ///
    /// For the textfile collector of node_exporter, such as
    /// /var/lib/node_exporter/textfile/nightly.prom; the series bear pipeline="nightly".
    #[arg(long, env = "LSMI_ETL_METRICS", value_name = "PATH")]
    metrics: Option<PathBuf>,
    #[command(flatten)]
    engine: EngineArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BadRow {
    /// Its columns are null, and it is counted
    Null,
    /// The run fails and names it
    Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum IfNothing {
    /// 0, as after work
    Exit0,
    /// 99, which Airflow takes for skipped
    Exit99,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Adjustment {
    /// As computed
    None,
    /// One constant for the dataset
    Dataset,
}

/// Runs `lsmi-etl annotate` and gives the exit code.
pub(super) fn run(args: &AnnotateArgs, stop: &AtomicBool) -> Result<ExitCode> {
    let shown = Shown::new(stop);
    let nothing =
        metered(&shown, args.metrics.as_deref(), |progress| annotate(args, &shown, progress, stop))?;
    let skip = nothing && args.if_nothing == Some(IfNothing::Exit99);
    Ok(if skip { ExitCode::from(NOTHING_TO_DO) } else { ExitCode::SUCCESS })
}

/// Whether there was nothing to do.
fn annotate(
    args: &AnnotateArgs,
    shown: &Shown<'_>,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<bool> {
    check(args)?;
    let files = if is_stdio(&args.input) { None } else { Some(discover(args)?) };
    let bundle = Bundle::open(&args.bundle)?;
    let engine = args.engine.find()?;
    let mut extras = Vec::new();
    for column in &args.columns {
        if !extras.contains(column) {
            extras.push(*column);
        }
    }
    let options = Options {
        x1: args.x1.clone(),
        x2: args.x2.clone(),
        label: args.label.clone(),
        keys: args.parquet_keys.as_deref().map(Keys::open).transpose()?,
        extras,
        on_bad_row: match args.on_bad_row {
            BadRow::Null => OnBadRow::Null,
            BadRow::Fail => OnBadRow::Fail,
        },
        max_bad_rows: args.max_bad_rows,
        rejects: args.rejects.clone(),
        adjust: match args.adjust {
            Adjustment::None => Adjust::None,
            Adjustment::Dataset => Adjust::Dataset,
        },
        overwrite: args.overwrite,
        restart: args.restart,
        memory_limit_bytes: args.memory_limit.map(|size| size.0),
        workers: args.workers.map(usize::from),
        batch_rows: args.batch_rows.map(|n| n as usize),
    };
    let run = Run { bundle: &bundle, engine: &engine, options: &options, progress, stop };
    if args.dry_run {
        let inputs = files.iter().flat_map(Files::pairs).map(|pair| pair.input.as_path());
        let plan = run.plan(inputs)?;
        let shown = if args.json { output::json(&plan) } else { output::print(&planned(&plan)) };
        return shown.map(|()| false);
    }
    let files = match files {
        Some(files) if !is_stdio(&args.output) => files,
        _ => {
            let summary = run.stream(&args.input, &args.output);
            shown.finish();
            return streamed(args, summary);
        }
    };
    match (files.pairs(), args.files_per_job) {
        ([pair], None) if files.is_file() => {
            let summary = run.file(&pair.input, &pair.output);
            shown.finish();
            let summary = summary?;
            say(&summary);
            report(args, &summary)?;
            Ok(summary.skipped || summary.rows == 0)
        }
        _ => {
            let totals = run.files(&files, say);
            shown.finish();
            let totals = totals?;
            say_totals(&totals);
            report(args, &totals)?;
            Ok(totals.skipped_files == totals.files || totals.rows == 0)
        }
    }
}

/// Refuses flags that do not go together.
fn check(args: &AnnotateArgs) -> Result<()> {
    let (from_stdin, to_stdout) = (is_stdio(&args.input), is_stdio(&args.output));
    let adjust = matches!(args.adjust, Adjustment::Dataset);
    let refused = if from_stdin && args.dry_run {
        "--dry-run reads footers, and a stream has none; name a Parquet file"
    } else if (from_stdin || to_stdout) && args.files_per_job.is_some() {
        "--files-per-job takes a share of many files, and a stream is one; leave it out"
    } else if to_stdout && args.json && !args.dry_run {
        "--json prints to stdout, where the stream goes; have it written to a file with --summary PATH"
    } else if (from_stdin || to_stdout) && args.parquet_keys.is_some() {
        "--parquet-keys is for files, and a stream is not encrypted; name a Parquet file to read and one to write"
    } else if adjust && args.files_per_job.is_some() {
        "--adjust dataset takes the means of all rows, and a share of the files is not the dataset; annotate it \
         without --files-per-job"
    } else {
        return Ok(());
    };
    Err(Error::Usage(refused.to_owned()))
}

fn discover(args: &AnnotateArgs) -> Result<Files> {
    let files = Files::discover(&args.input, &args.output)?;
    let files = if args.if_nothing.is_some() { files } else { files.require_any()? };
    if is_stdio(&args.output) && !files.is_file() {
        let (input, files) = (args.input.display(), files.pairs().len());
        let what =
            format!("{input} is {files} files, and a stream is made of one; name a folder to write to");
        return Err(Error::Usage(what));
    }
    Ok(args.files_per_job.into_iter().fold(files, Files::share))
}

/// The end of a stream. A reader of stdout that has seen enough is no error, but what
/// was counted until then is no summary.
fn streamed(args: &AnnotateArgs, summary: Result<Summary>) -> Result<bool> {
    match summary {
        Err(Error::Io { place, source, .. })
            if place.file == "stdout" && source.kind() == ErrorKind::BrokenPipe =>
        {
            tracing::warn!("whoever reads stdout has closed it; the rows end there, and there is no summary");
            Ok(false)
        }
        summary => {
            let summary = summary?;
            say(&summary);
            report(args, &summary)?;
            Ok(summary.rows == 0)
        }
    }
}

fn report(args: &AnnotateArgs, summary: &impl serde::Serialize) -> Result<()> {
    if let Some(path) = &args.summary {
        output::summary(path, summary)?;
    }
    if args.json {
        output::json(summary)?;
    }
    Ok(())
}

/// The summary of several files for a person.
fn say_totals(totals: &Totals) {
    tracing::info!(
        "{}: {} files, {} rows in {:.1} s ({:.0} rows/s){}",
        totals.output,
        totals.files,
        totals.rows,
        totals.seconds,
        totals.rows_per_second,
        means(&totals.columns),
    );
    say_shift(totals.adjustment.as_ref());
    warn_of_bad_rows(&totals.fates);
}

/// R, U1, U2 and S; nothing where no row was computed.
fn means(columns: &BTreeMap<String, interaction::Summary>) -> String {
    let mean = |name: &str| columns.get(name).and_then(|column| column.mean);
    match ["r", "u1", "u2", "s"].map(mean) {
        [Some(r), Some(u1), Some(u2), Some(s)] => {
            format!("; R {r:.4}  U1 {u1:.4}  U2 {u2:.4}  S {s:.4} nats")
        }
        _ => String::new(),
    }
}

/// The plan for a person.
fn planned(plan: &Plan) -> String {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let [x1, x2, label] = &plan.reads;
    let [d1, d2] = plan.dimensions;
    format!(
        "files      {}\nrows       {} in {} row groups\nreads      {x1} [{d1}], {x2} [{d2}], {label}\n\
         adds       {}\nto copy    {:.1} MB\nto decode  {:.1} MB\nto add     {:.1} MB\n\
         engine     {}, {} workers, {} rows a batch, {:.0} rows/s\ntime       about {:.1} s\n",
        plan.files,
        plan.rows,
        plan.row_groups,
        plan.adds.join(", "),
        megabytes(plan.bytes_to_copy),
        megabytes(plan.bytes_to_decode),
        megabytes(plan.bytes_to_add),
        plan.engine,
        plan.workers,
        plan.batch_rows,
        plan.engine_rows_per_second,
        plan.estimated_seconds,
    )
}

/// The summary for a person.
pub(super) fn say(summary: &Summary) {
    if summary.skipped {
        tracing::info!("{}: made of this input by this bundle already; nothing to do", summary.output);
        return;
    }
    if summary.written == Some(Written::ReEncoded) {
        tracing::warn!(
            "{}: the input is encrypted, so its columns were encoded anew, not copied; the output is encrypted \
             with the same keys",
            summary.output
        );
    }
    if summary.resumed_rows > 0 {
        tracing::info!("{} rows were computed by an earlier run", summary.resumed_rows);
    }
    let peak =
        summary.peak_memory_bytes.map_or(String::new(), |b| format!(", {} MB of memory", b / 1_000_000));
    tracing::info!(
        "{}: {} rows in {:.1} s ({:.0} rows/s{peak}){}",
        summary.output,
        summary.rows,
        summary.seconds,
        summary.rows_per_second,
        means(&summary.columns),
    );
    say_shift(summary.adjustment.as_ref());
    warn_of_bad_rows(&summary.fates);
}

fn say_shift(adjustment: Option<&annotate::Adjustment>) {
    if let Some(annotate::Adjustment { shift_nats, before, .. }) = adjustment {
        let annotate::Means { r, u1, u2, s } = before;
        tracing::info!("shifted by {shift_nats:.4} nats from R {r:.4}  U1 {u1:.4}  U2 {u2:.4}  S {s:.4}");
    }
}

fn warn_of_bad_rows(fates: &FateCounts) {
    if fates.bad() > 0 {
        let reasons = fates.bad_by_reason();
        let reasons = reasons.iter().filter(|(_, rows)| *rows > 0);
        let reasons: Vec<_> = reasons.map(|(fate, rows)| format!("{rows} {fate}")).collect();
        tracing::warn!("{} rows have no values: {}", fates.bad(), reasons.join(", "));
    }
}
