//! Bad rows: listed, limited; and the shift of a whole dataset. The input has five
//! rows whose fate is known.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, AsArray, Float32Builder, Int64Array, ListBuilder, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;

use super::{annotated, work};
use crate::harness::last_json;

/// 100 rows in row groups of 40, of which 3, 41, 42, 79 and 99 are bad.
fn with_bad_rows(folder: &Path) -> PathBuf {
    let (mut x1, mut x2) = (ListBuilder::new(Float32Builder::new()), ListBuilder::new(Float32Builder::new()));
    for row in 0..100 {
        let mut values = [0.5, -0.25, 1.0, row as f32 / 100.0];
        if row == 79 {
            values[1] = f32::NAN;
        }
        x1.values().append_slice(&values[..if row == 42 { 3 } else { 4 }]);
        x1.append(true);
        x2.values().append_slice(&[0.1, 0.9, 0.0, -0.5]);
        x2.append(row != 99);
    }
    let label = (0..100).map(|row| match row {
        3 => Some(77),
        41 => None,
        row => Some(row % 4),
    });
    let columns: [(&str, Arc<dyn Array>); 3] = [
        ("x1", Arc::new(x1.finish())),
        ("x2", Arc::new(x2.finish())),
        ("y", Arc::new(label.collect::<Int64Array>())),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let path = folder.join("in.parquet");
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(40)).build();
    let mut writer =
        ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    path
}

#[test]
fn rejects_say_which_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let input = with_bad_rows(folder.path());
    let (output, rejects) = (folder.path().join("out.parquet"), folder.path().join("rejects.parquet"));
    let ran = annotated(&input, &output, &["--rejects", rejects.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(last_json(&ran)["bad_rows"], 5);
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(rejects).unwrap()).unwrap();
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    let all = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    let text = |name: &str| -> Vec<Option<String>> {
        let column: &StringArray = all.column_by_name(name).unwrap().as_string();
        column.iter().map(|value| value.map(str::to_owned)).collect()
    };
    let number = |name: &str| all.column_by_name(name).unwrap().as_primitive::<Int64Type>().values().to_vec();
    assert_eq!(number("row"), [3, 41, 42, 79, 99]);
    assert_eq!(number("row_group"), [0, 1, 1, 1, 2]);
    let some = |values: [&str; 5]| values.map(|value| Some(value.to_owned()));
    let reasons = ["unknown_label", "null_label", "wrong_length_x1", "non_finite_x1", "null_x2"];
    assert_eq!(text("reason"), some(reasons));
    let labels: Vec<_> = text("label").into_iter().map(|label| label.unwrap_or("null".to_owned())).collect();
    assert_eq!(labels, ["77", "null", "2", "3", "3"]);
    assert_eq!(text("file"), some([input.to_str().unwrap(); 5]));
}

#[test]
fn more_bad_rows_than_a_run_bears() {
    let folder = tempfile::tempdir().unwrap();
    let input = with_bad_rows(folder.path());
    for (limit, code) in [("4", 65), ("5", 0), ("4.9%", 65), ("5%", 0)] {
        let output = folder.path().join(format!("{limit}.parquet"));
        let ran = annotated(&input, &output, &["--max-bad-rows", limit]);
        assert_eq!(ran.code, code, "{limit} {}", ran.stderr);
        assert_eq!(output.exists(), code == 0, "{limit}");
        assert!(code == 0 || ran.stderr.contains("1 unknown_label"), "{}", ran.stderr);
        if code != 0 {
            // What was computed is kept, and goes on with a limit that fits.
            let ran = annotated(&input, &output, &["--max-bad-rows", "6"]);
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            assert!(last_json(&ran)["resumed_rows"].as_u64().unwrap() > 0, "{limit}");
        }
    }
    assert_eq!(annotated(&input, &folder.path().join("o"), &["--max-bad-rows", "101%"]).code, 64);
}

#[test]
fn the_shift_of_the_dataset_gives_the_predicted_means() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.parquet");
    let ran = annotated(&work().input, &output, &["--adjust", "dataset", "--columns", "i1,i2,i12"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let summary = last_json(&ran);
    let mean = |column: &str| summary["columns"][column]["mean"].as_f64().unwrap();
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} {b} {summary}");
    let (i1, i2, i12) = (mean("i1"), mean("i2"), mean("i12"));
    let before = |part: &str| summary["adjustment"]["before"][part].as_f64().unwrap();
    assert!(before("u1").min(before("u2")) < 0.0 && before("r") > 0.0 && before("s") > 0.0);
    near(mean("r"), i1.min(i2));
    near(mean("u1").min(mean("u2")), 0.0);
    near(mean("s"), i12 - i1.max(i2));
    // The summary's means are those of the values in the file.
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&output).unwrap()).unwrap();
    let (mut sum, mut rows) = (0.0, 0);
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let r = batch.column_by_name("r").unwrap().as_primitive::<arrow::datatypes::Float32Type>().clone();
        sum += r.values().iter().map(|&r| f64::from(r)).sum::<f64>();
        rows += r.len();
    }
    near(sum / rows as f64, i1.min(i2));
}
