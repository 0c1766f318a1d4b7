//! `lsmi-etl report`: a page to look at, the numbers behind it, its pictures.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::output;
use crate::annotate::Size;
use crate::bundle::Bundle;
use crate::dataset::{Input, Staged, find_files};
use crate::error::{Error, Place, Result};
use crate::report::{self, Options, Picture, Report, Template};
use crate::sql;

/// Where `fit` writes and `annotate` reads by default.
const DEFAULT_BUNDLE: &str = "lsmi-bundle";

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
    inputs: Vec<PathBuf>,
    /// The file to write, or - for stdout [default: report.html; stdout with --format json;
    /// nothing with --svg]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What to write
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write the pictures alone into a folder, as SVG
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// Another run or date to show beside it: a file, a folder or a glob; may be repeated
    /// for its parts
    #[arg(long, value_name = "OTHER")]
    compare: Vec<PathBuf>,
    /// The heading [default: the input's name]
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Label column [default: the one that annotate read]
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// Columns by which a sample is known [default: id and key where there; else its row]
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    key: Vec<String>,
    /// A link for each sample, with columns in braces: 'https://host/{id}.jpg'
    #[arg(long, value_name = "URL")]
    link_template: Option<String>,
    /// Samples in each list
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(0..=1000))]
    samples: u64,
    /// The models, for their validation figures [default: ./lsmi-bundle, where the files
    /// were computed by it]
    #[arg(long, env = "LSMI_ETL_BUNDLE", value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// Memory for grouping (512MiB, 4GiB); past it, it spills to disk
    #[arg(long, value_name = "SIZE")]
    memory_limit: Option<Size>,
    /// Worker threads [default: the machine's cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Replace what is there
    #[arg(long)]
    overwrite: bool,
    /// End with one line of JSON on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One page that shows everything
    #[default]
    Html,
    /// The numbers behind every picture
    Json,
}

#[derive(Serialize)]
struct Line<'a> {
    output: Option<&'a Path>,
    pictures: usize,
    rows: u64,
    computed_rows: u64,
    warnings: Vec<&'a str>,
    seconds: f64,
}

/// Where the page or the numbers go.
enum Target {
    File(Staged),
    Stdout,
    Nowhere,
}

pub(super) fn run(args: &ReportArgs) -> Result<()> {
    let start = Instant::now();
    let link = args.link_template.as_deref().map(Template::parse).transpose()?;
    // Before anything is read: it may be there, or impossible.
    let target = target(args)?;
    let options = Options {
        inputs: args.inputs.clone(),
        compare: args.compare.clone(),
        label: args.label.clone(),
        key: args.key.clone(),
        link,
        samples: usize::try_from(args.samples).unwrap_or(usize::MAX),
        title: args.title.clone(),
        session: sql::Options {
            threads: args.threads,
            memory_limit_bytes: args.memory_limit.map(|size| usize::try_from(size.0).unwrap_or(usize::MAX)),
            ..sql::Options::default()
        },
    };
    let bundle = match &args.bundle {
        Some(dir) => Some(Bundle::open(dir)?),
        None => neighbouring(args),
    };
    let report = report::read(&options, bundle.as_ref())?;
    let is_drawn = args.svg.is_some() || args.format == Format::Html;
    let pictures = if is_drawn { report::pictures(&report)? } else { Vec::new() };
    if let Some(dir) = &args.svg {
        write_pictures(dir, &pictures, args.overwrite)?;
    }
    let text = |report: &Report| match args.format {
        Format::Html => report::html(report, &pictures),
        Format::Json => {
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
    if let Some(path) = output.as_deref().or(args.svg.as_deref()) {
        tracing::info!("wrote {} ({} rows, {seconds:.1} s)", path.display(), report.data.rows);
    }
    if args.json {
        output::json(&Line {
            output: output.as_deref(),
            pictures: if args.svg.is_some() { pictures.len() } else { 0 },
            rows: report.data.rows,
            computed_rows: report.data.computed_rows,
            warnings: report.warnings.iter().map(|warning| warning.code.as_str()).collect(),
            seconds,
        })?;
    }
    Ok(())
}

/// Writes a report of one annotated file, as the demo does.
pub(super) fn write_page(annotated: &Path, bundle: &Bundle, title: &str, page: &Path) -> Result<()> {
    let options = Options {
        inputs: vec![annotated.to_owned()],
        samples: 8,
        title: Some(title.to_owned()),
        ..Options::default()
    };
    let report = report::read(&options, Some(bundle))?;
    let html = report::html(&report, &report::pictures(&report)?)?;
    write(Staged::create(page, true)?, &html)
}

fn target(args: &ReportArgs) -> Result<Target> {
    let default = match (args.format, &args.svg) {
        (Format::Json, _) => Some("-"),
        (Format::Html, Some(_)) => None,
        (Format::Html, None) => Some("report.html"),
    };
    Ok(match args.output.as_deref().or(default.map(Path::new)) {
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
