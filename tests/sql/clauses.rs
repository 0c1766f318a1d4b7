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
        ("CREATE TABLE x (a INT NOT NULL) AS SELECT NULL", ["NOT NULL is not checked", "IS NOT NULL"]),
        ("DELETE FROM t WHERE k IN (SELECT 'a')", ["DELETE is not", "CREATE OR REPLACE TABLE"]),
        ("UPDATE t SET v = 0 WHERE false", ["UPDATE is not", "CREATE OR REPLACE TABLE"]),
        (
            "MERGE INTO t USING t AS u ON t.k = u.k WHEN MATCHED THEN UPDATE SET v = 1",
            ["MERGE is not", "CREATE OR REPLACE TABLE"],
        ),
        (
            "SELECT k FROM t AS a FULL JOIN t AS b USING (k)",
            ["USING and NATURAL are not", "coalesce(a.k, b.k)"],
        ),
        ("SELECT * FROM t AS a NATURAL RIGHT JOIN t AS b", ["USING and NATURAL are not", "ON a.k = b.k"]),
        (
            "SELECT sum(v) OVER (w ORDER BY v) FROM t WINDOW w AS (PARTITION BY k)",
            ["OVER (name …) is not", "the whole window"],
        ),
        ("SELECT v FROM t WINDOW w AS () ORDER BY max(v) OVER w", ["OVER (name …) is not", "the whole"]),
        ("SELECT v FROM t WINDOW w AS () QUALIFY row_number() OVER w > 2", ["OVER (name …) is not", "whole"]),
        ("SELECT k IS DISTINCT FROM 'a' AND v > 1 FROM t", ["IS DISTINCT FROM takes all", "brackets"]),
        ("SELECT TIMESTAMPTZ '2024-07-01 12:00:00+00'", ["TIMESTAMPTZ and", "arrow_cast"]),
        ("SELECT CAST('2024-07-01' AS TIMESTAMP WITH TIME ZONE)", ["TIMESTAMPTZ and", "arrow_cast"]),
        ("SELECT k SIMILAR TO 'a%' FROM t", ["SIMILAR TO is not", "LIKE"]),
        ("SELECT count(DISTINCT *) FROM t", ["DISTINCT is not possible here", "SELECT DISTINCT"]),
        ("SELECT corr(DISTINCT v, v) FROM t", ["DISTINCT is not possible here", "SELECT DISTINCT"]),
        ("SELECT upper(k) FILTER (WHERE v > 1) FROM t", ["FILTER is of aggregates", "CASE WHEN"]),
        ("SELECT abs(v) OVER (ORDER BY v) FROM t", ["OVER is of aggregates", "leave it out"]),
        ("SELECT sum(abs(DISTINCT v)) FROM t", ["DISTINCT is of aggregates", "leave it out"]),
        ("SELECT COALESCE(v, 1) IGNORE NULLS FROM t", ["NULLS is of aggregates", "IGNORE NULLS"]),
        (
            "COPY (SELECT concat(k ORDER BY v) FROM t) TO 'o.csv'",
            ["ORDER BY is of aggregates", "leave it out"],
        ),
        ("SELECT unnest([1, 2]) FILTER (WHERE v > 1) FROM t", ["FILTER is of aggregates", "CASE WHEN"]),
        ("SELECT unnest(DISTINCT [1, 1])", ["DISTINCT is of aggregates", "leave it out"]),
        (
            "SELECT lag(DISTINCT v) OVER (ORDER BY v) FROM t",
            ["DISTINCT is not possible here", "SELECT DISTINCT"],
        ),
        ("SELECT rank() IGNORE NULLS OVER (ORDER BY v) FROM t", ["NULLS is of values", "IGNORE NULLS"]),
        ("SELECT approx_percentile_cont(DISTINCT v, 0.5) FROM t", ["DISTINCT is not possible here", "first"]),
        ("SELECT lsmi_summary(DISTINCT v, 1.0, 1.0, 1.0) FROM t", ["DISTINCT is not possible here", "first"]),
        ("SELECT * ILIKE 'k' FROM t", ["ILIKE of columns is not", "EXCLUDE"]),
        (
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5 LIMIT 3) SELECT * FROM r",
            ["RECURSIVE queries have no ORDER BY", "behind the SELECT"],
        ),
        (
            "CREATE TABLE x (a INT, b INT GENERATED ALWAYS AS (a * 2) STORED)",
            ["CREATE TABLE takes types", "DEFAULT"],
        ),
        (
            "SELECT TIMESTAMP '2024-01-03' - TIMESTAMP '2024-01-01' > INTERVAL '1 day'",
            ["INTERVAL of days or months", "48 hours"],
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
        // A member of a list with NULL is no other, nor is it none.
        ("SELECT v FROM t WHERE v NOT IN (SELECT column1 FROM (VALUES (2), (NULL))) OR v > 9", "v\n"),
        ("SELECT v FROM t WHERE (v IN (SELECT column1 FROM (VALUES (2), (NULL)))) IS NULL", "v\n1\n"),
        ("SELECT v FROM t WHERE v IN (SELECT 1) OR k = 'b' ORDER BY v", "v\n1\n2\n2\n"),
        ("SELECT v FROM t WHERE v NOT IN (SELECT 1) AND k IN (SELECT 'b')", "v\n2\n2\n"),
        (
            "SELECT coalesce(a.v, b.w) AS v FROM t AS a FULL JOIN (SELECT 3 AS w) AS b ON a.v = b.w ORDER BY v",
            "v\n1\n2\n2\n3\n",
        ),
        ("SELECT (k IS DISTINCT FROM 'a') AND v > 1 AS x FROM t ORDER BY x", "x\nfalse\ntrue\ntrue\n"),
        (
            "SELECT sum(v) OVER w AS s FROM t WINDOW w AS (PARTITION BY k ORDER BY v) ORDER BY s",
            "s\n1\n4\n4\n",
        ),
        ("SELECT TIMESTAMP '2024-01-03' - TIMESTAMP '2024-01-01' > INTERVAL '40 hours' AS x", "x\ntrue\n"),
        (
            "SELECT m < x AS l FROM (SELECT CAST(0 AS DECIMAL(9, 2)) AS m, 1e-20 * v AS x FROM t) LIMIT 1",
            "l\ntrue\n",
        ),
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
