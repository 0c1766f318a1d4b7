//! How fast is the way through the program when the models cost nothing: a file with a
//! bundle of trivial models against `cp` and `sync` of the same file.
//!
//! The floor: every byte is read once, for its values, and copied once; 16 bytes a row
//! are added.

use std::process::Command;
use std::time::Instant;

use super::bed::{
    ROUNDS, annotate, data, folder, install_runtime, median, models::trivial_bundle, number, run,
};

pub fn ask() {
    install_runtime();
    println!("  dim  cp and sync MB/s  annotate MB/s  ratio");
    for (dim, rows) in [(128, 1_200_000), (512, 300_000)] {
        let (bundle, input) = (trivial_bundle(dim), data(rows, dim, None));
        let bytes = std::fs::metadata(&input).unwrap().len() as f64;
        let (mut copied, mut annotated, mut ratios) = (vec![], vec![], vec![]);
        // The first round finds the input in memory or not: it is not counted.
        for round in 0..=ROUNDS {
            let out = folder().join("copy.parquet");
            let start = Instant::now();
            run(Command::new("cp").arg(&input).arg(&out));
            run(Command::new("sync").arg(&out));
            let cp = bytes / start.elapsed().as_secs_f64() / 1e6;
            std::fs::remove_file(out).unwrap();
            let summary = annotate(&input, &bundle, &["--engine", "onnxruntime"]);
            let ours = bytes / number(&summary, "seconds") / 1e6;
            if round > 0 {
                copied.push(cp);
                annotated.push(ours);
                ratios.push(ours / cp);
            }
        }
        println!(
            "  {dim:>3}  {:>16.0}  {:>13.0}  {:>5.2}",
            median(copied),
            median(annotated),
            median(ratios)
        );
    }
}
