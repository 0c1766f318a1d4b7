//! What annotate reads and what it adds: every type of embedding and of label, the
//! columns of the input as they were, the identities, the order of the rows.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray,
    FixedSizeListArray, Int64Array, ListArray, NullArray, RecordBatch, StringArray, StringDictionaryBuilder,
    StructArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema};

use crate::harness::files::{batch, copy_folder, floats, key_value, names, read, replaced, vectors, write};
use crate::harness::{annotate, annotated, bundle, last_json, lsmi, lsmi_in, must, rows};

const PARTS: [&str; 4] = ["r", "u1", "u2", "s"];

/// The four computed columns, which must hold a number in every row.
fn parts(annotated: &RecordBatch) -> [Vec<f32>; 4] {
    PARTS.map(|name| {
        let column = floats(annotated, name);
        assert_eq!(column.null_count(), 0, "{name}");
        assert!(column.values().iter().all(|value| value.is_finite()), "{name}");
        column.values().to_vec()
    })
}

/// The same up to rounding: an engine adds up in another order where a batch has
/// another length.
#[track_caller]
fn assert_near(some: &[f32], others: &[f32]) {
    assert_eq!(some.len(), others.len());
    for (row, (a, b)) in some.iter().zip(others).enumerate() {
        assert!((a - b).abs() <= 1e-5, "row {row}: {a} and {b}");
    }
}

/// An array of embeddings of f32 as one of another layout and element.
fn as_layout(fixed: &ArrayRef, layout: &str, item: &DataType) -> ArrayRef {
    let fixed = fixed.as_fixed_size_list();
    let values = cast(fixed.values(), item).unwrap();
    let field = Arc::new(Field::new_list_field(item.clone(), true));
    let fixed: ArrayRef =
        Arc::new(FixedSizeListArray::new(field.clone(), fixed.value_length(), values, None));
    match layout {
        "List" => cast(&fixed, &DataType::List(field)).unwrap(),
        "LargeList" => cast(&fixed, &DataType::LargeList(field)).unwrap(),
        _ => fixed,
    }
}

#[test]
fn every_type_of_embedding_gives_the_same() {
    let single = rows(250);
    let x = |rows: &RecordBatch, name: &str| rows.column_by_name(name).unwrap().clone();
    // What half precision holds, in single precision.
    let halved = |name| {
        let half = as_layout(&x(&single, name), "FixedSizeList", &DataType::Float16);
        as_layout(&half, "FixedSizeList", &DataType::Float32)
    };
    let half = replaced(&replaced(&single, "x1", halved("x1")), "x2", halved("x2"));
    let (of_single, of_half) = (parts(&annotated(&single, &[])), parts(&annotated(&half, &[])));
    assert_ne!(of_single, of_half);

    for layout in ["FixedSizeList", "List", "LargeList"] {
        for item in [DataType::Float16, DataType::Float32, DataType::Float64] {
            let (rows, expected) =
                if item == DataType::Float16 { (&half, &of_half) } else { (&single, &of_single) };
            let x1 = as_layout(&x(rows, "x1"), layout, &item);
            // The other modality in another layout.
            let x2 = as_layout(&x(rows, "x2"), if layout == "List" { "LargeList" } else { "List" }, &item);
            let rows = replaced(&replaced(rows, "x1", x1), "x2", x2);
            assert_eq!(parts(&annotated(&rows, &[])), *expected, "{layout} of {item}");
        }
    }
    let bytes = |name| -> ArrayRef {
        let rows = vectors(&single, name).into_iter();
        let rows =
            rows.map(|row| row.map(|row| row.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()));
        Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(rows, 16).unwrap())
    };
    let rows = replaced(&replaced(&single, "x1", bytes("x1")), "x2", bytes("x2"));
    assert_eq!(parts(&annotated(&rows, &[])), of_single, "FixedSizeBinary");
}

#[test]
fn every_type_of_integer_label_gives_the_same() {
    let rows = rows(250);
    let expected = parts(&annotated(&rows, &[]));
    use DataType::{Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64};
    let dictionary = |values| DataType::Dictionary(Box::new(Int8), Box::new(values));
    let y = rows.column_by_name("y").unwrap();
    for label in
        [Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64, dictionary(Int32), dictionary(Int64)]
    {
        let rows = replaced(&rows, "y", cast(y, &label).unwrap());
        assert_eq!(parts(&annotated(&rows, &[])), expected, "{label}");
    }
}

/// The fitted bundle with its classes called otherwise, and the rows with these labels.
fn renamed(classes: serde_json::Value, labels: ArrayRef) -> [Vec<f32>; 4] {
    let dir = tempfile::tempdir().unwrap();
    copy_folder(&bundle(), &dir.path().join("models"));
    let path = dir.path().join("models/bundle.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    manifest["label"]["classes"] = classes;
    std::fs::write(path, manifest.to_string()).unwrap();
    let rows = replaced(&rows(labels.len()), "y", labels);
    write(&dir.path().join("in.parquet"), &rows);
    must(lsmi().current_dir(dir.path()).args([
        "annotate",
        "in.parquet",
        "out.parquet",
        "--bundle",
        "models",
    ]));
    parts(&read(&dir.path().join("out.parquet")))
}

#[test]
fn every_type_of_string_label_gives_the_same() {
    let rows = rows(250);
    let expected = parts(&annotated(&rows, &[]));
    let names = ["nought", "one", "two", "three and a bit more than twelve bytes"];
    let y = rows.column_by_name("y").unwrap().as_primitive::<Int64Type>();
    let labels: ArrayRef = Arc::new(StringArray::from_iter(y.iter().map(|y| y.map(|y| names[y as usize]))));
    let classes = serde_json::json!(names);
    let dictionary = |keys, values| DataType::Dictionary(Box::new(keys), Box::new(values));
    use DataType::{Int8, Int32, LargeUtf8, UInt16, Utf8, Utf8View};
    for label in [
        Utf8,
        LargeUtf8,
        Utf8View,
        dictionary(Int8, Utf8),
        dictionary(Int32, Utf8),
        dictionary(UInt16, LargeUtf8),
    ] {
        let labels = cast(&labels, &label).unwrap();
        assert_eq!(renamed(classes.clone(), labels), expected, "{label}");
    }
}

/// Fits on 300 rows with these labels, annotates them and gives r, u1, u2, s and the
/// bundle's classes.
fn fitted_on(labels: ArrayRef) -> ([Vec<f32>; 4], serde_json::Value) {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write(&dir.join("in.parquet"), &replaced(&rows(labels.len()), "y", labels));
    must(lsmi().current_dir(dir).args(["fit", "in.parquet"]));
    must(lsmi().current_dir(dir).args(["annotate", "in.parquet", "out.parquet"]));
    let inspected = last_json(&lsmi_in(dir, ["bundle", "inspect", "lsmi-bundle", "--json"]));
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.join("lsmi-bundle/bundle.json")).unwrap()).unwrap();
    assert!(inspected.to_string().contains(&manifest["label"]["classes"].to_string()), "{inspected}");
    (parts(&read(&dir.join("out.parquet"))), manifest["label"]["classes"].clone())
}

#[test]
fn fit_takes_integers_strings_and_booleans() {
    let rows = rows(300);
    let y = rows.column_by_name("y").unwrap().as_primitive::<Int64Type>();
    let halves: Vec<bool> = y.iter().map(|y| y.unwrap() >= 2).collect();
    let integers = Int64Array::from_iter_values(halves.iter().map(|half| 5 + i64::from(*half)));
    let strings = StringArray::from_iter_values(halves.iter().map(|half| if *half { "yes" } else { "no" }));
    let (of_integers, classes) = fitted_on(Arc::new(integers));
    assert_eq!(classes, serde_json::json!([5, 6]));
    let (of_strings, classes) = fitted_on(Arc::new(strings));
    assert_eq!(classes, serde_json::json!(["no", "yes"]));
    let (of_booleans, classes) = fitted_on(Arc::new(BooleanArray::from(halves)));
    assert_eq!(classes, serde_json::json!([false, true]));
    assert_eq!(of_integers, of_strings);
    assert_eq!(of_integers, of_booleans);
}

/// 250 rows with columns of many types around the three that are read.
fn wide() -> RecordBatch {
    let rows = rows(250);
    let column = |name: &str| rows.column_by_name(name).unwrap().clone();
    let some = |row: usize| (row % 7 != 3).then_some(row);
    let strings = || (0..250).map(|row| some(row).map(|row| format!("row {row}")));
    let tags =
        (0..250).map(|row| some(row).map(|row| (0..row % 4).map(|i| Some(i as i32)).collect::<Vec<_>>()));
    let mut dictionary = StringDictionaryBuilder::<Int32Type>::new();
    (0..250).for_each(|row| dictionary.append_option(some(row).map(|row| ["a", "b", "c"][row % 3])));
    let inner = StructArray::from(vec![
        (
            Arc::new(Field::new("name", DataType::Utf8, true)),
            Arc::new(StringArray::from_iter(strings())) as ArrayRef,
        ),
        (
            Arc::new(Field::new("tags", DataType::new_list(DataType::Int32, true), true)),
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(tags)) as ArrayRef,
        ),
    ]);
    let decimal = Decimal128Array::from_iter((0..250).map(|row| some(row).map(|row| row as i128 * 1234567)));
    let time =
        TimestampMicrosecondArray::from_iter((0..250).map(|row| some(row).map(|row| row as i64 * 86_400)));
    batch(&[
        ("id", Arc::new(StringArray::from_iter(strings()))),
        ("x2", column("x2")),
        ("when", Arc::new(time.with_timezone("Europe/Zurich"))),
        ("price", Arc::new(decimal.with_precision_and_scale(20, 4).unwrap())),
        ("y", column("y")),
        ("kind", Arc::new(dictionary.finish())),
        ("inner", Arc::new(inner)),
        ("nothing", Arc::new(NullArray::new(250))),
        ("x1", column("x1")),
        ("day", Arc::new(Date32Array::from_iter((0..250).map(|row| some(row).map(|row| row as i32))))),
        (
            "raw",
            Arc::new(BinaryArray::from_iter(
                (0..250).map(|row| some(row).map(|row| vec![row as u8; row % 5])),
            )),
        ),
    ])
}

#[test]
fn the_inputs_columns_are_untouched_and_rows_stay_in_order() {
    let input = wide();
    let metadata = [("owner".to_owned(), "somebody".to_owned())].into();
    let schema = Schema::new_with_metadata(input.schema().fields().clone(), metadata);
    let input = input.with_schema(Arc::new(schema)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("in.parquet"), &input);
    // As the file has it, without what writing alone changes.
    let input = read(&dir.path().join("in.parquet"));
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &["--columns", "i12,h1", "--workers", "3"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let output = read(&dir.path().join("out.parquet"));

    let width = input.num_columns();
    assert_eq!(output.columns()[..width], input.columns()[..]);
    assert_eq!(output.schema().fields()[..width], input.schema().fields()[..]);
    assert_eq!(names(&output.schema())[width..], ["r", "u1", "u2", "s", "i12", "h1"]);
    assert_eq!(output.schema().metadata()["owner"], "somebody");
    assert_eq!(key_value(&dir.path().join("out.parquet"), "written_by").as_deref(), Some("the tests"));
    // A row's values belong to it: the same rows in another order, the other columns gone.
    let backwards = UInt64Array::from_iter_values((0..250).rev());
    let reversed = take_record_batch(&rows(250), &backwards).unwrap();
    let reversed = parts(&annotated(&reversed, &[]));
    for (forth, back) in parts(&output).iter().zip(&reversed) {
        assert_near(forth, &back.iter().rev().copied().collect::<Vec<f32>>());
    }
    for field in &output.schema().fields()[width..] {
        assert_eq!((field.data_type(), field.is_nullable()), (&DataType::Float32, true));
        assert!(field.metadata().contains_key("description") && field.metadata().contains_key("unit"));
    }
}

#[test]
fn the_identities_hold_on_every_row() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("in.parquet"), &rows(3000));
    // A column that is asked for twice is there once.
    let more = ["--columns", "i1,i2,i12,h1,h2,prior_y,i1", "--json"];
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &more);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let output = read(&dir.path().join("out.parquet"));
    assert_eq!(
        names(&output.schema())[3..],
        ["r", "u1", "u2", "s", "i1", "i2", "i12", "h1", "h2", "prior_y"]
    );
    let column = |name| floats(&output, name).values().iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
    let [r, u1, u2, s] = PARTS.map(column);
    let [i1, i2, i12, h1, h2, prior_y] = ["i1", "i2", "i12", "h1", "h2", "prior_y"].map(column);
    let y = output.column_by_name("y").unwrap().as_primitive::<Int64Type>();
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(bundle().join("bundle.json")).unwrap()).unwrap();
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-5;
    for row in 0..3000 {
        assert!(near(r[row] + u1[row], i1[row]), "row {row}: r + u1 = i1");
        assert!(near(r[row] + u2[row], i2[row]), "row {row}: r + u2 = i2");
        assert!(near(r[row] + u1[row] + u2[row] + s[row], i12[row]), "row {row}: r + u1 + u2 + s = i12");
        let least = h1[row].min(h2[row]) - (h1[row] - i1[row]).min(h2[row] - i2[row]);
        assert!(near(r[row], least), "row {row}: r is the definition's");
        let prior = manifest["label"]["prior"][y.value(row) as usize].as_f64().unwrap();
        assert!((prior_y[row] - prior).abs() < 1e-6, "row {row}: p(y)");
    }
    let summary = last_json(&ran);
    let mean = r.iter().sum::<f64>() / 3000.0;
    assert!((summary["columns"]["r"]["mean"].as_f64().unwrap() - mean).abs() < 1e-9);
}

#[test]
fn no_rows_and_one_row() {
    let all = parts(&annotated(&rows(250), &[]));
    let none = annotated(&rows(0), &[]);
    assert_eq!(none.num_rows(), 0);
    assert_eq!(names(&none.schema()), ["x1", "x2", "y", "r", "u1", "u2", "s"]);
    let one = parts(&annotated(&rows(1), &[]));
    for (all, one) in all.iter().zip(&one) {
        assert_near(one, &all[..1]);
    }
}

#[test]
fn how_it_is_batched_changes_nothing_but_rounding() {
    let expected = parts(&annotated(&rows(250), &[]));
    for more in [["--workers", "1", "--batch-rows", "1"], ["--workers", "4", "--batch-rows", "33"]] {
        for (column, expected) in parts(&annotated(&rows(250), &more)).iter().zip(&expected) {
            assert_near(column, expected);
        }
    }
}

#[test]
fn the_output_says_where_it_comes_from() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("in.parquet"), &rows(150));
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &["--json"]);
    let summary = last_json(&ran);
    let value = |key: &str| {
        let found = key_value(&dir.path().join("out.parquet"), &format!("lsmi_etl.{key}"));
        found.unwrap_or_else(|| panic!("no lsmi_etl.{key}"))
    };
    assert_eq!(value("version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(value("bundle_sha256"), summary["bundle_sha256"].as_str().unwrap());
    assert_eq!(value("engine"), summary["engine"].as_str().unwrap());
    assert_eq!((value("units"), value("adjust")), ("raw".into(), "none".into()));
    let json = |key| serde_json::from_str::<serde_json::Value>(&value(key)).unwrap();
    assert_eq!((json("columns"), json("rows")), (summary["columns"].clone(), summary["fates"].clone()));
    let size = std::fs::metadata(dir.path().join("out.parquet")).unwrap().len();
    assert_eq!(summary["output_bytes"], size);
}
