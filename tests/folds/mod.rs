//! Rows that a bundle was trained on: evaluated by the models that have not seen them, wherever they
//! lie and however they are stored. The truth are six bundles without folds, one of each set of
//! models, on the same file.

mod counts;
mod keys;
mod models;
mod refused;
mod values;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, Int64Array, RecordBatch};

use crate::harness::files::{batch, read, write};
use crate::harness::{build, fitted, lsmi, must, once, runtime};

use models::FOLDS;

/// All columns that can be computed, but for the fold.
const COLUMNS: [&str; 9] = ["r", "u1", "u2", "s", "i1", "i2", "i12", "h1", "h2"];

/// A folder with `train.parquet` (3 000 rows with their number as `id`, of which the first 2 000 were
/// trained on), the bundle `folded`, and the bundles `plain_0` (its main models) to `plain_5` (those
/// of fold 4), which have no folds. `keyed` is `folded`, but knows the rows by `id`.
fn work() -> &'static Path {
    static WORK: OnceLock<PathBuf> = OnceLock::new();
    WORK.get_or_init(|| {
        once("folds", &build(), |dir| {
            std::fs::create_dir_all(dir).unwrap();
            let train = numbered(&read(&fitted().join("train.parquet")));
            write(&dir.join("train.parquet"), &train);
            let folds = models::folds(&train);
            models::write(&dir.join("folded"), &models::models(0), Some(&folds));
            models::write(&dir.join("keyed"), &models::models(0), Some(&models::keyed(&train, folds)));
            for seed in 0..=FOLDS as u64 {
                models::write(&dir.join(format!("plain_{seed}")), &models::models(seed), None);
            }
        })
    })
}

/// x1, x2, y and the rows' numbers as `id`.
fn numbered(rows: &RecordBatch) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows.num_rows() as i64));
    let column = |name: &str| rows.column_by_name(name).unwrap().clone();
    batch(&[("id", ids), ("x1", column("x1")), ("x2", column("x2")), ("y", column("y"))])
}

/// `annotate` of a file with a bundle of [`work`], in a folder.
fn annotate(dir: &Path, input: &str, output: &str, bundle: &str, more: &[&str]) -> std::process::Command {
    let mut command = lsmi();
    command.env("LSMI_ETL_RUNTIME_DIR", runtime()).current_dir(dir);
    command.args(["annotate", input, output, "--bundle"]).arg(work().join(bundle)).args(more);
    command
}

/// Annotates rows, which must succeed, and reads the result.
fn annotated(rows: &RecordBatch, bundle: &str, more: &[&str]) -> RecordBatch {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("in.parquet"), rows);
    must(
        annotate(dir.path(), "in.parquet", "out.parquet", bundle, &["--columns", "i1,i2,i12,h1,h2"])
            .args(more),
    );
    read(&dir.path().join("out.parquet"))
}
