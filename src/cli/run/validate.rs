//! The `validate` subcommand: everything of a pipeline that can be checked without a run.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use clap::{ArgMatches, Args};
use serde::Serialize;

use crate::error::Result;
use crate::printable::{counted, shown};

use super::super::{annotate, output};
use super::checked;
use super::pipeline_args::PipelineArgs;

/// Check a pipeline file without running it
///
/// Checks the keys and values of the file, its variables, the paths of all steps against each other, the bundle,
/// the columns that are read and reported, and plans every query against the columns that annotating will write:
/// tables, columns, functions and types. All that is wrong is reported at once, with the line of the file and a mark
/// under the word of a query. The input must be there, since its columns are read from the footers of its first and
/// last file; no row is read and nothing is written, and the stores of outputs are not asked for their credentials, as
/// `run --dry-run` does.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lsmi-etl validate pipelines/nightly.toml --set ds=2026-11-23
  lsmi-etl validate pipelines/nightly.toml --set ds=2026-11-23 --json

The exit code is 0 of a valid pipeline and 78 of an invalid one; 66 where there is no input. A single fault
of paths keeps the code that run would end with: 64, 65 or 73.")]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    of: PipelineArgs,
    /// Print what was checked as one line of JSON
    #[arg(long)]
    json: bool,
}

/// What was checked.
#[derive(Serialize)]
struct Checked<'a> {
    pipeline: &'a PathBuf,
    /// Input files.
    files: usize,
    /// Names of the queries and checks.
    steps: Vec<&'a str>,
    /// Whether there is a report.
    report: bool,
}

/// Runs `lsmi-etl validate`.
///
/// # Errors
/// As `lsmi-etl run` would give before annotating.
pub(crate) fn run(args: &ValidateArgs, matches: &ArgMatches, stop: &AtomicBool) -> Result<()> {
    let config = args.of.config(matches)?;
    let annotation = args.of.annotation(&config);
    let found = annotate::discover(&annotation).map_err(|error| config.named_by("input", error));
    checked::check(&args.of.steps(&config, false), (&annotation, &found), (None, false), stop)?;
    let files = found?.map_or(0, |files| files.pairs().len());
    let steps: Vec<&str> = config.queries.iter().map(|query| query.step.name.as_str()).collect();
    let checked = Checked { pipeline: &args.of.pipeline, files, report: config.report.is_some(), steps };
    if args.json {
        return output::json(&checked);
    }
    output::text(&format!(
        "{} is valid: {}, {}{}\n",
        shown(&args.of.pipeline),
        counted(files, "input file"),
        counted(checked.steps.len(), "SQL step"),
        if checked.report { ", a report" } else { "" }
    ))
}
