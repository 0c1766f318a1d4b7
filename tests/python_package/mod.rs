//! The Python package around the program: the Annotator, in `python/annotator.py`, whose every function is a test.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::heavy::heavy_environment;
use crate::harness::{self, files, lsmi, must, repository};

/// Python with the package, which starts the program under test.
pub fn python() -> Command {
    with_package(harness::python())
}

fn with_package(interpreter: impl AsRef<OsStr>) -> Command {
    let mut python = Command::new(interpreter);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LSMI_ETL_")) {
        python.env_remove(name);
    }
    for name in ["ORT_DYLIB_PATH", "VIRTUAL_ENV", "CONDA_PREFIX"] {
        python.env_remove(name);
    }
    python.env("LSMI_ETL_BIN", env!("CARGO_BIN_EXE_lsmi-etl"));
    python.env("LSMI_ETL_RUNTIME_DIR", harness::runtime());
    python.env("PYTHONPATH", harness::package::python_path());
    python
}

/// Rows, and what `annotate` makes of them.
fn inputs(dir: &Path) -> [PathBuf; 2] {
    let paths = ["rows.parquet", "annotated.parquet"].map(|name| dir.join(name));
    let [rows, annotated] = &paths;
    files::write(rows, &harness::rows(1500));
    let mut annotate = lsmi();
    annotate.env("LSMI_ETL_RUNTIME_DIR", harness::runtime());
    must(annotate.arg("annotate").args([rows, annotated]).arg("--bundle").arg(harness::bundle()));
    paths
}

fn passes(test: &str) {
    passes_in(python(), test);
}

/// A test that uses all engines.
fn passes_with_engines(test: &str) {
    let engines = heavy_environment("engines", "tests/python/requirements-engines.txt", &[]);
    passes_in(with_package(engines), test);
}

fn passes_in(mut python: Command, test: &str) {
    let dir = tempfile::tempdir().unwrap();
    let script = repository().join("tests/python/annotator.py");
    python.current_dir(dir.path()).arg(script).arg(test);
    must(python.args(inputs(dir.path())).arg(harness::bundle()));
}

#[test]
fn batches_of_any_length_have_the_values_of_a_file() {
    passes("batches");
}

#[test]
fn tables_keep_their_chunks() {
    passes("tables");
}

#[test]
fn readers_and_streams_keep_their_batches() {
    passes("streams");
}

#[test]
fn data_frames_are_taken_through_the_arrow_interface() {
    passes("data_frames");
}

#[test]
fn columns_of_every_type_come_back_as_they_were() {
    passes("types");
}

#[test]
fn the_schema_says_what_the_columns_are_and_were_computed_with() {
    passes("schemas");
}

#[test]
fn failures_are_exceptions_by_exit_code() {
    passes("failures");
}

#[test]
fn columns_of_an_earlier_call_make_way_and_others_stay() {
    passes("replacing");
}

#[test]
fn models_are_kept_until_another_bundle_lies_there() {
    passes("keeping");
}

#[test]
fn functions_of_batches_refuse_options_of_a_run() {
    passes_with_engines("whole_runs");
}

#[test]
fn arguments_of_another_kind_are_told_from_those_that_are_taken() {
    passes_with_engines("wrong_kinds");
}

#[test]
fn engines_have_the_new_values_of_replaced_columns() {
    passes_with_engines("engines");
}

#[test]
fn the_cuts_between_chunks_decide_nothing() {
    passes("cuts");
}

#[test]
fn batches_are_read_where_they_lie() {
    passes("buffers");
}

#[test]
fn an_interrupt_leaves_the_annotator_usable() {
    passes("interrupted");
}

#[test]
fn forked_and_pickled_copies_have_threads_of_their_own() {
    passes("processes");
}

#[test]
fn a_process_forks_while_its_threads_load_models() {
    passes("forks");
}

#[test]
fn threads_take_turns() {
    passes("threads");
}

#[test]
fn a_script_may_end_in_the_middle_of_a_stream() {
    passes("leaving");
}
