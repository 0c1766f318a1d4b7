//! Log lines as JSON.

use std::fs;

use serde_json::Value;

use crate::harness::{Ran, annotate, bundle, last_json, lsmi, must, run};

/// The lines of stderr, each of which must be an object.
fn lines(ran: &Ran) -> Vec<Value> {
    let lines: Vec<Value> = ran.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        assert!(line["message"].is_string(), "{line}");
    }
    lines
}

#[test]
fn every_line_is_an_object() {
    let dir = tempfile::tempdir().unwrap();
    super::flawed(&dir.path().join("in.parquet"));
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &["--log-format", "json", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let said = lines(&ran);
    let of_level = |level: &str| said.iter().filter(|line| line["level"] == level).count();
    assert!(of_level("INFO") >= 2, "{}", ran.stderr);
    let [warning] = &said.iter().filter(|line| line["level"] == "WARN").collect::<Vec<_>>()[..] else {
        panic!("not one warning: {}", ran.stderr)
    };
    assert_eq!(
        warning["message"],
        "5 rows have no values: 3 null_label, 2 unknown_label; unknown labels: 77; the bundle's classes: 0, 1, 2, 3"
    );
    assert_eq!(last_json(&ran)["bad_rows"], 5);
}

#[test]
fn an_error_is_one_too_and_the_variable_asks_for_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("in.parquet"), "no such thing").unwrap();
    let mut command = lsmi();
    command.current_dir(dir.path()).args(["annotate", "in.parquet", "out.parquet", "--bundle"]).arg(bundle());
    let ran = run(command.env("LSMI_ETL_LOG_FORMAT", "json"));
    assert_eq!(ran.code, 65, "{}", ran.stderr);
    let said = lines(&ran);
    let error = said.last().unwrap();
    assert_eq!(error["level"], "ERROR");
    assert!(error["message"].as_str().unwrap().contains("is not a Parquet file"), "{error}");
}

#[test]
fn levels_are_as_in_text() {
    let dir = tempfile::tempdir().unwrap();
    super::flawed(&dir.path().join("in.parquet"));
    let quiet = annotate(dir.path(), "in.parquet", "out.parquet", &["--log-format", "json", "--quiet"]);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (0, ""));
    let again = annotate(dir.path(), "in.parquet", "out.parquet", &["--log-format", "json"]);
    assert!(lines(&again).iter().any(|line| line["message"].as_str().unwrap().contains("nothing to do")));
}

#[test]
fn progress_has_its_numbers_in_fields() {
    let dir = tempfile::tempdir().unwrap();
    let synth = ["synth", "gaussian", "--classes", "4", "--rows", "100000", "-o", "in.parquet"];
    must(lsmi().current_dir(dir.path()).args(synth));
    // In small batches, which take a while.
    let slow = ["--batch-rows", "16", "--workers", "1", "--log-format", "json", "--progress-every", "0.05"];
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &slow);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let said = lines(&ran);
    let progress: Vec<_> = said.iter().filter(|line| line["unit"] == "rows").collect();
    assert!(!progress.is_empty(), "{}", ran.stderr);
    let done: Vec<u64> = progress.iter().map(|line| line["done"].as_u64().unwrap()).collect();
    assert!(done.is_sorted() && done.iter().all(|done| (1..=100_000).contains(done)), "{done:?}");
    assert!(progress.iter().all(|line| line["total"] == 100_000), "{}", ran.stderr);
    let text = annotate(dir.path(), "in.parquet", "text.parquet", &[&slow[..4], &slow[6..]].concat());
    assert!(text.stderr.contains(" of 100000 rows") && !text.stderr.contains("done="), "{}", text.stderr);
    let never = annotate(dir.path(), "in.parquet", "never.parquet", &["--progress-every", "0"]);
    assert_eq!(never.code, 64, "{}", never.stderr);
    assert!(never.stderr.contains("from 0.05"), "{}", never.stderr);
}
