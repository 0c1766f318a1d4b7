//! `lsmi-etl run`: annotating, queries, checks and a report, as a pipeline file says. Each step
//! is the subcommand of its name, with the settings that hold.

mod fresh;
mod shown;
mod steps;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::{ArgMatches, Args};
use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;

use crate::config::{AnnotateSettings, Config, Ends, EngineArgs, Typed, load};
use crate::error::{Error, Result};
use crate::telemetry::Telemetry;

use super::annotate::{self, AnnotateArgs, Observers, Outcome, with_observers};
use super::report::Made;
use super::{output, signals};

/// Annotate, query, check and report as a pipeline file says
///
/// The file is TOML: an input and an output, and tables that hold the flags of the subcommands
/// by their names. {{ NAME }} in any string is a variable: the value that --set NAME=VALUE gives
/// it, else the environment's variable NAME, else what the file's table `variables` says; a
/// variable without a value is an error. Everything is checked before anything runs.
///
/// For annotate and the engine a flag of this command goes before the environment (LSMI_ETL_BUNDLE
/// and so on, LSMI_ETL_ and the flag's name), and that before the file; --show-config shows which
/// holds. Paths are relative to the folder in which this command runs, as those of all commands
/// are; {{ here }} is the folder of the pipeline file.
///
/// Run again, a pipeline does what is left to do: files that are annotated stay as they are, checks
/// are made again, and rows and reports are written again only where they are older than the
/// annotated files, the pipeline file or a file that it names. What is older is replaced.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lsmi-etl run pipelines/nightly.toml --set ds=2026-11-23
  lsmi-etl run pipelines/nightly.toml --set ds=2026-11-23 --dry-run
  lsmi-etl run pipelines/nightly.toml --set ds=2026-11-23 --workers 4 --show-config
  lsmi-etl run pipelines/nightly.toml --set ds=2026-11-23 --if-nothing exit99 --json

A pipeline file:
  input = \"raw/ds={{ ds }}\"
  output = \"annotated/ds={{ ds }}\"

  [annotate]
  bundle = \"lsmi-bundle\"
  max_bad_rows = \"5%\"

  [[sql]]
  name = \"gate\"
  expect = \"all_true\"
  query = \"SELECT count(r) > 0 AS has_values, avg(r) > -1 AS plausible FROM annotated\"

  [report]
  output = \"report-{{ ds }}.html\"

Its JSON Schema is schemas/pipeline.schema.json; more examples are in pipelines/.")]
pub(super) struct RunArgs {
    /// The pipeline file
    #[arg(value_name = "PIPELINE.toml")]
    pipeline: PathBuf,
    /// Give a variable a value; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = assigned)]
    set: Vec<(String, String)>,
    /// Print what would be done, from footers only
    #[arg(long)]
    dry_run: bool,
    /// Print every setting, its value and where that comes from
    #[arg(long, conflicts_with = "dry_run")]
    show_config: bool,
    /// End with one line of JSON on stdout
    #[arg(long)]
    json: bool,
    /// Write the summary as JSON to a file
    #[arg(long, value_name = "PATH")]
    summary: Option<PathBuf>,
    #[command(flatten)]
    ends: Ends,
    #[command(flatten)]
    annotate: AnnotateSettings,
    #[command(flatten)]
    engine: EngineArgs,
}

fn assigned(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

/// What `lsmi-etl run` did; its JSON Schema is in `schemas/`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PipelineSummary")]
struct Summary {
    /// The pipeline file as it was given.
    pipeline: PathBuf,
    /// Whether all was there already.
    nothing_to_do: bool,
    /// What annotating came to.
    annotate: Outcome,
    /// The steps after it, in their order.
    steps: Vec<steps::Done>,
    /// The report; null where none is asked for, or it was there already.
    report: Option<Made>,
    /// Wall-clock seconds.
    seconds: f64,
}

/// The JSON Schema of what `lsmi-etl run` writes with `--json` and `--summary`.
pub fn pipeline_summary_schema() -> Schema {
    schema_for!(Summary)
}

/// Runs `lsmi-etl run` and gives the exit code.
pub(super) fn run(
    args: &RunArgs,
    matches: &ArgMatches,
    telemetry: &Telemetry,
    stop: &AtomicBool,
) -> Result<ExitCode> {
    let set: BTreeMap<String, String> = args.set.iter().cloned().collect();
    let config = load(Typed {
        pipeline: &args.pipeline,
        set: &set,
        ends: &args.ends,
        annotate: &args.annotate,
        engine: &args.engine,
        matches,
    })?;
    if args.show_config {
        shown::settings(&config.settings, args.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let annotation = AnnotateArgs {
        input: config.input.clone(),
        output: config.output.clone(),
        settings: config.annotate.clone(),
        dry_run: args.dry_run,
        json: false,
        summary: None,
        engine: config.engine.clone(),
    };
    if args.dry_run {
        shown::plan(&annotate::plan(&annotation, stop)?, &config, args.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let summary = with_observers(&config.annotate, telemetry, stop, |observers| {
        work(args, &config, &annotation, observers, stop)
    })?;
    if let Some(path) = &args.summary {
        output::summary(path, &summary)?;
    }
    if args.json {
        output::json(&summary)?;
    }
    Ok(annotate::exit_code(config.annotate.if_nothing, summary.nothing_to_do))
}

fn work(
    args: &RunArgs,
    config: &Config,
    annotation: &AnnotateArgs,
    observers: Observers<'_>,
    stop: &AtomicBool,
) -> Result<Summary> {
    let start = Instant::now();
    let Some(outcome) = annotate::annotate(annotation, observers, stop)? else {
        return Err(Error::Internal("a pipeline's output has closed".to_owned()));
    };
    // Where that is said to be no error, there is nothing to ask or to report on.
    let is_empty = outcome.rows() == 0 && config.annotate.if_nothing.is_some();
    let mut nothing_to_do = outcome.is_nothing();
    let pipeline = steps::Steps { config, pipeline: &args.pipeline, is_annotated: outcome.is_nothing() };
    let mut done = Vec::new();
    for query in config.queries.iter().filter(|_| !is_empty) {
        continue_unless(stop)?;
        let step = pipeline.query(query, stop)?;
        nothing_to_do &= !step.has_written();
        done.push(step);
    }
    let report = match &config.report {
        Some(settings) if !is_empty => {
            // Nobody asks while a report is made: from here on the first signal ends the run.
            signals::end_at_once()?;
            continue_unless(stop)?;
            pipeline.report(settings)?
        }
        _ => None,
    };
    nothing_to_do &= report.is_none();
    if nothing_to_do {
        tracing::info!("{}: nothing to do", args.pipeline.display());
    }
    Ok(Summary {
        pipeline: args.pipeline.clone(),
        nothing_to_do,
        annotate: outcome,
        steps: done,
        report,
        seconds: start.elapsed().as_secs_f64(),
    })
}

fn continue_unless(stop: &AtomicBool) -> Result<()> {
    if stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
}
