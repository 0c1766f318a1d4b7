//! Limits of the machine: no more threads, files that may not grow, a full folder of temporary files.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Fault, INPUT, JOURNAL, OUTPUT, annotate, folder, shim, with_fault_in};
use crate::harness::files::listing;
use crate::harness::{bundle, lsmi, run};

/// Commands that start threads, each in a folder with the input.
fn commands(dir: &Path) -> Vec<Command> {
    let of = |arguments: &[&str]| {
        let mut command = lsmi();
        command.current_dir(dir).args(arguments);
        command
    };
    let mut embedded = annotate(dir);
    embedded.args(["--engine", "embedded", "--overwrite", "--restart"]);
    let mut onnxruntime = annotate(dir);
    onnxruntime.args(["--overwrite", "--restart"]);
    let mut check = of(&["bundle", "check"]);
    check.arg(bundle());
    let sql = format!("SELECT y, count(*) FROM '{INPUT}' GROUP BY y");
    vec![
        embedded,
        onnxruntime,
        check,
        of(&["sql", &sql]),
        of(&["fit", INPUT, "--bundle", "bundle", "--overwrite", "--folds", "2"]),
        of(&["synth", "xor", "--rows", "1000", "-o", "synth.parquet", "--overwrite"]),
    ]
}

#[test]
fn no_more_threads() {
    let dir = folder();
    let mut refused = 0;
    for threads in 0..8 {
        for mut command in commands(dir.path()) {
            let ran = run(command.env("LD_PRELOAD", shim()).env("FAULT_THREADS", threads.to_string()));
            let said = &ran.stderr;
            assert!(ran.code == 0 || ran.code == 75, "{threads} threads, {command:?}: {} {said}", ran.code);
            assert!(!said.contains("panicked"), "{threads} threads, {command:?}: {said}");
            assert!(ran.code == 0 || said.contains("cannot start a thread"), "{command:?}: {said}");
            refused += usize::from(ran.code == 75);
        }
    }
    assert!(refused > 6, "{refused}");
}

#[test]
fn files_that_may_not_grow() {
    let dir = folder();
    let command = annotate(dir.path());
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -f 2000; exec \"$@\"", "sh"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let ran = run(limited.current_dir(dir.path()));
    assert_eq!(ran.code, 74, "{}", ran.stderr);
    assert!(ran.stderr.contains("out.parquet") && ran.stderr.contains("write failed"), "{}", ran.stderr);
    assert_eq!(listing(dir.path()), [JOURNAL, INPUT]);
    assert_eq!(run(&mut annotate(dir.path())).code, 0);
    assert_eq!(listing(dir.path()), [INPUT, OUTPUT]);
}

#[test]
fn a_full_folder_of_temporary_files() {
    let dir = folder();
    let temporary = dir.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut sort = lsmi();
    sort.current_dir(dir.path()).env("TMPDIR", &temporary).args(["sql", "--memory-limit", "30MB"]);
    sort.args(["--threads", "2", "--format", "ndjson"]);
    let numbered = "SELECT row_number() OVER (ORDER BY -value) AS n FROM generate_series(1, 3000000)";
    sort.arg(format!("SELECT max(n) FROM ({numbered})"));
    let counting = Fault { calls: "write", path: "tmp", at: 0, what: "" };
    let (ran, writes) = with_fault_in(&mut sort, dir.path(), counting);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(writes > 2, "the query does not spill: {writes} writes");
    for at in [1, writes / 2, writes] {
        let (ran, _) = with_fault_in(&mut sort, dir.path(), Fault { at, what: "28", ..counting });
        assert_eq!(ran.code, 74, "{}", ran.stderr);
        assert!(ran.stderr.contains("tmp") && ran.stderr.contains("set TMPDIR"), "{}", ran.stderr);
        assert!(listing(&temporary).is_empty(), "{:?}", listing(&temporary));
    }
}
