//! Tables in object stores, over a real connection: moto's server, which speaks S3 and
//! plain HTTP.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::Int64Array;

use crate::harness::files::{batch, write};
use crate::harness::stores::Server;
use crate::harness::{Ran, last_json, must, refused, run};

/// A Parquet file of one column `v`: 0 to `rows`.
fn numbers(path: &Path, rows: i64) {
    write(path, &batch(&[("v", Arc::new(Int64Array::from_iter_values(0..rows)))]));
}

/// A server with three files in hive folders, and lines of JSON; and a folder to be in.
fn served() -> (Server, tempfile::TempDir) {
    let (server, dir) = (Server::s3(), tempfile::tempdir().unwrap());
    for (key, rows) in
        [("in/year=2024/a.parquet", 2), ("in/year=2025/b.parquet", 300), ("in/year=2025/c.parquet", 5)]
    {
        let file = dir.path().join(key.replace('/', "_"));
        numbers(&file, rows);
        server.put(key, &file);
    }
    let lines = dir.path().join("lines.ndjson");
    fs::write(&lines, "{\"k\": 1}\n{\"k\": 2}\n").unwrap();
    server.put("lines.ndjson", &lines);
    (server, dir)
}

fn sql(server: &Server, dir: &Path, args: &[&str]) -> Ran {
    run(server.lsmi().current_dir(dir).args(["sql", "--format", "ndjson"]).args(args))
}

#[test]
fn objects_prefixes_and_globs_are_tables() {
    let (server, dir) = served();
    let count = |table: &str| {
        let ran = sql(&server, dir.path(), &[&format!("SELECT count(*) AS n FROM '{table}'")]);
        assert_eq!(ran.code, 0, "{table}: {}", ran.stderr);
        last_json(&ran)["n"].as_i64().unwrap()
    };
    assert_eq!(count("s3://data/in/year=2024/a.parquet"), 2);
    assert_eq!(count("s3://data/in"), 307);
    assert_eq!(count("s3://data/in/"), 307);
    assert_eq!(count("s3://data/in/year=2025/*.parquet"), 305);
    assert_eq!(count("s3://data/in/*/[ab].parquet"), 302);
    assert_eq!(count("s3://data/lines.ndjson"), 2);
    assert_eq!(count(&format!("{}/data/in/year=2025/b.parquet", server.url)), 300);

    let by_year = "SELECT year, sum(v) AS v FROM t GROUP BY year ORDER BY year";
    let ran = sql(&server, dir.path(), &["--table", "t=s3://data/in", by_year]);
    assert_eq!(ran.stdout, "{\"year\":2024,\"v\":1}\n{\"year\":2025,\"v\":44860}\n", "{}", ran.stderr);
}

#[test]
fn results_are_written_to_stores() {
    let (server, dir) = served();
    let read = "SELECT v FROM 's3://data/in/year=2025/b.parquet' WHERE v < 3";
    let write = |args: &[&str]| run(server.lsmi().current_dir(dir.path()).arg("sql").args(args));
    let made = write(&["--output", "s3://data/out.csv", read]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    server.get("out.csv", &dir.path().join("out.csv"));
    assert_eq!(fs::read_to_string(dir.path().join("out.csv")).unwrap(), "v\n0\n1\n2\n");
    let again = write(&["--output", "s3://data/out.csv", read]);
    refused(&again, 73, &["s3://data/out.csv", "--overwrite"]);
    let failing = write(&["--output", "s3://data/never.csv", "SELECT nope"]);
    refused(&failing, 64, &["nope"]);
    let copied = write(&[&format!("COPY ({read}) TO 's3://data/copy.parquet'")]);
    assert_eq!(copied.code, 0, "{}", copied.stderr);
    let keys = server.ask("list", &[]);
    assert!(keys.contains(&"copy.parquet".to_owned()) && !keys.contains(&"never.csv".to_owned()), "{keys:?}");
    assert!(server.ask("uploads", &[]).is_empty());
}

#[test]
fn what_stores_refuse_is_told_apart() {
    let (server, dir) = served();
    let private = dir.path().join("lines.ndjson");
    server.ask("put", &["private.ndjson", private.to_str().unwrap(), "private"]);
    let url = &server.url;
    for (table, code, words) in [
        ("s3://data/absent.parquet", 66, "s3://data/absent.parquet"),
        ("s3://data/absent/*.parquet", 66, "no *.parquet file is there"),
        ("s3://no-such-bucket/a.parquet", 66, "no-such-bucket"),
        (&format!("{url}/data/private.ndjson"), 66, "private.ndjson"),
        (&format!("{url}/data/absent.parquet"), 66, "absent.parquet"),
        (&format!("{url}/data/"), 64, "HTTP cannot list files"),
        (&format!("{url}/data/a.parquet?version=1"), 64, "query"),
        ("https://data.s3.amazonaws.com/a.parquet", 64, "s3://"),
        ("ftp://data/a.parquet", 64, "s3://"),
    ] {
        let ran = sql(&server, dir.path(), &[&format!("SELECT * FROM '{table}'")]);
        refused(&ran, code, &[words]);
    }
    let file = dir.path().join("broken.parquet");
    fs::write(&file, "no parquet").unwrap();
    server.put("broken.parquet", &file);
    refused(
        &sql(&server, dir.path(), &["SELECT * FROM 's3://data/broken.parquet'"]),
        65,
        &["broken.parquet"],
    );
    let mut unanswered = server.lsmi();
    unanswered.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").env("LSMI_ETL_RETRY_SECONDS", "0");
    refused(
        &run(unanswered.args(["sql", "SELECT * FROM 's3://data/in/'"])),
        75,
        &["s3://data/in/", "run again"],
    );
    must(server.lsmi().args(["sql", "SELECT 1"]));
}
