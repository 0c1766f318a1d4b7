//! Labels of every type: what is taken as what, what is refused and with which words, and
//! labels that the bundle does not know.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};

use crate::harness::files::{batch, floats, listing, read, replaced, write};
use crate::harness::{Ran, annotate, bundle, last_json, lsmi, lsmi_in, must, refused, rows, run, shell};

/// 300 rows, their labels of another type, in a folder of their own.
fn folder(label: ArrayRef) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("in.parquet"), &replaced(&rows(label.len()), "y", label));
    dir
}

/// The labels of 300 rows, of which one is missing.
fn labels() -> Vec<Option<i64>> {
    let y = rows(300);
    let y = y.column_by_name("y").unwrap().as_primitive::<Int64Type>();
    y.iter().enumerate().map(|(row, y)| y.filter(|_| row != 7)).collect()
}

fn fit(dir: &Path, more: &[&str]) -> Ran {
    run(lsmi().current_dir(dir).args(["fit", "in.parquet", "--json", "--max-rows", "300"]).args(more))
}

/// Fits and annotates, which must succeed: the classes, and the columns that were added.
fn fitted_and_annotated(label: ArrayRef) -> (serde_json::Value, RecordBatch) {
    let dir = folder(label);
    let ran = fit(dir.path(), &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let ran = must(lsmi().current_dir(dir.path()).args(["annotate", "in.parquet", "out.parquet", "--json"]));
    assert_eq!(
        (last_json(&ran)["bad_rows"].as_u64(), last_json(&ran)["fates"]["null_label"].as_u64()),
        (Some(1), Some(1))
    );
    let manifest = fs::read(dir.path().join("lsmi-bundle/bundle.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let annotated = read(&dir.path().join("out.parquet"));
    let added = ["r", "u1", "u2", "s"].map(|name| (name, annotated.column_by_name(name).unwrap().clone()));
    (manifest["label"]["classes"].clone(), batch(&added))
}

#[test]
fn whole_floats_and_decimals_are_integers_and_binary_is_text() {
    let integers: ArrayRef = Arc::new(Int64Array::from(labels()));
    let expected = fitted_and_annotated(integers.clone());
    assert_eq!(expected.0, serde_json::json!([0, 1, 2, 3]));
    for like in
        [DataType::Float64, DataType::Float32, DataType::Decimal128(38, 0), DataType::Decimal256(50, 0)]
    {
        assert_eq!(fitted_and_annotated(cast(&integers, &like).unwrap()), expected, "{like}");
    }
    let nan: Float64Array = labels().into_iter().map(|y| Some(y.map_or(f64::NAN, |y| y as f64))).collect();
    assert_eq!(fitted_and_annotated(Arc::new(nan)), expected, "NaN for a missing label");

    let strings: ArrayRef =
        Arc::new(StringArray::from_iter(labels().iter().map(|y| y.map(|y| format!("ü{y}")))));
    let expected = fitted_and_annotated(strings.clone());
    assert_eq!(expected.0, serde_json::json!(["ü0", "ü1", "ü2", "ü3"]));
    for like in [DataType::Binary, DataType::LargeBinary] {
        assert_eq!(fitted_and_annotated(cast(&strings, &like).unwrap()), expected, "{like}");
    }
}

#[test]
fn the_models_take_what_they_were_not_fitted_on() {
    let whole: ArrayRef =
        Arc::new(Float64Array::from_iter(labels().into_iter().map(|y| y.map(|y| y as f64))));
    let dir = folder(whole);
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let sql = "SELECT max(abs(lsmi_r(x1, x2, y) - r)) AS d, count(lsmi_r(x1, x2, y)) AS n FROM 'out.parquet'";
    let ran = must(
        lsmi().current_dir(dir.path()).args(["sql", "--format", "ndjson", "--bundle"]).arg(bundle()).arg(sql),
    );
    let row = last_json(&ran);
    assert!(row["n"] == 299 && row["d"].as_f64().unwrap() < 1e-4, "{row}");
    // A report names the classes as the bundle does.
    let report = ["report", "out.parquet", "-o", "report.json", "--format", "json"];
    must(lsmi().current_dir(dir.path()).args(report));
    let report = fs::read_to_string(dir.path().join("report.json")).unwrap();
    assert!(report.contains(r#""class":"3""#) || report.contains(r#""class": "3""#), "{report}");
    assert!(!report.contains(r#""3.0""#), "{report}");
}

#[test]
fn a_fraction_is_named_with_its_row() {
    let mut y: Vec<Option<f64>> = labels().into_iter().map(|y| y.map(|y| y as f64)).collect();
    y[234] = Some(0.5);
    y[256] = Some(1.5);
    let dir = folder(Arc::new(Float64Array::from(y)));
    let what = [
        "in.parquet, row group 2, column \"y\": row 34 of the row group holds 0.5",
        "no class number; choose another column",
    ];
    // Of the fit's classes, texts; the bundle's are integers.
    refused(&fit(dir.path(), &[]), 65, &[&what[..], &["CAST(y AS VARCHAR)"]].concat());
    refused(&annotate(dir.path(), "in.parquet", "out.parquet", &[]), 65, &what);
    let ran = annotate(dir.path(), "in.parquet", "-", &[]);
    assert_eq!(ran.code, 65, "{}", ran.stderr);
    assert!(what.iter().all(|word| ran.stderr.contains(word)), "{}", ran.stderr);
    let sql = "SELECT lsmi_r(x1, x2, y) FROM 'in.parquet'";
    let ran = run(lsmi().current_dir(dir.path()).args(["sql", "--bundle"]).arg(bundle()).arg(sql));
    refused(
        &ran,
        65,
        &["argument y of lsmi", "holds 0.5, which is no class number", "choose another column"],
    );
    // Every value a class, as the message says.
    suggested(dir.path(), &fit(dir.path(), &[]));
    let ran = must(lsmi().current_dir(dir.path()).args(["fit", "cast.parquet", "--json"]));
    assert_eq!(last_json(&ran)["rows"], 300);
}

/// Runs the query of a message.
fn suggested(dir: &Path, ran: &Ran) {
    let command = &ran.stderr[ran.stderr.find("lsmi-etl sql --output").unwrap()..];
    must(shell(command.lines().next().unwrap()).current_dir(dir));
}

#[test]
fn a_type_that_is_no_label_is_named_with_the_cast() {
    let days: ArrayRef = Arc::new(Date32Array::from_iter(labels().into_iter().map(|y| y.map(|y| y as i32))));
    let prices =
        cast(&(Arc::new(Int64Array::from(labels())) as ArrayRef), &DataType::Decimal128(10, 2)).unwrap();
    // Texts are no classes of a bundle of integers.
    let of_bundle = "choose the column it was fitted on";
    for (label, data_type, to, bundles) in
        [(days, "Date32", "VARCHAR", Some(of_bundle)), (prices, "Decimal128(10, 2)", "BIGINT", None)]
    {
        let dir = folder(label);
        let of_type = format!("has type {data_type}, which is no label");
        let cast = format!("REPLACE (CAST(y AS {to}) AS y) FROM 'in.parquet'");
        let what = ["in.parquet", "column \"y\"", of_type.as_str(), cast.as_str()];
        for more in [&[][..], &["--label", "y"]] {
            refused(&fit(dir.path(), more), 65, &what);
        }
        let of_annotate = ["in.parquet", "column \"y\"", of_type.as_str(), bundles.unwrap_or(&cast)];
        refused(&annotate(dir.path(), "in.parquet", "out.parquet", &[]), 65, &of_annotate);
        let sql = "SELECT lsmi_r(x1, x2, y) FROM 'in.parquet'";
        let ran = run(lsmi().current_dir(dir.path()).args(["sql", "--bundle"]).arg(bundle()).arg(sql));
        let cast = format!("cast it: CAST(y AS {to})");
        refused(&ran, 65, &["column \"y\"", of_type.as_str(), bundles.unwrap_or(&cast)]);
        suggested(dir.path(), &fit(dir.path(), &[]));
        let ran = run(lsmi().current_dir(dir.path()).args(["fit", "cast.parquet"]));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
}

#[test]
fn digits_are_the_integers_of_the_bundle() {
    let integers: ArrayRef = Arc::new(Int64Array::from(labels()));
    let dir = folder(cast(&integers, &DataType::Utf8).unwrap());
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let said =
        "in.parquet, column \"y\": strings are read as the bundle's classes, which are integers: '0' is 0";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    // The same values as of integers; lsmi() wants the cast, which a query can write.
    let compare =
        "SELECT count(*) AS n FROM 'out.parquet' WHERE r IS DISTINCT FROM lsmi_r(x1, x2, CAST(y AS BIGINT))";
    let sql = |query: &str| {
        run(lsmi()
            .current_dir(dir.path())
            .args(["sql", "--format", "csv", "--bundle"])
            .arg(bundle())
            .arg(query))
    };
    assert_eq!(sql(compare).stdout, "n\n0\n", "{}", sql(compare).stderr);
    let uncast = sql("SELECT lsmi_r(x1, x2, y) FROM 'in.parquet'");
    refused(&uncast, 65, &["holds strings, the bundle's classes are integers", "CAST(y AS BIGINT)"]);
    // Other strings are another column.
    let words: ArrayRef =
        Arc::new(StringArray::from_iter(labels().into_iter().map(|y| y.map(|y| format!("n{y}")))));
    let dir = folder(words);
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &[]);
    refused(&ran, 65, &["holds strings, the bundle's classes are integers (0, 1", "it was fitted on"]);
    assert!(!ran.stderr.contains("CAST("), "{}", ran.stderr);
}

#[test]
fn bytes_that_are_no_text_are_named_with_their_row() {
    let bytes = labels().into_iter().enumerate().map(|(row, y)| match y {
        Some(_) if row >= 110 => Some(vec![0xff, 0xfe]),
        y => y.map(|y| y.to_string().into_bytes()),
    });
    let dir = folder(Arc::new(BinaryArray::from_iter(bytes)));
    let ran = fit(dir.path(), &[]);
    refused(
        &ran,
        65,
        &[
            "row group 1, column \"y\": row 10 of the row group holds bytes that are no text (fffe)",
            "encode(y, 'hex')",
        ],
    );
    suggested(dir.path(), &ran);
    let ran = run(lsmi().current_dir(dir.path()).args(["fit", "cast.parquet"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn a_column_called_label_goes_before_a_float_called_y() {
    let rows = rows(300);
    let column = |name: &str| rows.column_by_name(name).unwrap().clone();
    let heights: ArrayRef =
        Arc::new(Float64Array::from_iter_values((0..300).map(|row| f64::from(row) / 7.0)));
    let dir = tempfile::tempdir().unwrap();
    let columns = [("x1", column("x1")), ("x2", column("x2")), ("y", heights), ("label", column("y"))];
    write(&dir.path().join("in.parquet"), &batch(&columns));
    let ran = fit(dir.path(), &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("label = label (4 classes)"), "{}", ran.stderr);
}

#[test]
fn more_classes_than_a_tenth_of_the_rows_are_an_identifier() {
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..300).map(|row| format!("row{row}"))));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..300));
    let many: ArrayRef = Arc::new(Int64Array::from_iter_values((0..300).map(|row| row % 31)));
    let enough: ArrayRef = Arc::new(Int64Array::from_iter_values((0..300).map(|row| row % 30)));
    for (label, found, first) in
        [(ids, 300, "row0, row1, row10"), (numbers, 300, "0, 1, 2"), (many.clone(), 31, "0, 1")]
    {
        let dir = folder(label);
        let (found, allow) =
            (format!("holds {found} distinct values in 300 rows ({first}"), format!("--max-classes {found}"));
        let what =
            ["in.parquet, column \"y\"", &found, "a tenth of the rows", "identifier", "--label", &allow];
        refused(&fit(dir.path(), &[]), 65, &what);
        assert_eq!(listing(dir.path()), ["in.parquet"]);
    }
    for (label, more) in [(many.clone(), &["--max-classes", "31"][..]), (enough.clone(), &[])] {
        let ran = fit(folder(label).path(), more);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    refused(&fit(folder(enough).path(), &["--max-classes", "29"]), 65, &["more than --max-classes 29"]);
    let ran = fit(folder(many).path(), &["--max-classes", "1"]);
    assert_eq!(ran.code, 64, "{}", ran.stderr);
}

fn warning(ran: &Ran) -> String {
    let lines: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with(" WARN")).collect();
    lines.join("\n")
}

#[test]
fn labels_that_are_withheld_are_named_with_the_classes() {
    let dir = folder(Arc::new(Int64Array::from(vec![-1; 300])));
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &["--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let words = "300 unknown_label; no row has a label that the bundle knows: its classes are 0, 1, 2, 3, the labels met -1";
    assert!(warning(&ran).contains(words), "{}", ran.stderr);
    assert_eq!(last_json(&ran)["unknown_labels"], serde_json::json!(["-1"]));
    assert_eq!(floats(&read(&dir.path().join("out.parquet")), "r").null_count(), 300);
    let ran = annotate(dir.path(), "in.parquet", "new.parquet", &["--on-bad-row", "fail"]);
    refused(
        &ran,
        65,
        &["row 0 of the row group is bad: unknown_label (-1; the bundle's classes: 0, 1, 2, 3)"],
    );
    let ran = annotate(dir.path(), "in.parquet", "new.parquet", &["--max-bad-rows", "99%"]);
    refused(&ran, 65, &["unknown labels: -1; the bundle's classes: 0, 1, 2, 3"]);
    // A stream, several files, and a query.
    let ran = annotate(dir.path(), "in.parquet", "-", &[]);
    assert!(warning(&ran).contains("the labels met -1"), "{}", ran.stderr);
    fs::create_dir(dir.path().join("in")).unwrap();
    for name in ["a", "b"] {
        fs::copy(dir.path().join("in.parquet"), dir.path().join(format!("in/{name}.parquet"))).unwrap();
    }
    let ran = annotate(dir.path(), "in", "out", &["--json"]);
    assert!(
        warning(&ran).contains("600 unknown_label; no row has a label that the bundle knows"),
        "{}",
        ran.stderr
    );
    assert_eq!(last_json(&ran)["unknown_labels"], serde_json::json!(["-1"]));
    let sql = "SELECT count(lsmi_r(x1, x2, y)) AS n FROM 'in.parquet'";
    let ran = must(
        lsmi().current_dir(dir.path()).args(["sql", "--format", "ndjson", "--bundle"]).arg(bundle()).arg(sql),
    );
    assert_eq!(last_json(&ran)["n"], 0);
    assert!(
        warning(&ran).contains("label -1 is none of the bundle's classes (0, 1, 2, 3)"),
        "{}",
        ran.stderr
    );
}

#[test]
fn some_unknown_labels_are_named_too() {
    let y = labels().into_iter().enumerate().map(|(row, y)| if row > 200 { Some(row as i64) } else { y });
    let dir = folder(Arc::new(Int64Array::from_iter(y)));
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &["--json"]);
    let words =
        "99 unknown_label; unknown labels: 201, 202, 203, 204, 205, …; the bundle's classes: 0, 1, 2, 3";
    assert!(warning(&ran).contains(words), "{}", ran.stderr);

    let dir = folder(Arc::new(Int64Array::from(vec![None; 300])));
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &["--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        warning(&ran).contains("no row has a label, the bundle's classes are 0, 1, 2, 3"),
        "{}",
        ran.stderr
    );
    assert!(last_json(&ran).get("unknown_labels").is_none());
    // All rows are good: not a word.
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("in.parquet"), &rows(300));
    let ran = lsmi_in(
        dir.path(),
        ["annotate", "in.parquet", "out.parquet", "--bundle", bundle().to_str().unwrap()],
    );
    assert_eq!((ran.code, warning(&ran).as_str()), (0, ""));
}
