//! Bundles in an object store (moto's server, over a real connection): every command that
//! opens a bundle takes `--bundle s3://…` and gives what it gives for the folder.

use std::fs;
use std::path::Path;

use crate::harness::stores::Server;
use crate::harness::{Ran, bundle, fitted, last_json, must, refused, run};

const REMOTE: &str = "s3://data/models/b";

/// A server that holds the fitted bundle as `models/b`, and a folder with `in.parquet`.
fn served() -> (Server, tempfile::TempDir) {
    let (server, dir) = (Server::s3(), tempfile::tempdir().unwrap());
    fs::copy(fitted().join("in.parquet"), dir.path().join("in.parquet")).unwrap();
    for file in fs::read_dir(bundle()).unwrap() {
        let file = file.unwrap();
        server.put(&format!("models/b/{}", file.file_name().to_str().unwrap()), &file.path());
    }
    (server, dir)
}

/// A run that must succeed.
fn lsmi(server: &Server, dir: &Path, args: &[&str]) -> Ran {
    must(server.lsmi().current_dir(dir).args(args))
}

fn same(dir: &Path, a: &str, b: &str) -> bool {
    fs::read(dir.join(a)).unwrap() == fs::read(dir.join(b)).unwrap()
}

#[test]
fn annotate_writes_the_same_bytes() {
    let (server, dir) = served();
    let dir = dir.path();
    let local = bundle().display().to_string();
    lsmi(&server, dir, &["annotate", "in.parquet", "local.parquet", "--bundle", &local]);
    lsmi(&server, dir, &["annotate", "in.parquet", "remote.parquet", "--bundle", REMOTE]);
    assert!(same(dir, "local.parquet", "remote.parquet"));

    // The variable names the default bundle.
    let annotate = ["annotate", "in.parquet", "variable.parquet"];
    must(server.lsmi().current_dir(dir).env("LSMI_ETL_BUNDLE", REMOTE).args(annotate));
    assert!(same(dir, "local.parquet", "variable.parquet"));

    // An output of the folder's bundle is recognised as one of the URL's.
    let again = ["annotate", "in.parquet", "local.parquet", "--bundle", REMOTE, "--json"];
    assert_eq!(last_json(&lsmi(&server, dir, &again))["skipped"], true);

    let plan = ["annotate", "in.parquet", "plan.parquet", "--bundle", REMOTE, "--dry-run", "--json"];
    assert_eq!(last_json(&lsmi(&server, dir, &plan))["rows"], 3000);
}

/// Rows that the bundle was trained on, by the models of their folds, which are read when the first
/// row needs them.
#[test]
fn rows_that_were_trained_on_have_the_same_bytes() {
    let (server, dir) = served();
    let dir = dir.path();
    fs::copy(fitted().join("train.parquet"), dir.join("train.parquet")).unwrap();
    let local = bundle().display().to_string();
    let columns = ["--columns", "fold,i12", "--json"];
    let annotate = |output: &str, bundle: &str| {
        let args = [&["annotate", "train.parquet", output, "--bundle", bundle], &columns[..]].concat();
        last_json(&lsmi(&server, dir, &args))
    };
    assert_eq!(annotate("local.parquet", &local)["trained_rows"], 3000);
    assert_eq!(annotate("remote.parquet", REMOTE)["trained_rows"], 3000);
    assert!(same(dir, "local.parquet", "remote.parquet"));
    let query = "SELECT count(DISTINCT fold) AS folds, count(fold) AS rows FROM 'remote.parquet'";
    let found = last_json(&lsmi(&server, dir, &["sql", "--format", "ndjson", query]));
    assert_eq!((&found["folds"], &found["rows"]), (&5.into(), &3000.into()));

    // Queries over the bundle of the store give the bits of annotate.
    let query =
        format!("SELECT count(*) AS rows FROM 'remote.parquet' WHERE lsmi_s(x1, x2, y, '{REMOTE}') = s");
    assert_eq!(last_json(&lsmi(&server, dir, &["sql", "--format", "ndjson", &query]))["rows"], 3000);

    // A model of a fold that is gone is named when a row needs it.
    let file = "models/b/fold_2.density_1.onnx";
    server.put(file, &dir.join("train.parquet"));
    let ran = run(server.lsmi().current_dir(dir).args([
        "annotate",
        "train.parquet",
        "out.parquet",
        "--bundle",
        REMOTE,
    ]));
    refused(&ran, 78, &[REMOTE, "fold_2.density_1.onnx", "has changed"]);
}

#[test]
fn sql_and_report_show_the_same_values() {
    let (server, dir) = served();
    let dir = dir.path();
    let local = bundle().display().to_string();
    lsmi(&server, dir, &["annotate", "in.parquet", "out.parquet", "--bundle", &local]);

    let query = "SELECT count(*) AS n, avg(lsmi_r(x1, x2, y)) AS r FROM 'in.parquet'";
    let values = |bundle: &str| {
        last_json(&lsmi(&server, dir, &["sql", "--format", "ndjson", "--bundle", bundle, query]))
    };
    assert_eq!(values(REMOTE)["n"], 3000);
    assert_eq!(values(REMOTE), values(&local));

    let models = |bundle: &str| {
        let ran = lsmi(&server, dir, &["report", "out.parquet", "--format", "json", "--bundle", bundle]);
        let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        report["models"].clone()
    };
    let (remote, local) = (models(REMOTE), models(&local));
    assert_eq!(remote["bundle"], REMOTE);
    assert_eq!(remote["is_the_files"], true);
    for key in ["sha256", "validation"] {
        assert_eq!(remote[key], local[key], "{key}");
    }
}

#[test]
fn bundle_commands_take_a_url() {
    let (server, dir) = served();
    let dir = dir.path();
    let local = bundle().display().to_string();
    let checked = lsmi(&server, dir, &["bundle", "check", REMOTE]).stdout;
    assert!(checked.starts_with(&format!("{REMOTE}: ")), "{checked}");

    let inspected = |bundle: &str| last_json(&lsmi(&server, dir, &["bundle", "inspect", bundle, "--json"]));
    assert_eq!(inspected(REMOTE), inspected(&local));

    lsmi(&server, dir, &["bundle", "export", REMOTE, "-o", "remote.onnx"]);
    lsmi(&server, dir, &["bundle", "export", &local, "-o", "local.onnx"]);
    assert!(same(dir, "local.onnx", "remote.onnx"));

    let bench = ["--seconds", "0.05", "--workers", "1", "--batch-rows", "128", "--json"];
    let bench = [&["bundle", "bench", REMOTE], &bench[..]].concat();
    let measured = last_json(&lsmi(&server, dir, &bench));
    assert_eq!(measured["bundle"], REMOTE);
    assert_eq!(measured["bundle_sha256"], inspected(REMOTE)["bundle_sha256"]);
}

#[test]
fn a_pipeline_takes_a_url_from_the_file_or_the_flag() {
    let (server, dir) = served();
    let dir = dir.path();
    let pipeline = |bundle: &str, name: &str| {
        let text = format!(
            "\
input = 'in.parquet'
output = '{name}.parquet'
[annotate]
bundle = '{bundle}'
[[sql]]
name = 'models'
output = '{name}.csv'
query = 'SELECT y, avg(lsmi_r(x1, x2, y)) AS r FROM annotated GROUP BY y ORDER BY y'
[report]
output = '{name}.json'
format = 'json'
"
        );
        fs::write(dir.join(format!("{name}.toml")), text).unwrap();
    };
    pipeline(&bundle().display().to_string(), "local");
    pipeline(REMOTE, "file");
    pipeline("nowhere", "flag");
    lsmi(&server, dir, &["run", "local.toml"]);
    lsmi(&server, dir, &["run", "file.toml"]);
    lsmi(&server, dir, &["run", "flag.toml", "--bundle", REMOTE]);
    for name in ["file", "flag"] {
        assert!(same(dir, "local.parquet", &format!("{name}.parquet")), "{name}");
        assert!(same(dir, "local.csv", &format!("{name}.csv")), "{name}");
        let report = fs::read(dir.join(format!("{name}.json"))).unwrap();
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
        assert_eq!(report["models"]["bundle"], REMOTE, "{name}");
    }
}

#[test]
fn a_bundle_that_the_store_does_not_hold_is_named() {
    let (server, dir) = served();
    let absent = "s3://data/models/none";
    let models = bundle().display().to_string();
    lsmi(&server, dir.path(), &["annotate", "in.parquet", "annotated.parquet", "--bundle", &models]);
    for args in [
        &["annotate", "in.parquet", "out.parquet", "--bundle", absent][..],
        &["report", "annotated.parquet", "-o", "report.html", "--bundle", absent],
        &["bundle", "check", absent],
    ] {
        let ran = run(server.lsmi().current_dir(dir.path()).args(args));
        refused(&ran, 78, &[absent, "bundle.json", "not found"]);
    }
}

#[test]
fn a_bundle_is_written_to_a_folder_only() {
    let (server, dir) = served();
    let ran = run(server.lsmi().current_dir(dir.path()).args(["fit", "in.parquet", "--bundle", REMOTE]));
    refused(&ran, 64, &[REMOTE, "local folder"]);
    assert!(!dir.path().join("s3:").exists());
}
