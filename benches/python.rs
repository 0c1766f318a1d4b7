//! What does Python cost? `lsmi_etl.Annotator`: a stream from a pyarrow reader over a file against `annotate` of that
//! file into another, single batches against the models alone, and the time until the first answer.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::bed::models::bundle;
use super::bed::{
    ROUNDS, annotate, data, folder, install_runtime, json, median, number, program, python, python_path,
};

pub fn ask() {
    install_runtime();
    let package = python_path();
    streams(&package);
    batches(&package);
}

/// Runs a part of the script.
fn script(package: &Path, part: &str, input: &Path, bundle: &Path) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut script = Command::new(python("requirements.txt"));
    let settings = program();
    for (name, value) in settings.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    script.env("LSMI_ETL_BIN", settings.get_program()).env("PYTHONPATH", package);
    script.arg(root.join("benches/peers/annotator.py")).arg(part).arg(input).arg(bundle);
    json(script.current_dir(folder()))
}

fn streams(package: &Path) {
    println!("  dim  annotate rows/s  Annotator.stream rows/s  ratio");
    for (dim, rows) in [(128, 1_200_000), (512, 300_000)] {
        let (bundle, input) = (bundle(dim, 5), data(rows, dim, None));
        let (mut files, mut streams, mut ratios) = (vec![], vec![], vec![]);
        for _ in 0..ROUNDS {
            let stream = number(&script(package, "stream", &input, &bundle), "rows_per_second");
            let file = number(&annotate(&input, &bundle, &["--engine", "onnxruntime"]), "rows_per_second");
            files.push(file);
            streams.push(stream);
            ratios.push(stream / file);
        }
        println!("  {dim:>3}  {:>15.0}  {:>23.0}  {:>5.2}", median(files), median(streams), median(ratios));
    }
}

fn batches(package: &Path) {
    println!("  dim  first answer s  1 row ms  1 000 rows ms  models alone ms  ratio");
    for dim in [128, 512] {
        let (bundle, input) = (bundle(dim, 5), data(20_000, dim, None));
        let (mut start, mut one, mut thousand) = (vec![], vec![], vec![]);
        let (mut alone, mut ratios) = (vec![], vec![]);
        for _ in 0..ROUNDS {
            let mut bench = program();
            bench.args(["bundle", "bench", "--json", "--engine", "onnxruntime", "--batch-rows", "512"]);
            let rate = number(&json(bench.arg(&bundle))["engines"][0]["best"], "rows_per_second");
            let calls = script(package, "batches", &input, &bundle);
            let models = 1e6 / rate;
            start.push(number(&calls, "start_seconds"));
            one.push(number(&calls, "one_row_ms"));
            thousand.push(number(&calls, "thousand_rows_ms"));
            alone.push(models);
            ratios.push(number(&calls, "thousand_rows_ms") / models);
        }
        println!(
            "  {dim:>3}  {:>14.3}  {:>8.3}  {:>13.2}  {:>15.2}  {:>5.2}",
            median(start),
            median(one),
            median(thousand),
            median(alone),
            median(ratios),
        );
    }
}
