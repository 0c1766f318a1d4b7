//! The reference implementation's modules (an MLP and a KNIFE in its own
//! parametrisation), exported as PyTorch does, packed, annotated in both engines, and
//! compared with values computed in numpy in f64 (`tests/python/export_reference.py`).

use std::path::Path;
use std::process::Command;

use crate::harness::{Ran, lsmi, must, python, query, repository, runtime};

/// The exporter's files in `dir`.
pub(super) fn exported(dir: &Path, options: &[&str]) {
    let script = repository().join("tests/python/export_reference.py");
    must(Command::new(python()).arg(script).arg(dir).args(["--rows", "2000"]).args(options));
}

/// Packs them as `dir/bundle`.
pub(super) fn packed(dir: &Path, options: &[&str]) -> Ran {
    let reference: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.join("reference.json")).unwrap()).unwrap();
    let numbers = |key: &str| -> String {
        let values = reference[key].as_array().unwrap().iter().map(ToString::to_string);
        values.collect::<Vec<_>>().join(",")
    };
    let classes = (0..reference["prior"].as_array().unwrap().len()).map(|c| c.to_string());
    must(
        lsmi()
            .current_dir(dir)
            .args(["bundle", "pack", "bundle", "--output", "logits"])
            .args(["--density-1", "density_1.onnx", "--density-2", "density_2.onnx"])
            .args(["--classifier-1", "classifier_1.onnx", "--classifier-2", "classifier_2.onnx"])
            .args(["--classifier-12", "classifier_12.onnx", "--x1", "x1", "--x2", "x2", "--label", "y"])
            .args(["--classes", &classes.collect::<Vec<_>>().join(","), "--prior", &numbers("prior")])
            .args(options),
    )
}

/// Annotates in both engines and compares with numpy.
pub(super) fn compare(dir: &Path) {
    for engine in ["onnxruntime", "embedded"] {
        let out = format!("{engine}.parquet");
        must(
            lsmi()
                .env("LSMI_ETL_RUNTIME_DIR", runtime())
                .current_dir(dir)
                .args(["annotate", "reference.parquet", &out, "--bundle", "bundle", "--engine", engine])
                .args(["--columns", "i1,i2,i12,h1,h2"]),
        );
        for (column, tolerance) in [
            ("h1", 1e-4),
            ("h2", 1e-4),
            ("i1", 1e-4),
            ("i2", 1e-4),
            ("i12", 1e-4),
            ("r", 2e-4),
            ("u1", 2e-4),
            ("u2", 2e-4),
            ("s", 4e-4),
        ] {
            let json = query(
                dir,
                &format!(
                    "SELECT max(abs({column} - true_{column})) AS worst, count({column}) AS rows, \
                     stddev(true_{column}) AS spread, max(abs(h1)) AS large FROM '{out}'"
                ),
            );
            assert_eq!(json["rows"], 2000);
            let number = |key: &str| json[key].as_f64().unwrap();
            let (worst, spread) = (number("worst"), number("spread"));
            // f32 holds h of thousands of nats no better.
            let tolerance = tolerance + 1e-6 * number("large");
            assert!(worst <= tolerance, "{engine}: {column} is off by {worst}");
            assert!(spread > 100.0 * tolerance, "{column} hardly varies: nothing is tested");
        }
    }
}

#[test]
fn as_exported_gives_the_values_of_numpy() {
    let dir = tempfile::tempdir().unwrap();
    exported(dir.path(), &[]);
    packed(dir.path(), &["--no-fold"]);
    compare(dir.path());
    let seen = must(lsmi().current_dir(dir.path()).args(["bundle", "inspect", "bundle"]));
    assert!(!seen.stdout.contains("folded"), "{}", seen.stdout);
}

#[test]
fn folded_gives_the_values_of_numpy() {
    // The exporter's standard normal parameters, at its own size and at one of practice.
    for options in [&[][..], &["--dims", "64", "64", "--opsets", "17", "12", "17", "17", "17"]] {
        let dir = tempfile::tempdir().unwrap();
        exported(dir.path(), options);
        packed(dir.path(), &[]);
        compare(dir.path());
        let seen = must(lsmi().current_dir(dir.path()).args(["bundle", "inspect", "bundle"])).stdout;
        for density in ["density_1", "density_2"] {
            let said =
                format!("folded   {density}: 5 Gaussians found in a graph of 24 nodes of export_reference");
            assert!(seen.contains(&said), "{seen}");
        }
    }
}

#[test]
fn check_and_inspect_speak_of_it() {
    let dir = tempfile::tempdir().unwrap();
    exported(dir.path(), &[]);
    packed(dir.path(), &[]);
    let checked = must(lsmi().current_dir(dir.path()).args(["bundle", "check", "bundle"]));
    assert!(checked.stdout.contains("all five models"), "{}", checked.stdout);
    let seen = must(lsmi().current_dir(dir.path()).args(["bundle", "inspect", "bundle", "--json"]));
    let seen: serde_json::Value = serde_json::from_str(&seen.stdout).unwrap();
    assert_eq!(seen["graphs"].as_array().unwrap().len(), 1);
    assert_eq!(seen["apart"], serde_json::json!([]));
    assert!(seen["folded"]["density_1"].as_str().unwrap().contains("5 Gaussians"), "{seen}");
}
