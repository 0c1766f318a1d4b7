//! Models by the place that a call or a flag names: a folder, an object store, a web
//! server, over real connections (moto's server speaks both).

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::files::write;
use crate::harness::stores::Server;
use crate::harness::{Ran, bundle, last_json, must, refused, rows, run};

const MEANS: &str =
    "avg(m['r']) AS r, avg(m['u1']) AS u1, avg(m['s']) AS s, avg(m['h2']) AS h2, count(m) AS n";

/// A server that holds a bundle as `models/b`, and a folder with `in.parquet` of 300 rows.
fn served() -> (Server, tempfile::TempDir) {
    let (server, dir) = (Server::s3(), tempfile::tempdir().unwrap());
    write(&dir.path().join("in.parquet"), &rows(300));
    for file in fs::read_dir(bundle()).unwrap() {
        let file = file.unwrap();
        server.put(&format!("models/b/{}", file.file_name().to_str().unwrap()), &file.path());
    }
    (server, dir)
}

fn sql(server: &Server, dir: &Path, args: &[&str]) -> Ran {
    run(server.lsmi().current_dir(dir).args(["sql", "--format", "ndjson"]).args(args))
}

#[test]
fn a_bundle_may_be_a_url() {
    let (server, dir) = served();
    let means = |bundle: &str, more: &[&str]| -> Value {
        let call = format!("lsmi(x1, x2, y{bundle})");
        let query = format!("SELECT {MEANS} FROM (SELECT {call} AS m FROM 'in.parquet')");
        let ran = sql(&server, dir.path(), &[&[query.as_str()], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        last_json(&ran)
    };
    let folder = bundle().display().to_string();
    let expected = means(&format!(", '{folder}'"), &[]);
    assert_eq!(expected["n"], 300);
    assert_eq!(means(", 's3://data/models/b'", &[]), expected);
    assert_eq!(means(", 's3://data/models/b/'", &[]), expected);
    assert_eq!(means(&format!(", '{}/data/models/b'", server.url), &[]), expected);
    assert_eq!(means("", &["--bundle", "s3://data/models/b"]), expected);

    let plan = "EXPLAIN SELECT lsmi_r(x1, x2, y, 's3://data/models/b') FROM 'in.parquet'";
    let plan = must(server.lsmi().current_dir(dir.path()).args(["sql", plan])).stdout;
    assert!(plan.contains("bundle=s3://data/models/b"), "{plan}");
}

#[test]
fn a_bundle_that_cannot_be_had_is_named() {
    let (server, dir) = served();
    let ask = |place: &str| {
        let query = format!("SELECT lsmi_r(x1, x2, y, '{place}') FROM 'in.parquet'");
        sql(&server, dir.path(), &[&query])
    };
    refused(&ask("s3://data/models/none"), 78, &["s3://data/models/none", "bundle.json", "not found"]);
    refused(&ask(&format!("{}/data/models/none", server.url)), 78, &["/data/models/none", "bundle.json"]);

    let changed = dir.path().join("changed.onnx");
    fs::write(&changed, "not the model").unwrap();
    server.put("models/b/density_2.onnx", &changed);
    refused(&ask("s3://data/models/b"), 78, &["s3://data/models/b", "density_2.onnx", "has changed"]);

    let private = dir.path().join("private.json");
    fs::write(&private, "{}").unwrap();
    server.ask("put", &["private/bundle.json", private.to_str().unwrap(), "private"]);
    refused(&ask(&format!("{}/data/private", server.url)), 66, &["/data/private/bundle.json"]);

    let query = "SELECT lsmi_r(x1, x2, y, 's3://data/models/b') FROM 'in.parquet'";
    let mut unanswered = server.lsmi();
    unanswered.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").env("LSMI_ETL_RETRY_SECONDS", "0");
    let ran = run(unanswered.current_dir(dir.path()).args(["sql", query]));
    refused(&ran, 75, &["s3://data/models/b", "run again"]);
}
