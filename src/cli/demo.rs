//! The `demo` subcommand: the whole program on synthetic data with known exact values.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::annotate::Run;
use crate::config::EngineArgs;
use crate::error::{Error, Result};
use crate::fit::{Recipe, fit_files};
use crate::interaction::truth::{Gaussian, Generator, Prior};
use crate::parquet_file::Input;
use crate::provenance::SYNTH;
use crate::sql::{self, Format, SqlRequest};
use crate::storage::{Destinations, FileKind, require_local_folder};
use crate::synth::{self, Truth};

use super::progress::ProgressBar;
use super::{annotate_texts, figures, output, report};

/// Number of classes and of dimensions of the Gaussian data of the reference implementation.
const CLASSES: usize = 10;
/// Correlation of the noise between the modalities.
const RHO: f64 = 0.5;
/// Standard deviation of the noise.
const SIGMA: f64 = 0.5;
/// The key-value by which the files of a demo are known.
const LINEAGE: &str = r#"{"generator":"demo"}"#;

/// Run the whole program on synthetic data: fit, annotate, query, compare with the exact values, report
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lsmi-etl demo --dir /tmp/lsmi-demo")]
pub(super) struct DemoArgs {
    /// Folder for the files of the demo; they are kept for further use
    #[arg(long, default_value = "lsmi-demo", value_name = "DIR")]
    dir: PathBuf,
    /// Rows to fit on; as many other rows are annotated
    #[arg(long, default_value_t = 20_000, value_name = "N", value_parser = clap::value_parser!(u64).range(200..))]
    rows: u64,
    /// Random seed of the data and of the fit
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Replace files of the demo's names that no demo has made
    #[arg(long)]
    overwrite: bool,
    /// Print the summary as one line of JSON, last on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    engine: EngineArgs,
}

/// Errors of a column against the exact values, in nats.
#[derive(Debug, Serialize, Deserialize)]
struct Accuracy {
    mae: f64,
    rmse: f64,
    pearson: f64,
    mean_error: f64,
    #[serde(skip_serializing)]
    mean: f64,
    #[serde(skip_serializing)]
    true_mean: f64,
}

#[derive(Serialize)]
struct DemoSummary {
    engine: String,
    rows: u64,
    truth: ColumnAccuracies,
    seconds: Seconds,
}

/// The accuracy of the four columns, in order.
#[derive(Serialize)]
struct ColumnAccuracies {
    r: Accuracy,
    u1: Accuracy,
    u2: Accuracy,
    s: Accuracy,
}

#[derive(Serialize)]
struct Seconds {
    fit: f64,
    annotate: f64,
}

pub(super) fn run(args: &DemoArgs, stop: &AtomicBool) -> Result<()> {
    let engine = args.engine.find()?;
    let dir = &args.dir;
    require_local_folder(dir)?;
    std::fs::create_dir_all(dir).map_err(|source| Error::CannotCreate { path: dir.clone(), source })?;
    let path = |name: &str| dir.join(name);
    let (train, input, annotated) = (path("train.parquet"), path("in.parquet"), path("out.parquet"));
    let (bundle_dir, page) = (path("bundle"), path("report.html"));
    let mut paths = Destinations::default();
    for file in [&train, &input, &annotated] {
        check_target(file, args.overwrite)?;
        paths.writes("a file of the demo", file);
    }
    paths.writes_kind("the report", &page, FileKind::Html, args.overwrite);
    paths.check()?;

    output::text(&format!(
        "1. Data: {CLASSES} classes, two noisy views of {CLASSES} values each, with correlated noise.\n   \
         {} rows to fit on, {} others to annotate, with the exact values of each.\n",
        args.rows, args.rows
    ))?;
    let generator = Generator::Gaussian(Gaussian::new(2, Prior::uniform(CLASSES)?, RHO, SIGMA)?);
    for (output, seed, truth) in [(&train, args.seed, Truth::None), (&input, args.seed + 1, Truth::Columns)] {
        let options = synth::SynthOptions {
            output: output.clone(),
            rows: args.rows,
            seed,
            row_group_rows: None,
            truth,
            overwrite: true,
            lineage: vec![(SYNTH.into(), LINEAGE.into())],
        };
        synth::write(&generator, &options, &|| stop.load(Ordering::Relaxed))?;
    }

    output::text("\n2. Fit: two density models and three classifiers, written as ONNX.\n")?;
    let start = Instant::now();
    let progress = ProgressBar::new(stop);
    let recipe = Recipe { seed: args.seed, ..Recipe::default() };
    let options = crate::fit::FitOptions { recipe, overwrite: true, ..Default::default() };
    let fitted = fit_files(std::slice::from_ref(&train), &bundle_dir, &options, &progress)?;
    progress.finish();
    let fit_seconds = start.elapsed().as_secs_f64();
    if let Some(training) = &fitted.bundle.manifest().training {
        output::text(&indented(&figures::text(&training.validation)))?;
    }

    output::text("\n3. Annotate: add r, u1, u2 and s to every row.\n")?;
    let progress = ProgressBar::new(stop);
    let options = crate::annotate::AnnotateOptions { overwrite: true, ..Default::default() };
    let run = Run::new(&fitted.bundle, &engine, &options, &progress, stop);
    let summary = run.file(&input, &annotated)?;
    progress.finish();
    annotate_texts::log_summary(&summary, fitted.bundle.classes());

    output::text("\n4. Query: the mean of each column by class, in nats.\n")?;
    output::text(&by_class(&annotated)?)?;

    let of = |column| accuracy(&annotated, column);
    let truth = ColumnAccuracies { r: of("r")?, u1: of("u1")?, u2: of("u2")?, s: of("s")? };
    output::text("\n5. Compare with the truth.\n")?;
    output::text(&comparison(&truth))?;

    report::write_page(&annotated, &fitted.bundle, "Demo: ten classes, two noisy views", &page)?;
    output::text(&format!("\n6. Report: {}\n", page.display()))?;
    output::text(&explanation(dir))?;
    if args.json {
        output::json(&DemoSummary {
            engine: summary.engine,
            rows: summary.rows,
            truth,
            seconds: Seconds { fit: fit_seconds, annotate: summary.seconds },
        })?;
    }
    Ok(())
}

/// Checks that a table is that of an earlier demo, if there is one.
fn check_target(path: &Path, overwrite: bool) -> Result<()> {
    if overwrite || !path.is_file() {
        return Ok(());
    }
    let made_by_demo = Input::open(path).is_ok_and(|found| {
        let pairs = found.metadata().file_metadata().key_value_metadata();
        pairs.into_iter().flatten().any(|pair| pair.key == SYNTH && pair.value.as_deref() == Some(LINEAGE))
    });
    match made_by_demo {
        true => Ok(()),
        false => {
            Err(Error::OtherKind { path: path.to_owned(), what: "a file that no demo has made".to_owned() })
        }
    }
}

fn by_class(annotated: &Path) -> Result<String> {
    query(
        &format!(
            "SELECT y, count(*) AS rows, round(avg(r), 3) AS r, round(avg(u1), 3) AS u1, round(avg(u2), 3) AS u2, \
             round(avg(s), 3) AS s FROM {} GROUP BY y ORDER BY y",
            quoted(annotated)
        ),
        Format::Table,
    )
}

/// The errors of a column against `true_COLUMN`, computed by this program's own SQL.
fn accuracy(annotated: &Path, column: &str) -> Result<Accuracy> {
    let json = query(
        &format!(
            "SELECT avg(abs({column} - true_{column})) AS mae, sqrt(avg(power({column} - true_{column}, 2))) AS rmse, \
             corr({column}, true_{column}) AS pearson, avg({column} - true_{column}) AS mean_error, \
             avg({column}) AS mean, avg(true_{column}) AS true_mean FROM {}",
            quoted(annotated)
        ),
        Format::Ndjson,
    )?;
    serde_json::from_str(&json).map_err(|e| Error::Internal(format!("the comparison with the truth: {e}")))
}

fn query(sql: &str, format: Format) -> Result<String> {
    let mut request = SqlRequest::new(sql);
    request.layout.format = format;
    let mut out = Vec::new();
    sql::run(&request, &mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "''"))
}

fn comparison(truth: &ColumnAccuracies) -> String {
    let mut text = String::from("         mean   exact mean   mean error     MAE    RMSE   Pearson\n");
    for (column, a) in [("r", &truth.r), ("u1", &truth.u1), ("u2", &truth.u2), ("s", &truth.s)] {
        text += &format!(
            "   {column:<3} {:>7.3} {:>12.3} {:>+12.4} {:>7.3} {:>7.3} {:>9.3}\n",
            a.mean, a.true_mean, a.mean_error, a.mae, a.rmse, a.pearson
        );
    }
    text
}

fn explanation(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "\n   r   information about the label in both views: here most of it, since both show the class.
   u1  information in the first view only (negative where it misleads and the second does not).
   u2  the same for the second view.
   s   information in the pair only: here, because the correlated noise of the views cancels.
   r + u1 and r + u2 are the information of each view on a row, r + u1 + u2 + s that of the pair.
   MAE and RMSE are errors on single rows that were held out from training, in nats (1 nat = 1.44 bits).

Next, with these files:
   lsmi-etl sql \"SELECT y, r, u1, u2, s FROM '{dir}/out.parquet' ORDER BY s DESC LIMIT 5\"
   lsmi-etl bundle inspect {dir}/bundle
With your own data, a Parquet file with two embedding columns and one named label:
   lsmi-etl fit train.parquet
   lsmi-etl annotate in.parquet out.parquet
"
    )
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("   {line}\n")).collect()
}
