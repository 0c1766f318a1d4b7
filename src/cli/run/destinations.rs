//! The paths that a pipeline reads and writes, all steps together.

use std::path::Path;

use crate::config::{ANNOTATED, Config, ReportFormat};
use crate::error::Result;
use crate::sql::{Format, StatementPaths};
use crate::storage::{DataNames, Destinations, FileKind};

use super::super::report::existing_pictures;

/// Adds the paths of the pipeline file and of the steps after annotating to those of annotating. An
/// output of a step may replace one of the kind that it writes.
///
/// # Errors
/// As for [`Destinations::writes_kind`]; [`Error::Usage`](crate::Error::Usage) of statements that
/// can't be parsed.
pub(super) fn destinations(
    (pipeline, summary): (&Path, Option<&Path>),
    config: &Config,
    mut paths: Destinations,
) -> Result<Destinations> {
    let overwrite = config.annotate.overwrite;
    paths.reads("the pipeline file", pipeline);
    if let Some(summary) = summary {
        paths.writes_kind("--summary", summary, FileKind::Summary, overwrite)?;
    }
    for (name, path) in &config.tables {
        // The output is written before the steps read it.
        if name != ANNOTATED {
            paths.searches(Path::new(path), DataNames::PARQUET);
            paths.reads("a table", Path::new(path));
        }
    }
    for query in &config.queries {
        let step = &query.step;
        step.file.iter().for_each(|file| paths.reads("the file of a step", file));
        for statement in StatementPaths::parse(&query.sql)? {
            let target = statement.writes.filter(|target| !target.ends_with('/'));
            target.into_iter().for_each(|target| paths.writes("the target of a COPY", Path::new(&target)));
        }
        if let Some(output) = &step.output {
            let kind = step.format.or_else(|| Format::of(output)).map_or(FileKind::Text, kind_of);
            paths.writes_kind("the output of a step", output, kind, overwrite)?;
        }
    }
    let Some(report) = &config.report else { return Ok(paths) };
    report.compare.iter().for_each(|other| paths.searches(other, DataNames::PARQUET));
    if let Some(bundle) = &report.bundle {
        paths.reads_folder("a file of the report's bundle", bundle);
    }
    if let Some(output) = report.written() {
        let kind = match report.format {
            ReportFormat::Html => FileKind::Html,
            ReportFormat::Json => FileKind::Json,
        };
        paths.writes_kind("the report", output, kind, overwrite)?;
    }
    for picture in report.svg.iter().flat_map(|folder| existing_pictures(folder)) {
        paths.writes_kind("a picture of the report", &picture, FileKind::Svg, overwrite)?;
    }
    Ok(paths)
}

/// The kind of a file in this format.
fn kind_of(format: Format) -> FileKind {
    match format {
        Format::Parquet => FileKind::Parquet,
        Format::Arrow | Format::ArrowFile => FileKind::Arrow,
        Format::Json | Format::Ndjson => FileKind::Json,
        Format::Table | Format::Csv | Format::Tsv | Format::Markdown => FileKind::Text,
    }
}
