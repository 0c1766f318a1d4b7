//! The package `lsmi_etl` in the engines that people already run, and its export of models. The
//! examples of `pipelines/python` run as their reader runs them; what they write are the rows of
//! `annotate`, bit for bit.

mod engines;
mod export;

use std::path::Path;
use std::process::Command;

use crate::harness::{lsmi, package, repository, runtime};

/// A script of the repository in a folder, with its package, this program and ONNX Runtime.
fn script(python: &Path, dir: &Path, script: &str) -> Command {
    let program = lsmi();
    let mut command = Command::new(python);
    command.current_dir(dir).arg(repository().join(script));
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("LSMI_ETL_BIN", program.get_program()).env("LSMI_ETL_RUNTIME_DIR", runtime());
    command.env("PYTHONPATH", package::python_path()).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}
