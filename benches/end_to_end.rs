//! How much of the engine's speed is left when rows are read from a file and written to
//! another: `annotate` against `bundle bench` at the same workers and batches.
//!
//! The floor beside the models: 8·d bytes of a row are read once to be evaluated, handed on
//! in the pages they lie in to be written, and all of it must be on disk at the end.

use std::time::Instant;

use super::bed::{
    ROUNDS, annotate, data, install_runtime, into_cache, json, median, models::bundle, number, program,
};

/// Rows of each dimension: two and a half gigabytes, so that the hundredths of a second at a file's start
/// and end do not show.
const SIZES: [(usize, usize); 2] = [(128, 2_400_000), (512, 600_000)];

pub fn ask() {
    install_runtime();
    println!("  dim  engine       alone rows/s  end to end rows/s  ratio  with start  GB read and written");
    for (dim, rows) in SIZES {
        let (bundle, input) = (bundle(dim, 5), data(rows, dim, None));
        let bytes = 2.0 * std::fs::metadata(&input).unwrap().len() as f64;
        for engine in ["onnxruntime", "embedded"] {
            let choice = ["--engine", engine];
            let cores = std::thread::available_parallelism().unwrap().to_string();
            let plan = json(
                program()
                    .arg("annotate")
                    .arg(&input)
                    .args(["out", "--dry-run", "--json"])
                    .args(choice)
                    .arg("--bundle")
                    .arg(&bundle),
            );
            let batch = plan["batch_rows"].to_string();
            let (mut alone, mut whole, mut ratios, mut with_start) = (vec![], vec![], vec![], vec![]);
            for _ in 0..ROUNDS {
                let mut bench = program();
                bench.args(["bundle", "bench", "--json", "--seconds", "2"]).arg(&bundle).args(choice);
                bench.args(["--workers", &cores, "--batch-rows", &batch]);
                let engine = number(&json(&mut bench)["engines"][0]["best"], "rows_per_second");
                into_cache(&input);
                let start = Instant::now();
                let summary = annotate(&input, &bundle, &choice);
                let wall = rows as f64 / start.elapsed().as_secs_f64();
                let rate = number(&summary, "rows_per_second");
                alone.push(engine);
                whole.push(rate);
                ratios.push(rate / engine);
                with_start.push(wall / engine);
            }
            println!(
                "  {dim:>3}  {engine:<11}  {:>12.0}  {:>17.0}  {:>5.2}  {:>10.2}  {:>19.1}",
                median(alone),
                median(whole),
                median(ratios),
                median(with_start),
                bytes / 1e9,
            );
        }
    }
}
