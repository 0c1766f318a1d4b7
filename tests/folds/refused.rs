//! Bundles with folds that don't hold together, and what the bundle commands say of whole ones.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::work;
use crate::harness::files::copy_folder;
use crate::harness::{Ran, last_json, lsmi, lsmi_in, must, refused, run};

/// A copy of the bundle with folds in `models/`, to be damaged.
fn copy() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy_folder(&work().join("folded"), &dir.path().join("models"));
    dir
}

fn annotate(dir: &Path, more: &[&str]) -> Ran {
    let input = work().join("train.parquet");
    let args = ["out.parquet", "--bundle", "models"];
    run(lsmi().current_dir(dir).arg("annotate").arg(input).args(args).args(more))
}

fn edit(dir: &Path, change: impl FnOnce(&mut Value)) {
    let path = dir.join("models/bundle.json");
    let mut manifest = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    fs::write(path, manifest.to_string()).unwrap();
}

#[test]
fn a_missing_or_changed_file_of_a_fold_by_name() {
    for (file, field) in
        [("fold_3.rows", "training_rows.filters[3]"), ("fold_4.classifier_12.onnx", "models[29]")]
    {
        let dir = copy();
        let path = dir.path().join("models").join(file);
        let mut bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let what = format!("bundle models, {file}, field {field}.file");
        refused(&annotate(dir.path(), &[]), 78, &[&what, "not found", "restore it"]);
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
        let what = format!("bundle models, {file}, field {field}.sha256");
        refused(&annotate(dir.path(), &[]), 78, &[&what, "has changed"]);
        assert!(!dir.path().join("out.parquet").exists());
    }
}

#[test]
fn folds_that_are_not_whole() {
    let remove = |m: &mut Value, place: usize| _ = m["models"].as_array_mut().unwrap().remove(place);
    let changes: [(&dyn Fn(&mut Value), &[&str]); 12] = [
        (&|m| remove(m, 0), &["field models", "the main models have no density_1"]),
        (&|m| remove(m, 12), &["field models", "fold 1 has no classifier_1"]),
        (
            &|m| m["models"][7]["fold"] = json!(1),
            &["field models[12].file", "a second fold_1.classifier_1.onnx"],
        ),
        (&|m| m["models"][7]["fold"] = json!(1000), &["field models[7].fold", "must be below"]),
        (
            &|m| m["models"][0]["modalities"] = json!([0, 1]),
            &["field models[0].modalities", "no density of these"],
        ),
        (
            &|m| m["models"][3]["modalities"] = json!([2]),
            &["field models[3].modalities", "no classifier of these"],
        ),
        (&|m| m["models"][0]["output"] = json!("logits"), &["field models[0].output", "no output kind"]),
        (&|m| m["models"][2]["output"] = json!(null), &["field models[2].output", "log_prob or logits"]),
        (
            &|m| _ = m.as_object_mut().unwrap().remove("training_rows"),
            &["field training_rows", "need the rows"],
        ),
        (
            &|m| m["training_rows"]["filters"][2]["fold"] = json!(1),
            &["field training_rows.filters[2].fold", "one for each of the 5"],
        ),
        (
            &|m| m["training_rows"]["filters"][2]["rows"] = json!(1),
            &["fold_2.rows, field training_rows.filters[2].rows", "holds 400 rows"],
        ),
        (&|m| m["training_rows"]["hash"] = json!("md5"), &["field training_rows.hash", "unknown variant"]),
    ];
    for (change, what) in changes {
        let dir = copy();
        edit(dir.path(), change);
        refused(&annotate(dir.path(), &[]), 78, what);
    }
}

#[test]
fn the_column_of_folds_needs_folds() {
    let dir = tempfile::tempdir().unwrap();
    copy_folder(&work().join("plain_0"), &dir.path().join("models"));
    let ran = annotate(dir.path(), &["--columns", "fold"]);
    refused(&ran, 64, &["--columns fold", "the bundle models has no folds", "fit again"]);
}

#[test]
fn the_bundle_commands_know_of_folds() {
    let dir = copy();
    let checked = must(lsmi().current_dir(dir.path()).args(["bundle", "check", "models"]));
    assert!(
        checked.stdout.contains("all five models, and those of 5 folds, load and run"),
        "{}",
        checked.stdout
    );
    let seen = must(lsmi().current_dir(dir.path()).args(["bundle", "inspect", "models"])).stdout;
    assert!(seen.contains("5, of 2000 training rows"), "{seen}");
    let seen =
        last_json(&must(lsmi().current_dir(dir.path()).args(["bundle", "inspect", "models", "--json"])));
    assert_eq!(seen["manifest"]["models"].as_array().unwrap().len(), 30);
    assert_eq!(seen["manifest"]["training_rows"]["filters"][4]["file"], "fold_4.rows");
    assert_eq!(seen["manifest"]["models"][9]["file"], "fold_0.classifier_12.onnx");
    must(&mut {
        let mut export = lsmi();
        export.current_dir(dir.path()).args(["bundle", "export", "models", "-o", "main.onnx"]);
        export
    });
    // A model of a fold that is none is found by the check, under its file's name.
    let bytes = fs::read(dir.path().join("models/fold_2.classifier_1.onnx")).unwrap();
    fs::write(dir.path().join("models/fold_2.density_1.onnx"), &bytes).unwrap();
    let hash = {
        use sha2::{Digest, Sha256};
        Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    edit(dir.path(), |m| m["models"][15]["sha256"] = hash.into());
    let ran = lsmi_in(dir.path(), ["bundle", "check", "models"]);
    refused(&ran, 78, &["fold_2.density_1.onnx, field models[15].file", "must be h of shape [n]"]);
}
