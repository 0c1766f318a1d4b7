//! `inspect`: what a dataset holds, and what a fit would take of it.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};

use crate::harness::files::{batch, embeddings, read, replaced, vectors, write};
use crate::harness::{fitted, last_json, lsmi, lsmi_in, must, refused};

#[test]
fn a_clean_file_has_nothing_against_it() {
    let train = fitted().join("train.parquet");
    let ran = must(lsmi().arg("inspect").arg(&train));
    for words in [
        "3000 rows in 1 file",
        "codecs",
        "embeddings, in all 3000 rows:",
        "no near duplicates among 3000 rows",
        "label y, in all rows: 4 classes",
        "fit would take\n  x1          x1, ",
    ] {
        assert!(ran.stdout.contains(words), "no {words:?} in\n{}", ran.stdout);
    }
    let found = last_json(&must(lsmi().arg("inspect").arg(&train).args(["--json", "--max-rows", "512"])));
    assert_eq!(found["rows"], 3000);
    assert_eq!(found["sample"], serde_json::json!({"rows": 512, "places": 2, "whole": false}));
    assert_eq!(found["fit"]["label"], "y");
    assert_eq!(found["fit"]["labelled_rows"], 3000);
    assert_eq!(found["fit"]["obstacle"], serde_json::Value::Null);
    let classes = found["label"]["classes"].as_array().unwrap();
    assert_eq!(classes.iter().map(|class| class["rows"].as_u64().unwrap()).sum::<u64>(), 3000);
}

#[test]
fn what_is_odd_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = 1_u64;
    let mut value = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    // The values of x2 at 2 are constant, those at 3 and 4 equal.
    let mut a: Vec<Option<Vec<f32>>> = (0..400).map(|_| Some((0..16).map(|_| value()).collect())).collect();
    let mut b: Vec<Option<Vec<f32>>> = (0..400)
        .map(|_| {
            let mut row: Vec<f32> = (0..8).map(|_| value()).collect();
            (row[2], row[4]) = (7.0, row[3]);
            Some(row)
        })
        .collect();
    (a[5], b[6]) = (None, None);
    b[7].as_mut().unwrap()[0] = f32::NAN;
    // Row 100 once more in the other file, and row 110 in the same.
    (a[300], b[300]) = (a[100].clone(), b[100].clone());
    (a[120], b[120]) = (a[110].clone(), b[110].clone());
    let labels = Int64Array::from_iter((0..400).map(|row| (row != 9).then_some(row % 5)));
    let rows = batch(&[("a", embeddings(&a, 16)), ("b", embeddings(&b, 8)), ("label", Arc::new(labels))]);
    fs::create_dir(dir.path().join("data")).unwrap();
    write(&dir.path().join("data/1.parquet"), &rows.slice(0, 200));
    write(&dir.path().join("data/2.parquet"), &rows.slice(200, 200));

    let found = last_json(&must(lsmi().current_dir(dir.path()).args(["inspect", "data", "--json"])));
    assert_eq!((&found["files"], &found["row_groups"]), (&2.into(), &4.into()));
    let [a, b] = &found["embeddings"].as_array().unwrap()[..] else { panic!("{found}") };
    let counts = |column: &serde_json::Value| {
        ["dim", "null_rows", "non_finite_rows", "constant_dims", "repeated_dims"]
            .map(|name| column[name].as_u64().unwrap())
    };
    assert_eq!((counts(a), counts(b)), ([16, 1, 0, 0, 0], [8, 1, 1, 1, 1]));
    assert_eq!(found["label"]["rows_without"], 1);
    let near = &found["near_duplicates"];
    assert_eq!(
        near,
        &serde_json::json!({"compared_rows": 397, "rows": 4, "identical_rows": 4, "rows_across_files": 2})
    );
    assert_eq!(found["fit"]["obstacle"], serde_json::Value::Null);
    let page = must(lsmi().current_dir(dir.path()).args(["inspect", "data"])).stdout;
    assert!(
        page.contains("4 of 397 rows nearly equal another in all modalities: 4 exactly, 2 in another file"),
        "{page}"
    );
    assert!(page.contains("1 dimension constant, 1 dimension equal to another"), "{page}");

    let summary = dir.path().join("s.json");
    must(lsmi().current_dir(dir.path()).args(["inspect", "data", "--summary"]).arg(&summary));
    let written: serde_json::Value = serde_json::from_slice(&fs::read(summary).unwrap()).unwrap();
    assert_eq!(written, found);
}

/// It says with which error a fit would end, and what it would warn of, and counts the rest.
#[test]
fn the_fits_own_words_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let rows = read(&fitted().join("train.parquet")).slice(0, 300);
    let x = vectors(&rows, "x1");
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..300));
    let one = batch(&[("x1", embeddings(&x, x[0].as_ref().unwrap().len() as i32)), ("y", ids.clone())]);
    write(&dir.path().join("one.parquet"), &one);
    write(&dir.path().join("ids.parquet"), &replaced(&rows, "y", ids));
    write(&dir.path().join("few.parquet"), &rows.slice(0, 20));
    let inspect = |args: &[&str]| {
        let ran = lsmi_in(dir.path(), [&["inspect", "--json"], args].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        last_json(&ran)
    };
    write(&dir.path().join("empty.parquet"), &rows.slice(0, 0));
    for (args, words) in [
        (vec!["empty.parquet"], "empty.parquet: has no rows"),
        (vec!["one.parquet"], "only the column x1 holds embeddings"),
        (vec!["ids.parquet"], "looks like an identifier"),
        (vec!["few.parquet"], "too few to fit on"),
    ] {
        let found = inspect(&args);
        let obstacle = found["fit"]["obstacle"].as_str().unwrap();
        assert!(obstacle.contains(words), "{obstacle}");
        assert!(!found["embeddings"].as_array().unwrap().is_empty());
    }
    let ran = must(lsmi().current_dir(dir.path()).args(["inspect", "ids.parquet"]));
    assert!(ran.stdout.contains("and would end with an error: ids.parquet"), "{}", ran.stdout);

    fs::write(dir.path().join("bad.parquet"), "no").unwrap();
    refused(&lsmi_in(dir.path(), ["inspect", "bad.parquet"]), 65, &["bad.parquet", "not a Parquet file"]);
    refused(&lsmi_in(dir.path(), ["inspect", "none.parquet"]), 66, &["none.parquet"]);
    refused(&lsmi_in(dir.path(), ["inspect", "ids.parquet", "--x", "x1,nope"]), 65, &["nope", "x1"]);
    refused(&lsmi_in(dir.path(), ["inspect", "ids.parquet", "--label", "nope"]), 65, &["nope", "x1"]);
    refused(&lsmi_in(dir.path(), ["inspect", "-"]), 64, &["stream", "Parquet file first"]);
}
