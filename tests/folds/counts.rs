//! Counts of the rows that were trained on: in the summary, the footer, the log and the report;
//! of resumed runs, folders, streams and shifted columns.

use std::fs::File;
use std::process::Stdio;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use serde_json::json;

use super::models::{fold_of, integers};
use super::{annotate, work};
use crate::harness::files::{floats, key_value, read, replaced, write};
use crate::harness::{last_json, lsmi, must, run};

/// 3 000 rows of which the models were trained on 2 000, without the labels of these rows.
fn input(without: &[usize]) -> RecordBatch {
    let all = read(&work().join("train.parquet"));
    let y = all.column_by_name("y").unwrap().as_primitive::<Int64Type>();
    let label = |(row, y): (usize, Option<i64>)| y.filter(|_| !without.contains(&row));
    let y: ArrayRef = Arc::new(y.iter().enumerate().map(label).collect::<Int64Array>());
    replaced(&all, "y", y)
}

#[test]
fn of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("in.parquet"), &input(&[5, 17, 2500]));
    let ran = must(&mut annotate(dir.path(), "in.parquet", "out.parquet", "folded", &["--json"]));
    let summary = last_json(&ran);
    assert_eq!((&summary["trained_rows"], &summary["fates"]["good"]), (&json!(1998), &json!(2997)));
    assert!(
        ran.stderr.contains("67 % of these rows (1998) were trained on; evaluated out of fold"),
        "{}",
        ran.stderr
    );
    let output = dir.path().join("out.parquet");
    assert_eq!(key_value(&output, "lsmi_etl.trained_rows").as_deref(), Some("1998"));

    // The report of it, as JSON and as a page.
    must(lsmi().current_dir(dir.path()).args(["report", "out.parquet", "-o", "report.html"]));
    let report = ["report", "out.parquet", "--format", "json", "-o", "report.json"];
    must(lsmi().current_dir(dir.path()).args(report));
    let text = std::fs::read_to_string(dir.path().join("report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["data"]["origin"]["trained_rows"], 1998);
    let page = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(page.contains("67 % of these rows were trained on; evaluated out of fold"));

    // Nothing to do a second time; nothing of the kind without folds.
    let again = must(&mut annotate(dir.path(), "in.parquet", "out.parquet", "folded", &["--json"]));
    assert_eq!(last_json(&again)["skipped"], true);
    let plain = must(&mut annotate(dir.path(), "in.parquet", "plain.parquet", "plain_0", &["--json"]));
    assert_eq!(last_json(&plain)["trained_rows"], json!(null));
    assert!(!plain.stderr.contains("trained on"), "{}", plain.stderr);
    assert_eq!(key_value(&dir.path().join("plain.parquet"), "lsmi_etl.trained_rows"), None);
}

#[test]
fn of_a_run_that_is_resumed_in_the_middle_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("in.parquet"), &input(&[1234]));
    for adjust in ["none", "dataset"] {
        let more = ["--columns", "fold,i12", "--batch-rows", "64", "--adjust", adjust, "--json"];
        let annotate = |output: &str, policy: &[&str]| {
            run(annotate(dir.path(), "in.parquet", output, "folded", &more).args(policy))
        };
        let whole = format!("whole_{adjust}.parquet");
        let summary = last_json(&annotate(&whole, &[]));
        assert_eq!(summary["trained_rows"], 1999);

        let resumed = format!("resumed_{adjust}.parquet");
        let stopped = annotate(&resumed, &["--max-bad-rows", "0"]);
        assert_eq!(stopped.code, 65, "{}", stopped.stderr);
        let ran = annotate(&resumed, &[]);
        let summary = last_json(&ran);
        let earlier = summary["resumed_rows"].as_u64().unwrap();
        assert!((1000..2000).contains(&earlier), "{summary}");
        assert_eq!((&summary["trained_rows"], &summary["rows"]), (&json!(1999), &json!(3000)));
        let bytes = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
        assert!(bytes(&whole) == bytes(&resumed), "resumed to another content");
    }
}

#[test]
fn of_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("in")).unwrap();
    let all = input(&[]);
    write(&dir.path().join("in/a.parquet"), &all.slice(0, 1500));
    write(&dir.path().join("in/b.parquet"), &all.slice(1500, 1500));
    let ran = must(&mut annotate(dir.path(), "in", "out", "folded", &["--json"]));
    assert_eq!(last_json(&ran)["trained_rows"], 2000);
    assert!(ran.stderr.contains("67 % of these rows (2000) were trained on"), "{}", ran.stderr);
    assert!(ran.stderr.contains("33 % of these rows (500) were trained on"), "{}", ran.stderr);
}

#[test]
fn of_a_stream() {
    let dir = tempfile::tempdir().unwrap();
    let all = input(&[7]);
    write(&dir.path().join("in.parquet"), &all);
    let mut writer =
        StreamWriter::try_new(File::create(dir.path().join("in.arrows")).unwrap(), all.schema_ref()).unwrap();
    // Batches of another length than what is computed at once.
    (0..3000).step_by(250).for_each(|row| writer.write(&all.slice(row, 250)).unwrap());
    writer.finish().unwrap();
    let more = ["--columns", "fold", "--summary", "summary.json"];
    must(&mut annotate(dir.path(), "in.parquet", "file.parquet", "folded", &more));
    let mut command = annotate(dir.path(), "-", "-", "folded", &more);
    let out = command
        .stdin(File::open(dir.path().join("in.arrows")).unwrap())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let summary = std::fs::read_to_string(dir.path().join("summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    assert_eq!((&summary["trained_rows"], &summary["fates"]["good"]), (&json!(1999), &json!(2999)));

    let batches: Vec<RecordBatch> =
        StreamReader::try_new(&out.stdout[..], None).unwrap().map(Result::unwrap).collect();
    let streamed = arrow::compute::concat_batches(batches[0].schema_ref(), &batches).unwrap();
    let file = read(&dir.path().join("file.parquet"));
    for column in ["r", "u1", "u2", "s"] {
        assert_eq!(floats(&streamed, column), floats(&file, column), "{column}");
    }
    let folds = integers(&streamed, "fold");
    assert_eq!(folds, integers(&file, "fold"));
    let expected = |row: usize| fold_of(row).filter(|_| row != 7).map(|fold| fold as i32);
    assert!(folds.iter().enumerate().all(|(row, fold)| *fold == expected(row)));
    assert!(floats(&streamed, "r").is_null(7));
}
