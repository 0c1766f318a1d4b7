//! Values: those of each row's own models, bit for bit.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::{DataType, Field, Int64Type};

use super::models::{FOLDS, fold_of, integers};
use super::{COLUMNS, annotate, annotated, work};
use crate::harness::files::{floats, names, read, replaced, write};
use crate::harness::{must, query};

const ENGINES: [&str; 2] = ["onnxruntime", "embedded"];

/// Rows of the training data in another order, and fewer of them.
pub(super) fn shuffled() -> RecordBatch {
    let all = read(&work().join("train.parquet"));
    // 1 733 of 3 000 rows: 7 and 3 000 have no common factor.
    let places: UInt32Array = (0..1733_u32).map(|row| (row * 1237 + 11) % 3000).collect();
    take_record_batch(&all, &places).unwrap()
}

fn ids(rows: &RecordBatch) -> Vec<usize> {
    let ids = rows.column_by_name("id").unwrap().as_primitive::<Int64Type>();
    ids.values().iter().map(|id| *id as usize).collect()
}

/// Checks every value of rows that the bundle with folds has annotated.
#[track_caller]
pub(super) fn are_of_their_own_models(found: &RecordBatch, rows: &RecordBatch, engine: &str) {
    let by_hand: Vec<RecordBatch> =
        (0..=FOLDS).map(|set| annotated(rows, &format!("plain_{set}"), &["--engine", engine])).collect();
    let mut differ = 0;
    for column in COLUMNS {
        let expected: Vec<_> = by_hand.iter().map(|rows| floats(rows, column)).collect();
        let found = floats(found, column);
        for (row, id) in ids(rows).into_iter().enumerate() {
            let set = fold_of(id).map_or(0, |fold| fold + 1);
            assert_eq!(
                found.value(row).to_bits(),
                expected[set].value(row).to_bits(),
                "{engine}: {column} of row {row}, number {id}: {} for {}",
                found.value(row),
                expected[set].value(row)
            );
            differ += usize::from(set > 0 && found.value(row) != expected[0].value(row));
        }
    }
    assert!(differ > 5000, "the models hardly differ: nothing is tested");
}

#[test]
fn each_row_has_the_values_of_models_that_have_not_seen_it() {
    let rows = shuffled();
    for engine in ENGINES {
        let found = annotated(&rows, "folded", &["--engine", engine, "--columns", "fold"]);
        are_of_their_own_models(&found, &rows, engine);
        let folds: Vec<_> = ids(&rows).into_iter().map(|id| fold_of(id).map(|fold| fold as i32)).collect();
        assert_eq!(integers(&found, "fold"), folds);
        assert_eq!(names(&found.schema()).last(), Some(&"fold"));
    }
}

#[test]
fn a_row_is_known_in_every_type_of_its_embeddings() {
    let rows = shuffled();
    let expected = annotated(&rows, "folded", &["--engine", "embedded"]);
    let list = |item: DataType| DataType::List(Arc::new(Field::new("item", item, true)));
    // All of them hold the values of f32 exactly.
    for kind in [
        list(DataType::Float32),
        list(DataType::Float64),
        DataType::LargeList(Arc::new(Field::new("item", DataType::Float64, true))),
    ] {
        let of_kind = |name: &str| cast(rows.column_by_name(name).unwrap(), &kind).unwrap();
        let cast = replaced(&replaced(&rows, "x1", of_kind("x1")), "x2", of_kind("x2"));
        let found = annotated(&cast, "folded", &["--engine", "embedded"]);
        for column in COLUMNS {
            assert_eq!(floats(&found, column), floats(&expected, column), "{kind}: {column}");
        }
    }
}

#[test]
fn fresh_rows_have_the_values_of_the_main_models() {
    let all = read(&work().join("train.parquet"));
    let fresh = all.slice(2000, 1000);
    for engine in ENGINES {
        let found = annotated(&fresh, "folded", &["--engine", engine, "--columns", "fold"]);
        let main = annotated(&fresh, "plain_0", &["--engine", engine]);
        for column in COLUMNS {
            assert_eq!(floats(&found, column), floats(&main, column), "{engine}: {column}");
        }
        assert_eq!(integers(&found, "fold"), vec![None; 1000]);
    }
}

/// Another label, or none: the row is the same, and a bad one has no values.
#[test]
fn the_label_is_no_part_of_a_row() {
    let rows = shuffled();
    let y = rows.column_by_name("y").unwrap().as_primitive::<Int64Type>();
    let labels = |null: bool| -> ArrayRef {
        let label =
            |(row, y): (usize, Option<i64>)| if null && row % 3 == 0 { None } else { y.map(|y| 3 - y) };
        Arc::new(y.iter().enumerate().map(label).collect::<Int64Array>())
    };
    let other = replaced(&rows, "y", labels(false));
    let found = annotated(&other, "folded", &["--engine", "embedded"]);
    are_of_their_own_models(&found, &other, "embedded");

    let some = annotated(
        &replaced(&rows, "y", labels(true)),
        "folded",
        &["--engine", "embedded", "--columns", "fold"],
    );
    let folds = integers(&some, "fold");
    for (row, id) in ids(&rows).into_iter().enumerate() {
        let bad = row % 3 == 0;
        assert_eq!(floats(&some, "s").is_null(row), bad, "row {row}");
        assert_eq!(folds[row], fold_of(id).filter(|_| !bad).map(|fold| fold as i32), "row {row}");
        assert!(bad || floats(&some, "s").value(row) == floats(&found, "s").value(row), "row {row}");
    }
}

#[test]
fn the_bytes_depend_on_neither_batch_nor_workers() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("in.parquet"), &shuffled());
    let bytes = |more: &[&str]| {
        let columns = ["--columns", "i12,h1,fold", "--overwrite"];
        must(annotate(dir.path(), "in.parquet", "out.parquet", "folded", &columns).args(more));
        std::fs::read(dir.path().join("out.parquet")).unwrap()
    };
    for engine in ENGINES {
        let expected = bytes(&["--engine", engine]);
        for more in
            [["--batch-rows", "64"], ["--batch-rows", "1024"], ["--batch-rows", "37"], ["--workers", "5"]]
        {
            let found = bytes(&[&["--engine", engine], &more[..]].concat());
            assert!(found == expected, "{engine}: other bytes with {more:?}");
        }
    }
}

#[test]
fn sql_gives_the_bits_of_annotate() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("in.parquet"), &shuffled());
    let columns = ["--columns", "i1,i2,i12,h1,h2", "--engine", "embedded"];
    must(&mut annotate(dir.path(), "in.parquet", "out.parquet", "folded", &columns));
    let bundle = work().join("folded").display().to_string();
    let differ = COLUMNS.map(|column| format!("v['{column}'] <> {column}")).join(" OR ");
    let found = query(
        dir.path(),
        &format!(
            "SELECT count(*) AS rows, count(*) FILTER (WHERE {differ}) AS other, \
             sum(CASE WHEN lsmi_s(x1, x2, y, '{bundle}') = s THEN 1 ELSE 0 END) AS same \
             FROM (SELECT *, lsmi(x1, x2, y, '{bundle}') AS v FROM 'out.parquet')"
        ),
    );
    assert_eq!((&found["rows"], &found["other"], &found["same"]), (&1733.into(), &0.into(), &1733.into()));
}

/// A bundle as earlier versions wrote it.
#[test]
fn format_1_gives_what_it_always_gave() {
    let dir = tempfile::tempdir().unwrap();
    let old = dir.path().join("old");
    crate::harness::files::copy_folder(&work().join("plain_0"), &old);
    let path = old.join("bundle.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    manifest["format_version"] = 1.into();
    let mut models = serde_json::Map::new();
    for model in manifest["models"].as_array().unwrap() {
        let file = model["file"].as_str().unwrap();
        let mut entry = serde_json::json!({"file": file, "sha256": model["sha256"]});
        if !model["output"].is_null() {
            entry["output"] = model["output"].clone();
        }
        models.insert(file.strip_suffix(".onnx").unwrap().to_owned(), entry);
    }
    manifest["models"] = models.into();
    std::fs::write(&path, manifest.to_string()).unwrap();

    let rows = shuffled();
    let bundle = old.display().to_string();
    for engine in ENGINES {
        let found = annotated(&rows, &bundle, &["--engine", engine]);
        let expected = annotated(&rows, "plain_0", &["--engine", engine]);
        for column in COLUMNS {
            assert_eq!(floats(&found, column), floats(&expected, column), "{engine}: {column}");
        }
    }
}
