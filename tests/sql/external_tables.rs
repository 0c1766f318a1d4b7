//! `CREATE EXTERNAL TABLE`: its files are read as quoted names are, with the same checks.

use std::fs;
use std::path::Path;

use crate::harness::files::write;
use crate::harness::{Ran, lsmi, lsmi_in, refused, rows, run};

fn ask(dir: &Path, sql: &str) -> Ran {
    run(lsmi().current_dir(dir).args(["sql", "--format", "ndjson", sql]))
}

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for month in ["month=1", "month=2"] {
        fs::create_dir_all(dir.path().join("in").join(month)).unwrap();
        write(&dir.path().join("in").join(month).join("a.parquet"), &rows(30));
    }
    write(&dir.path().join("one.parquet"), &rows(20));
    assert_eq!(lsmi_in(dir.path(), ["sql", "-o", "one.arrow", "SELECT y FROM 'one.parquet'"]).code, 0);
    dir
}

#[test]
fn they_are_the_tables_of_their_files() {
    let dir = folder();
    for (table, n) in [
        ("STORED AS PARQUET LOCATION 'one.parquet'", 20),
        ("STORED AS ARROW LOCATION 'one.arrow'", 20),
        ("STORED AS PARQUET LOCATION 'in'", 60),
        ("STORED AS PARQUET LOCATION 'in/'", 60),
        ("STORED AS PARQUET PARTITIONED BY (month) LOCATION 'in'", 60),
        ("STORED AS PARQUET LOCATION ('one.parquet', 'in/month=1/a.parquet')", 50),
    ] {
        let ran = ask(dir.path(), &format!("CREATE EXTERNAL TABLE t {table}; SELECT count(y) AS n FROM t"));
        assert_eq!(
            (ran.code, ran.stdout.trim()),
            (0, format!("{{\"n\":{n}}}").as_str()),
            "{table}: {}",
            ran.stderr
        );
    }
    let months = "CREATE EXTERNAL TABLE t STORED AS PARQUET PARTITIONED BY (month) LOCATION 'in'; \
                  SELECT DISTINCT month FROM t ORDER BY month DESC LIMIT 1";
    assert_eq!(ask(dir.path(), months).stdout.trim(), "{\"month\":2}");
}

#[test]
fn claims_about_the_files_are_refused() {
    let dir = folder();
    for (table, code, word) in [
        ("STORED AS PARQUET WITH ORDER (y) LOCATION 'one.parquet'", 64, "WITH ORDER"),
        ("STORED AS PARQUET LOCATION 'one.parquet' OPTIONS ('format.pruning' 'true')", 64, "OPTIONS"),
        ("(y BIGINT) STORED AS ARROW LOCATION 'one.arrow'", 64, "columns"),
        ("STORED AS PARQUET PARTITIONED BY (year) LOCATION 'in'", 64, "year=…"),
        ("STORED AS PARQUET LOCATION 'one.arrow'", 64, "STORED AS"),
        ("STORED AS PARQUET LOCATION 'none.parquet'", 66, "none.parquet"),
        ("STORED AS ARROW LOCATION 'none'", 66, "none"),
    ] {
        let ran = ask(dir.path(), &format!("CREATE EXTERNAL TABLE t {table}"));
        refused(&ran, code, &[word]);
    }
    let insert =
        "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 'one.parquet'; INSERT INTO t SELECT * FROM t";
    assert_eq!(ask(dir.path(), insert).code, 64);
}

#[test]
fn damage_is_named_as_in_other_tables() {
    let dir = folder();
    let one = fs::read(dir.path().join("one.parquet")).unwrap();
    // The footer, the pages, and the length of the footer.
    for (at, name) in [(one.len() - 40, "footer"), (60, "pages"), (one.len() - 8, "length")] {
        let mut damaged = one.clone();
        damaged[at..].iter_mut().take(8).for_each(|byte| *byte ^= 0xff);
        fs::write(dir.path().join("bad.parquet"), damaged).unwrap();
        let quoted = ask(dir.path(), "SELECT * FROM 'bad.parquet'");
        let external = "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 'bad.parquet'; SELECT * FROM t";
        let external = ask(dir.path(), external);
        assert_eq!(external.code, quoted.code, "{name}: {} {}", external.stderr, quoted.stderr);
        assert_eq!(
            external.code == 65,
            external.stderr.contains("bad.parquet"),
            "{name}: {}",
            external.stderr
        );
    }
}

/// The rows of a table of CSV, as CSV.
fn rows_of(dir: &Path, table: &str) -> Ran {
    lsmi_in(
        dir,
        ["sql", "--format", "csv", &format!("CREATE EXTERNAL TABLE t {table}; SELECT * FROM t ORDER BY 1")],
    )
}

fn text(dir: &Path, table: &str) -> String {
    let ran = rows_of(dir, table);
    assert_eq!(ran.code, 0, "{table}: {}", ran.stderr);
    ran.stdout
}

#[test]
fn declared_columns_go_by_the_names_of_the_header() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("a.csv"), "a,b\n01,x\n2,y\n").unwrap();
    fs::write(dir.join("a.tsv"), "a\tb\n1\tx\n").unwrap();
    fs::write(dir.join("a.txt"), "a;b\n1;x\n").unwrap();
    fs::write(dir.join("bare.csv"), "01,x\n2,y\n").unwrap();
    fs::write(dir.join("a.ndjson"), "{\"a\":1}\n{\"a\":\"x\"}\n").unwrap();
    fs::write(dir.join("null.csv"), "a,b\n1,2\n,3\n").unwrap();
    fs::write(dir.join("null.json"), "{\"a\":1}\n{\"a\":null}\n").unwrap();
    for (table, rows) in [
        ("(a VARCHAR, b VARCHAR) STORED AS CSV LOCATION 'a.csv'", "a,b\n01,x\n2,y\n"),
        ("(b VARCHAR, a DOUBLE) STORED AS CSV LOCATION 'a.csv'", "b,a\nx,1.0\ny,2.0\n"),
        ("(a VARCHAR) STORED AS CSV LOCATION 'a.csv'", "a\n01\n2\n"),
        ("(b VARCHAR, a INT) STORED AS CSV LOCATION 'a.tsv'", "b,a\nx,1\n"),
        ("STORED AS CSV LOCATION 'a.txt' OPTIONS (DELIMITER ';')", "a,b\n1,x\n"),
        (
            "(c INT, d VARCHAR) STORED AS CSV LOCATION 'bare.csv' OPTIONS (HAS_HEADER false)",
            "c,d\n1,x\n2,y\n",
        ),
        ("STORED AS CSV LOCATION 'bare.csv' OPTIONS (HAS_HEADER false)", "column_1,column_2\n1,x\n2,y\n"),
        ("(a INT) STORED AS CSV LOCATION 'a.csv'; DROP TABLE t; CREATE VIEW t AS SELECT 7 AS z", "z\n7\n"),
    ] {
        assert_eq!(text(dir, table), rows, "{table}");
    }
    for (table, code, words) in [
        ("(a INT, c INT) STORED AS CSV LOCATION 'a.csv'", 64, ["a.csv", "no column c", "a, b"]),
        (
            "(c INT) STORED AS CSV LOCATION 'bare.csv' OPTIONS (HAS_HEADER false)",
            64,
            ["bare.csv", "2 columns", "1 are"],
        ),
        (
            "(b INT, a INT) STORED AS CSV LOCATION 'a.csv'",
            65,
            ["a.csv", "\"b\"", "\"x\" in row 1 is no Int32"],
        ),
        ("(a DATE, b TEXT) STORED AS CSV LOCATION 'a.csv'", 65, ["a.csv", "\"a\"", "(a VARCHAR, b VARCHAR)"]),
        (
            "(b INT, a INT NOT NULL) STORED AS CSV LOCATION 'null.csv'",
            65,
            ["null.csv", "NOT NULL", "declare"],
        ),
        ("(a INT NOT NULL) STORED AS JSON LOCATION 'null.json'", 65, ["null.json", "NOT NULL", "declare"]),
        ("(a INT) STORED AS NDJSON LOCATION 'a.ndjson'", 65, ["a.ndjson", "field a", "as declared"]),
        ("STORED AS CSV LOCATION ('a.csv', 'a.tsv')", 64, ["a.tsv", "another format", "UNION ALL"]),
        ("(a FLOAT[]) STORED AS CSV LOCATION 'a.csv'", 64, ["column a", "List", "VARCHAR"]),
        (
            "(a INTERVAL, b TEXT) STORED AS CSV LOCATION 'a.csv'",
            64,
            ["column a of CSV", "Interval", "VARCHAR"],
        ),
        (
            "(a INTERVAL) STORED AS NDJSON LOCATION 'a.ndjson'",
            64,
            ["column a of JSON", "Interval", "VARCHAR"],
        ),
        ("(a DECIMAL(9, -2), b TEXT) STORED AS CSV LOCATION 'a.csv'", 64, ["column a", "-2", "scale of 0"]),
        (
            "STORED AS CSV LOCATION 'a.csv' OPTIONS (DELIMITER '\"')",
            64,
            ["format.delimiter", "no quote", "t: "],
        ),
        (
            "STORED AS CSV LOCATION 'a.csv' OPTIONS (NULL_REGEX 'x')",
            64,
            ["null_regex", "has_header", "delimiter"],
        ),
        (
            "STORED AS CSV LOCATION 'a.csv' OPTIONS (DELIMITER ',', 'format.delimiter' ';')",
            64,
            ["delimiter twice", "once", "OPTIONS"],
        ),
        (
            "(a INT) STORED AS CSV WITH ORDER (a) LOCATION 'a.csv'",
            64,
            ["WITH ORDER", "STORED AS CSV", "sort"],
        ),
    ] {
        refused(&rows_of(dir, table), code, &words);
    }
}

#[test]
fn declared_tables_are_read_with_the_checks_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("open.csv"), "a;b\n1;\"x\n2;y\n3;z\n").unwrap();
    for declared in ["", "(a INT, b VARCHAR)"] {
        let table = format!("{declared} STORED AS CSV LOCATION 'open.csv' OPTIONS (DELIMITER ';')");
        refused(&rows_of(dir, &table), 65, &["open.csv", "in line 2 is not closed"]);
        for none in ["none.csv", "none/", "none*.csv"] {
            refused(&rows_of(dir, &format!("{declared} STORED AS CSV LOCATION '{none}'")), 66, &["none"]);
        }
    }
    for n in 1..3 {
        let folder = dir.join(format!("in/k=0{n}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("a.csv"), format!("a,b\n{n},x{n}\n")).unwrap();
    }
    fs::write(dir.join("in/_hidden.csv"), "other\n1\n").unwrap();
    fs::write(dir.join("in/README.md"), "# Notes\n").unwrap();
    for (table, rows) in [
        ("(b VARCHAR, a INT) STORED AS CSV LOCATION 'in'", "b,a,k\nx1,1,1\nx2,2,2\n"),
        ("(k VARCHAR, a INT) STORED AS CSV PARTITIONED BY (k) LOCATION 'in/'", "k,a\n01,1\n02,2\n"),
        ("(k DOUBLE, a INT) STORED AS CSV LOCATION 'in'", "k,a\n1.0,1\n2.0,2\n"),
    ] {
        assert_eq!(text(dir, table), rows, "{table}");
    }
    let found = "CREATE EXTERNAL TABLE t (k VARCHAR, a INT) STORED AS CSV LOCATION 'in'; \
                 SELECT sum(a) AS n, min(k) AS k FROM t WHERE k = 2 AND a > 0";
    assert_eq!(ask(dir, found).stdout.trim(), "{\"n\":2,\"k\":\"02\"}");
}

#[test]
fn an_insert_into_files_is_refused() {
    let dir = folder();
    fs::write(dir.path().join("a.csv"), "y\n1\n").unwrap();
    fs::write(dir.path().join("a.json"), "{\"y\":1}\n").unwrap();
    for table in [
        "STORED AS CSV LOCATION 'a.csv'",
        "(y BIGINT) STORED AS CSV LOCATION 'a.csv'",
        "STORED AS JSON LOCATION 'a.json'",
        "(y BIGINT) STORED AS NDJSON LOCATION 'a.json'",
        "STORED AS PARQUET LOCATION 'one.parquet'",
        "STORED AS ARROW LOCATION 'one.arrow'",
    ] {
        let insert = format!("CREATE EXTERNAL TABLE t {table}; INSERT INTO t SELECT * FROM t");
        refused(
            &ask(dir.path(), &insert),
            64,
            &["INSERT adds rows to tables of CREATE TABLE, and to no files"],
        );
    }
    assert_eq!(fs::read_to_string(dir.path().join("a.csv")).unwrap(), "y\n1\n");
}
