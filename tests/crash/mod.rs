//! Runs that end before their time, and what the next one makes of what they left.

mod commands;
mod fates;
mod killed;
mod outputs;
#[cfg(target_os = "linux")]
mod runtime_install;
mod soak;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::harness::{Ran, fitted, lsmi, must, run, scratch};

/// 160 000 rows in 20 row groups, and what an undisturbed run makes of them.
struct Work {
    input: PathBuf,
    undisturbed: Vec<u8>,
}

const ROW_GROUPS: u64 = 20;
const ROWS: u64 = 160_000;

fn work() -> &'static Work {
    static WORK: OnceLock<Work> = OnceLock::new();
    WORK.get_or_init(|| {
        let folder = tempfile::tempdir_in(scratch()).unwrap().keep();
        let input = folder.join("in.parquet");
        let rows = ["--rows", "160000", "--row-group-rows", "8000", "--seed", "3", "-o"];
        must(lsmi().args(["synth", "gaussian", "--classes", "4"]).args(rows).arg(&input));
        let output = folder.join("undisturbed.parquet");
        must(&mut annotate(&input, &output, &[]));
        let undisturbed = std::fs::read(output).unwrap();
        Work { input, undisturbed }
    })
}

/// `annotate INPUT OUTPUT` with the fitted bundle and more arguments.
fn annotate(input: &Path, output: &Path, more: &[&str]) -> std::process::Command {
    let mut command = lsmi();
    command.args(["annotate", "--json", "--bundle"]).arg(fitted().join("bundle"));
    command.arg(input).arg(output).args(more);
    command
}

/// The same, run to its end.
fn annotated(input: &Path, output: &Path, more: &[&str]) -> Ran {
    run(&mut annotate(input, output, more))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
