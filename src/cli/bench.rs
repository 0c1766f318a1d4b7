//! The `bundle bench` subcommand: measures the throughput of a bundle's models by engine, workers
//! and batch size, and compares it with the machine's rate of a dense matrix product.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::bundle::Bundle;
use crate::config::EngineArgs;
use crate::engine::measure::{MatrixProduct, median, rows_per_second};
use crate::engine::{Backend, Engine};
use crate::error::Result;
use crate::evaluate::open_bundle;
use crate::printable::{counted, shown, without_secrets};

use super::output;

/// Every figure is the median of this number of rounds. Each round measures all of them in turn,
/// so that other load on the machine affects all alike.
const ROUNDS: usize = 5;
/// Batch sizes to measure, up to [`LARGEST_BYTES`].
const BATCHES: [usize; 6] = [128, 256, 512, 1024, 2048, 4096];
const LARGEST_BYTES: usize = 64 << 20;

/// Measure the throughput of the models: rows/s by engine, workers and batch size
///
/// The rows are in memory; `annotate`, which also reads and writes, is a little slower.
/// Floating-point operations are counted as one multiplication and one addition per weight
/// of a matrix product. The machine's rate is that of one large dense product in f32 through
/// the same engine, measured in the same rounds.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lsmi-etl bundle bench lsmi-bundle
  lsmi-etl bundle bench lsmi-bundle --engine onnxruntime --seconds 2 --json")]
pub(super) struct BenchArgs {
    /// Bundle: a folder or a URL
    bundle: PathBuf,
    /// Seconds per measurement
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = seconds)]
    seconds: f64,
    /// Numbers of workers to measure [default: 1 and the number of cores]
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    workers: Vec<u16>,
    /// Batch sizes to measure, in rows [default: 128 to 4096]
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    batch_rows: Vec<u32>,
    /// Print one line of JSON instead of the table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    engine: EngineArgs,
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.01..=600.0).contains(seconds));
    seconds.ok_or_else(|| "expected seconds between 0.01 and 600".to_owned())
}

/// The results of the benchmark.
#[derive(Debug, Serialize)]
struct BenchReport {
    bundle: PathBuf,
    bundle_sha256: String,
    dimensions: Vec<usize>,
    classes: usize,
    /// Floating-point operations per row of the graphs as run.
    flops_per_row: u64,
    /// The same for a dense folded form, where the number of components is known.
    dense_flops_per_row: Option<u64>,
    engines: Vec<EngineResults>,
}

/// The results of one engine.
#[derive(Debug, Serialize)]
struct EngineResults {
    engine: String,
    products: Vec<ProductRate>,
    runs: Vec<BenchRun>,
    /// The fastest run.
    best: Option<BenchRun>,
    /// The upper bound of the dense folded form at the rate of the matrix product.
    dense_bound_rows_per_second: Option<f64>,
    /// The fastest run relative to that bound.
    ratio_to_dense_bound: Option<f64>,
}

/// The machine's rate of a dense matrix product.
#[derive(Debug, Clone, Serialize)]
struct ProductRate {
    workers: usize,
    gflops: f64,
}

/// One combination of workers and batch size.
#[derive(Debug, Clone, Serialize)]
struct BenchRun {
    workers: usize,
    batch_rows: usize,
    rows_per_second: f64,
    gflops: f64,
    /// Relative to the rate of the matrix product on as many workers.
    share_of_matrix_product: f64,
}

pub(super) fn run(args: &BenchArgs) -> Result<()> {
    let bundle = open_bundle(&args.bundle)?;
    let dims = bundle.dims();
    let report = BenchReport {
        bundle: without_secrets(&args.bundle).into(),
        bundle_sha256: bundle.digest().to_owned(),
        dimensions: dims,
        classes: bundle.classes().len(),
        flops_per_row: bundle.program().flops_per_row(),
        dense_flops_per_row: bundle.dense_flops_per_row(),
        engines: args
            .engine
            .find_all()?
            .iter()
            .map(|engine| measure(args, &bundle, engine))
            .collect::<Result<_>>()?,
    };
    if args.json { output::json(&report) } else { output::text(&table(&report)) }
}

fn measure(args: &BenchArgs, bundle: &Bundle, engine: &Engine) -> Result<EngineResults> {
    let program = bundle.program();
    let workers = workers(args);
    let most = workers.iter().copied().max().unwrap_or(1);
    let mut sessions: Vec<Box<dyn Backend>> = engine.sessions(&program, most)?;
    let mut product = MatrixProduct::new(engine, most)?;
    let mut settings: Vec<(usize, usize)> = Vec::new();
    for &workers in &workers {
        settings.extend(batches(args, &bundle.dims()).into_iter().map(|rows| (workers, rows)));
    }

    let slice = Duration::from_secs_f64(args.seconds / ROUNDS as f64);
    let mut products = vec![Vec::new(); workers.len()];
    let mut rates = vec![Vec::new(); settings.len()];
    for _ in 0..ROUNDS {
        for (&workers, found) in workers.iter().zip(&mut products) {
            found.push(product.flops_per_second(workers, slice)? / 1e9);
        }
        for (&(workers, rows), found) in settings.iter().zip(&mut rates) {
            let sessions = sessions.get_mut(..workers).unwrap_or_default();
            found.push(rows_per_second(sessions, &bundle.dims(), rows, slice)?);
        }
    }

    let products: Vec<ProductRate> = workers
        .iter()
        .zip(products)
        .map(|(&workers, found)| ProductRate { workers, gflops: median(found) })
        .collect();
    let machine = |workers: usize| {
        products.iter().find(|product| product.workers == workers).map_or(f64::NAN, |product| product.gflops)
    };
    let runs: Vec<BenchRun> = settings
        .into_iter()
        .zip(rates)
        .map(|((workers, batch_rows), found)| {
            let rows_per_second = median(found);
            let gflops = rows_per_second * program.flops_per_row() as f64 / 1e9;
            let share_of_matrix_product = gflops / machine(workers);
            BenchRun { workers, batch_rows, rows_per_second, gflops, share_of_matrix_product }
        })
        .collect();
    let best = runs.iter().max_by(|a, b| a.rows_per_second.total_cmp(&b.rows_per_second)).cloned();
    let fastest = products.iter().map(|product| product.gflops).fold(0.0, f64::max);
    let bound = bundle.dense_flops_per_row().map(|flops| fastest * 1e9 / flops as f64);
    Ok(EngineResults {
        engine: engine.describe().to_string(),
        ratio_to_dense_bound: bound.zip(best.as_ref()).map(|(bound, best)| best.rows_per_second / bound),
        dense_bound_rows_per_second: bound,
        products,
        runs,
        best,
    })
}

fn workers(args: &BenchArgs) -> Vec<usize> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let mut workers: Vec<usize> = args.workers.iter().copied().map(usize::from).collect();
    if workers.is_empty() {
        workers = vec![1, cores];
    }
    workers.dedup();
    workers
}

fn batches(args: &BenchArgs, dims: &[usize]) -> Vec<usize> {
    if !args.batch_rows.is_empty() {
        return args.batch_rows.iter().map(|&rows| rows as usize).collect();
    }
    let fits = |rows: &usize| rows * dims.iter().sum::<usize>() * 4 <= LARGEST_BYTES;
    let fitting: Vec<usize> = BATCHES.into_iter().filter(fits).collect();
    if fitting.is_empty() { vec![1] } else { fitting }
}

fn table(report: &BenchReport) -> String {
    let dimensions: Vec<String> = report.dimensions.iter().map(usize::to_string).collect();
    let mut text = format!(
        "{}: {} values, {} classes\n  {:.3} MFLOP a row",
        shown(&report.bundle),
        dimensions.join(" and "),
        report.classes,
        report.flops_per_row as f64 / 1e6
    );
    if let Some(dense) = report.dense_flops_per_row {
        _ = write!(text, "; {:.3} with each density model as one dense product", dense as f64 / 1e6);
    }
    text.push('\n');
    for measured in &report.engines {
        _ = writeln!(text, "\n{}", measured.engine);
        _ = writeln!(text, "  workers  batch rows      rows/s   GFLOP/s  of a dense product's");
        for run in &measured.runs {
            _ = writeln!(
                text,
                "  {:>7}  {:>10}  {:>10.0}  {:>8.1}  {:>19.0} %",
                run.workers,
                run.batch_rows,
                run.rows_per_second,
                run.gflops,
                run.share_of_matrix_product * 100.0
            );
        }
        for product in &measured.products {
            let workers = counted(product.workers, "worker");
            _ = writeln!(text, "  a dense product on {workers}: {:.1} GFLOP/s", product.gflops);
        }
        if let (Some(bound), Some(ratio)) =
            (measured.dense_bound_rows_per_second, measured.ratio_to_dense_bound)
        {
            _ = writeln!(
                text,
                "  upper bound of dense density models at that rate: {bound:.0} rows/s; the fastest run is {ratio:.2} times that"
            );
        }
    }
    text
}
