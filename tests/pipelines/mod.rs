//! Pipeline files: what is refused before anything runs, which of several values holds, and the
//! examples of `pipelines` from their inputs to their reports.

mod checked;
mod digits;
#[cfg(feature = "cluster")]
mod kubernetes;
mod origins;
mod planned;
mod refused;
mod whole;

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::harness::{Ran, bundle, fitted, lsmi, run};

/// A folder with `pipeline.toml`, the fitted bundle as `lsmi-bundle` and `raw/in.parquet` of 3 000
/// rows in three row groups.
fn project(pipeline: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("raw")).unwrap();
    fs::copy(fitted().join("in.parquet"), dir.path().join("raw/in.parquet")).unwrap();
    std::os::unix::fs::symlink(bundle(), dir.path().join("lsmi-bundle")).unwrap();
    fs::write(dir.path().join("pipeline.toml"), pipeline).unwrap();
    dir
}

/// `lsmi-etl run pipeline.toml` with more arguments.
fn run_in(dir: &Path, more: &[&str]) -> Ran {
    run(lsmi().current_dir(dir).args(["run", "pipeline.toml"]).args(more))
}
