//! Fitting as its user sees it: the same seed gives the same bundle, a sample is drawn
//! where rows are too many, either way of fitting densities works.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::cast::as_primitive_array;
use arrow::array::{ArrayRef, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Int64Type;
use arrow::ipc::writer::StreamWriter;

use crate::harness::files::{embeddings, read, replaced, write};
use crate::harness::{fitted, last_json, lsmi, must, query, refused, run};

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

/// A folder, a glob, single files and a stream of the same rows in the same order.
#[test]
fn many_files_are_one_source() {
    let dir = tempfile::tempdir().unwrap();
    let rows = read(&fitted().join("train.parquet"));
    fs::create_dir_all(dir.path().join("data/b")).unwrap();
    write(&dir.path().join("data/a.parquet"), &rows.slice(0, 1000));
    write(&dir.path().join("data/b/c.PARQUET"), &rows.slice(1000, 2000));
    fs::write(dir.path().join("data/_notes.parquet"), "hidden").unwrap();
    let mut stream =
        StreamWriter::try_new(File::create(dir.path().join("rows.arrows")).unwrap(), &rows.schema()).unwrap();
    stream.write(&rows).unwrap();
    stream.finish().unwrap();

    let whole = fit(dir.path(), "whole", &["--max-rows", "600"]).0;
    let inputs: [&[&str]; 4] =
        [&["data"], &["data/a.parquet", "data"], &["data/**/*.[pP]*"], &["data/a.parquet", "data/b"]];
    for inputs in inputs {
        let mut command = lsmi();
        command.current_dir(dir.path()).arg("fit").args(inputs).args(["--json", "--max-rows", "600"]);
        let found = last_json(&must(command.args(["--bundle", "many", "--overwrite"])));
        assert_eq!(found["bundle_sha256"], whole["bundle_sha256"], "{inputs:?}");
        assert_eq!(found["rows"], 3000);
    }
    let mut command = lsmi();
    command.current_dir(dir.path()).args(["fit", "-", "--json", "--max-rows", "600", "--bundle", "stream"]);
    let found = last_json(&must(command.stdin(File::open(dir.path().join("rows.arrows")).unwrap())));
    assert_eq!(found["bundle_sha256"], whole["bundle_sha256"]);
}

#[test]
fn a_file_that_does_not_fit_the_others_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let rows = read(&fitted().join("train.parquet")).slice(0, 300);
    let words: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..300).map(|row| format!("w{}", row % 3))));
    let short = embeddings(&vec![Some(vec![0.5; 2]); 300], 2);
    let cases: [(&str, &str, ArrayRef, &[&str]); 2] = [
        ("y", "words", words, &["words/b.parquet", "\"y\"", "words/a.parquet", "cast"]),
        ("x1", "short", short, &["short/b.parquet", "\"x1\"", "lists of 2 values"]),
    ];
    for (column, folder, array, named) in cases {
        fs::create_dir(dir.path().join(folder)).unwrap();
        write(&dir.path().join(folder).join("a.parquet"), &rows);
        write(&dir.path().join(folder).join("b.parquet"), &replaced(&rows, column, array));
        let fit =
            |more: &[&str]| run(lsmi().current_dir(dir.path()).args(["fit", folder, "--json"]).args(more));
        refused(&fit(&["--overwrite"]), 65, named);
        let skipped = fit(&["--on-bad-file", "skip", "--overwrite"]);
        assert_eq!(
            (skipped.code, last_json(&skipped)["rows"].as_u64()),
            (0, Some(300)),
            "{}",
            skipped.stderr
        );
        assert!(
            skipped.stderr.contains("b.parquet") && skipped.stderr.contains("left out"),
            "{}",
            skipped.stderr
        );
    }
    fs::create_dir(dir.path().join("broken")).unwrap();
    write(&dir.path().join("broken/b.parquet"), &rows);
    fs::write(dir.path().join("broken/a.parquet"), "").unwrap();
    let fit =
        |more: &[&str]| run(lsmi().current_dir(dir.path()).args(["fit", "broken", "--json"]).args(more));
    refused(&fit(&["--overwrite"]), 65, &["broken/a.parquet"]);
    assert_eq!(fit(&["--on-bad-file", "skip", "--overwrite"]).code, 0);
    refused(&run(lsmi().current_dir(dir.path()).args(["fit", "none/", "--overwrite"])), 66, &["none"]);
}

/// One folder a class, as datasets of images have it: the label is a column of no file.
#[test]
fn folders_name_the_labels() {
    let dir = tempfile::tempdir().unwrap();
    let rows = read(&fitted().join("train.parquet"));
    let label = rows.schema().index_of("y").unwrap();
    let y = as_primitive_array::<Int64Type>(rows.column(label)).clone();
    let classes: BTreeSet<i64> = y.values().iter().copied().collect();
    for class in &classes {
        let of_class =
            filter_record_batch(&rows, &y.iter().map(|y| Some(y == Some(*class))).collect()).unwrap();
        let mut without = of_class.clone();
        without.remove_column(label);
        for (folder, file, rows) in
            [("columns", "", &of_class), ("numbers", "y=0", &without), ("words", "y=c%20", &without)]
        {
            let folder = dir.path().join(folder).join(format!("{file}{class}"));
            fs::create_dir_all(&folder).unwrap();
            write(&folder.join("a.parquet"), rows);
        }
    }
    for folder in ["columns", "numbers", "words"] {
        let mut command = lsmi();
        command.current_dir(dir.path()).args(["fit", folder, "--max-rows", "600"]);
        must(command.args(["--bundle", &format!("{folder}-bundle")]));
        let mut command = lsmi();
        command.current_dir(dir.path()).args(["annotate", folder, &format!("{folder}-out"), "--json"]);
        let done = last_json(&must(command.args(["--bundle", &format!("{folder}-bundle")])));
        assert_eq!((done["rows"].as_u64(), done["bad_rows"].as_u64()), (Some(3000), Some(0)), "{folder}");
    }
    let sums = ["columns", "numbers", "words"].map(|folder| {
        query(
            dir.path(),
            &format!("select sum(r) as r, sum(s) as s, count(distinct y) as y from '{folder}-out'"),
        )
    });
    assert!(sums.iter().all(|sum| sum == &sums[0] && sum["y"] == classes.len()), "{sums:?}");
    // A report finds the label where fit did, be it below or above the folder that is named.
    let report = |input: &str, more: &[&str]| -> Vec<String> {
        let mut command = lsmi();
        command.current_dir(dir.path()).args(["report", input, "--format", "json"]).args(more);
        let report: serde_json::Value = serde_json::from_str(&must(&mut command).stdout).unwrap();
        assert_eq!(report["data"]["label"], "y", "{input}");
        let data = if more.is_empty() { &report["data"] } else { &report["compare"] };
        let classes = data["classes"].as_array().unwrap().iter();
        classes.map(|class| class["class"].as_str().unwrap().to_owned()).collect()
    };
    let names: Vec<String> = classes.iter().map(ToString::to_string).collect();
    for folder in ["columns-out", "numbers-out"] {
        assert_eq!(report(folder, &[]), names, "{folder}");
    }
    assert_eq!(report("words-out", &[]), names.iter().map(|name| format!("c {name}")).collect::<Vec<_>>());
    assert_eq!(report("numbers-out/y=01/a.parquet", &[]), ["1"]);
    assert_eq!(report("columns-out", &["--compare", "words-out/y=c%201"]), ["c 1"]);
    // A folder that is no class of the bundle.
    fs::rename(dir.path().join("numbers/y=01"), dir.path().join("numbers/y=blue")).unwrap();
    let mut command = lsmi();
    command.current_dir(dir.path()).args(["annotate", "numbers/y=blue", "blue"]);
    refused(
        &run(command.args(["--bundle", "numbers-bundle"])),
        65,
        &["y=blue/a.parquet", "\"blue\"", "integers"],
    );
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
