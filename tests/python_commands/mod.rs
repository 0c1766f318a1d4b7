//! The commands as functions of the Python package: against the command line, their failures, their
//! progress, and what ends them; types, style and the page of documentation.

mod documentation;
mod ends;
mod package;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{self, fitted, lsmi, must, once, repository, runtime};

/// Python with pyarrow, a notebook's kernel, and checkers.
fn environment() -> PathBuf {
    harness::environment("venv-python", "tests/python/requirements-python.txt")
}

/// Python in a folder, with the package and the program under test.
fn python(dir: &Path) -> Command {
    let program = lsmi();
    let mut command = Command::new(environment());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(dir).env("PYTHONPATH", harness::package::python_path());
    command.env("LSMI_ETL_BIN", program.get_program()).env("LSMI_ETL_RUNTIME_DIR", runtime());
    command
}

/// A script of `tests/python`.
fn script(dir: &Path, name: &str) -> Command {
    let mut command = python(dir);
    command.arg(repository().join("tests/python").join(name));
    command
}

/// What [`fitted`] has, and `large.parquet`, which takes a while in small batches.
fn data() -> PathBuf {
    let fitted = fitted();
    once("python-commands", &harness::build(), |dir| {
        std::fs::create_dir_all(dir).unwrap();
        for name in ["train.parquet", "in.parquet", "bundle"] {
            std::os::unix::fs::symlink(fitted.join(name), dir.join(name)).unwrap();
        }
        let large = ["--rows", "200000", "--seed", "3", "-o", "large.parquet"];
        must(lsmi().current_dir(dir).args(["synth", "gaussian", "--classes", "4"]).args(large));
    })
}

/// Runs a check of `commands.py` in an empty folder.
fn check(name: &str) {
    let dir = tempfile::tempdir().unwrap();
    must(script(dir.path(), "commands.py").arg(name).arg(data()));
}

#[test]
fn fit_takes_paths_and_arrow_data() {
    check("fit");
}

#[test]
fn annotate_writes_what_the_command_line_does() {
    check("annotate");
}

#[test]
fn failures_are_exceptions_by_exit_code() {
    check("failures");
}

#[test]
fn messages_are_of_python_and_on_one_line() {
    check("messages");
}

#[test]
fn rows_of_a_query_stream_and_end_with_their_reader() {
    check("queries");
}

#[test]
fn a_report_shows_itself_and_is_saved() {
    check("reports");
}

#[test]
fn the_log_is_a_logger() {
    check("warnings");
}
