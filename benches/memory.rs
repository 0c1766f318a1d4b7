//! How much memory does a run take at most: ten times the rows, one row group of all of
//! them, and embeddings of 4 096 values under a limit. The kernel's figure of the whole
//! process (VmHWM), models and engine included.
//!
//! The floor is what the models take: twice their weights, once in the bundle and once
//! as ONNX Runtime has packed them.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::bed::{data, folder, install_runtime, models::bundle, program};

pub fn ask() {
    install_runtime();
    let small = bundle(16, 5);
    let peak = |input: &Path, more: &[&str]| peak_bytes(input, &small, more);
    let (few, many, one_group) =
        (data(1_000_000, 16, None), data(10_000_000, 16, None), data(10_000_000, 16, Some(10_000_000)));
    println!("  2 x 16 values          peak MB  of the first");
    let first = peak(&few, &[]);
    for (name, input) in [("1 M rows", &few), ("10 M rows", &many), ("10 M in one row group", &one_group)] {
        let bytes = if name == "1 M rows" { first } else { peak(input, &[]) };
        println!("  {name:<21}  {:>7.0}  {:>12.2}", bytes / 1e6, bytes / first);
    }

    let wide = bundle(4096, 1);
    let weights = ["density_1", "density_2", "classifier_1", "classifier_2", "classifier_12"]
        .map(|name| std::fs::metadata(wide.join(format!("{name}.onnx"))).unwrap().len() as f64);
    let input = data(20_000, 4096, None);
    println!("  2 x 4096 values, models of {:.0} MB", weights.iter().sum::<f64>() / 1e6);
    println!("  --memory-limit         peak MB  above the least");
    let least = peak_bytes(&input, &wide, &["--batch-rows", "1", "--memory-limit", "1MiB"]);
    println!("  one row a batch        {:>7.0}", least / 1e6);
    for limit in ["128MiB", "256MiB", "512MiB", "1GiB"] {
        let bytes = peak_bytes(&input, &wide, &["--memory-limit", limit]);
        println!("  {limit:<21}  {:>7.0}  {:>15.0}", bytes / 1e6, (bytes - least) / 1e6);
    }
}

/// The peak resident set of a run, as the kernel tells while it lasts.
fn peak_bytes(input: &Path, bundle: &Path, more: &[&str]) -> f64 {
    let out = folder().join("out.parquet");
    let _ = std::fs::remove_file(&out);
    let mut command = program();
    command.arg("annotate").arg(input).arg(&out).args(["--engine", "onnxruntime", "--bundle"]).arg(bundle);
    let mut child = command.args(more).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0_f64;
    let ended = loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0.0) * 1024.0);
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(ended.success(), "{command:?}");
    std::fs::remove_file(out).unwrap();
    peak
}
