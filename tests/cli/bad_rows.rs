//! Rows that can't be computed: null columns, a count by reason, or the run's end; and
//! all other rows as if they were alone.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, RecordBatch};
use arrow::datatypes::{Float32Type, Int64Type};
use serde_json::{Value, json};

use crate::harness::files::{embeddings, floats, listing, read, replaced, vectors, write};
use crate::harness::{annotate, annotated, last_json, refused, rows};

/// 250 rows in three row groups with every kind of flaw, and the rows that have one.
fn flawed() -> (RecordBatch, Vec<usize>) {
    let rows = rows(250);
    let mut x1 = vectors(&rows, "x1");
    let mut x2 = vectors(&rows, "x2");
    let mut y: Vec<Option<i64>> =
        rows.column_by_name("y").unwrap().as_primitive::<Int64Type>().iter().collect();
    x1[0] = None;
    x1[101].as_mut().unwrap()[3] = f32::NAN;
    x1[249].as_mut().unwrap()[0] = f32::INFINITY;
    x2[17] = None;
    x2[18] = None;
    x2[130].as_mut().unwrap()[1] = f32::NEG_INFINITY;
    x2[0] = None;
    y[40] = None;
    y[41] = None;
    y[42] = None;
    y[220] = Some(4);
    y[221] = Some(-1);
    // The label's fate goes first.
    x1[221] = None;
    let rows = replaced(&rows, "x1", embeddings(&x1, 4));
    let rows = replaced(&rows, "x2", embeddings(&x2, 4));
    let rows = replaced(&rows, "y", Arc::new(Int64Array::from(y)));
    (rows, vec![0, 17, 18, 40, 41, 42, 101, 130, 220, 221, 249])
}

#[test]
fn are_null_and_counted_and_disturb_no_other() {
    let (rows, bad) = flawed();
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("in.parquet"), &rows);
    let more = ["--json", "--summary", "summary.json", "--columns", "i1,i2,i12,h1,h2,prior_y"];
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &more);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let summary = last_json(&ran);
    let fates = json!({
        "good": 239, "null_label": 3, "unknown_label": 2, "null_x1": 1, "null_x2": 2,
        "wrong_length_x1": 0, "wrong_length_x2": 0, "non_finite_x1": 2, "non_finite_x2": 1,
        "non_finite_result": 0,
    });
    assert_eq!(
        (&summary["fates"], &summary["rows"], &summary["bad_rows"]),
        (&fates, &json!(250), &json!(11))
    );
    assert_eq!(summary["columns"]["r"]["count"], 239);
    let warning = ran.stderr.lines().find(|line| line.starts_with(" WARN")).unwrap();
    assert!(warning.contains("11 rows have no values: 3 null_label, 2 unknown_label"), "{warning}");
    assert!(
        warning.contains("with --on-missing-modality reduce, rows that lack a modality have"),
        "{warning}"
    );
    let written: Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("summary.json")).unwrap()).unwrap();
    assert_eq!(written, summary);

    let disturbed = read(&dir.path().join("out.parquet"));
    let alone = annotated(&self::rows(250), &more[3..]);
    for name in ["r", "u1", "u2", "s", "i1", "i2", "i12", "h1", "h2", "prior_y"] {
        let (disturbed, alone) = (floats(&disturbed, name), floats(&alone, name));
        for row in 0..250 {
            assert_eq!(disturbed.is_null(row), bad.contains(&row), "{name}, row {row}");
            assert!(disturbed.is_null(row) || disturbed.value(row) == alone.value(row), "{name}, row {row}");
        }
    }
}

#[test]
fn of_an_output_that_is_there_count_as_those_of_a_run() {
    let (rows, _) = flawed();
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("in.parquet"), &rows);
    let again = |more: &[&str]| annotate(dir.path(), "in.parquet", "out.parquet", more);
    let made = last_json(&again(&["--json"]));
    let kept = again(&["--json", "--max-bad-rows", "11"]);
    assert_eq!(kept.code, 0, "{}", kept.stderr);
    assert!(
        kept.stderr.contains("nothing to do") && kept.stderr.contains("11 rows have no values"),
        "{}",
        kept.stderr
    );
    let skipped = last_json(&kept);
    assert_eq!(skipped["skipped"], true);
    for field in ["rows", "bad_rows", "fates", "columns"] {
        assert_eq!(skipped[field], made[field], "{field}");
    }
    assert_eq!(skipped["rows_per_second"], 0.0);
    let what = ["in.parquet", "out.parquet is made already", "11 of 250 rows are bad (3 null_label"];
    for (limit, more) in [("10", "more than --max-bad-rows 10"), ("4%", "more than --max-bad-rows 4%")] {
        let ran = again(&["--max-bad-rows", limit]);
        refused(&ran, 65, &[&what[..], &[more]].concat());
    }
    refused(&again(&["--on-bad-row", "fail"]), 65, &[&what[..], &["--on-bad-row null"]].concat());

    let folder = |more: &[&str]| {
        std::fs::create_dir_all(dir.path().join("in")).unwrap();
        std::fs::copy(dir.path().join("in.parquet"), dir.path().join("in/a.parquet")).unwrap();
        annotate(dir.path(), "in", "out", more)
    };
    let made = last_json(&folder(&["--json"]));
    let kept = last_json(&folder(&["--json"]));
    assert_eq!((&kept["skipped_files"], &kept["bad_rows"]), (&json!(1), &json!(11)));
    assert_eq!((&kept["fates"], &kept["columns"]), (&made["fates"], &made["columns"]));
    refused(&folder(&["--max-bad-rows", "10"]), 65, &["in/a.parquet", "11 of 250 rows are bad"]);
}

#[test]
fn end_the_run_where_asked() {
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(250);
    let y = rows.column_by_name("y").unwrap().as_primitive::<Int64Type>();
    let y: Int64Array = y.iter().enumerate().map(|(row, y)| if row == 220 { Some(77) } else { y }).collect();
    write(&dir.path().join("in.parquet"), &replaced(&rows, "y", Arc::new(y)));
    let fail = ["--on-bad-row", "fail"];
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &fail);
    let what =
        ["in.parquet, row group 2, column \"y\"", "row 20 ", "77", "unknown_label", "--on-bad-row null"];
    refused(&ran, 65, &what);

    let mut x2 = vectors(&rows, "x2");
    x2[130].as_mut().unwrap()[1] = f32::NAN;
    write(&dir.path().join("in.parquet"), &replaced(&rows, "x2", embeddings(&x2, 4)));
    // The first row groups of the file as it was are in the journal.
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &fail);
    refused(&ran, 78, &["another input", "--restart"]);
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &["--on-bad-row", "fail", "--restart"]);
    refused(&ran, 65, &["in.parquet, row group 1, column \"x2\"", "row 30 ", "non_finite_x2"]);
    assert_eq!(listing(dir.path()), [".out.parquet.lsmi-journal", "in.parquet"]);
}

#[test]
fn lists_of_another_length_are_bad_rows() {
    let rows = rows(120);
    let mut x1 = vectors(&rows, "x1");
    x1[5] = Some(vec![1.0, 2.0, 3.0]);
    x1[6] = Some(vec![]);
    x1[110] = Some(vec![0.0; 9]);
    x1[111] = None;
    let lists = x1.into_iter().map(|row| row.map(|row| row.into_iter().map(Some)));
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(lists));
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("in.parquet"), &replaced(&rows, "x1", lists));
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &["--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let fates = last_json(&ran)["fates"].clone();
    assert_eq!(
        (&fates["good"], &fates["wrong_length_x1"], &fates["null_x1"]),
        (&json!(116), &json!(3), &json!(1))
    );
    let (disturbed, alone) = (floats(&read(&dir.path().join("out.parquet")), "s"), annotated(&rows, &[]));
    for row in 0..120 {
        assert_eq!(disturbed.is_null(row), [5, 6, 110, 111].contains(&row), "row {row}");
        assert!(
            disturbed.is_null(row) || disturbed.value(row) == floats(&alone, "s").value(row),
            "row {row}"
        );
    }
}

#[test]
fn a_file_of_bad_rows_only() {
    let rows = rows(150);
    let unknown: ArrayRef = Arc::new(Int64Array::from(vec![9; 150]));
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("in.parquet"), &replaced(&rows, "y", unknown));
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &["--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let summary = last_json(&ran);
    assert_eq!((&summary["bad_rows"], &summary["columns"]["r"]["mean"]), (&json!(150), &Value::Null));
    assert_eq!(floats(&read(&dir.path().join("out.parquet")), "r").null_count(), 150);
}
