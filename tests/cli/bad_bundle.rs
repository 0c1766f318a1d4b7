//! Bundles that don't hold together: exit code 78, the file and the field by name.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::harness::files::{copy_folder, listing};
use crate::harness::{Ran, bundle, fitted, lsmi, lsmi_in, refused, run};

/// A copy of the fitted bundle in `models/`, to be damaged.
fn copy() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy_folder(&bundle(), &dir.path().join("models"));
    dir
}

/// Annotates with the bundle in `models/`.
fn annotate(dir: &Path) -> Ran {
    let input = fitted().join("in.parquet");
    run(lsmi().current_dir(dir).arg("annotate").arg(input).args(["out.parquet", "--bundle", "models"]))
}

/// Changes the manifest.
fn edit(dir: &Path, change: impl FnOnce(&mut Value)) {
    let path = dir.join("models/bundle.json");
    let mut manifest = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    fs::write(path, serde_json::to_vec(&manifest).unwrap()).unwrap();
}

/// Puts other bytes in place of a model and its hash into the manifest.
fn replace(dir: &Path, role: &str, bytes: &[u8]) {
    fs::write(dir.join(format!("models/{role}.onnx")), bytes).unwrap();
    let hash: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    edit(dir, |manifest| manifest["models"][place(role)]["sha256"] = hash.into());
}

/// The place of a main model in the manifest.
fn place(role: &str) -> usize {
    let roles = ["density_1", "density_2", "classifier_1", "classifier_2", "classifier_12"];
    roles.iter().position(|other| *other == role).unwrap()
}

#[test]
fn no_bundle_or_no_manifest() {
    let dir = tempfile::tempdir().unwrap();
    refused(
        &annotate(dir.path()),
        78,
        &["bundle models, bundle.json", "not found", "`lsmi-etl fit`", "--bundle"],
    );
    let dir = copy();
    fs::remove_file(dir.path().join("models/bundle.json")).unwrap();
    refused(&annotate(dir.path()), 78, &["bundle models, bundle.json", "not found"]);
    let ran = lsmi_in(dir.path(), ["bundle", "inspect", "models"]);
    refused(&ran, 78, &["bundle models, bundle.json", "not found"]);
    assert_eq!(listing(dir.path()), ["models"]);
}

#[test]
fn changed_file() {
    let dir = copy();
    let path = dir.path().join("models/classifier_12.onnx");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let what = ["classifier_12.onnx, field models[4].sha256", "has changed", "restore it"];
    refused(&annotate(dir.path()), 78, &what);
    refused(&lsmi_in(dir.path(), ["bundle", "check", "models"]), 78, &what);
}

#[test]
fn missing_file() {
    let dir = copy();
    fs::remove_file(dir.path().join("models/density_2.onnx")).unwrap();
    let what = ["bundle models, density_2.onnx, field models[1].file", "not found", "restore it"];
    refused(&annotate(dir.path()), 78, &what);
}

#[test]
fn foreign_models() {
    let dir = copy();
    let model = |role: &str| fs::read(bundle().join(format!("{role}.onnx"))).unwrap();
    replace(dir.path(), "classifier_1", &model("density_1"));
    let field = "classifier_1.onnx, field models[2].file";
    refused(&annotate(dir.path()), 78, &[field, "output", "must have 2 dimensions", "it has 1"]);
    replace(dir.path(), "classifier_1", &model("classifier_12"));
    refused(&annotate(dir.path()), 78, &[field, "the graph has 2 inputs, classifier_1 needs 1"]);
    replace(dir.path(), "classifier_1", &model("classifier_1"));
    replace(dir.path(), "density_2", &model("classifier_2"));
    let field = "density_2.onnx, field models[1].file";
    refused(&annotate(dir.path()), 78, &[field, "must be h of shape [n]"]);
}

#[test]
fn no_onnx_at_all() {
    let dir = copy();
    let whole = fs::read(bundle().join("density_1.onnx")).unwrap();
    for bytes in [&b"this is no model"[..], b"", &whole[..whole.len() / 2]] {
        replace(dir.path(), "density_1", bytes);
        refused(&annotate(dir.path()), 78, &["density_1.onnx, field models[0].file", "ONNX"]);
    }
}

#[test]
fn manifest_of_another_shape() {
    type Change = fn(&mut Value);
    let changes: [(Change, &[&str]); 10] = [
        (|m| m["format_version"] = json!(3), &["field format_version", "newer", "update lsmi-etl"]),
        (|m| m["colour"] = json!("red"), &["colour", "unknown field"]),
        (|m| m["label"]["colour"] = json!("red"), &["field label.colour", "unknown field"]),
        (|m| m["models"][3]["colour"] = json!("red"), &["field models[3]", "unknown field", "colour"]),
        (|m| m["modalities"][1]["dim"] = json!("four"), &["field modalities[1].dim", "invalid type"]),
        (|m| m["modalities"][0]["dim"] = json!(5), &["density_1.onnx", "has dimension 4, expected 5"]),
        (|m| m["label"]["prior"] = json!([0.5, 0.5, 0.5, 0.5]), &["field label.prior", "sum to one"]),
        (|m| m["label"]["classes"] = json!([0, 1, 2, 2]), &["field label.classes", "all different"]),
        (|m| m["models"][0]["file"] = json!("../x.onnx"), &["field models[0].file", "file name"]),
        (|m| _ = m.as_object_mut().unwrap().remove("label"), &["missing field `label`"]),
    ];
    for (change, what) in changes {
        let dir = copy();
        edit(dir.path(), change);
        let ran = annotate(dir.path());
        refused(&ran, 78, what);
        refused(&ran, 78, &["bundle models, "]);
    }
}

#[test]
fn a_manifest_that_is_no_json() {
    let dir = copy();
    let path = dir.path().join("models/bundle.json");
    let whole = fs::read(&path).unwrap();
    fs::write(path, &whole[..whole.len() / 2]).unwrap();
    refused(&annotate(dir.path()), 78, &["bundle models, bundle.json", "not valid JSON"]);
}
