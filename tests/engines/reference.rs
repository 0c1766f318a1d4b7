//! The reference implementation's modules (an MLP and a KNIFE in its own
//! parametrisation), exported as PyTorch does, packed, annotated in both engines, and
//! compared with values computed in numpy in f64 (`tests/python/export_reference.py`).

use std::path::Path;
use std::process::Command;

use crate::harness::{lsmi, must, python, query, repository, runtime};

fn exported(dir: &Path) {
    let script = repository().join("tests/python/export_reference.py");
    must(Command::new(python()).arg(script).arg(dir).args(["--rows", "2000"]));
}

fn packed(dir: &Path) {
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
            .args(["--classes", &classes.collect::<Vec<_>>().join(","), "--prior", &numbers("prior")]),
    );
}

#[test]
fn gives_the_values_of_numpy() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    exported(dir);
    packed(dir);
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
                     stddev(true_{column}) AS spread FROM '{out}'"
                ),
            );
            assert_eq!(json["rows"], 2000);
            let (worst, spread) = (json["worst"].as_f64().unwrap(), json["spread"].as_f64().unwrap());
            assert!(worst <= tolerance, "{engine}: {column} is off by {worst}");
            assert!(spread > 100.0 * tolerance, "{column} hardly varies: nothing is tested");
        }
    }
}

#[test]
fn check_and_inspect_speak_of_it() {
    let dir = tempfile::tempdir().unwrap();
    exported(dir.path());
    packed(dir.path());
    let checked = must(lsmi().current_dir(dir.path()).args(["bundle", "check", "bundle"]));
    assert!(checked.stdout.contains("all five models"), "{}", checked.stdout);
    let seen = must(lsmi().current_dir(dir.path()).args(["bundle", "inspect", "bundle"]));
    // Opsets agree: one graph for all five.
    let graphs = "density_1 + density_2 + classifier_1 + classifier_2 + classifier_12";
    assert!(seen.stdout.contains(graphs), "{}", seen.stdout);
}

#[test]
fn opsets_that_differ_run_apart() {
    use prost::Message;
    use tract_onnx::pb::ModelProto;

    let dir = tempfile::tempdir().unwrap();
    exported(dir.path());
    packed(dir.path());
    let path = dir.path().join("classifier_1.onnx");
    let mut model = ModelProto::decode(&std::fs::read(&path).unwrap()[..]).unwrap();
    model.opset_import[0].version -= 1;
    std::fs::write(&path, model.encode_to_vec()).unwrap();
    std::fs::rename(dir.path().join("bundle"), dir.path().join("one-graph")).unwrap();
    packed(dir.path());
    let seen = must(lsmi().current_dir(dir.path()).args(["bundle", "inspect", "bundle"]));
    assert!(seen.stdout.contains("run apart, since their opsets differ"), "{}", seen.stdout);
    for engine in ["onnxruntime", "embedded"] {
        for bundle in ["one-graph", "bundle"] {
            let out = format!("{engine}-{bundle}.parquet");
            let args = ["annotate", "reference.parquet", &out, "--bundle", bundle, "--engine", engine];
            must(lsmi().env("LSMI_ETL_RUNTIME_DIR", runtime()).current_dir(dir.path()).args(args));
        }
        let json = query(
            dir.path(),
            &format!(
                "SELECT max(abs(a.r - b.r) + abs(a.s - b.s)) AS worst, count(*) AS rows FROM \
                 '{engine}-one-graph.parquet' a JOIN '{engine}-bundle.parquet' b ON a.id = b.id"
            ),
        );
        assert_eq!(json["rows"], 2000);
        assert!(json["worst"].as_f64().unwrap() < 1e-5, "{json}");
    }
}
