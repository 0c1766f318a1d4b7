//! Queries that both DataFusion and DuckDB understand, asked of both on the same files:
//! an annotated folder with hive partitions, with rows that have no values.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::harness::files::{batch, embeddings, vectors, write};
use crate::harness::{Ran, annotate, build, last_json, lsmi, must, once, python, repository, rows};

/// `day/ds=2026-01-31/a.parquet` and `day/ds=2026-02-01/b.parquet`, 1 500 annotated rows
/// each with a `key`; every 83rd has no values. `names.csv`: a name for three classes.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        once("sql-duckdb", &build(), |dir| {
            std::fs::create_dir_all(dir).unwrap();
            let all = rows(3000);
            for (start, name) in [(0, "in/ds=2026-01-31/a.parquet"), (1500, "in/ds=2026-02-01/b.parquet")] {
                let part = all.slice(start, 1500);
                let mut x1 = vectors(&part, "x1");
                (0..1500).step_by(83).for_each(|row| x1[row] = None);
                let keys = (0..1500).map(|row| format!("k{:04}", (start + row) * 7919 % 3000));
                let keys = arrow::array::StringArray::from_iter_values(keys);
                let column = |name| (name, part.column_by_name(name).unwrap().clone());
                let columns = [
                    ("key", std::sync::Arc::new(keys) as _),
                    ("x1", embeddings(&x1, 4)),
                    column("x2"),
                    column("y"),
                ];
                let path = dir.join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                write(&path, &batch(&columns));
            }
            let ran = annotate(dir, "in", "day", &["--columns", "i1,i2,i12,h1,h2"]);
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            std::fs::write(dir.join("names.csv"), "y,name\n0,ant\n1,bee\n2,\"cow, brown\"\n").unwrap();
        })
    })
}

fn duckdbs(queries: &[String]) -> Vec<Vec<Vec<Value>>> {
    let mut python = Command::new(python());
    python.arg(repository().join("tests/python/ask_duckdb.py")).current_dir(folder());
    let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(queries).unwrap()).unwrap();
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_value(last_json(&ran)).unwrap()
}

fn ours(sql: &str, more: &[&str]) -> Vec<Vec<Value>> {
    let ran = must(lsmi().current_dir(folder()).args(["sql", "--format", "ndjson", sql]).args(more));
    let row = |line: &str| {
        let row: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        row.into_iter().map(|(_, value)| value).collect()
    };
    ran.stdout.lines().map(row).collect()
}

/// The same but for the order in which sums were made.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(1.0),
        _ => a == b,
    }
}

/// Columns are named so that their alphabetic order, in which JSON is read, is their own.
const QUERIES: [&str; 12] = [
    "SELECT ds AS a, count(*) AS b, count(r) AS c, avg(r::DOUBLE) AS d, min(s)::DOUBLE AS e, max(u1)::DOUBLE AS f FROM {day} \
     GROUP BY ds ORDER BY ds",
    "SELECT y AS a, stddev_samp(r::DOUBLE) AS b, var_pop(s::DOUBLE) AS c, corr(r::DOUBLE, s::DOUBLE) AS d, \
     median(u1::DOUBLE) AS e FROM {day} GROUP BY y ORDER BY y",
    "SELECT key AS a, r::DOUBLE AS b, s::DOUBLE AS c FROM {day} WHERE s > 0.5 AND ds >= '2026-02-01' ORDER BY s DESC, key LIMIT 40",
    "SELECT key AS a, r AS b FROM {day} WHERE r IS NULL ORDER BY key",
    "SELECT n.name AS a, count(*) AS b, sum(u2::DOUBLE) AS c FROM {day} AS d JOIN 'names.csv' AS n ON d.y = n.y \
     GROUP BY n.name ORDER BY n.name",
    "SELECT d.y AS a, n.name AS b, count(*) AS c FROM {day} AS d LEFT JOIN 'names.csv' AS n ON d.y = n.y \
     GROUP BY d.y, n.name ORDER BY d.y",
    "SELECT key AS a, rank() OVER (PARTITION BY y ORDER BY r DESC NULLS LAST, key) AS b FROM {day} ORDER BY key LIMIT 100",
    "SELECT floor(r * 4) AS a, count(*) AS b FROM {day} WHERE r IS NOT NULL GROUP BY floor(r * 4) \
     HAVING count(*) > 2 ORDER BY 1",
    "WITH m AS (SELECT y, avg(r::DOUBLE) AS mean FROM {day} GROUP BY y) SELECT count(*) AS a FROM {day} AS d \
     JOIN m ON d.y = m.y WHERE d.r > m.mean",
    "SELECT sum(abs(r + u1 - i1)) < 0.01 AS a, sum(CASE WHEN u1 * u2 > 1e-6 THEN 1 ELSE 0 END) AS b FROM {day}",
    "SELECT key AS a FROM {day} WHERE ds = '2026-01-31' INTERSECT SELECT key FROM {day} WHERE y IN (1, 3) \
     ORDER BY 1 LIMIT 50",
    "SELECT substr(key, 1, 3) AS a, count(DISTINCT y) AS b, sum(h1::DOUBLE) FILTER (WHERE u1 < 0) AS c FROM {day} \
     GROUP BY substr(key, 1, 3) ORDER BY 1",
];

#[test]
fn answers_are_duckdbs() {
    let theirs = duckdbs(&QUERIES.map(|sql| {
        sql.replace(
            "{day}",
            "read_parquet('day/*/*.parquet', hive_partitioning = true, hive_types = {'ds': VARCHAR})",
        )
    }));
    // Under the limit nothing fits that need not.
    for more in [&["--threads", "1"][..], &["--threads", "3"], &["--memory-limit", "8MiB", "--threads", "2"]]
    {
        for (sql, theirs) in QUERIES.iter().zip(&theirs) {
            let ours = ours(&sql.replace("{day}", "'day'"), more);
            assert!(!theirs.is_empty() && ours.len() == theirs.len(), "{sql}: {} rows", ours.len());
            for (our, their) in ours.iter().zip(theirs) {
                let alike = our.len() == their.len() && our.iter().zip(their).all(|(a, b)| same(a, b));
                assert!(alike, "{sql}\n{our:?}\n{their:?}");
            }
        }
    }
}
