//! Progress, and runs that are interrupted or whose Python is killed.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::{last_json, must, run};

use super::{check, data, environment, script};

#[test]
fn ctrl_c_leaves_a_run_that_goes_on() {
    check("interruption");
}

/// Processes that run the program in this folder.
fn programs_in(dir: &Path) -> Vec<u32> {
    let dir = dir.canonicalize().unwrap();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        let is_here = fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|cwd| cwd == dir);
        is_here && fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|name| name.starts_with("lsmi"))
    })
    .collect()
}

/// Waits until this holds.
#[track_caller]
fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_killed_python_leaves_no_orphan() {
    let dir = tempfile::tempdir().unwrap();
    let mut python = script(dir.path(), "commands.py").arg("long_run").arg(data()).spawn().unwrap();
    let journal = dir.path().join(".out.parquet.lsmi-journal");
    wait_for("the journal", || fs::metadata(&journal).is_ok_and(|journal| journal.len() > 50_000));
    assert_eq!(programs_in(dir.path()).len(), 1);
    python.kill().unwrap();
    python.wait().unwrap();
    wait_for("the end of the program", || programs_in(dir.path()).is_empty());
    assert!(!dir.path().join("out.parquet").exists());
    must(script(dir.path(), "commands.py").arg("long_run").arg(data()));
    assert!(dir.path().join("out.parquet").exists());
}

#[test]
fn progress_is_drawn_on_a_terminal_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let mut terminal = script(dir.path(), "terminal_progress.py");
    let ran = must(terminal.arg(environment()).arg(data().join("large.parquet")).arg(data().join("bundle")));
    let drawn = last_json(&ran);
    let lines = drawn["lines"].as_array().unwrap();
    let is_bar = |line: &&serde_json::Value| line.as_str().unwrap().ends_with("s left");
    let bars: Vec<_> = lines.iter().filter(is_bar).collect();
    assert!(!bars.is_empty() && bars.iter().all(|bar| bar.as_str().unwrap().starts_with('[')), "{drawn}");
    // Within the terminal's width, and the last is removed before what follows the run.
    assert!(lines.iter().all(|line| line.as_str().unwrap().chars().count() < 60), "{drawn}");
    assert_eq!(lines.last().unwrap(), "done", "{drawn}");
}

#[test]
fn a_notebook_draws_its_progress_and_is_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let programs = environment().parent().unwrap().to_owned();
    let paths = std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect::<Vec<_>>();
    let path = std::env::join_paths(std::iter::once(programs).chain(paths)).unwrap();
    let mut notebook = script(dir.path(), "notebook.py");
    notebook.arg(data().join("large.parquet")).arg(data().join("bundle")).env("PATH", path);
    // Beside the kernels of whoever runs the tests.
    notebook.env("JUPYTER_DATA_DIR", dir.path().join("jupyter"));
    let ran = run(&mut notebook);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let shown = last_json(&ran);
    assert_eq!(shown["interrupted"], "KeyboardInterrupt", "{shown}");
    assert!(shown["resumed_rows"].as_u64().unwrap() > 0, "{shown}");
    assert!(!shown["bars"].as_array().unwrap().is_empty() && shown["last"] == "", "{shown}");
    assert!(shown["report"].as_str().unwrap().starts_with("<iframe srcdoc="), "{shown}");
    assert_eq!(shown["rows"], "[{'n': 200000}]", "{shown}");
}
