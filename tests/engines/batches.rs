//! Whether what a row gives depends on the batch it is evaluated in. The embedded engine's
//! bits do not, whether a batch fills its blocks or not; of ONNX Runtime, `benches/README.md`
//! tells for which batches that was found.

use arrow::array::RecordBatch;

use crate::harness::{files, fitted, lsmi, must};

/// The rows of `in.parquet`, of which a row group has 1 000, in batches of so many rows.
fn in_batches_of(rows: &str) -> RecordBatch {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out.parquet");
    must(
        lsmi()
            .current_dir(fitted())
            .args(["annotate", "in.parquet", "--bundle", "bundle", "--engine", "embedded"])
            .args(["--columns", "i1,i2,i12,h1,h2", "--batch-rows", rows])
            .arg(&output),
    );
    files::read(&output)
}

#[test]
fn the_embedded_engine_gives_a_row_the_same_bits_in_any_batch() {
    let whole_blocks = in_batches_of("512");
    assert_eq!(whole_blocks.num_rows(), 3000);
    for rows in ["1", "7", "256", "511", "513", "1000"] {
        assert!(
            in_batches_of(rows).columns() == whole_blocks.columns(),
            "{rows} rows a batch give other values"
        );
    }
}
