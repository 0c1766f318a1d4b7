//! Disks that fail: errors of the operating system at every call, one run for each, and
//! what the next run makes of what was left. A shim (`shim.c`) is preloaded into the
//! program and strikes the N-th call. `LSMI_CRASH_ROUNDS` sets how many calls of each
//! kind are struck; where there are fewer, all of them are.

#![cfg(target_os = "linux")]

mod changed;
mod disk;
mod limits;
mod power;
mod struck;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, BinaryArray};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use crate::harness::files::{batch, write};
use crate::harness::{Ran, bundle, lsmi, must, once, repository, rows, run};

const INPUT: &str = "in.parquet";
const OUTPUT: &str = "out.parquet";
const JOURNAL: &str = ".out.parquet.lsmi-journal";

/// Which call is struck, and how: see `shim.c`.
#[derive(Debug, Clone, Copy)]
struct Fault<'a> {
    calls: &'a str,
    /// A part of the path of the files that count, below the run's folder.
    path: &'a str,
    at: usize,
    what: &'a str,
}

pub fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| library("shim"))
}

/// A library out of one C file, to be preloaded.
fn library(name: &str) -> PathBuf {
    let source = repository().join("tests/faults").join(name).with_extension("c");
    let dir = once(name, &fs::read_to_string(&source).unwrap(), |dir| {
        fs::create_dir_all(dir).unwrap();
        let options = ["-shared", "-fPIC", "-O1", "-o"];
        must(Command::new("cc").args(options).arg(dir.join("library.so")).arg(&source).arg("-ldl"));
    });
    dir.join("library.so")
}

/// 300 rows in 3 row groups, with a column of 24 KiB a row that cannot be compressed (enough
/// for the output to be written past the system's cache), and what an undisturbed run makes
/// of them.
struct Work {
    input: Vec<u8>,
    undisturbed: Vec<u8>,
}

fn work() -> &'static Work {
    static WORK: OnceLock<Work> = OnceLock::new();
    WORK.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let samples = rows(300);
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut payload = || {
            let mut bytes = vec![0; 24 << 10];
            random.fill_bytes(&mut bytes);
            bytes
        };
        let payload: Vec<Vec<u8>> = (0..300).map(|_| payload()).collect();
        let payload: ArrayRef = Arc::new(BinaryArray::from_iter_values(payload));
        let columns = ["x1", "x2", "y"].map(|name| (name, samples.column_by_name(name).unwrap().clone()));
        let columns: Vec<_> = columns.into_iter().chain([("payload", payload)]).collect();
        write(&dir.path().join(INPUT), &batch(&columns));
        must(&mut annotate(dir.path()));
        Work {
            input: fs::read(dir.path().join(INPUT)).unwrap(),
            undisturbed: fs::read(dir.path().join(OUTPUT)).unwrap(),
        }
    })
}

/// A folder with the input.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(INPUT), &work().input).unwrap();
    dir
}

/// `annotate in.parquet out.parquet` in a folder, in batches of 20 rows.
fn annotate(dir: &Path) -> Command {
    let mut command = lsmi();
    command.current_dir(dir).args(["annotate", "--json", "--batch-rows", "20", "--bundle"]).arg(bundle());
    command.args([INPUT, OUTPUT]);
    command
}

/// The same with a fault, and how many calls of its kind there were.
fn with_fault(dir: &Path, fault: Fault<'_>) -> (Ran, usize) {
    with_fault_in(&mut annotate(dir), dir, fault)
}

fn with_fault_in(command: &mut Command, dir: &Path, fault: Fault<'_>) -> (Ran, usize) {
    let counted = tempfile::NamedTempFile::new().unwrap();
    // Where a folder is to appear, it takes the output's name.
    let path = if fault.path.is_empty() { dir.to_owned() } else { dir.join(fault.path) };
    let with = if fault.what == "mkdir" { OUTPUT } else { "with" };
    let ran = run(command
        .env("LD_PRELOAD", shim())
        .env("FAULT_CALLS", fault.calls)
        .env("FAULT_PATH", path)
        .env("FAULT_AT", fault.at.to_string())
        .env("FAULT_DO", fault.what)
        .env("FAULT_WITH", dir.join(with))
        .env("FAULT_COUNT", counted.path()));
    assert!(!ran.stderr.contains("panicked"), "{fault:?}\n{}", ran.stderr);
    (ran, fs::read_to_string(counted.path()).unwrap().parse().unwrap())
}

/// How many calls an undisturbed run makes.
fn calls(calls: &str, path: &str) -> usize {
    let dir = folder();
    let (ran, count) = with_fault(dir.path(), Fault { calls, path, at: 0, what: "" });
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    count
}

/// Which of so many calls to strike: the first, the last and some between.
fn points(count: usize) -> Vec<usize> {
    let rounds = std::env::var("LSMI_CRASH_ROUNDS").map_or(12, |rounds| rounds.parse().unwrap());
    let steps = rounds.min(count).max(2) - 1;
    let mut points: Vec<usize> = (0..=steps).map(|step| 1 + step * (count - 1) / steps).collect();
    points.dedup();
    points
}
