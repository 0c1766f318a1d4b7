//! The `fit` subcommand: trains density models and classifiers on Parquet files and writes them as
//! a bundle.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::{Args, ValueEnum};
use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;
use tempfile::TempDir;

use crate::bundle::{Figures, FitWarning, Units};
use crate::config::{ColumnList, DEFAULT_BUNDLE};
use crate::error::{Error, Place, Result};
use crate::fit::{DensityFit, FitOptions, Recipe, fit_files};
use crate::memory::MemoryLimit;
use crate::output::{BatchSource, IpcMessages, write_stream_file};
use crate::parquet_file::EncryptionKeys;
use crate::samples::MAX_CLASSES;
use crate::storage::{
    DataNames, Destinations, FileEnding, FileKind, StdinChunks, is_stdio, require_local_folder,
};
use crate::telemetry::Telemetry;

use super::figures;
use super::misplaced_output;
use super::output;
use super::progress::ProgressBar;

/// Fit the models on Parquet files and write them as a bundle
///
/// The columns are detected where the schema is unambiguous: two to four columns of lists of
/// floats, and one column named y, label, target or class. A column of fixed-size binary whose bytes look
/// like float32 values leaves a doubt: name the columns.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lsmi-etl fit train.parquet
  lsmi-etl fit data/ more.parquet 's3://bucket/2024/*.parquet'
  lsmi-etl fit train.parquet --bundle models/ --x1 image --x2 text --label y --seed 7
  lsmi-etl fit train.parquet --x image --x text --x audio")]
pub(super) struct FitArgs {
    /// What to train on, as annotate finds its inputs: Parquet files, folders, globs, URLs of object
    /// stores; - for an Arrow IPC stream from stdin. All rows are one source, sampled uniformly
    #[arg(required = true, value_name = "INPUT")]
    train: Vec<PathBuf>,
    /// Folder to write the bundle to
    #[arg(long, env = "LSMI_ETL_BUNDLE", hide_env_values = true, default_value = DEFAULT_BUNDLE, value_name = "DIR")]
    bundle: PathBuf,
    /// Embedding column, given once for each of two to four modalities, or a list with commas, in
    /// which a name that has one stands in double quotes. M modalities take 2^M - 2 densities and 2^M - 1
    /// classifiers
    #[arg(long, value_name = "COLUMN,…", conflicts_with_all = ["x1", "x2"])]
    x: Vec<ColumnList>,
    /// Embedding column of the first modality
    #[arg(long, value_name = "COLUMN")]
    x1: Option<String>,
    /// Embedding column of the second modality
    #[arg(long, value_name = "COLUMN")]
    x2: Option<String>,
    /// Label column: integers (also as whole floats or decimals), strings or booleans
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// Number of folds: rows that were trained on are later evaluated by models that have not seen
    /// them, other rows by the mean of the folds' classifiers. 1 trains one set of models
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=20))]
    folds: u8,
    /// Column whose equal values stay in one fold, such as a patient or a video
    #[arg(long, value_name = "COLUMN")]
    group: Option<String>,
    /// Columns by whose values the training rows are known again, such as an id; may be repeated, or a
    /// list with commas. Annotate then reads these columns, and finds the rows also where their
    /// embeddings were rounded or recoded [default: known by their embeddings]
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    key: Vec<String>,
    /// Keys of encrypted files, in the format described for annotate
    #[arg(long, env = "LSMI_ETL_PARQUET_KEYS", value_name = "FILE")]
    parquet_keys: Option<PathBuf>,
    /// Do not compare pages with their checksums, as described for annotate
    #[arg(long, env = "LSMI_ETL_NO_PAGE_CHECKSUMS", hide_env = true)]
    no_page_checksums: bool,
    /// Algorithm that fits the density models
    #[arg(long, value_enum, default_value = "em")]
    density_fit: DensityFitArg,
    /// Convention by which h1 and h2 are compared: raw, as in the paper, or centred, which is
    /// invariant under invertible affine maps of a modality
    #[arg(long, value_enum, default_value = "raw")]
    units: UnitsArg,
    /// Maximum number of rows to train on, drawn uniformly, or all. More than fit in memory are trained
    /// on in passes over a copy on disk, beside the bundle [default: what fits in memory, at most
    /// 200000]
    #[arg(long, value_name = "N|all", value_parser = max_rows)]
    max_rows: Option<u64>,
    /// Maximum memory to use [default: a quarter of the machine's]
    #[arg(long, value_name = "SIZE")]
    memory_limit: Option<MemoryLimit>,
    /// Continue the unfinished fit of the same rows and options beyond memory, where there is one
    #[arg(long)]
    resume: bool,
    /// Maximum number of classes of the label [default: a tenth of the rows; a column of more is
    /// taken for an identifier]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=MAX_CLASSES as i64))]
    max_classes: Option<u32>,
    /// What a file does whose content is at fault: fail, or skip it with a warning
    #[arg(long, value_enum, default_value = "fail", value_name = "WHAT")]
    on_bad_file: OnBadFileArg,
    /// Fit on a quarter and on half of the rows, too, and say how far their values are from those of all
    /// rows: what more rows would change. Takes about three quarters of the fit's time in addition
    #[arg(long)]
    power_curve: bool,
    /// Say how far the expectations of annotate --label-free are from the values of the labels, on the
    /// training rows, each by models that have not seen it
    #[arg(long)]
    label_free_check: bool,
    /// Random seed of the sample, the split and the initial values
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Replace an existing bundle
    #[arg(long)]
    overwrite: bool,
    /// Write metrics for Prometheus to a file when the fit ends, also on failure
    #[arg(long, value_name = "PATH")]
    metrics: Option<PathBuf>,
    /// Print the summary as one line of JSON, last on stdout
    #[arg(long)]
    json: bool,
}

/// The name of the file that holds the rows of stdin.
const STREAM_FILE: &str = "stdin.parquet";
/// Minimum number of rows to train on.
const LEAST_ROWS: u64 = 30;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DensityFitArg {
    /// Expectation maximisation with shrinkage
    Em,
    /// Gradient descent, as in the paper
    Sgd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnBadFileArg {
    /// The fit fails and names it, before it trains
    Fail,
    /// It is left out
    Skip,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum UnitsArg {
    Raw,
    Centred,
}

/// The summary of a fit; its JSON Schema is in `schemas/`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FitSummary")]
struct FitSummary<'a> {
    /// The folder of the bundle as given.
    bundle: &'a std::path::Path,
    /// SHA-256 of the bundle's manifest.
    bundle_sha256: &'a str,
    /// Rows in the training data.
    rows: u64,
    /// Rows among them that could not be trained on.
    bad_rows: u64,
    /// Wall-clock seconds.
    seconds: f64,
    /// Figures on rows that the models have not seen.
    validation: Option<&'a Figures>,
    /// What is off about the rows or the models.
    warnings: &'a [FitWarning],
}

/// The JSON Schema of the summary of `lsmi-etl fit`.
pub fn fit_summary_schema() -> Schema {
    schema_for!(FitSummary)
}

/// A number of rows, or all.
fn max_rows(text: &str) -> std::result::Result<u64, String> {
    match text.parse() {
        Ok(rows) if rows >= LEAST_ROWS => Ok(rows),
        Err(_) if text == "all" => Ok(u64::MAX),
        _ => Err(format!("expected a number of rows from {LEAST_ROWS}, or all")),
    }
}

pub(super) fn run(args: &FitArgs, telemetry: &Telemetry, stop: &AtomicBool) -> Result<()> {
    let start = Instant::now();
    let is_folder = |path: &Path| path.extension().is_none() && args.bundle == Path::new(DEFAULT_BUNDLE);
    misplaced_output::check(&args.train, "--bundle", is_folder)?;
    require_local_folder(&args.bundle)?;
    FileEnding::check(
        &args.bundle,
        None,
        "a bundle is a folder",
        "name it without an ending, with --bundle",
    )?;
    destinations(args).check()?;
    let options = FitOptions {
        x: embedding_columns(args)?,
        label: args.label.clone(),
        group: args.group.clone(),
        key: args.key.clone(),
        keys: args.parquet_keys.as_deref().map(EncryptionKeys::open).transpose()?,
        no_page_checksums: args.no_page_checksums,
        units: match args.units {
            UnitsArg::Raw => Units::Raw,
            UnitsArg::Centred => Units::Centred,
        },
        recipe: Recipe {
            folds: usize::from(args.folds),
            seed: args.seed,
            density_fit: match args.density_fit {
                DensityFitArg::Em => DensityFit::Em,
                DensityFitArg::Sgd => DensityFit::Sgd,
            },
        },
        max_rows: args.max_rows,
        memory_limit: args.memory_limit.map(|limit| limit.0),
        resume: args.resume,
        stream: None,
        max_classes: args.max_classes.map(|n| n as usize),
        skip_bad_files: args.on_bad_file == OnBadFileArg::Skip,
        power_curve: args.power_curve,
        label_free_check: args.label_free_check,
        overwrite: args.overwrite,
    };
    let progress = ProgressBar::new(stop);
    let fit = || {
        let (inputs, stream) = with_stream_file(&args.train, options.memory_limit, stop)?;
        let stream = stream.as_ref().map(|folder| folder.path().join(STREAM_FILE));
        let options = FitOptions { stream, ..options };
        fit_files(&inputs, &args.bundle, &options, &progress).map_err(|error| match &options.stream {
            Some(file) => error.of_file_called(file, "stdin"),
            None => error,
        })
    };
    let fitted = telemetry.metered_fit(args.metrics.as_deref(), fit);
    progress.finish();
    let fitted = fitted?;
    let seconds = start.elapsed().as_secs_f64();
    let training = fitted.bundle.manifest().training.as_ref();
    let validation = training.map(|training| &training.validation);
    tracing::info!("wrote {} in {seconds:.1} s", args.bundle.display());
    if args.json {
        output::json(&FitSummary {
            bundle: &args.bundle,
            bundle_sha256: fitted.bundle.digest(),
            rows: fitted.fates.rows(),
            bad_rows: fitted.fates.bad(),
            seconds,
            validation,
            warnings: training.map(|training| training.warnings.as_slice()).unwrap_or_default(),
        })
    } else {
        output::text(&validation.map(figures::text).unwrap_or_default())
    }
}

/// The columns that are named.
fn embedding_columns(args: &FitArgs) -> Result<Vec<String>> {
    match (&args.x1, &args.x2) {
        (None, None) => Ok(ColumnList::names(&args.x)),
        (Some(x1), Some(x2)) => Ok(vec![x1.clone(), x2.clone()]),
        _ => Err(Error::Usage("give both --x1 and --x2, or neither".into())),
    }
}

fn destinations(args: &FitArgs) -> Destinations {
    let mut paths = Destinations::default();
    args.train.iter().for_each(|input| paths.searches(input, DataNames::PARQUET));
    args.parquet_keys.iter().for_each(|keys| paths.reads("the file of keys", keys));
    paths.writes_folder("the bundle", &args.bundle);
    if let Some(metrics) = &args.metrics {
        paths.writes_kind("--metrics", metrics, FileKind::Metrics, args.overwrite);
    }
    paths
}

/// The inputs with `-` replaced by a temporary file of stdin's rows, which the folder holds: a fit
/// reads the labels before it samples the rows.
fn with_stream_file(
    inputs: &[PathBuf],
    limit_bytes: Option<u64>,
    stop: &AtomicBool,
) -> Result<(Vec<PathBuf>, Option<TempDir>)> {
    if !inputs.iter().any(|input| is_stdio(input)) {
        return Ok((inputs.to_vec(), None));
    }
    let folder =
        tempfile::tempdir().map_err(|source| Error::CannotCreate { path: std::env::temp_dir(), source })?;
    let file = folder.path().join(STREAM_FILE);
    let stream = BatchSource::of_stream(
        StdinChunks::read(&[stop], IpcMessages::default())?,
        Place::file("stdin"),
        limit_bytes,
    )?;
    write_stream_file(stream, &file)?;
    let inputs = inputs.iter().map(|input| if is_stdio(input) { file.clone() } else { input.clone() });
    Ok((inputs.collect(), Some(folder)))
}
