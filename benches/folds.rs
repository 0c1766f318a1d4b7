//! What does it cost a fresh row that the bundle knows its training rows? The hash of the row and
//! the look-up in the filters of five folds, and the few fresh rows that a filter takes for trained
//! ones, against the same models without folds. One thread; the CPU time that the kernel has counted
//! for it, as other load on the machine would count in the time of a clock.

use std::path::PathBuf;

use arrow::array::{ArrayRef, Int64Array};
use lsmi_etl::bundle::Bundle;
use lsmi_etl::engine::{Engine, EngineChoice, EngineOptions};
use lsmi_etl::error::{Error, Place};
use lsmi_etl::evaluate::{EvaluationConstants, Evaluator, FoldSessions, fastest_batch_rows};
use lsmi_etl::interaction::Quantity;
use lsmi_etl::samples::{Fate, Samples};

use super::bed::models::{bundle, folded_bundle};
use super::bed::{folder, install_runtime, median};

/// Rows that the bundle knows.
const TRAINED: [usize; 2] = [100_000, 5_000_000];
const ROUNDS: usize = 21;
/// Bytes of the embeddings of a round: more than the caches hold.
const ROUND_BYTES: usize = 128 << 20;

pub fn ask() {
    install_runtime();
    println!("  dim  engine         training rows  us a row without  with folds    more");
    for choice in [EngineChoice::OnnxRuntime, EngineChoice::Embedded] {
        let library = (choice == EngineChoice::OnnxRuntime).then(library);
        let engine = EngineOptions { engine: choice, library, ..EngineOptions::default() };
        let engine = Engine::find(&engine).unwrap();
        for (dim, trained) in [128, 512].into_iter().flat_map(|dim| TRAINED.map(|trained| (dim, trained))) {
            let batches = batches(dim);
            let bundles =
                [bundle(dim, 5), folded_bundle(dim, 5, trained)].map(|dir| Bundle::open(&dir).unwrap());
            let constants = bundles.each_ref().map(|bundle| {
                let folds = FoldSessions::new(&engine, bundle, 1);
                EvaluationConstants::new(bundle, &Quantity::defaults(2), &folds).unwrap()
            });
            let session = |bundle: &Bundle| engine.sessions(&bundle.program(), 1).unwrap().remove(0);
            let [mut plain, mut folded] =
                [0, 1].map(|which| Evaluator::new(session(&bundles[which]), &constants[which]));
            let (mut without, mut more) = (Vec::new(), Vec::new());
            // The first round loads the models of the folds.
            for round in 0..=ROUNDS {
                let (plain, folded) = (time(&mut plain, &batches), time(&mut folded, &batches));
                if round > 0 {
                    without.push(plain);
                    more.push(folded / plain);
                }
            }
            let (without, more) = (median(without), median(more));
            println!(
                "  {dim:>3}  {:<13}  {trained:>13}  {without:>16.2}  {:>10.2}  {:>+5.1} %",
                engine.describe().name,
                without * more,
                100.0 * (more - 1.0)
            );
        }
    }
}

/// Microseconds a row.
fn time(evaluator: &mut Evaluator<'_>, batches: &[Samples]) -> f64 {
    let start = cpu_ns();
    for samples in batches {
        let bad =
            |row: usize, what: String| Error::bad_data(Place::file("bench"), format!("row {row}: {what}"));
        evaluator.compute(samples, bad).unwrap();
    }
    let rows: usize = batches.iter().map(|samples| samples.rows).sum();
    (cpu_ns() - start) as f64 / 1e3 / rows as f64
}

/// CPU time of this thread.
fn cpu_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

fn batches(dim: usize) -> Vec<Samples> {
    let rows = fastest_batch_rows(2 * dim);
    let mut state = 1_u64;
    let mut values = || -> Vec<f32> {
        (0..rows * dim)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    };
    let label: ArrayRef = std::sync::Arc::new(Int64Array::from(vec![0; rows]));
    (0..ROUND_BYTES / (rows * dim * 8))
        .map(|_| Samples {
            first_row: 0,
            rows,
            x: vec![values().into(), values().into()],
            class: (0..rows as u32).map(|row| row % 10).collect(),
            fates: vec![Fate::Good; rows],
            present: Vec::new(),
            label: label.clone(),
            keys: Vec::new(),
        })
        .collect()
}

/// The library of ONNX Runtime that the program has installed.
fn library() -> PathBuf {
    let mut folders = vec![folder().join("runtime")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("libonnxruntime.so") {
                return path;
            } else if path.is_dir() {
                folders.push(path);
            }
        }
    }
    panic!("no ONNX Runtime in the folder of the benches");
}
