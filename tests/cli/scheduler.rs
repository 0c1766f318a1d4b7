//! The contract with schedulers (`docs/scheduling.md`): what is printed last, where
//! the summary goes, every exit code, signals, shares, and the same command again.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::files::listing;
use crate::harness::{
    Ran, annotate, bundle, fitted, last_json, lsmi, must, query, refused, repository, run, shell,
};

#[test]
fn a_second_run_has_nothing_to_do() {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(fitted().join("in.parquet"), dir.path().join("in.parquet")).unwrap();
    for (flags, again) in [(&[][..], 0), (&["--if-nothing", "exit0"], 0), (&["--if-nothing", "exit99"], 99)] {
        _ = fs::remove_file(dir.path().join("out.parquet"));
        let more = [flags, &["--json"]].concat();
        let first = annotate(dir.path(), "in.parquet", "out.parquet", &more);
        assert_eq!(first.code, 0, "{}", first.stderr);
        assert_eq!(last_json(&first)["skipped"], false);
        let bytes = fs::read(dir.path().join("out.parquet")).unwrap();
        let second = annotate(dir.path(), "in.parquet", "out.parquet", &more);
        assert_eq!(second.code, again, "{flags:?}: {}", second.stderr);
        assert_eq!(last_json(&second)["skipped"], true);
        assert_eq!(fs::read(dir.path().join("out.parquet")).unwrap(), bytes);
    }
}

#[test]
fn a_folder_without_files_is_nothing_to_do_where_that_was_said() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("in")).unwrap();
    refused(&annotate(dir.path(), "in", "out", &[]), 66, &["no *.parquet file is there"]);
    for (code, exit) in [("exit0", 0), ("exit99", 99)] {
        let ran = annotate(dir.path(), "in", "out", &["--if-nothing", code, "--json"]);
        assert_eq!(ran.code, exit, "{}", ran.stderr);
        assert_eq!(last_json(&ran)["files"], 0);
    }
    // A name that is not there may be a slip of the pen.
    refused(&annotate(dir.path(), "im", "out", &["--if-nothing", "exit99"]), 66, &["im"]);
}

#[test]
fn the_summary_goes_where_airflow_looks_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("airflow/xcom/return.json");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let input = fitted().join("in.parquet");
    let ran = run(lsmi()
        .current_dir(dir.path())
        .arg("annotate")
        .arg(&input)
        .args(["out.parquet", "--json", "--summary", "airflow/xcom/return.json", "--bundle"])
        .arg(bundle()));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let written: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(written, last_json(&ran));
    assert_eq!(ran.stdout.lines().count(), 1);
}

/// The exit codes of the page's table but for those that can't be brought about.
fn documented() -> BTreeSet<i32> {
    let page = fs::read_to_string(repository().join("docs/scheduling.md")).unwrap();
    let codes = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok());
    codes.filter(|code| *code != 70).collect()
}

#[test]
fn every_exit_code_of_the_page() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    fs::copy(fitted().join("in.parquet"), path.join("in.parquet")).unwrap();
    fs::write(path.join("text.parquet"), "no such thing").unwrap();
    fs::create_dir_all(path.join("empty")).unwrap();
    fs::create_dir_all(path.join("broken")).unwrap();
    fs::write(path.join("broken/bundle.json"), "{}").unwrap();
    let code = |args: &[&str]| annotate(path, args[0], args[1], &args[2..]).code;
    let stdout = format!("lsmi-etl annotate in.parquet - --bundle '{}' > /dev/full", bundle().display());
    let broken = ["annotate", "in.parquet", "new.parquet", "--bundle", "broken"];
    let gone = run(lsmi().current_dir(path).env("LSMI_ETL_RETRY_SECONDS", "0").args([
        "annotate",
        "http://127.0.0.1:9/in.parquet",
        "new.parquet",
        "--bundle",
        bundle().to_str().unwrap(),
    ]));
    let seen = [
        (0, code(&["in.parquet", "out.parquet"])),
        (64, code(&["in.parquet", "new.parquet", "--no-such-flag"])),
        (65, code(&["text.parquet", "new.parquet"])),
        (66, code(&["none.parquet", "new.parquet"])),
        (69, code(&["in.parquet", "new.parquet", "--onnxruntime", "none.so"])),
        (73, code(&["in.parquet", "out.parquet", "--columns", "i1"])),
        (74, run(shell(&stdout).current_dir(path)).code),
        (75, gone.code),
        (78, run(lsmi().current_dir(path).args(broken)).code),
        (99, code(&["empty", "new", "--if-nothing", "exit99"])),
    ];
    for (expected, code) in seen {
        assert_eq!(code, expected);
    }
    assert_eq!(seen.map(|(code, _)| code).into_iter().collect::<BTreeSet<_>>(), documented());
    assert!(!path.join("new.parquet").exists());
}

#[test]
fn a_signal_leaves_a_journal_and_the_next_run_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let rows = ["--rows", "2000000", "--row-group-rows", "50000", "-o", "in.parquet"];
    let synth = ["synth", "gaussian", "--classes", "4", "--truth", "none"];
    must(lsmi().current_dir(dir.path()).args(synth).args(rows));
    let command = || {
        let mut command = lsmi();
        command.current_dir(dir.path()).args([
            "annotate",
            "in.parquet",
            "out.parquet",
            "--json",
            "--workers",
            "1",
        ]);
        command.arg("--bundle").arg(bundle());
        command
    };
    let child = command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let journal = dir.path().join(".out.parquet.lsmi-journal");
    let start = Instant::now();
    // 24 bytes a row: some row groups of the 40.
    while journal.metadata().map_or(0, |metadata| metadata.len()) < 5 * 24 * 50_000 {
        assert!(start.elapsed() < Duration::from_secs(120), "no row group was computed");
        std::thread::sleep(Duration::from_millis(5));
    }
    must(Command::new("kill").arg("-TERM").arg(child.id().to_string()));
    let sent = Instant::now();
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert!(sent.elapsed() < Duration::from_secs(10), "it took {:?} to stop", sent.elapsed());
    refused(&ran, 75, &["interrupted"]);
    assert_eq!(listing(dir.path()), [".out.parquet.lsmi-journal", "in.parquet"]);

    let summary = last_json(&must(&mut command()));
    let count = |name: &str| summary[name].as_u64().unwrap();
    assert!(count("resumed_row_groups") >= 4, "{summary}");
    assert_eq!(count("resumed_row_groups") + count("computed_row_groups"), 40, "{summary}");
    assert_eq!(listing(dir.path()), ["in.parquet", "out.parquet"]);
}

#[test]
fn shares_are_disjoint_and_together_all() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("in")).unwrap();
    for name in ["a", "b", "c"] {
        fs::copy(fitted().join("in.parquet"), dir.path().join(format!("in/{name}.parquet"))).unwrap();
    }
    let mut files = 0;
    for (share, code) in [("1/4", 0), ("2/4", 0), ("3/4", 0), ("4/4", 99)] {
        let more = ["--files-per-job", share, "--if-nothing", "exit99", "--json"];
        let ran = annotate(dir.path(), "in", "out", &more);
        assert_eq!(ran.code, code, "{share}: {}", ran.stderr);
        files += last_json(&ran)["files"].as_u64().unwrap();
        assert_eq!(last_json(&ran)["skipped_files"], 0, "{share}");
    }
    assert_eq!(files, 3);
    assert_eq!(query(dir.path(), "SELECT count(r) AS n FROM 'out'")["n"], 9000);
}
