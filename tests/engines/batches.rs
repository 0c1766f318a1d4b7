//! Whether what a row gives depends on the batch it is evaluated in. The embedded engine's
//! bits do not, whether a batch fills its blocks or not; ONNX Runtime's do not where the
//! batches are multiples of 64 rows, as those are that a run chooses itself.

use std::sync::atomic::AtomicBool;

use lsmi_etl::annotate::{AnnotateOptions, InputStart, Progress, Run};
use lsmi_etl::bundle::Bundle;
use lsmi_etl::engine::{Engine, EngineChoice, EngineOptions};
use lsmi_etl::samples::FateCounts;

use crate::harness::{fitted, lsmi, must, runtime};

/// The bytes that come of `in.parquet`, of which a row group has 1 000 rows, in batches of
/// so many.
fn in_batches_of(rows: &str, engine: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out.parquet");
    must(
        lsmi()
            .env("LSMI_ETL_RUNTIME_DIR", runtime())
            .current_dir(fitted())
            .args(["annotate", "in.parquet", "--bundle", "bundle", "--engine", engine])
            .args(["--columns", "i1,i2,i12,h1,h2", "--batch-rows", rows])
            .arg(&output),
    );
    std::fs::read(output).unwrap()
}

#[track_caller]
fn are_the_same(engine: &str, batches: &[&str]) {
    let expected = in_batches_of("512", engine);
    for rows in batches {
        assert!(in_batches_of(rows, engine) == expected, "{rows} rows a batch give other bytes");
    }
}

#[test]
fn the_embedded_engine_gives_the_same_bytes_in_any_batch() {
    are_the_same("embedded", &["1", "7", "256", "511", "513", "1000", "1024"]);
}

#[test]
fn onnx_runtime_gives_the_same_bytes_in_batches_of_multiples_of_64() {
    are_the_same("onnxruntime", &["64", "128", "192", "256", "1024"]);
}

/// An observer that ignores all events.
struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _: InputStart) {}
    fn advance(&self, _: &FateCounts) {}
}

#[test]
fn a_batch_that_was_tried_gives_the_same_bytes() {
    let bundle = Bundle::open(&fitted().join("bundle")).unwrap();
    let embedded = EngineOptions { engine: EngineChoice::Embedded, ..Default::default() };
    let engine = Engine::find(&embedded).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let annotate = |name: &str, batch_rows, share| {
        // So little memory that a batch of 512 rows fits, and none of 1 024.
        let (workers, memory_limit_bytes) = (Some(1), Some(700_000));
        let options =
            AnnotateOptions { batch_rows, workers, memory_limit_bytes, ..AnnotateOptions::default() };
        let stop = AtomicBool::new(false);
        let output = dir.path().join(name);
        let run = Run::with_tuning_share(&bundle, &engine, &options, &Quiet, &stop, share);
        run.file(&fitted().join("in.parquet"), &output).unwrap();
        (std::fs::read(output).unwrap(), run.tuned_batch_rows())
    };
    let (tried, chosen) = annotate("tried", None, f64::INFINITY);
    assert!([Some(256), Some(512)].contains(&chosen), "{chosen:?}");
    // Neither is one tried that the work does not repay, nor where the user knows better.
    assert!(annotate("table", None, 0.01) == (tried.clone(), None));
    for rows in [256, 512, 1024] {
        let named = annotate(&rows.to_string(), Some(rows), f64::INFINITY);
        assert!(named == (tried.clone(), None), "{rows} rows a batch give other bytes");
    }
}
