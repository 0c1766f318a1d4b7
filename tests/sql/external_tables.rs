//! `CREATE EXTERNAL TABLE`: Parquet and Arrow are read as quoted names are, with the same checks.

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
