//! `lsmi-etl annotate`: r, u1, u2 and s beside the columns of a dataset.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use clap::{Args, ValueEnum};

use super::engine::EngineArgs;
use super::output;
use super::progress::Shown;
use crate::annotate::{Column, OnBadRow, Options, Run, Summary, Totals};
use crate::bundle::Bundle;
use crate::dataset::{FateCounts, Plan, Share};
use crate::error::Result;

/// Add r, u1, u2 and s to every row of Parquet files
///
/// All columns of the input are copied byte for byte, the new ones follow them. An
/// output appears under its name only when it is whole. Of a folder or a glob, every
/// file keeps its path below the output's folder. Both may be in an object store (s3://,
/// gs://, az://, https://), with the environment variables of the store's own tools:
/// AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS,
/// AZURE_STORAGE_ACCOUNT_NAME and so on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lsmi-etl annotate in.parquet out.parquet
  lsmi-etl annotate in.parquet out.parquet --bundle models/ --x1 image --x2 text --label y
  lsmi-etl annotate in.parquet out.parquet --columns i1,i2,i12 --json
  lsmi-etl annotate data/ annotated/
  lsmi-etl annotate 'data/year=2024/**/*.parquet' annotated/ --files-per-job 2/20
  lsmi-etl annotate s3://bucket/data/ s3://bucket/annotated/")]
pub(super) struct AnnotateArgs {
    /// The Parquet file to read, a folder of them, or a glob; a path or a URL
    input: PathBuf,
    /// The Parquet file to write; a folder where the input is one or is a glob
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
    /// What becomes of a row that can't be computed (null, NaN, unknown label)
    #[arg(long, value_enum, default_value = "null")]
    on_bad_row: BadRow,
    /// Replace the output where it exists
    #[arg(long)]
    overwrite: bool,
    /// Workers, each with a session of one thread [default: the machine's cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    workers: Option<u16>,
    /// Rows evaluated at once [default: by the dimensions]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_rows: Option<u32>,
    /// Take the I-th of N shares of the files, balanced by bytes: for array jobs
    #[arg(long, value_name = "I/N")]
    files_per_job: Option<Share>,
    /// End with one line of JSON on stdout
    #[arg(long)]
    json: bool,
    /// Write the summary as JSON to a file
    #[arg(long, value_name = "PATH")]
    summary: Option<PathBuf>,
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

pub(super) fn run(args: &AnnotateArgs, stop: &AtomicBool) -> Result<()> {
    let plan = Plan::discover(&args.input, &args.output)?;
    let bundle = Bundle::open(&args.bundle)?;
    let engine = args.engine.find()?;
    let mut extras = args.columns.clone();
    extras.dedup();
    let options = Options {
        x1: args.x1.clone(),
        x2: args.x2.clone(),
        label: args.label.clone(),
        extras,
        on_bad_row: match args.on_bad_row {
            BadRow::Null => OnBadRow::Null,
            BadRow::Fail => OnBadRow::Fail,
        },
        overwrite: args.overwrite,
        workers: args.workers.map(usize::from),
        batch_rows: args.batch_rows.map(|n| n as usize),
    };
    let progress = Shown::new(stop);
    let run = Run { bundle: &bundle, engine: &engine, options: &options, progress: &progress, stop };
    match (plan.pairs(), args.files_per_job) {
        ([pair], None) if plan.is_file() => {
            let summary = run.file(&pair.input, &pair.output);
            progress.finish();
            let summary = summary?;
            say(&summary);
            report(args, &summary)
        }
        (_, share) => {
            let plan = share.into_iter().fold(plan, Plan::share);
            let totals = run.files(&plan, say);
            progress.finish();
            let totals = totals?;
            say_totals(&totals);
            report(args, &totals)
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
    let mean = |name: &str| totals.columns.get(name).and_then(|c| c.mean).unwrap_or(f64::NAN);
    tracing::info!(
        "{}: {} files, {} rows in {:.1} s ({:.0} rows/s); R {:.4}  U1 {:.4}  U2 {:.4}  S {:.4} nats",
        totals.output,
        totals.files,
        totals.rows,
        totals.seconds,
        totals.rows_per_second,
        mean("r"),
        mean("u1"),
        mean("u2"),
        mean("s"),
    );
    warn_of_bad_rows(&totals.fates);
}

/// The summary for a person.
pub(super) fn say(summary: &Summary) {
    let mean = |name: &str| summary.columns.get(name).and_then(|c| c.mean).unwrap_or(f64::NAN);
    tracing::info!(
        "{}: {} rows in {:.1} s ({:.0} rows/s); R {:.4}  U1 {:.4}  U2 {:.4}  S {:.4} nats",
        summary.output,
        summary.rows,
        summary.seconds,
        summary.rows_per_second,
        mean("r"),
        mean("u1"),
        mean("u2"),
        mean("s"),
    );
    warn_of_bad_rows(&summary.fates);
}

fn warn_of_bad_rows(fates: &FateCounts) {
    if fates.bad() > 0 {
        let reasons = fates.bad_by_reason();
        let reasons = reasons.iter().filter(|(_, rows)| *rows > 0);
        let reasons: Vec<_> = reasons.map(|(fate, rows)| format!("{rows} {fate}")).collect();
        tracing::warn!("{} rows have no values: {}", fates.bad(), reasons.join(", "));
    }
}
