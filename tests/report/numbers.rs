//! The numbers behind the pictures.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{json, odd_rows, text};
use crate::harness::files::{write, write_part};
use crate::harness::{annotate, bundle, fitted, lsmi, must, python, repository};

/// What `check_report.py` finds wrong.
fn differences(report: &Path, label: &str, files: &[&Path]) -> String {
    let script = repository().join("tests/python/check_report.py");
    let ran = must(Command::new(python()).arg(script).arg(report).arg(label).args(files));
    ran.stdout.trim().to_owned()
}

fn checked(dir: &Path, label: &str, files: &[&Path], args: &[&str]) -> serde_json::Value {
    let path = dir.join("report.json");
    fs::write(&path, text(dir, args)).unwrap();
    assert_eq!(differences(&path, label, files), "");
    json(dir, args)
}

#[test]
fn they_are_what_duckdb_and_numpy_find() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let input = fitted().join("in.parquet");
    let ran = annotate(dir, input.to_str().unwrap(), "out.parquet", &["--columns", "h1,h2"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let bundle = bundle();
    let args = ["out.parquet", "--bundle", bundle.to_str().unwrap(), "--samples", "20"];
    let report = checked(dir, "y", &[&dir.join("out.parquet")], &args);

    let data = &report["data"];
    assert_eq!((&data["label"], &data["rows"]), (&"y".into(), &3000.into()));
    assert_eq!(data["samples"]["redundant"].as_array().unwrap().len(), 20);
    assert_eq!(data["samples"]["redundant"][0]["file"], "out.parquet");
    assert!(data["specificity"]["h1"]["mean_nats"].as_f64().unwrap() > 1.0, "{data}");
    let origin = &data["origin"];
    assert_eq!((&origin["x1"][0], &origin["units"][0]), (&"x1".into(), &"raw".into()));
    let models = &report["models"];
    assert_eq!((&models["is_the_files"], &models["sha256"]), (&true.into(), &origin["bundle_sha256"][0]));
    assert!(models["validation"]["classifiers"][2]["accuracy"].as_f64().unwrap() > 0.5, "{models}");
}

#[test]
fn they_are_the_same_however_the_files_lie() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rows = odd_rows(5000, 0.0);
    write(&dir.join("whole.parquet"), &rows);
    for (from, day) in [(0, "1"), (1700, "2"), (3400, "3")] {
        let folder = dir.join(format!("days/ds={day}"));
        fs::create_dir_all(&folder).unwrap();
        write(&folder.join("a.parquet"), &rows.slice(from, 1700.min(5000 - from)));
    }
    let whole = checked(dir, "label", &[&dir.join("whole.parquet")], &["whole.parquet", "--label", "label"]);
    assert_eq!(whole["data"]["bad_rows"], 52);
    let codes: Vec<&str> =
        whole["warnings"].as_array().unwrap().iter().map(|w| w["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"unknown_origin") && codes.contains(&"bad_rows"), "{codes:?}");

    let strip = |report: &serde_json::Value| {
        let mut data = report["data"].clone();
        for list in ["redundant", "unique_1", "unique_2", "synergistic", "contradicted"] {
            for sample in data["samples"][list].as_array_mut().unwrap() {
                let sample = sample.as_object_mut().unwrap();
                sample.remove("file");
                sample.remove("row");
                sample.remove("query");
            }
        }
        let keys = ["computed_rows", "parts", "distributions", "density", "samples", "classes", "cases"];
        rounded(&serde_json::json!(keys.map(|key| data[key].clone())))
    };
    for inputs in [vec!["days"], vec!["days/*/a.parquet"], vec!["days/ds=3", "days/ds=1", "days/ds=2"]] {
        let mut args = inputs.clone();
        args.extend(["--label", "label", "--threads", "2", "--memory-limit", "64MiB"]);
        assert_eq!(strip(&json(dir, &args)), strip(&whole), "{inputs:?}");
    }
    // A folder's partition is a column: by day there are three classes.
    let by_day = json(dir, &["days", "--label", "ds", "--key", "ds,id"]);
    assert_eq!(by_day["data"]["classes"].as_array().unwrap().len(), 3);
    let first = &by_day["data"]["samples"]["redundant"][0];
    assert_eq!(first["key"][0], first["class"]);
}

/// Numbers to nine digits: sums in another order differ in the last ones.
fn rounded(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Number(number) => format!("{:.9}", number.as_f64().unwrap()).into(),
        serde_json::Value::Array(values) => values.iter().map(rounded).collect(),
        serde_json::Value::Object(pairs) => serde_json::Value::Object(
            pairs.iter().map(|(key, value)| (key.clone(), rounded(value))).collect(),
        ),
        other => other.clone(),
    }
}

#[test]
fn a_comparison_has_differences_on_one_scale() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(&dir.join("a.parquet"), &odd_rows(2000, 0.0));
    write(&dir.join("b.parquet"), &odd_rows(3000, 0.25));
    let report = json(dir, &["a.parquet", "--compare", "b.parquet"]);
    let (a, b) = (&report["data"], &report["compare"]);
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    for part in ["r", "u1", "u2", "s"] {
        let difference = &report["differences"]["parts"][part];
        let mean = |set: &serde_json::Value| number(&set["parts"][part]["mean_nats"]);
        let error = |set: &serde_json::Value| number(&set["parts"][part]["std_error_nats"]);
        assert!((number(&difference["nats"]) - (mean(b) - mean(a))).abs() < 1e-12, "{difference}");
        assert!(
            (number(&difference["std_error_nats"]) - error(a).hypot(error(b))).abs() < 1e-12,
            "{difference}"
        );
        assert_eq!(a["distributions"][part]["edges_nats"], b["distributions"][part]["edges_nats"]);
    }
    assert_eq!(a["density"]["s_edges_nats"], b["density"]["s_edges_nats"]);
    assert!((number(&report["differences"]["parts"]["r"]["nats"]) - 0.25).abs() < 0.05);
}

#[test]
fn the_schema_describes_them() {
    let schema = schemars::schema_for!(lsmi_etl::report::Report);
    crate::house::matches_file("schemas/report.schema.json", &serde_json::to_string_pretty(&schema).unwrap());
}

/// The metadata of a file speak of the rows that annotate wrote.
#[test]
fn what_is_known_of_all_rows_is_not_said_of_some() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (trained, bundle) = (fitted().join("train.parquet"), fitted().join("bundle"));
    let mut annotate = lsmi();
    annotate.current_dir(dir).arg("annotate").arg(trained).args(["a.parquet", "--bundle"]).arg(bundle);
    must(&mut annotate);
    let all = json(dir, &["a.parquet"]);
    let rows = all["data"]["rows"].as_u64().unwrap();
    assert_eq!(all["data"]["origin"]["trained_rows"], rows);
    write_part(&dir.join("a.parquet"), &dir.join("b.parquet"), 100);
    let some = json(dir, &["b.parquet"]);
    assert_eq!(some["data"]["rows"], 100);
    assert_eq!(some["data"]["origin"]["versions"], all["data"]["origin"]["versions"]);
    assert_eq!(some["data"]["origin"].get("trained_rows"), None);
    must(lsmi().current_dir(dir).args(["report", "b.parquet", "-o", "b.html"]));
    let page = fs::read_to_string(dir.join("b.html")).unwrap();
    assert!(
        page.contains("how many of these were trained on") && !page.contains("were trained on; evaluated")
    );
}
