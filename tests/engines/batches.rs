//! Whether what a row gives depends on the batch it is evaluated in. The embedded engine's
//! bits do not, whether a batch fills its blocks or not; ONNX Runtime's do not where the
//! batches are multiples of 64 rows, as those are that a run chooses itself.

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
