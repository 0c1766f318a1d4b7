//! The `run` subcommand: annotates, queries, checks and reports as a pipeline file defines. Each
//! step runs the subcommand of its name with the settings in effect.

mod checked;
mod destinations;
mod empty_output;
mod freshness;
mod pipeline_args;
mod planned;
mod preview;
mod reported;
mod steps;
mod validate;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::{ArgMatches, Args};
use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::storage::Files;
use crate::telemetry::Telemetry;

use self::pipeline_args::PipelineArgs;
use self::steps::StepSummary;
use super::annotate::{self, AnnotateArgs, Observers, Outcome, with_observers};
use super::report::ReportSummary;
use super::{output, signals};

pub(super) use self::validate::{ValidateArgs, run as validate};

/// Annotate, query, check and report as defined in a pipeline file
///
/// The file is TOML: an input and an output, and tables that hold the flags of the subcommands
/// by name. {{ NAME }} in any string is a variable. Its value comes from --set NAME=VALUE, else
/// from the environment variable NAME, else from the table `variables` of the file; a variable
/// without a value is an error. The whole file is validated before anything runs, its queries against the
/// columns that annotating will write.
///
/// For the settings of annotate, of the engine and of the cluster, a flag of this command overrides the
/// environment (LSMI_ETL_BUNDLE and so on: LSMI_ETL_ and the name of the flag), which overrides
/// the file; --show-config prints the values in effect and their origins. Paths are relative to
/// the working directory, as in all commands; {{ here }} is the folder of the pipeline file.
///
/// Where files are bad, the others are annotated, and the steps after that only with --on-bad-file
/// skip.
///
/// A second run does only what is left to do: annotated files stay unchanged, checks run again,
/// and the outputs of queries and reports are replaced only if they are older than the annotated
/// files, the pipeline file or a file that it names.
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

The JSON Schema is schemas/pipeline.schema.json; more examples are in pipelines/.")]
pub(super) struct RunArgs {
    #[command(flatten)]
    of: PipelineArgs,
    /// Read footers, time the models and print the plan
    #[arg(long)]
    dry_run: bool,
    /// Print every setting with its value and the origin of the value
    #[arg(long, conflicts_with = "dry_run")]
    show_config: bool,
    /// Print the summary as one line of JSON, last on stdout
    #[arg(long)]
    json: bool,
    /// Write the summary as JSON to a file
    #[arg(long, value_name = "PATH")]
    summary: Option<PathBuf>,
}

/// The summary of `lsmi-etl run`; its JSON Schema is in `schemas/`.
#[derive(Debug, Serialize, JsonSchema)]
struct PipelineSummary {
    /// The pipeline file as given.
    pipeline: PathBuf,
    /// Whether all outputs existed already.
    nothing_to_do: bool,
    /// The summary of annotating.
    annotate: Outcome,
    /// The steps after annotating, in order.
    steps: Vec<StepSummary>,
    /// The report; null where none is configured or it existed already.
    report: Option<ReportSummary>,
    /// Wall-clock seconds.
    seconds: f64,
}

/// The JSON Schema of the summary that `lsmi-etl run` writes with `--json` and `--summary`.
pub fn pipeline_summary_schema() -> Schema {
    schema_for!(PipelineSummary)
}

/// Runs `lsmi-etl run` and returns the exit code.
pub(super) fn run(
    args: &RunArgs,
    matches: &ArgMatches,
    telemetry: &Telemetry,
    stop: &AtomicBool,
) -> Result<ExitCode> {
    let config = args.of.config(matches)?;
    if args.show_config {
        config.faults.clone().into_result()?;
        preview::print_settings(&config.settings, args.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let annotation = AnnotateArgs { dry_run: args.dry_run, ..args.of.annotation(&config) };
    let found = annotate::discover(&annotation).map_err(|error| config.named_by("input", error));
    let steps = args.of.steps(&config, false);
    checked::check(&steps, (&annotation, &found), (args.summary.as_deref(), true), stop)?;
    if args.dry_run {
        found?;
        let plan = annotate::plan(&annotation, stop)?;
        preview::print_plan(&plan, &config, args.json)?;
        return annotate::check_planned(&plan, &config.annotate).map(|()| ExitCode::SUCCESS);
    }
    let summary = with_observers(&config.annotate, telemetry, stop, |observers| {
        let (summary, checked) = run_steps(args, &config, (&annotation, found?), observers, stop)?;
        output::results(&summary, args.summary.as_deref(), args.json)?;
        checked.map(|()| summary)
    })?;
    Ok(annotate::exit_code(config.annotate.if_nothing, summary.nothing_to_do))
}

/// Annotates and takes the steps after it, which are left out where files are bad that may not be
/// skipped: that error comes beside the summary.
fn run_steps(
    args: &RunArgs,
    config: &Config,
    (annotation, files): (&AnnotateArgs, Option<Files>),
    observers: Observers<'_>,
    stop: &AtomicBool,
) -> Result<(PipelineSummary, Result<()>)> {
    let start = Instant::now();
    // A share of the files may be none of them.
    let has_files = files.as_ref().is_none_or(|files| !files.pairs().is_empty());
    let Some(outcome) = annotate::annotate(annotation, files, observers, stop)? else {
        return Err(Error::Internal("the output of a pipeline was closed".to_owned()));
    };
    // With if_nothing, an empty input is no error: there are no rows to query or to report on.
    let is_empty = !has_files || outcome.rows() == 0 && config.annotate.if_nothing.is_some();
    let checked = outcome.check_bad_files(&config.annotate);
    let has_steps = !is_empty && checked.is_ok();
    let mut nothing_to_do = outcome.had_nothing_to_do() && checked.is_ok();
    let runner = args.of.steps(config, outcome.had_nothing_to_do());
    let mut done = Vec::new();
    for query in config.queries.iter().filter(|_| has_steps) {
        check_stop(stop)?;
        let step = runner.query(query, stop)?;
        nothing_to_do &= !step.has_written();
        done.push(step);
    }
    let report = match &config.report {
        Some(settings) if has_steps => {
            // Reports do not poll the stop flag, so from here on the first signal ends the process.
            signals::end_at_once()?;
            check_stop(stop)?;
            runner.report(settings)?
        }
        _ => None,
    };
    nothing_to_do &= report.is_none();
    if nothing_to_do {
        tracing::info!("{}: nothing to do", args.of.pipeline.display());
    }
    let summary = PipelineSummary {
        pipeline: args.of.pipeline.clone(),
        nothing_to_do,
        annotate: outcome,
        steps: done,
        report,
        seconds: start.elapsed().as_secs_f64(),
    };
    Ok((summary, checked))
}

fn check_stop(stop: &AtomicBool) -> Result<()> {
    if stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
}
