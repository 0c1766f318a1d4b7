//! The paths that a pipeline reads and writes, all steps together.

use std::path::Path;

use crate::config::{ANNOTATED, Config, Faults, Query, ReportFormat, ReportSettings};
use crate::error::{Error, Result};
use crate::sql::{Format, StatementPaths};
use crate::storage::{DataNames, Destinations, FileKind, lies_in};

use super::super::report::existing_pictures;

/// Compares the paths of the pipeline file and of the steps after annotating with each other and with
/// those of annotating. An output of a step may replace one of the kind that it writes, and none may lie among the
/// annotated files, where these are several. The stores of outputs are asked for them where the pipeline is about
/// to run, or to be planned. All folders that are not there are told.
///
/// # Errors
/// As for [`Faults::add`]; of stores.
pub(super) fn check_destinations(
    (pipeline, summary): (&Path, Option<&Path>),
    config: &Config,
    mut all: Destinations,
    (has_many, asks_stores): (bool, bool),
    faults: &mut Faults,
) -> Result<()> {
    let overwrite = config.annotate.overwrite;
    // What is annotated may lie in a folder that is a table: it is written before the steps read that.
    let mut steps = Destinations::default();
    if has_many {
        steps.reserves("the annotated files", &config.output);
    }
    all.reads("the pipeline file", pipeline);
    if let Some(summary) = summary {
        all.writes_kind("--summary", summary, FileKind::Summary, overwrite);
        steps.writes("--summary", summary);
    }
    if let Some(metrics) = &config.annotate.metrics {
        steps.writes(config.with_place("the metrics", "annotate.metrics"), metrics);
    }
    for (name, path) in &config.tables {
        if name != ANNOTATED {
            steps.reads(format!("the table {name}"), Path::new(path));
            steps.searches(Path::new(path), DataNames::PARQUET);
        }
    }
    for query in &config.queries {
        faults.add(add_step(query, config, &mut all, &mut steps))?;
    }
    if let Some(report) = &config.report {
        faults.add(add_report(report, config, &mut all, &mut steps))?;
    }
    if asks_stores {
        all.check_stores()?;
    }
    let compared = steps.compare().and_then(|()| all.compare());
    let is_sound = compared.is_ok();
    faults.add(compared)?;
    // What would lie among the annotated files is told already.
    let is_told = |error: &Error| matches!(error, Error::CannotCreate { path, .. } if has_many && lies_in(path, &config.output));
    for (what, error) in all.missing_folders().filter(|(_, error)| !is_told(error)) {
        faults.add(Err(error.named_by(&format!("it is {}", placed(config, what)))))?;
    }
    if is_sound { faults.add(all.check_kinds()) } else { Ok(()) }
}

/// What an output is, with the place of its key, where annotating writes it.
fn placed(config: &Config, what: &str) -> String {
    match what.strip_prefix("--") {
        Some(flag) => config.with_place(what, &format!("annotate.{flag}")),
        None if what == "the output" => config.with_place(what, "output"),
        None => what.to_owned(),
    }
}

fn add_step(query: &Query, config: &Config, all: &mut Destinations, steps: &mut Destinations) -> Result<()> {
    let Query { step, sql, table, .. } = query;
    step.file.iter().for_each(|file| all.reads(format!("the file of the step {}", step.name), file));
    let statements = if query.is_faulty { Vec::new() } else { StatementPaths::parse(sql)? };
    for target in statements.into_iter().filter_map(|statement| statement.writes) {
        let path = Path::new(&target);
        if target.ends_with('/') {
            all.creates_folder(path);
            continue;
        }
        let what = format!("the target of a COPY ({})", query.place);
        match Format::of(path) {
            Some(_) if !path.is_dir() => all.writes_beside(what.clone(), path),
            // Of partitions.
            _ => {
                all.creates_folder(path);
                all.writes(what.clone(), path);
            }
        }
        steps.writes(what, path);
    }
    if let Some(output) = &step.output {
        let kind = step.format.or_else(|| Format::of(output)).map_or(FileKind::Text, kind_of);
        let what =
            config.with_place(&format!("the output of the step {}", step.name), &format!("{table}.output"));
        all.writes_kind(what.clone(), output, kind, config.annotate.overwrite);
        steps.writes(what, output);
    }
    Ok(())
}

fn add_report(
    report: &ReportSettings,
    config: &Config,
    all: &mut Destinations,
    steps: &mut Destinations,
) -> Result<()> {
    let overwrite = config.annotate.overwrite;
    report.compare.iter().for_each(|other| steps.searches(other, DataNames::PARQUET));
    if let Some(bundle) = &report.bundle {
        all.reads_folder("a file of the report's bundle", bundle);
    }
    if let Some(output) = report.written() {
        let kind = match report.format() {
            ReportFormat::Html => FileKind::Html,
            ReportFormat::Json => FileKind::Json,
        };
        let what = config.with_place("the report", "report.output");
        all.writes_kind(what.clone(), output, kind, overwrite);
        steps.writes(what, output);
    }
    for picture in report.svg.iter().flat_map(|folder| existing_pictures(folder)) {
        all.writes_kind("a picture of the report", &picture, FileKind::Svg, overwrite);
        steps.writes("a picture of the report", &picture);
    }
    if let Some(folder) = &report.svg {
        all.creates_folder(folder);
        steps.writes(config.with_place("the pictures of the report", "report.svg"), folder);
    }
    report.check_ending().map_err(|error| at_key(error, "report.output", config))?;
    report.check_pictures().map_err(|error| at_key(error, "report.svg", config))
}

/// An error with the place of the key that it is about.
fn at_key(error: Error, key: &str, config: &Config) -> Error {
    match config.place(key) {
        Some(place) => Error::Usage(format!("{place}: {error}")),
        None => error,
    }
}

/// The kind of a file in this format.
fn kind_of(format: Format) -> FileKind {
    match format {
        Format::Parquet => FileKind::Parquet,
        Format::Arrow | Format::ArrowFile => FileKind::Arrow,
        Format::Json | Format::Ndjson => FileKind::Json,
        Format::Table | Format::Line | Format::Csv | Format::Tsv | Format::Markdown => FileKind::Text,
    }
}
