//! The file for Prometheus, read by Prometheus' own parser.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{flawed, python};
use crate::harness::files::listing;
use crate::harness::{annotate, bundle, fitted, last_json, lsmi, must, refused, repository, run};

/// All of a file, by Prometheus' parser.
pub fn parsed(path: &Path) -> Value {
    last_json(&must(Command::new(python()).arg(repository().join("tests/python/prometheus.py")).arg(path)))
}

/// A sample's value, by its name without the program's.
pub fn sample(parsed: &Value, name: &str) -> f64 {
    let samples = &parsed["samples"];
    samples[format!("lsmi_etl_{name}")].as_f64().unwrap_or_else(|| panic!("no {name} in {samples}"))
}

#[test]
fn says_what_the_summary_says() {
    let dir = tempfile::tempdir().unwrap();
    flawed(&dir.path().join("in.parquet"));
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &["--json", "--metrics", "nightly.prom"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let summary = last_json(&ran);
    let parsed = parsed(&dir.path().join("nightly.prom"));
    assert_eq!(parsed["pipelines"], serde_json::json!(["nightly"]));
    for (name, expected) in [
        ("rows_total", 250.0),
        ("bad_rows_total{reason=null_label}", 3.0),
        ("bad_rows_total{reason=unknown_label}", 2.0),
        ("bad_rows_total{reason=null_x1}", 0.0),
        ("reduced_rows_total", 0.0),
        ("resumed_rows_total", 0.0),
        ("files_total{outcome=written}", 1.0),
        ("files_total{outcome=skipped}", 0.0),
        ("files_total{outcome=bad}", 0.0),
        ("written_bytes_total", fs::metadata(dir.path().join("out.parquet")).unwrap().len() as f64),
        ("mean_nats{part=r}", summary["columns"]["r"]["mean"].as_f64().unwrap()),
        ("mean_nats{part=s}", summary["columns"]["s"]["mean"].as_f64().unwrap()),
        ("last_run_success", 1.0),
    ] {
        assert_eq!(sample(&parsed, name), expected, "{name}");
    }
    assert!(!parsed["samples"].to_string().contains("null_x3"), "{parsed}");
    let seconds = sample(&parsed, "last_run_duration_seconds");
    for stage in ["read", "evaluate", "write"] {
        let spent = sample(&parsed, &format!("stage_seconds_total{{stage={stage}}}"));
        // Two workers or more may evaluate at once.
        assert!(spent > 0.0 && spent < seconds * 256.0, "{stage}: {spent} of {seconds}");
    }
    let read = sample(&parsed, "read_bytes_total");
    let input = fs::metadata(dir.path().join("in.parquet")).unwrap().len() as f64;
    assert!(read > input / 2.0 && read < input, "{read} of {input}");
    assert!(sample(&parsed, "peak_memory_bytes") > 1e6);
    let ended = sample(&parsed, "last_success_timestamp_seconds");
    assert_eq!(ended, sample(&parsed, "last_run_timestamp_seconds"));
    let types = &parsed["types"];
    for (name, kind) in
        [("rows", "counter"), ("stage_seconds", "counter"), ("last_success_timestamp_seconds", "gauge")]
    {
        assert_eq!(types[format!("lsmi_etl_{name}")], kind, "{types}");
    }
}

#[test]
fn a_run_that_fails_leaves_its_numbers_and_the_last_success() {
    let dir = tempfile::tempdir().unwrap();
    flawed(&dir.path().join("in.parquet"));
    let file = dir.path().join("nightly.prom");
    let metrics = ["--metrics", "nightly.prom"];
    assert_eq!(annotate(dir.path(), "in.parquet", "out.parquet", &metrics).code, 0);
    let before = sample(&parsed(&file), "last_success_timestamp_seconds");

    let strict = [&metrics[..], &["--on-bad-row", "fail"]].concat();
    let ran = annotate(dir.path(), "in.parquet", "other.parquet", &strict);
    refused(&ran, 65, &["row 40", "null_label"]);
    let after = parsed(&file);
    assert_eq!(sample(&after, "last_run_success"), 0.0);
    assert_eq!(sample(&after, "last_success_timestamp_seconds"), before);
    assert!(sample(&after, "last_run_timestamp_seconds") > before);
    assert_eq!(sample(&after, "files_total{outcome=written}"), 0.0);

    // Before the rows, too: no bundle is there.
    let ran =
        run(lsmi().current_dir(dir.path()).args(["annotate", "in.parquet", "new.parquet"]).args(metrics));
    refused(&ran, 78, &["lsmi-bundle"]);
    assert_eq!(sample(&parsed(&file), "last_success_timestamp_seconds"), before);

    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &metrics);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let skipped = parsed(&file);
    assert_eq!(sample(&skipped, "files_total{outcome=skipped}"), 1.0);
    assert_eq!(sample(&skipped, "rows_total"), 0.0);
    assert!(sample(&skipped, "last_success_timestamp_seconds") > before);
    // Nothing is left beside it.
    assert!(listing(dir.path()).iter().all(|name| !name.ends_with(".partial")), "{:?}", listing(dir.path()));
}

#[test]
fn a_fit_says_how_good_its_models_are() {
    let dir = tempfile::tempdir().unwrap();
    let fit = ["fit", "in.parquet", "--bundle", "models", "--metrics", "fit.prom", "--json"];
    fs::copy(fitted().join("in.parquet"), dir.path().join("in.parquet")).unwrap();
    let validation = last_json(&must(lsmi().current_dir(dir.path()).args(fit)))["validation"].clone();
    let file = dir.path().join("fit.prom");
    let first = parsed(&file);
    assert_eq!(first["pipelines"], serde_json::json!(["fit"]));
    let [trained, held_out, bad] =
        ["trained", "held_out", "bad"].map(|of| sample(&first, &format!("fit_rows{{use={of}}}")));
    // With folds each row is trained on, and held out once.
    assert_eq!((trained, held_out, bad), (3000.0, 3000.0, 0.0));
    for (index, name) in ["1", "2", "1 and 2"].iter().enumerate() {
        let expected = &validation["classifiers"][index];
        for (metric, figure) in [
            ("fit_cross_entropy_nats", "cross_entropy_nats"),
            ("fit_accuracy", "accuracy"),
            ("fit_calibration_error", "calibration_error"),
        ] {
            let told = sample(&first, &format!("{metric}{{classifier={name}}}"));
            assert_eq!(Some(told), expected[figure].as_f64(), "{metric} of {name}");
        }
    }
    let density = sample(&first, "fit_density_nats{modality=2}");
    assert_eq!(Some(density), validation["densities"][1]["mean_nats"].as_f64());
    assert_eq!(sample(&first, "last_run_success"), 1.0);

    // The bundle is there: refused, and no figures of models that were not made.
    refused(&run(lsmi().current_dir(dir.path()).args(fit)), 73, &["models"]);
    let second = parsed(&file);
    assert_eq!(sample(&second, "last_run_success"), 0.0);
    let ended = "last_success_timestamp_seconds";
    assert_eq!(sample(&second, ended), sample(&first, ended));
    assert!(second["samples"].get("lsmi_etl_fit_accuracy{classifier=1}").is_none(), "{second}");
}

#[test]
fn streams_and_folders_are_counted_too() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("in")).unwrap();
    for name in ["a", "b"] {
        fs::copy(fitted().join("in.parquet"), dir.path().join(format!("in/{name}.parquet"))).unwrap();
    }
    let ran = annotate(dir.path(), "in", "out", &["--metrics", "folder.prom", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let folder = parsed(&dir.path().join("folder.prom"));
    assert_eq!(sample(&folder, "rows_total"), 6000.0);
    assert_eq!(sample(&folder, "files_total{outcome=written}"), 2.0);
    let mean = last_json(&ran)["columns"]["u1"]["mean"].as_f64().unwrap();
    assert!((sample(&folder, "mean_nats{part=u1}") - mean).abs() < 1e-12);

    let ran = run(lsmi()
        .current_dir(dir.path())
        .args(["annotate", "in/a.parquet", "-", "--metrics", "stream.prom", "--bundle"])
        .arg(bundle()));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let stream = parsed(&dir.path().join("stream.prom"));
    assert_eq!(sample(&stream, "rows_total"), 3000.0);
    assert!(sample(&stream, "read_bytes_total") > 3000.0 * 32.0);
    assert!(sample(&stream, "stage_seconds_total{stage=write}") > 0.0);
}

#[test]
fn bad_files_are_counted_and_the_run_has_failed_unless_they_are_skipped() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("in")).unwrap();
    fs::copy(fitted().join("in.parquet"), dir.path().join("in/a.parquet")).unwrap();
    fs::write(dir.path().join("in/b.parquet"), "").unwrap();
    for (mode, code, outcome) in [("fail", 65, "written"), ("skip", 0, "skipped")] {
        let ran = annotate(dir.path(), "in", "out", &["--metrics", "bad.prom", "--on-bad-file", mode]);
        assert_eq!(ran.code, code, "{}", ran.stderr);
        let told = parsed(&dir.path().join("bad.prom"));
        assert_eq!(sample(&told, "files_total{outcome=bad}"), 1.0);
        assert_eq!(sample(&told, &format!("files_total{{outcome={outcome}}}")), 1.0);
        assert_eq!(sample(&told, "last_run_success"), f64::from(u8::from(code == 0)));
    }
}

#[test]
fn a_folder_that_is_not_there_is_said_before_the_run() {
    let dir = tempfile::tempdir().unwrap();
    flawed(&dir.path().join("in.parquet"));
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &["--metrics", "none/nightly.prom"]);
    refused(&ran, 73, &["none/nightly.prom"]);
    assert_eq!(listing(dir.path()), ["in.parquet"]);
}
