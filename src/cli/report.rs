//! The `report` subcommand: an HTML page, its numbers as JSON or its pictures as SVG.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::bundle::Bundle;
use crate::config::{DEFAULT_BUNDLE, ReportFormat, ReportSettings};
use crate::error::{Error, Place, Result};
use crate::evaluate::open_bundle;
use crate::parquet_file::Input;
use crate::printable::{counted, shown, without_secrets};
use crate::provenance::Provenance;
use crate::report::{self, Picture, Report, ReportOptions};
use crate::storage::{
    DataNames, Destinations, FileEnding, Staged, create_parent_folder, find_files, join_path,
};

use super::misplaced_output;
use super::output;

/// Make a report of annotated files: one self-contained HTML page
///
/// Means with their standard errors, distributions, classes, the most extreme samples, and the
/// lineage of the files. The page needs no network and no JavaScript, and can be printed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lsmi-etl report annotated.parquet -o report.html
  lsmi-etl report annotated/ -o report.html --key id --link-template 'https://host/{id}.jpg'
  lsmi-etl report annotated/ds=2026-01-31 --compare annotated/ds=2026-02-01 -o report.html
  lsmi-etl report annotated.parquet --format json | jq .data.parts.r
  lsmi-etl report annotated.parquet --svg pictures/

The JSON Schema of the numbers is schemas/report.schema.json.")]
pub(super) struct ReportArgs {
    /// Annotated Parquet files, folders or globs
    #[arg(required = true, value_name = "ANNOTATED")]
    pub(super) inputs: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) settings: ReportSettings,
    /// Replace existing outputs
    #[arg(long)]
    pub(super) overwrite: bool,
    /// Print the summary as one line of JSON, last on stdout
    #[arg(long)]
    pub(super) json: bool,
}

/// The summary of a report.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Report")]
pub(super) struct ReportSummary {
    /// The file of the page or the numbers; null for stdout, and where only pictures are written.
    output: Option<PathBuf>,
    /// Pictures written as separate files.
    pictures: usize,
    /// Rows in the annotated files.
    rows: u64,
    /// Rows with values.
    computed_rows: u64,
    /// Rows with values that lack a modality.
    reduced_rows: u64,
    /// Codes of the warnings.
    warnings: Vec<String>,
    /// Wall-clock seconds.
    seconds: f64,
}

/// The destination of the page or the numbers.
enum Target {
    File(Staged),
    Stdout,
    PicturesOnly,
}

pub(super) fn run(args: &ReportArgs) -> Result<()> {
    let summary = make(args)?;
    if args.json { output::json(&summary) } else { Ok(()) }
}

/// Makes the report and logs where it is written.
pub(super) fn make(args: &ReportArgs) -> Result<ReportSummary> {
    let start = Instant::now();
    let is_page = |path: &Path| {
        let ending = FileEnding::of(path);
        args.settings.output.is_none() && matches!(ending, Some(FileEnding::Html | FileEnding::Json))
    };
    misplaced_output::check(&args.inputs, "-o", is_page)?;
    let settings = &args.settings;
    settings.check_ending()?;
    settings.check_pictures()?;
    let options = settings.options(&args.inputs)?;
    destinations(args).check()?;
    let files = report::open(&options)?;
    let bundle = match &settings.bundle {
        Some(bundle) => Some(open_bundle(bundle)?),
        None => default_bundle(args),
    };
    // Opened before the rows are read, so that an output that can't be written fails early.
    let target = target(args)?;
    let report = report::read(files, &options, bundle.as_ref())?;
    let is_drawn = settings.svg.is_some() || settings.format() == ReportFormat::Html;
    let pictures = if is_drawn { report::pictures(&report)? } else { Vec::new() };
    if let Some(dir) = &settings.svg {
        write_pictures(dir, &pictures, args.overwrite)?;
    }
    let text = |report: &Report| match settings.format() {
        // A summary may follow in a line of its own.
        ReportFormat::Html => report::html(report, &pictures).map(|page| page + "\n"),
        ReportFormat::Json => {
            let json = serde_json::to_string_pretty(report).map_err(|e| Error::Internal(e.to_string()))?;
            Ok(json + "\n")
        }
    };
    let output = match target {
        Target::File(staged) => {
            let path = staged.path().to_owned();
            write(staged, &text(&report)?)?;
            Some(path)
        }
        Target::Stdout => {
            output::print(&text(&report)?)?;
            None
        }
        Target::PicturesOnly => None,
    };
    for warning in &report.warnings {
        tracing::warn!("{}", warning.text);
    }
    let seconds = start.elapsed().as_secs_f64();
    if let Some(path) = output.as_deref().or(settings.svg.as_deref()) {
        let rows = counted(report.data.rows, "row");
        tracing::info!("wrote {} ({rows}, {seconds:.1} s)", shown(path));
    }
    Ok(ReportSummary {
        output: output.map(|path| without_secrets(&path).into()),
        pictures: if settings.svg.is_some() { pictures.len() } else { 0 },
        rows: report.data.rows,
        computed_rows: report.data.computed_rows,
        reduced_rows: report.data.reduced_rows,
        warnings: report.warnings.iter().map(|warning| warning.code.as_str().to_owned()).collect(),
        seconds,
    })
}

/// Writes the HTML report of one annotated file, for the demo.
pub(super) fn write_page(annotated: &Path, bundle: &Bundle, title: &str, page: &Path) -> Result<()> {
    let options = ReportOptions {
        inputs: vec![annotated.to_owned()],
        samples: 8,
        title: Some(title.to_owned()),
        ..ReportOptions::default()
    };
    let report = report::read(report::open(&options)?, &options, Some(bundle))?;
    let html = report::html(&report, &report::pictures(&report)?)?;
    write(Staged::create(page, true)?, &html)
}

fn destinations(args: &ReportArgs) -> Destinations {
    let settings = &args.settings;
    let mut paths = Destinations::default();
    for input in args.inputs.iter().chain(&settings.compare) {
        paths.searches(input, DataNames::PARQUET);
    }
    let bundle = settings.bundle.as_deref().unwrap_or(Path::new(DEFAULT_BUNDLE));
    paths.reads_folder("a file of the bundle", bundle);
    settings.written().into_iter().for_each(|output| paths.writes("the report", output));
    for picture in settings.svg.iter().flat_map(|folder| existing_pictures(folder)) {
        paths.writes("a picture", &picture);
    }
    paths
}

/// The pictures in a local folder, which those of a report of the same names replace.
pub(super) fn existing_pictures(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_picture = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "svg");
    entries.map(|entry| entry.path()).filter(is_picture).collect()
}

fn target(args: &ReportArgs) -> Result<Target> {
    Ok(match args.settings.written() {
        None => Target::PicturesOnly,
        Some(path) if path == Path::new("-") => Target::Stdout,
        Some(path) => Target::File(Staged::create(path, args.overwrite)?),
    })
}

/// The bundle in the default folder, if it is the one that annotated the files.
fn default_bundle(args: &ReportArgs) -> Option<Bundle> {
    let dir = Path::new(DEFAULT_BUNDLE);
    let bundle = dir.is_dir().then(|| open_bundle(dir).ok()).flatten()?;
    let first = find_files(args.inputs.first()?).ok()?.into_iter().next()?;
    let input = Input::open(&first).ok()?;
    let made_by = Provenance::read(&input, &args.settings.prefix.clone().unwrap_or_default()).bundle_sha256?;
    (made_by == bundle.digest()).then_some(bundle)
}

fn write_pictures(dir: &Path, pictures: &[Picture], overwrite: bool) -> Result<()> {
    // All or none: every output is created before the first is published.
    let mut staged = Vec::new();
    for picture in pictures {
        let path = join_path(dir, Path::new(&format!("{}.svg", picture.name)));
        create_parent_folder(&path)?;
        staged.push((Staged::create(&path, overwrite)?, picture.standalone()));
    }
    staged.into_iter().try_for_each(|(staged, svg)| write(staged, &svg))
}

fn write(staged: Staged, text: &str) -> Result<()> {
    let failed = |e| Error::io(Place::file(staged.path().display()), "write", e);
    let mut writer = staged.writer()?;
    writer.write_all(text.as_bytes()).and_then(|()| writer.flush()).map_err(failed)?;
    drop(writer);
    staged.commit()
}
