//! The contract with schedulers: what is printed last, where the summary goes, and the
//! exit codes of runs that have nothing to do.

use std::fs;

use crate::harness::{annotate, bundle, fitted, last_json, lsmi, refused, run};

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
