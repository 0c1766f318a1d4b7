//! Clauses that would be passed over are refused, and those of DuckDB that have a meaning here have it.

use std::fs;
use std::path::Path;

use crate::harness::{lsmi, lsmi_in, must, refused};

fn answer(dir: &Path, sql: &str) -> String {
    must(lsmi().current_dir(dir).args(["sql", "--format", "csv", sql])).stdout
}

#[test]
fn what_would_have_no_effect_is_refused_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("v.csv"), "k,v\na,1\nb,2\nb,2\n").unwrap();
    let table = "CREATE TABLE t AS SELECT * FROM 'v.csv'; ";
    for (sql, words) in [
        ("SELECT * FROM 'v.csv' TABLESAMPLE BERNOULLI (10)", ["TABLESAMPLE is not", "random() < 0.1"]),
        ("SELECT * FROM (SELECT 1) TABLESAMPLE (1 ROWS)", ["TABLESAMPLE is not", "LIMIT 100"]),
        (
            "CREATE VIEW w AS SELECT * FROM 'v.csv' TABLESAMPLE (10 PERCENT)",
            ["TABLESAMPLE is not", "random()"],
        ),
        ("COPY (SELECT * FROM 'v.csv' TABLESAMPLE (1)) TO 'o.csv'", ["TABLESAMPLE is not", "random()"]),
        ("EXPLAIN SELECT * FROM 'v.csv' TABLESAMPLE (1)", ["TABLESAMPLE is not", "random()"]),
        ("SELECT k FROM 'v.csv' EXCEPT ALL SELECT 'b'", ["EXCEPT ALL is not", "count(*)"]),
        ("SELECT 1 WHERE 1 IN (SELECT 1 INTERSECT ALL SELECT 1)", ["INTERSECT ALL is not", "distinct"]),
        ("SELECT k, count(*) FROM 'v.csv' GROUP BY k WITH ROLLUP", ["WITH ROLLUP is not", "GROUP BY ROLLUP"]),
        ("SELECT k, count(*) FROM 'v.csv' GROUP BY k WITH CUBE", ["WITH CUBE is not", "GROUP BY CUBE"]),
        ("SELECT k, count(*) FROM 'v.csv' GROUP BY k WITH TOTALS", ["WITH TOTALS is not", "GROUPING SETS"]),
        ("SELECT * FROM 'v.csv' PREWHERE v = 1", ["PREWHERE is not", "write WHERE"]),
        ("SELECT TOP 1 * FROM 'v.csv'", ["TOP is not", "LIMIT"]),
        ("SELECT * FROM 'v.csv' FETCH FIRST 1 ROWS ONLY", ["FETCH is not", "LIMIT"]),
        ("SELECT * FROM 'v.csv' SORT BY v", ["SORT BY is not", "ORDER BY"]),
        ("SELECT * FROM 'v.csv' a JOIN 'v.csv' b", ["JOIN needs ON or USING", "CROSS JOIN"]),
        ("SELECT * FROM 'v.csv' a SEMI JOIN 'v.csv' b ON a.k = b.k", ["SEMI JOIN is LEFT SEMI JOIN", ""]),
        ("SELECT * FROM 'v.csv' PIVOT (sum(v) FOR k IN ('a', 'b'))", ["PIVOT is not", "FILTER"]),
        ("SELECT * FROM 'v.csv' ORDER BY k COLLATE \"de\"", ["COLLATE is not", "lower"]),
        ("CREATE TABLE x (a INT PRIMARY KEY)", ["PRIMARY KEY, UNIQUE", "not checked"]),
        ("CREATE TABLE x (a INT, UNIQUE (a))", ["PRIMARY KEY, UNIQUE", "not checked"]),
        ("DELETE FROM t WHERE k IN (SELECT 'a')", ["DELETE is not", "CREATE OR REPLACE TABLE"]),
        ("UPDATE t SET v = 0 WHERE false", ["UPDATE is not", "CREATE OR REPLACE TABLE"]),
        (
            "MERGE INTO t USING t AS u ON t.k = u.k WHEN MATCHED THEN UPDATE SET v = 1",
            ["MERGE is not", "CREATE OR REPLACE TABLE"],
        ),
        ("COPY t TO 'o.csv' (DELIMITER ';')", ["found: (", "stand in OPTIONS (…)"]),
        ("SELECT length([1, 2])", ["function length counts the characters", "array_length(x)"]),
        ("SELECT len([1, 2])", ["there is no function len", "array_length(x)"]),
    ] {
        refused(&lsmi_in(dir, ["sql", &format!("{table}{sql}")]), 64, &[&words[..], &["SQL: "]].concat());
    }
    let marked = lsmi_in(dir, ["sql", "SELECT 1 FROM 'v.csv' TABLESAMPLE (1)"]).stderr;
    assert!(
        marked
            .contains("\n    SELECT 1 FROM 'v.csv' TABLESAMPLE (1)\n                          ^^^^^^^^^^^\n"),
        "{marked}"
    );
    assert!(!dir.join("o.csv").exists());
}

#[test]
fn the_ways_that_are_named_give_what_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("v.csv"), "k,v\na,1\nb,2\nb,2\n").unwrap();
    let table = "CREATE TABLE t AS SELECT * FROM 'v.csv'; ";
    for (sql, rows) in [
        ("CREATE OR REPLACE TABLE t AS SELECT * FROM t WHERE k = 'a'; SELECT * FROM t", "k,v\na,1\n"),
        (
            "CREATE OR REPLACE TABLE t AS SELECT * REPLACE (2 * v AS v) FROM t; SELECT * FROM t ORDER BY v",
            "k,v\na,2\nb,4\nb,4\n",
        ),
        ("INSERT INTO t VALUES ('c', 3); SELECT count(*) AS n FROM t", "n\n4\n"),
        ("SELECT k, count(*) AS n FROM t GROUP BY ALL ORDER BY k", "k,n\na,1\nb,2\n"),
        ("SELECT k, count(*) AS n FROM t GROUP BY ROLLUP (k) ORDER BY k", "k,n\na,1\nb,2\n,3\n"),
        ("SELECT sum(v) FILTER (WHERE k = 'b') AS b FROM t", "b\n4\n"),
        ("SELECT count(*) AS n FROM t AS a LEFT SEMI JOIN t AS b ON a.k = b.k", "n\n3\n"),
        ("SELECT k FROM t EXCEPT SELECT 'a'", "k\nb\n"),
        ("SELECT length('é'), array_length([1, 2]) AS n, length(12) AS d", "length('é'),n,d\n1,2,2\n"),
    ] {
        let read = answer(dir, &format!("{table}{sql}"));
        assert_eq!(
            read.lines().skip(1).collect::<Vec<_>>(),
            rows.lines().skip(1).collect::<Vec<_>>(),
            "{sql}"
        );
    }
}
