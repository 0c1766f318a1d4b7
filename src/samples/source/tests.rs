//! Tests of samples read back from files of every accepted type, with good rows and bad.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, FixedSizeBinaryArray, Float32Array, Int64Array, LargeListArray, ListArray, RecordBatch,
    StringArray, StructArray,
};
use arrow::datatypes::{Float32Type, Float64Type, Int64Type};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

use crate::bundle::Class;
use crate::samples::{
    Fate, Modality, OnMissingModality, ReadBuffers, Samples, dimension_of, obvious_embeddings, obvious_label,
};

use super::*;

const D1: usize = 3;
const D2: usize = 2;

/// A file of one row group for each list of columns, closed at its end.
fn write(row_groups: &[Vec<(&str, ArrayRef)>]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("samples.parquet");
    let batches: Vec<RecordBatch> = row_groups
        .iter()
        .map(|columns| {
            RecordBatch::try_from_iter_with_nullable(columns.iter().map(|(n, a)| (*n, a.clone(), true)))
                .unwrap()
        })
        .collect();
    let properties =
        WriterProperties::builder().set_data_page_row_count_limit(7).set_write_batch_size(3).build();
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batches[0].schema(), Some(properties)).unwrap();
    for batch in &batches {
        writer.write(batch).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap();
    (folder, path)
}

/// Row `i` of a good column: i, i + 0.5, i + 1, …
fn row(i: usize, dim: usize) -> Vec<f32> {
    (0..dim).map(|j| i as f32 + j as f32 / 2.0).collect()
}

fn good_lists(rows: Range<usize>, dim: usize) -> Vec<Option<Vec<Option<f32>>>> {
    rows.map(|i| Some(row(i, dim).into_iter().map(Some).collect())).collect()
}

fn list(rows: Vec<Option<Vec<Option<f32>>>>) -> ArrayRef {
    Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows))
}

fn classes() -> Vec<Class> {
    ["a", "b"].map(|s| Class::String(s.to_owned())).to_vec()
}

fn pair(x1: &str, x2: &str) -> [(String, usize); 2] {
    [(x1.to_owned(), D1), (x2.to_owned(), D2)]
}

fn request<'a>(x: &'a [(String, usize)], classes: &'a [Class]) -> ColumnRequest<'a> {
    ColumnRequest { x, label: Some("y"), classes, key: &[], on_missing: OnMissingModality::Null }
}

fn good_file(rows: usize) -> (TempDir, PathBuf) {
    let wide = good_lists(0..rows, D2)
        .into_iter()
        .map(|r| r.map(|r| r.into_iter().map(|v| v.map(f64::from)).collect::<Vec<_>>()));
    let labels = (0..rows).map(|i| Some(if i % 3 == 0 { "b" } else { "a" }));
    write(&[vec![
        ("x1", list(good_lists(0..rows, D1))),
        ("x2", Arc::new(LargeListArray::from_iter_primitive::<Float64Type, _, _>(wide))),
        ("y", Arc::new(labels.collect::<StringArray>())),
    ]])
}

fn batches(source: &Source, rows: Range<usize>, batch_rows: usize) -> Vec<Samples> {
    let found = source.read(0, rows, batch_rows, &ReadAhead::none()).unwrap();
    found.map(|found| found.unwrap().read(&mut ReadBuffers::default()).unwrap()).collect()
}

#[test]
fn any_range_in_any_batches() {
    let (_folder, path) = good_file(100);
    let input = Input::open(&path).unwrap();
    let classes = classes();
    let source = Source::new(&input, &request(&pair("x1", "x2"), &classes)).unwrap();
    for (range, batch_rows) in
        [(0..100, 100), (0..100, 7), (0..100, 1000), (13..14, 1), (41..99, 20), (50..50, 5)]
    {
        let mut next = range.start;
        let mut memory = ReadBuffers::default();
        for samples in source.read(0, range.clone(), batch_rows, &ReadAhead::none()).unwrap() {
            let samples = samples.unwrap().read(&mut memory).unwrap();
            assert_eq!(samples.first_row, next);
            assert_eq!(samples.rows, batch_rows.min(range.end - next));
            for i in 0..samples.rows {
                assert_eq!(samples.x[0][i * D1..(i + 1) * D1], row(next + i, D1));
                assert_eq!(samples.x[1][i * D2..(i + 1) * D2], row(next + i, D2));
                assert_eq!(samples.class[i], u32::from((next + i) % 3 == 0));
                assert_eq!(samples.fates[i], Fate::Good);
            }
            assert_eq!(samples.x[0].len(), samples.rows * D1);
            next += samples.rows;
            memory.reuse(samples);
        }
        assert_eq!(next, range.end);
    }
}

#[test]
fn every_row_has_one_fate() {
    let mut x1 = good_lists(0..8, D1);
    let mut x2 = good_lists(0..8, D2);
    let mut y = vec![Some("a"); 8];
    x1[0] = None;
    x1[1].as_mut().unwrap().pop();
    x1[2].as_mut().unwrap()[1] = Some(f32::NAN);
    x2[3] = None;
    x2[4].as_mut().unwrap()[0] = None;
    y[5] = None;
    y[6] = Some("c");
    // Several reasons: the label's takes precedence.
    x1[6] = None;
    x2[0] = None;
    let labels: ArrayRef = Arc::new(StringArray::from(y));
    let (_folder, path) = write(&[vec![("x1", list(x1)), ("x2", list(x2)), ("y", labels)]]);
    let classes = classes();
    let source = Source::new(&Input::open(&path).unwrap(), &request(&pair("x1", "x2"), &classes)).unwrap();
    let batches: Vec<Samples> = batches(&source, 0..8, 3);
    let fates: Vec<Fate> = batches.iter().flat_map(|b| b.fates.clone()).collect();
    let expected = [
        Fate::NullEmbedding(Modality(0)),
        Fate::WrongLength(Modality(0)),
        Fate::NonFinite(Modality(0)),
        Fate::NullEmbedding(Modality(1)),
        Fate::NonFinite(Modality(1)),
        Fate::NullLabel,
        Fate::UnknownLabel,
        Fate::Good,
    ];
    assert_eq!(fates, expected);
    assert_eq!(batches[2].x[0][D1..], row(7, D1));
}

#[test]
fn one_column_can_be_both_modalities() {
    let (_folder, path) = good_file(10);
    let classes = classes();
    let x = [0, 1].map(|_| ("x1".to_owned(), D1));
    let source = Source::new(&Input::open(&path).unwrap(), &request(&x, &classes)).unwrap();
    let samples = batches(&source, 0..10, 10).remove(0);
    assert_eq!(samples.x[0], samples.x[1]);
    assert_eq!(samples.x[0].len(), 10 * D1);
}

#[test]
fn a_wrong_column_is_no_bad_row() {
    let x = || list(good_lists(0..20, D1));
    let y: ArrayRef = Arc::new(StringArray::from(vec!["a"; 20]));
    let (_folder, path) = write(&[vec![("x1", x()), ("x2", list(good_lists(0..20, D2))), ("y", y)]]);
    let input = Input::open(&path).unwrap();
    let classes = classes();
    let error = |request: ColumnRequest<'_>| {
        let error = Source::new(&input, &request).unwrap_err();
        assert_eq!(error.exit_code(), 65);
        error.to_string()
    };
    let wrong = error(request(&pair("x1", "x1"), &classes));
    assert!(
        wrong.contains("dimension 3") && wrong.contains("take 2") && wrong.contains("column \"x1\""),
        "{wrong}"
    );
    assert!(error(request(&pair("x3", "x2"), &classes)).contains("the columns are: x1, x2, y"));
    assert!(error(request(&pair("y", "x2"), &classes)).contains("no embedding"));
    assert!(
        error(ColumnRequest { label: Some("x1"), ..request(&pair("x1", "x2"), &classes) })
            .contains("no label")
    );
    let integers = [Class::Integer(1)];
    assert!(error(request(&pair("x1", "x2"), &integers)).contains("holds strings"));
}

#[test]
fn columns_are_chosen_where_there_is_no_doubt() {
    let (_folder, path) = good_file(10);
    let input = Input::open(&path).unwrap();
    assert_eq!(obvious_embeddings(&input).unwrap(), ["x1", "x2"]);
    assert_eq!(obvious_label(&input).unwrap(), "y");
    assert_eq!(dimension_of(&input, "x1").unwrap(), D1);
    assert_eq!(dimension_of(&input, "x2").unwrap(), D2);
    assert_eq!(dimension_of(&input, "y").unwrap_err().exit_code(), 65);

    let lists = || list(good_lists(0..4, 3));
    let bytes = |row: &dyn Fn(u8) -> Vec<u8>| -> ArrayRef {
        Arc::new(FixedSizeBinaryArray::try_from_iter((0..4).map(row)).unwrap())
    };
    let of = |third: ArrayRef| {
        let (folder, path) = write(&[vec![("x1", lists()), ("x2", lists()), ("x3", third)]]);
        (folder, Input::open(&path).unwrap())
    };
    // The bytes of f32 values leave a doubt, those of identifiers, counters and hashes do not.
    let floats = |i: u8| [0.0, f32::from(i) + 0.5, -2.25].map(f32::to_le_bytes).concat();
    let (_folder, input) = of(bytes(&floats));
    let message = obvious_embeddings(&input).unwrap_err().to_string();
    assert!(message.contains("x3 may be embeddings") && message.ends_with("from: x1, x2, x3"), "{message}");
    let hash =
        |i: u8| (0..16_u8).map(|at| (i + 1).wrapping_mul(at.wrapping_mul(37) ^ 0xa5)).collect::<Vec<u8>>();
    let counter = |i: u8| vec![i, 0, 0, 0, 7, 0, 0, 0];
    let odd = |i: u8| vec![i; 10];
    let integers: ArrayRef =
        Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>((0..4).map(|i| Some([Some(i), Some(1)]))));
    let scalars: ArrayRef = Arc::new(Float32Array::from(vec![0.5; 4]));
    for third in [bytes(&hash), bytes(&counter), bytes(&odd), integers, scalars] {
        let (_folder, input) = of(third.clone());
        assert_eq!(obvious_embeddings(&input).unwrap(), ["x1", "x2"], "{third:?}");
    }

    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let (_folder, path) = write(&[vec![("x", list(vec![None])), ("y", numbers.clone()), ("Label", numbers)]]);
    let input = Input::open(&path).unwrap();
    let message = obvious_embeddings(&input).unwrap_err().to_string();
    assert!(
        message.contains("only the column x holds embeddings, and two modalities are the least"),
        "{message}"
    );
    let message = obvious_label(&input).unwrap_err().to_string();
    assert!(message.ends_with("--label from: y, Label"), "{message}");
    assert!(dimension_of(&input, "x").unwrap_err().to_string().contains("no embedding in any row"));

    // Single lists of another length are bad rows, also in the first place.
    let lists = [5, 0, 6, 6, 5, 6].map(|length| Some(vec![Some(0.5); length]));
    let (_folder, path) = write(&[vec![("x", list(lists.to_vec()))]]);
    assert_eq!(dimension_of(&Input::open(&path).unwrap(), "x").unwrap(), 6);
}

#[test]
fn names_inside_other_columns_are_not_columns() {
    let inner: ArrayRef = Arc::new(Float32Array::from(vec![1.0]));
    let outer: ArrayRef = Arc::new(StructArray::try_from(vec![("x1", inner)]).unwrap());
    let (_folder, path) = write(&[vec![("outer", outer)]]);
    let input = Input::open(&path).unwrap();
    assert!(input.column("x1").is_err());
    assert!(input.column("outer.x1").is_err());
}

#[test]
fn a_damaged_page_names_its_place() {
    let (_folder, path) = good_file(100);
    let input = Input::open(&path).unwrap();
    let (start, length) = input.metadata().row_group(0).column(1).byte_range();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[start as usize..(start + length) as usize].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let input = Input::open(&path).unwrap();
    let classes = classes();
    // The probe of the first rows fails already.
    let error = Source::new(&input, &request(&pair("x1", "x2"), &classes)).unwrap_err();
    assert_eq!(error.exit_code(), 65);
    assert!(error.to_string().contains("samples.parquet, row group 0, column \"x2\""), "{error}");
}
