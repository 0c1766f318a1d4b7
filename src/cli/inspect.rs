//! The `inspect` subcommand: what a dataset holds, and what a fit would take of it.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use schemars::{Schema, schema_for};

use crate::config::ColumnList;
use crate::error::{Error, Result};
use crate::inspect::{
    EmbeddingColumn, FitOutlook, InspectOptions, Inspection, LabelColumn, NearDuplicates, inspect,
};
use crate::parquet_file::EncryptionKeys;
use crate::printable::{counted, escape_line};
use crate::storage::{DataNames, Destinations, FileKind};

use super::output;

/// Show what a dataset holds, and what fit would take of it
///
/// Files, rows, row groups and codecs come from the footers; the label is counted in all rows; norms,
/// constant dimensions, bad values and near duplicates are those of a sample of the rows.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lsmi-etl inspect train.parquet
  lsmi-etl inspect data/ 's3://bucket/2024/*.parquet' --json
  lsmi-etl inspect train.parquet test.parquet   # near duplicates across the files, too")]
pub(super) struct InspectArgs {
    /// What to look at, as fit finds its inputs: Parquet files, folders, globs, URLs of object stores
    #[arg(required = true, value_name = "DATA")]
    data: Vec<PathBuf>,
    /// Embedding column that fit would be given, once for each modality, or a list with commas
    #[arg(long, value_name = "COLUMN,…", conflicts_with_all = ["x1", "x2"])]
    x: Vec<ColumnList>,
    /// Embedding column of the first modality
    #[arg(long, value_name = "COLUMN", requires = "x2")]
    x1: Option<String>,
    /// Embedding column of the second modality
    #[arg(long, value_name = "COLUMN", requires = "x1")]
    x2: Option<String>,
    /// Label column that fit would be given
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// Maximum number of rows whose embeddings are read; fewer where they have so many values that
    /// 128 MiB would not hold them
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    max_rows: u64,
    /// Keys of encrypted files, in the format described for annotate
    #[arg(long, env = "LSMI_ETL_PARQUET_KEYS", value_name = "FILE")]
    parquet_keys: Option<PathBuf>,
    /// Do not compare pages with their checksums, as described for annotate
    #[arg(long, env = "LSMI_ETL_NO_PAGE_CHECKSUMS", hide_env = true)]
    no_page_checksums: bool,
    /// Write the summary as JSON to a file
    #[arg(long, value_name = "PATH")]
    summary: Option<PathBuf>,
    /// Print the summary as one line of JSON, and no page
    #[arg(long)]
    json: bool,
}

/// The JSON Schema of the summary of `lsmi-etl inspect`.
pub fn inspect_summary_schema() -> Schema {
    schema_for!(Inspection)
}

pub(super) fn run(args: &InspectArgs) -> Result<()> {
    let mut paths = Destinations::default();
    args.data.iter().for_each(|data| paths.searches(data, DataNames::PARQUET));
    args.parquet_keys.iter().for_each(|keys| paths.reads("the file of keys", keys));
    if let Some(summary) = &args.summary {
        paths.writes_kind("--summary", summary, FileKind::Summary, false);
    }
    paths.check()?;
    let options = InspectOptions {
        x: match (&args.x1, &args.x2) {
            (Some(x1), Some(x2)) => vec![x1.clone(), x2.clone()],
            _ => ColumnList::names(&args.x),
        },
        label: args.label.clone(),
        max_rows: args.max_rows,
        keys: args.parquet_keys.as_deref().map(EncryptionKeys::open).transpose()?,
        no_page_checksums: args.no_page_checksums,
    };
    let found = inspect(&args.data, &options)?;
    output::results(&found, args.summary.as_deref(), args.json)?;
    if args.json {
        return Ok(());
    }
    let page = page(&found).map_err(|_| Error::Internal("a page can't be written to memory".into()))?;
    output::text(&page)
}

/// The page for a terminal.
fn page(found: &Inspection) -> std::result::Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(
        text,
        "{} in {}, {}, {}",
        counted(found.rows, "row"),
        counted(found.files as u64, "file"),
        counted(found.row_groups, "row group"),
        size(found.bytes)
    )?;
    let codecs: Vec<String> =
        found.codecs.iter().map(|codec| format!("{} ({})", codec.codec, size(codec.bytes))).collect();
    writeln!(text, "  codecs      {}", codecs.join(", "))?;
    let columns = found.columns.iter().map(|column| {
        // What is in a list is said below, and is long.
        let data_type = column.data_type.split('(').next().unwrap_or_default();
        format!("{} ({data_type})", escape_line(&column.column))
    });
    let columns: Vec<String> = columns.collect();
    writeln!(text, "  columns     {}", columns.join(", "))?;
    for difference in &found.differences {
        writeln!(text, "  differs     {} {}", difference.file, difference.what)?;
    }
    if !found.embeddings.is_empty() {
        let sample = &found.sample;
        let rows = counted(sample.rows as u64, "row");
        match sample.whole {
            true => writeln!(text, "embeddings, in all {rows}:")?,
            false => writeln!(
                text,
                "embeddings, in a sample of {rows} from {} (--max-rows):",
                counted(sample.places as u64, "place")
            )?,
        }
        let names: Vec<_> = found.embeddings.iter().map(|column| escape_line(&column.column)).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        for (name, column) in names.iter().zip(&found.embeddings) {
            writeln!(text, "  {name:<width$}  {}", embedding(column))?;
        }
    }
    if let Some(near) = &found.near_duplicates {
        writeln!(text, "  {}", near_duplicates(near))?;
    }
    if let Some(label) = &found.label {
        writeln!(text, "{}", classes(label))?;
    }
    text += &outlook(&found.fit)?;
    Ok(text)
}

/// The statistics of an embedding column.
fn embedding(column: &EmbeddingColumn) -> String {
    let mut parts = vec![match column.dim {
        0 => "no embedding in any row".to_owned(),
        dim => counted(dim as u64, "value"),
    }];
    parts.extend(column.norms.as_ref().map(|norms| match norms.max - norms.min <= 1e-3 * norms.max {
        true => format!("norm {:.4} in every row", norms.mean),
        false => format!("norm {:.4} (from {:.4} to {:.4})", norms.mean, norms.min, norms.max),
    }));
    for (count, what) in [(column.constant_dims, "constant"), (column.repeated_dims, "equal to another")] {
        if count > 0 {
            parts.push(format!("{} {what}", counted(count as u64, "dimension")));
        }
    }
    for (count, what) in [
        (column.null_rows, "null"),
        (column.non_finite_rows, "with NaN or infinity"),
        (column.wrong_length_rows, "of another length"),
    ] {
        if count > 0 {
            parts.push(format!("{} {what}", counted(count as u64, "row")));
        }
    }
    parts.join(", ")
}

fn near_duplicates(near: &NearDuplicates) -> String {
    let compared = counted(near.compared_rows as u64, "row");
    if near.rows == 0 {
        return format!("no near duplicates among {compared}");
    }
    format!(
        "{} of {compared} nearly equal another in all modalities: {} exactly, {} in another file",
        near.rows, near.identical_rows, near.rows_across_files
    )
}

/// The classes, the most frequent first.
fn classes(label: &LabelColumn) -> String {
    const SHOWN: usize = 12;
    let mut classes: Vec<_> = label.classes.iter().collect();
    classes.sort_by_key(|class| std::cmp::Reverse(class.rows));
    let more = if classes.len() > SHOWN { ", …" } else { "" };
    let shown: Vec<String> =
        classes.iter().take(SHOWN).map(|class| format!("{} ({})", class.value, class.rows)).collect();
    let without = match label.rows_without {
        0 => String::new(),
        rows => format!(", {} without", counted(rows, "row")),
    };
    let count = classes.len();
    let count = if count == 1 { "1 class".to_owned() } else { format!("{count} classes") };
    let name = escape_line(&label.column);
    format!("label {name}, in all rows: {count}{without}\n  {}{more}", shown.join(", "))
}

/// What a fit would do.
fn outlook(fit: &FitOutlook) -> std::result::Result<String, std::fmt::Error> {
    let mut text = "fit would take\n".to_owned();
    for (m, modality) in fit.x.iter().enumerate() {
        writeln!(
            text,
            "  x{}          {}, {}",
            m + 1,
            escape_line(&modality.column),
            counted(modality.dim as u64, "value")
        )?;
    }
    if let Some(label) = &fit.label {
        let classes = match fit.classes {
            0 => String::new(),
            classes => format!(", {classes} classes in {}", counted(fit.labelled_rows, "row")),
        };
        writeln!(text, "  label       {}{classes}", escape_line(label))?;
    }
    match (&fit.obstacle, &fit.warnings[..]) {
        (Some(obstacle), _) => writeln!(text, "and would end with an error: {obstacle}")?,
        (None, []) => writeln!(text, "and would warn of nothing")?,
        (None, warnings) => {
            writeln!(text, "and would warn:")?;
            warnings.iter().try_for_each(|warning| writeln!(text, "  {}", warning.text))?;
        }
    }
    Ok(text)
}

/// A number of bytes in the largest unit that it fills.
fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(power, _)| bytes >> power > 0) {
        Some((power, unit)) => format!("{:.1} {unit}", bytes as f64 / (1_u64 << power) as f64),
        None => format!("{bytes} B"),
    }
}
