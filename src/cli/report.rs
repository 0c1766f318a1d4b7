//! `lsmi-etl report`: a page to look at, the numbers behind it, its pictures.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::bundle::Bundle;
use crate::config::{DEFAULT_BUNDLE, ReportFormat, ReportSettings};
use crate::error::{Error, Place, Result};
use crate::parquet_file::Input;
use crate::report::{self, Picture, Report, ReportOptions};
use crate::storage::{Staged, find_files};

use super::output;

/// Make a report of annotated files: one self-contained HTML page
///
/// Means with their standard errors, distributions, classes, the samples at the ends, and
/// how all of it was made. The page needs no network and no JavaScript, and prints.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lsmi-etl report annotated.parquet -o report.html
  lsmi-etl report annotated/ -o report.html --key id --link-template 'https://host/{id}.jpg'
  lsmi-etl report annotated/ds=2026-01-31 --compare annotated/ds=2026-02-01 -o report.html
  lsmi-etl report annotated.parquet --format json | jq .data.parts.r
  lsmi-etl report annotated.parquet --svg pictures/

The numbers' JSON Schema is schemas/report.schema.json.")]
pub(super) struct ReportArgs {
    /// Annotated Parquet files, folders or globs
    #[arg(required = true, value_name = "ANNOTATED")]
    pub(super) inputs: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) settings: ReportSettings,
    /// Replace what is there
    #[arg(long)]
    pub(super) overwrite: bool,
    /// End with one line of JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
}

/// What a report came to.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Report")]
pub(super) struct Made {
    /// The page or the numbers; null where they went to stdout or only pictures were asked for.
    output: Option<PathBuf>,
    /// Pictures that were written as files of their own.
    pictures: usize,
    /// Rows of the annotated files.
    rows: u64,
    /// Those with values.
    computed_rows: u64,
    /// What a reader of the report should know.
    warnings: Vec<String>,
    /// Wall-clock seconds.
    seconds: f64,
}

/// Where the page or the numbers go.
enum Target {
    File(Staged),
    Stdout,
    Nowhere,
}

pub(super) fn run(args: &ReportArgs) -> Result<()> {
    let made = make(args)?;
    if args.json { output::json(&made) } else { Ok(()) }
}

/// Makes the report and says where it is.
pub(super) fn make(args: &ReportArgs) -> Result<Made> {
    let start = Instant::now();
    let settings = &args.settings;
    let options = settings.options(&args.inputs)?;
    // Before anything is read: it may be there, or impossible.
    let target = target(args)?;
    let bundle = match &settings.bundle {
        Some(dir) => Some(Bundle::open(dir)?),
        None => neighbouring(args),
    };
    let report = report::read(&options, bundle.as_ref())?;
    let is_drawn = settings.svg.is_some() || settings.format == ReportFormat::Html;
    let pictures = if is_drawn { report::pictures(&report)? } else { Vec::new() };
    if let Some(dir) = &settings.svg {
        write_pictures(dir, &pictures, args.overwrite)?;
    }
    let text = |report: &Report| match settings.format {
        ReportFormat::Html => report::html(report, &pictures),
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
        Target::Nowhere => None,
    };
    for warning in &report.warnings {
        tracing::warn!("{}", warning.text);
    }
    let seconds = start.elapsed().as_secs_f64();
    if let Some(path) = output.as_deref().or(settings.svg.as_deref()) {
        tracing::info!("wrote {} ({} rows, {seconds:.1} s)", path.display(), report.data.rows);
    }
    Ok(Made {
        output,
        pictures: if settings.svg.is_some() { pictures.len() } else { 0 },
        rows: report.data.rows,
        computed_rows: report.data.computed_rows,
        warnings: report.warnings.iter().map(|warning| warning.code.as_str().to_owned()).collect(),
        seconds,
    })
}

/// Writes a report of one annotated file, as the demo does.
pub(super) fn write_page(annotated: &Path, bundle: &Bundle, title: &str, page: &Path) -> Result<()> {
    let options = ReportOptions {
        inputs: vec![annotated.to_owned()],
        samples: 8,
        title: Some(title.to_owned()),
        ..ReportOptions::default()
    };
    let report = report::read(&options, Some(bundle))?;
    let html = report::html(&report, &report::pictures(&report)?)?;
    write(Staged::create(page, true)?, &html)
}

fn target(args: &ReportArgs) -> Result<Target> {
    Ok(match args.settings.written() {
        None => Target::Nowhere,
        Some(path) if path == Path::new("-") => Target::Stdout,
        Some(path) => Target::File(Staged::create(path, args.overwrite)?),
    })
}

/// The bundle where `fit` writes it, if it is the one that computed the files.
fn neighbouring(args: &ReportArgs) -> Option<Bundle> {
    let dir = Path::new(DEFAULT_BUNDLE);
    let bundle = dir.is_dir().then(|| Bundle::open(dir).ok()).flatten()?;
    let first = find_files(args.inputs.first()?).ok()?.into_iter().next()?;
    let input = Input::open(&first).ok()?;
    let pairs = input.metadata().file_metadata().key_value_metadata()?;
    let hash = pairs.iter().find(|pair| pair.key == "lsmi_etl.bundle_sha256")?.value.as_deref();
    (hash == Some(bundle.digest())).then_some(bundle)
}

fn write_pictures(dir: &Path, pictures: &[Picture], overwrite: bool) -> Result<()> {
    let cannot = |source| Error::CannotCreate { path: dir.to_owned(), source };
    std::fs::create_dir_all(dir).map_err(cannot)?;
    // All or none: every name is tried before the first is given.
    let mut staged = Vec::new();
    for picture in pictures {
        let path = dir.join(format!("{}.svg", picture.name));
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
