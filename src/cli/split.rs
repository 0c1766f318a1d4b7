//! The `split` subcommand: divides a dataset into parts to train on, to test and to choose by.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Args;
use schemars::{Schema, schema_for};

use crate::error::Result;
use crate::parquet_file::EncryptionKeys;
use crate::printable::shown;
use crate::split::{Part, Split, SplitOptions, split};
use crate::storage::{DataNames, Destinations, FileKind};

use super::output;

/// Split a dataset into a training and a test part
///
/// Writes train.parquet and test.parquet, and with --validation also validation.parquet, to a folder. All
/// columns, their types, the key-values and the order of the rows are kept. The same input, options and
/// seed give the same parts.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lsmi-etl split all.parquet parts/ --test 0.2 --by label
  lsmi-etl split data/ parts/ --test 0.2 --validation 0.1 --by label --group patient
  lsmi-etl split all.parquet s3://bucket/parts --seed 7 --json")]
pub(super) struct SplitArgs {
    /// What to split, as fit finds its inputs: a Parquet file, a folder, a glob, a URL of an object store
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// Folder of the parts, or its URL
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// Share of the rows of the test part, such as 0.2 or 20%
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, value_parser = share)]
    test: f64,
    /// Share of the rows of a validation part [default: there is none]
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, hide_default_value = true, value_parser = share)]
    validation: f64,
    /// Column, such as the label, of whose every value each part gets its share
    #[arg(long, value_name = "COLUMN")]
    by: Option<String>,
    /// Column whose equal values stay in one part, such as a patient or a video: sizes are then as near to
    /// the shares as whole groups allow
    #[arg(long, value_name = "COLUMN")]
    group: Option<String>,
    /// Seed of the choice
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Keys of encrypted files, in the format described for annotate; the parts are encrypted with the
    /// footer's key
    #[arg(long, env = "LSMI_ETL_PARQUET_KEYS", value_name = "FILE")]
    parquet_keys: Option<PathBuf>,
    /// Do not compare pages with their checksums, as described for annotate
    #[arg(long, env = "LSMI_ETL_NO_PAGE_CHECKSUMS", hide_env = true)]
    no_page_checksums: bool,
    /// Replace existing parts
    #[arg(long)]
    overwrite: bool,
    /// Write the summary as JSON to a file
    #[arg(long, value_name = "PATH")]
    summary: Option<PathBuf>,
    /// Print the summary as one line of JSON, last on stdout
    #[arg(long)]
    json: bool,
}

/// The JSON Schema of the summary of `lsmi-etl split`.
pub fn split_summary_schema() -> Schema {
    schema_for!(Split)
}

pub(super) fn run(args: &SplitArgs, stop: &AtomicBool) -> Result<()> {
    let start = Instant::now();
    let mut paths = Destinations::default();
    paths.searches(&args.data, DataNames::PARQUET);
    args.parquet_keys.iter().for_each(|keys| paths.reads("the file of keys", keys));
    let options = SplitOptions {
        test: args.test,
        validation: args.validation,
        by: args.by.clone(),
        group: args.group.clone(),
        seed: args.seed,
        keys: args.parquet_keys.as_deref().map(EncryptionKeys::open).transpose()?,
        no_page_checksums: args.no_page_checksums,
        overwrite: args.overwrite,
    };
    options.parts().for_each(|part| paths.writes("a part", &part.file(&args.out)));
    paths.creates_folder(&args.out);
    if let Some(summary) = &args.summary {
        paths.writes_kind("--summary", summary, FileKind::Summary, args.overwrite);
    }
    paths.check()?;
    let inputs = std::slice::from_ref(&args.data);
    let found = split(inputs, &args.out, &options, &|| stop.load(Ordering::Relaxed))?;
    for part in &found.parts {
        tracing::info!("wrote {}: {} rows ({:.1} %)", shown(&part.file), part.rows, 100.0 * part.share);
    }
    tracing::info!("{} rows in {:.1} s", found.rows, start.elapsed().as_secs_f64());
    output::results(&found, args.summary.as_deref(), args.json)?;
    if args.json || found.strata.is_empty() { Ok(()) } else { output::text(&table(&found)) }
}

/// The rows of each value in each part.
fn table(found: &Split) -> String {
    const SHOWN: usize = 20;
    let by = found.by.clone().unwrap_or_default();
    let has_validation = found.parts.iter().any(|part| part.part == Part::Validation.name());
    let mut rows: Vec<[String; 4]> =
        vec![[by, Part::Train.name().into(), Part::Test.name().into(), Part::Validation.name().into()]];
    rows.extend(found.strata.iter().take(SHOWN).map(|stratum| {
        let value = stratum.value.clone().unwrap_or_else(|| "(null)".into());
        let [train, test, validation] = [stratum.train, stratum.test, stratum.validation];
        [value, train.to_string(), test.to_string(), validation.to_string()]
    }));
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let [a, b, c, d] = [0, 1, 2, 3].map(width);
    let mut text = String::new();
    for [value, train, test, validation] in &rows {
        text += &format!("{value:<a$}  {train:>b$}  {test:>c$}");
        if has_validation {
            text += &format!("  {validation:>d$}");
        }
        text += "\n";
    }
    match found.strata.len().saturating_sub(SHOWN) {
        0 => text,
        more => format!("{text}… and {more} more (--json)\n"),
    }
}

/// Reads a share, or a percentage.
fn share(text: &str) -> std::result::Result<f64, String> {
    let (number, divisor) = text.strip_suffix('%').map_or((text, 1.0), |percent| (percent, 100.0));
    let share = number.parse::<f64>().map(|number| number / divisor);
    share.map_err(|_| "expected a share such as 0.2, or 20%".to_owned())
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn a_share_may_be_a_percentage() {
        assert_eq!((share("0.2"), share("20%"), share("0.5%")), (Ok(0.2), Ok(0.2), Ok(0.005)));
        for text in ["a fifth", "%", "1/5", ""] {
            assert!(share(text).unwrap_err().contains("such as 0.2, or 20%"), "{text}");
        }
    }
}
