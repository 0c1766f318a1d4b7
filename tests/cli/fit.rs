//! Fitting as its user sees it: the same seed gives the same bundle, a sample is drawn
//! where rows are too many, either way of fitting densities works.

use std::path::Path;

use crate::harness::{fitted, last_json, lsmi, must};

fn fit(dir: &Path, bundle: &str, more: &[&str]) -> (serde_json::Value, String) {
    let train = fitted().join("train.parquet");
    let ran =
        must(lsmi().current_dir(dir).arg("fit").arg(train).args(["--json", "--bundle", bundle]).args(more));
    (last_json(&ran), ran.stderr)
}

#[test]
fn one_seed_one_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = fit(dir.path(), "a", &["--seed", "5", "--max-rows", "600"]);
    let (again, _) = fit(dir.path(), "b", &["--seed", "5", "--max-rows", "600"]);
    let (other, _) = fit(dir.path(), "c", &["--seed", "6", "--max-rows", "600"]);
    assert_eq!(first["bundle_sha256"], again["bundle_sha256"]);
    assert_ne!(first["bundle_sha256"], other["bundle_sha256"]);
}

#[test]
fn a_cut_is_said_and_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let (line, log) = fit(dir.path(), "bundle", &["--max-rows", "500"]);
    assert!(log.contains("training on 500 rows drawn uniformly from 3000"), "{log}");
    assert_eq!(line["rows"], 3000);
    let manifest = std::fs::read(dir.path().join("bundle/bundle.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["training"]["rows_used"], 500);
    assert_eq!(manifest["training"]["rows_seen"], 3000);
}

#[test]
fn densities_by_gradient_descent_come_close() {
    let dir = tempfile::tempdir().unwrap();
    let (em, _) = fit(dir.path(), "em", &[]);
    let (sgd, _) = fit(dir.path(), "sgd", &["--density-fit", "sgd"]);
    for m in 0..2 {
        let h = |line: &serde_json::Value| line["validation"]["densities"][m]["mean_nats"].as_f64().unwrap();
        assert!((h(&em) - h(&sgd)).abs() < 0.15, "{} and {}", h(&em), h(&sgd));
    }
}
