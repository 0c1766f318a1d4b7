//! `lsmi_summary` and `dominant` against DuckDB on the same annotated file.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::files::{embeddings, replaced, vectors, write};
use crate::harness::{annotate, lsmi, must, python, repository, rows};

/// 3 000 annotated rows, some without values, in `out.parquet`.
fn annotated() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(3000);
    let mut x1 = vectors(&rows, "x1");
    (0..3000).step_by(97).for_each(|row| x1[row] = None);
    write(&dir.path().join("in.parquet"), &replaced(&rows, "x1", embeddings(&x1, 4)));
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    dir
}

fn ours(dir: &Path, sql: &str, more: &[&str]) -> Vec<Value> {
    let ran = must(lsmi().current_dir(dir).args(["sql", "--format", "ndjson", sql]).args(more));
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn duckdbs(dir: &Path) -> Vec<Value> {
    let script = repository().join("tests/python/summarise.py");
    let ran = must(Command::new(python()).current_dir(dir).arg(script).arg("out.parquet"));
    serde_json::from_str(&ran.stdout).unwrap()
}

fn assert_same(ours: &[Value], theirs: &[Value]) {
    assert_eq!(ours.len(), theirs.len());
    for (our, their) in ours.iter().zip(theirs) {
        assert_eq!(our["y"], their["y"]);
        let (our, their) = (our["p"].as_object().unwrap(), their["p"].as_object().unwrap());
        assert_eq!(our.len(), 14);
        for (name, value) in our {
            let (ours, theirs) = (value.as_f64().unwrap(), their[name].as_f64().unwrap());
            assert!((ours - theirs).abs() <= 1e-12 * theirs.abs().max(1.0), "{name}: {ours} for {theirs}");
        }
    }
}

#[test]
fn means_errors_shares_and_counts_are_duckdbs() {
    let dir = annotated();
    let theirs = duckdbs(dir.path());
    let groups = "SELECT y, lsmi_summary(r, u1, u2, s) AS p FROM 'out.parquet' GROUP BY y ORDER BY y";
    let whole = "SELECT lsmi_summary(r, u1, u2, s) AS p FROM 'out.parquet'";
    assert_eq!(theirs.len(), 5);
    // With several threads the parts are gathered apart and merged.
    for threads in ["1", "5"] {
        assert_same(&ours(dir.path(), groups, &["--threads", threads]), &theirs[1..]);
        assert_same(&ours(dir.path(), whole, &["--threads", threads]), &theirs[..1]);
    }
}

#[test]
fn a_filter_and_a_window_and_no_rows() {
    let dir = annotated();
    let sql = "SELECT lsmi_summary(r, u1, u2, s) FILTER (WHERE y = 2) AS p, \
               lsmi_summary(r, u1, u2, s) FILTER (WHERE y = 99) AS none FROM 'out.parquet'";
    let [row] = &ours(dir.path(), sql, &[])[..] else { panic!() };
    let expected = &duckdbs(dir.path())[3];
    assert_eq!(expected["y"], 2);
    let near = |name: &str| (row["p"][name].as_f64().unwrap() - expected["p"][name].as_f64().unwrap()).abs();
    assert!(
        ["rows", "nulls", "r", "s_std_error", "synergy_share"].map(near).iter().all(|d| *d < 1e-12),
        "{row}"
    );
    assert_eq!((row["none"]["rows"].as_u64(), row["none"]["nulls"].as_u64()), (Some(0), Some(0)));
    assert!(row["none"]["r"].is_null() && row["none"]["redundancy_share"].is_null(), "{row}");

    let sql = "SELECT DISTINCT y, lsmi_summary(r, u1, u2, s) OVER (PARTITION BY y) AS p FROM 'out.parquet' ORDER BY y";
    assert_same(&ours(dir.path(), sql, &[]), &duckdbs(dir.path())[1..]);
}

#[test]
fn dominant_is_the_first_of_the_largest_and_null_where_all_are() {
    let dir = tempfile::tempdir().unwrap();
    let sql = "SELECT dominant(r, u1, u2, s) AS d FROM (VALUES (0, 3.0, -1.0, 2.0, 1.5), (1, -3.0, -1.0, -2.0, -1.5), \
               (2, 0.0, 1.0, 1.0, 1.0), (3, 0.0, 0.0, 2.5, 2.5), (4, 0.0, 0.1, 0.2, 0.3), (5, NULL, 0.5, NULL, NULL), \
               (6, NULL, NULL, NULL, NULL), (7, 9.0, CAST('NaN' AS DOUBLE), 0.0, 0.0)) \
               AS t(id, r, u1, u2, s) ORDER BY id";
    let found = ours(dir.path(), sql, &[]);
    let found: Vec<Option<&str>> = found.iter().map(|row| row["d"].as_str()).collect();
    let expected = ["redundancy", "unique_1", "unique_1", "unique_2", "synergy", "unique_1"].map(Some);
    assert_eq!(found, [&expected[..], &[None, None]].concat());
}
