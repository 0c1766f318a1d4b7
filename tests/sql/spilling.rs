//! More rows than memory holds: what is sorted, grouped and joined spills to disk, and the
//! process stays near its limit.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::harness::{build, last_json, lsmi, lsmi_in, must, once, refused, repository};

/// Rows of `rows.parquet`.
const ROWS: u64 = 6_000_000;

/// `rows.parquet`: `id`, a permutation of 0 to [`ROWS`], `key`, one of a hundred, and a
/// `name` of 16 letters of its own.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        once("sql-spilling", &build(), |dir| {
            std::fs::create_dir_all(dir).unwrap();
            let sql = format!(
                "SELECT (value * 7919) % {ROWS} AS id, value % 100 AS key, \
                 lpad(CAST((value * 104729) % {ROWS} AS VARCHAR), 16, 'x') AS name FROM generate_series(0, {ROWS} - 1)"
            );
            must(lsmi().current_dir(dir).args(["sql", "--output", "rows.parquet", &sql]));
        })
    })
}

/// The only row of a query under a limit, and the most memory that the process had.
fn limited(limit: &str, sql: &str) -> (Value, u64) {
    limited_in(folder(), limit, sql)
}

pub(super) fn limited_in(dir: &Path, limit: &str, sql: &str) -> (Value, u64) {
    let program = lsmi();
    let mut python = Command::new("python3");
    python.arg(repository().join("tests/python/peak.py")).arg(program.get_program());
    python.args(["sql", "--format", "ndjson", "--threads", "2", "--memory-limit", limit, sql]);
    let ran = must(python.current_dir(dir));
    (last_json(&ran), ran.stderr.lines().last().unwrap().parse().unwrap())
}

#[test]
fn millions_of_groups_fit_a_small_limit() {
    let groups = "SELECT count(*) AS groups, sum(n) AS rows, sum(total) AS total, max(first) AS last FROM \
                  (SELECT id, name, count(*) AS n, sum(key) AS total, min(name) AS first FROM 'rows.parquet' \
                  GROUP BY id, name)";
    let (free, without) = limited("16GiB", groups);
    let (found, within) = limited("256MiB", groups);
    println!("peak: {without} bytes, under the limit {within}");
    assert_eq!(found, free);
    assert_eq!(found["groups"], ROWS);
    assert_eq!(found["rows"], ROWS);
    assert_eq!(found["total"], ROWS / 100 * (99 * 100 / 2));
    assert!(without > 600 << 20 && within < 400 << 20, "{without} and {within}");
}

#[test]
fn rows_are_sorted_under_a_small_limit() {
    let sorted = "SELECT count(*) AS rows, count(*) FILTER (WHERE before > name) AS wrong FROM \
                  (SELECT name, id, lag(name) OVER (ORDER BY name, id) AS before FROM 'rows.parquet')";
    let (free, without) = limited("16GiB", sorted);
    let (found, within) = limited("256MiB", sorted);
    println!("peak: {without} bytes, under the limit {within}");
    assert_eq!((&found["rows"], &found["wrong"]), (&ROWS.into(), &0.into()));
    assert_eq!(found, free);
    assert!(without > 500 << 20 && within < 450 << 20, "{without} and {within}");
}

#[test]
fn a_join_that_does_not_fit_says_what_to_set() {
    let join = "SELECT count(*) AS rows, sum(a.key) AS total FROM 'rows.parquet' AS a \
                JOIN 'rows.parquet' AS b ON a.id = b.id AND a.name = b.name";
    let ran = lsmi_in(folder(), ["sql", "--threads", "2", "--memory-limit", "128MiB", join]);
    refused(&ran, 64, &["--memory-limit", "prefer_hash_join"]);
    let spilling = format!("SET datafusion.optimizer.prefer_hash_join = false; {join}");
    let (found, _) = limited("256MiB", &spilling);
    assert_eq!((&found["rows"], &found["total"]), (&ROWS.into(), &(ROWS / 100 * 4950).into()));
}
