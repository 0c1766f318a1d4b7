//! The paths that a pipeline reads and writes, all steps together.

use std::path::Path;

use crate::config::{ANNOTATED, Config, ReportFormat, ReportSettings};
use crate::error::Result;
use crate::sql::{Format, StatementPaths};
use crate::storage::{DataNames, Destinations, FileKind};

use super::super::report::existing_pictures;

/// Compares the paths of the pipeline file and of the steps after annotating with each other and with
/// those of annotating. An output of a step may replace one of the kind that it writes. The stores of outputs
/// are asked for them where the pipeline is about to run, or to be planned.
///
/// # Errors
/// As for [`Destinations::check`] and [`Destinations::check_stores`]; [`Error::Usage`](crate::Error::Usage) of statements that can't be parsed.
pub(super) fn check_destinations(
    (pipeline, summary): (&Path, Option<&Path>),
    config: &Config,
    mut all: Destinations,
    asks_stores: bool,
) -> Result<()> {
    let overwrite = config.annotate.overwrite;
    // What is annotated may lie in a folder that is a table: it is written before the steps read that.
    let mut steps = Destinations::default();
    all.reads("the pipeline file", pipeline);
    if let Some(summary) = summary {
        all.writes_kind("--summary", summary, FileKind::Summary, overwrite);
        steps.writes("--summary", summary);
    }
    for (name, path) in &config.tables {
        if name != ANNOTATED {
            steps.reads("a table", Path::new(path));
            steps.searches(Path::new(path), DataNames::PARQUET);
        }
    }
    for query in &config.queries {
        let step = &query.step;
        step.file.iter().for_each(|file| all.reads("the file of a step", file));
        for statement in StatementPaths::parse(&query.sql)? {
            let Some(target) = statement.writes.filter(|target| !target.ends_with('/')) else { continue };
            all.writes("the target of a COPY", Path::new(&target));
            steps.writes("the target of a COPY", Path::new(&target));
        }
        if let Some(output) = &step.output {
            let kind = step.format.or_else(|| Format::of(output)).map_or(FileKind::Text, kind_of);
            all.writes_kind("the output of a step", output, kind, overwrite);
            steps.writes("the output of a step", output);
        }
    }
    if let Some(report) = &config.report {
        report.check_ending()?;
        add_report(report, overwrite, &mut all, &mut steps);
    }
    if asks_stores {
        all.check_stores()?;
    }
    // Kinds, which only the first has, come last.
    steps.check()?;
    all.check()
}

fn add_report(report: &ReportSettings, overwrite: bool, all: &mut Destinations, steps: &mut Destinations) {
    report.compare.iter().for_each(|other| steps.searches(other, DataNames::PARQUET));
    if let Some(bundle) = &report.bundle {
        all.reads_folder("a file of the report's bundle", bundle);
    }
    if let Some(output) = report.written() {
        let kind = match report.format() {
            ReportFormat::Html => FileKind::Html,
            ReportFormat::Json => FileKind::Json,
        };
        all.writes_kind("the report", output, kind, overwrite);
        steps.writes("the report", output);
    }
    for picture in report.svg.iter().flat_map(|folder| existing_pictures(folder)) {
        all.writes_kind("a picture of the report", &picture, FileKind::Svg, overwrite);
        steps.writes("a picture of the report", &picture);
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
