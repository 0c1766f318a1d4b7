//! `lsmi_etl.pack`: models of PyTorch and scikit-learn, whose values the bundle has in both engines
//! (`python/export_modules.py`), and the examples.

use std::path::PathBuf;

use super::script;
use crate::harness::heavy::heavy_environment;
use crate::harness::{fitted, must};

/// Python with PyTorch, its exporters, scikit-learn and skl2onnx.
fn python() -> PathBuf {
    heavy_environment("export", "tests/python/requirements-export.txt", &["--no-deps"])
}

fn cases(cases: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut command = script(&python(), dir.path(), "tests/python/export_modules.py");
    must(command.arg(dir.path()).args(cases)).stdout
}

#[test]
fn modules_of_pytorch_are_packed_by_both_exporters() {
    let said =
        cases(&["both_exporters", "three_modalities", "kinds_of_output", "mixed", "without_onnxscript"]);
    assert!(said.matches("are the models' on 300 rows").count() >= 14, "{said}");
}

#[test]
fn modules_that_cannot_be_packed_are_refused() {
    assert!(cases(&["refusals"]).matches("Usage: ").count() >= 14);
}

#[test]
fn models_of_scikit_learn_are_packed() {
    cases(&["scikit_learn"]);
}

#[test]
fn the_examples_pack() {
    let dir = tempfile::tempdir().unwrap();
    must(script(&python(), dir.path(), "pipelines/python/pack_pytorch_models.py").arg("of-pytorch"));
    let train = fitted().join("train.parquet");
    let mut of_scikit = script(&python(), dir.path(), "pipelines/python/pack_scikit_learn_models.py");
    must(of_scikit.arg(train).arg("of-scikit-learn"));
    for bundle in ["of-pytorch", "of-scikit-learn"] {
        assert!(dir.path().join(bundle).join("bundle.json").exists());
    }
}
