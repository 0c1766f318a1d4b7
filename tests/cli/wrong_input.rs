//! An input that is not what it must be, each with its message and its exit code.

use std::fs;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, ListArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float32Type};

use crate::harness::files::{batch, embeddings, listing, replaced, vectors, write};
use crate::harness::{annotate, fitted, lsmi_in, refused, rows};

#[test]
fn no_such_file() {
    let dir = tempfile::tempdir().unwrap();
    let ran = annotate(dir.path(), "absent.parquet", "out.parquet", &[]);
    refused(&ran, 66, &["absent.parquet", "cannot open the input", "No such file"]);
    assert!(listing(dir.path()).is_empty());
}

#[test]
fn a_folder_is_no_file() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("in.parquet")).unwrap();
    refused(
        &annotate(dir.path(), "in.parquet", "out.parquet", &[]),
        66,
        &["in.parquet", "no *.parquet file is there"],
    );
}

#[test]
fn not_parquet() {
    let dir = tempfile::tempdir().unwrap();
    for content in ["x1,x2,y\n1,2,0\n", ""] {
        fs::write(dir.path().join("in.parquet"), content).unwrap();
        let ran = annotate(dir.path(), "in.parquet", "out.parquet", &[]);
        refused(&ran, 65, &["in.parquet", "is not a Parquet file"]);
    }
    assert_eq!(listing(dir.path()), ["in.parquet"]);
}

#[test]
fn truncated_at_every_kind_of_place() {
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(fitted().join("in.parquet")).unwrap();
    let footer = u32::from_le_bytes(whole[whole.len() - 8..][..4].try_into().unwrap()) as usize;
    let ends = [
        ("the magic's last byte", whole.len() - 1),
        ("the footer's length", whole.len() - 6),
        ("half the footer", whole.len() - 8 - footer / 2),
        ("the whole footer", whole.len() - 8 - footer),
        ("half the file", whole.len() / 2),
        ("all but the magic", 4),
    ];
    for (lost, length) in ends {
        fs::write(dir.path().join("in.parquet"), &whole[..length]).unwrap();
        let ran = annotate(dir.path(), "in.parquet", "out.parquet", &[]);
        assert_eq!(ran.code, 65, "{lost}: {}", ran.stderr);
        refused(&ran, 65, &["in.parquet", "cut off", "write it again"]);
    }
    // Bytes lost in the middle: the footer is there and promises more than the file holds.
    let middle = [&whole[..whole.len() / 3], &whole[whole.len() / 2..]].concat();
    fs::write(dir.path().join("in.parquet"), middle).unwrap();
    refused(&annotate(dir.path(), "in.parquet", "out.parquet", &[]), 65, &["in.parquet", "write it again"]);
    assert_eq!(listing(dir.path()), ["in.parquet"]);
    for query in ["SELECT sum(true_r) FROM 'in.parquet'", "SELECT * FROM 'in.parquet'"] {
        let ran = lsmi_in(dir.path(), ["sql", "--format", "csv", query]);
        assert_eq!(ran.code, 65, "{}", ran.stderr);
        assert!(ran.stderr.contains("in.parquet"), "{}", ran.stderr);
    }
}

#[test]
fn damaged_pages() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = fs::read(fitted().join("in.parquet")).unwrap();
    // The first page's header.
    bytes[4..24].fill(0xff);
    fs::write(dir.path().join("in.parquet"), bytes).unwrap();
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &[]);
    refused(&ran, 65, &["in.parquet, row group 0, column \"x1\"", "damaged, write it again"]);
    assert_eq!(listing(dir.path()), ["in.parquet"]);
}

#[test]
fn missing_column() {
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(10);
    let x = |name| rows.column_by_name(name).unwrap().clone();
    write(&dir.path().join("in.parquet"), &batch(&[("x11", x("x1")), ("x2", x("x2")), ("label", x("y"))]));
    let run = |more: &[&str]| annotate(dir.path(), "in.parquet", "out.parquet", more);
    let columns = "the columns are: x11, x2, label";
    refused(&run(&[]), 65, &["in.parquet, column \"x1\"", "did you mean \"x11\"?", columns]);
    refused(&run(&["--x1", "X11"]), 65, &["column \"X11\"", "did you mean \"x11\"?", columns]);
    let ran = run(&["--x1", "x11", "--label", "lable"]);
    refused(&ran, 65, &["column \"lable\"", "did you mean \"label\"?", columns]);
    let ran = run(&["--x1", "x11", "--x2", "picture"]);
    refused(&ran, 65, &["column \"picture\"", columns]);
    assert!(!ran.stderr.contains("did you mean"), "{}", ran.stderr);
    assert_eq!(run(&["--x1", "x11", "--label", "label"]).code, 0);
}

#[test]
fn wrong_dimension() {
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(200);
    let longer: Vec<_> =
        vectors(&rows, "x2").into_iter().map(|row| row.map(|row| [&row[..], &[0.5]].concat())).collect();
    let fixed = embeddings(&longer, 5);
    let lists = longer.into_iter().map(|row| row.map(|row| row.into_iter().map(Some)));
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(lists));
    let large = DataType::LargeList(Arc::new(Field::new_list_field(DataType::Float32, true)));
    for x2 in [fixed, cast(&lists, &large).unwrap(), lists] {
        write(&dir.path().join("in.parquet"), &replaced(&rows, "x2", x2));
        let ran = annotate(dir.path(), "in.parquet", "out.parquet", &[]);
        let what = ["in.parquet", "column \"x2\"", "dimension 5", "models take 4", "another bundle"];
        refused(&ran, 65, &what);
    }
    assert_eq!(listing(dir.path()), ["in.parquet"]);
}

#[test]
fn columns_of_types_that_do_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(10);
    let run = |name: &str, array: ArrayRef| {
        write(&dir.path().join("in.parquet"), &replaced(&rows, name, array));
        annotate(dir.path(), "in.parquet", "out.parquet", &[])
    };
    let y = rows.column_by_name("y").unwrap();
    let days = cast(&cast(y, &DataType::Int32).unwrap(), &DataType::Date32).unwrap();
    let what = ["in.parquet, column \"y\"", "Date32", "no label", "CAST(y AS VARCHAR)"];
    refused(&run("y", days), 65, &what);
    let string = cast(y, &DataType::Utf8).unwrap();
    refused(&run("y", string), 65, &["column \"y\"", "holds strings", "classes are integers"]);
    let scalar: ArrayRef = Arc::new(Float64Array::from(vec![1.0; 10]));
    refused(&run("x1", scalar), 65, &["column \"x1\"", "Float64", "no embedding", "FixedSizeList"]);
    let x1 = rows.column_by_name("x1").unwrap().as_fixed_size_list();
    let integers = cast(x1.values(), &DataType::Int32).unwrap();
    let item = Arc::new(Field::new_list_field(DataType::Int32, true));
    let integers = arrow::array::FixedSizeListArray::new(item, 4, integers, None);
    assert_eq!(integers.len(), 10);
    refused(&run("x1", Arc::new(integers)), 65, &["column \"x1\"", "Int32", "no embedding"]);
    assert_eq!(listing(dir.path()), ["in.parquet"]);
}

#[test]
fn a_column_that_would_be_there_twice() {
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(10);
    let r: ArrayRef = Arc::new(Float64Array::from(vec![1.0; 10]));
    let mut columns: Vec<_> = ["x1", "x2", "y"].map(|n| (n, rows.column_by_name(n).unwrap().clone())).into();
    columns.push(("r", r));
    write(&dir.path().join("in.parquet"), &batch(&columns));
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &[]);
    refused(&ran, 64, &["in.parquet", "column", "\"r\""]);
    assert_eq!(listing(dir.path()), ["in.parquet"]);
}
