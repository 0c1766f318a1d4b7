//! Folders whose files have other columns or types: what a query is told of them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, StringArray};

use crate::harness::files::{batch, write};
use crate::harness::{Ran, lsmi_in, refused};

/// A folder `data` of three files: `label` is of two types, `u1` is in the last, `v` is a number or a text.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("data")).unwrap();
    let file = |name: &str, columns: &[(&str, ArrayRef)]| {
        write(&dir.path().join("data").join(name), &batch(columns));
    };
    let numbers = || Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef;
    file(
        "a.parquet",
        &[("label", Arc::new(Int32Array::from(vec![1, 2]))), ("id", numbers()), ("v", numbers())],
    );
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["x", "y"]));
    file("b.parquet", &[("label", numbers()), ("id", numbers()), ("v", texts)]);
    let u1: ArrayRef = Arc::new(Float64Array::from(vec![0.5, 1.5]));
    file("c.parquet", &[("label", numbers()), ("id", numbers()), ("u1", u1), ("v", numbers())]);
    dir
}

fn csv(dir: &Path, sql: &str) -> Ran {
    lsmi_in(dir, ["sql", "--format", "csv", sql])
}

#[test]
fn a_query_is_told_once_how_the_columns_differ_that_it_reads() {
    let dir = folder();
    let sql = "SELECT sum(label) AS sum, count(u1) AS u1 FROM 'data'; SELECT max(label) AS max FROM 'data'";
    let ran = csv(dir.path(), sql);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "sum,u1\n9,2\nmax\n2\n"), "{}", ran.stderr);
    let told = "data: its files differ: label is Int32 in data/a.parquet, Int64 in data/b.parquet, and read as Int64; \
                u1 is missing in 2 files, such as data/a.parquet, and null there\n";
    assert_eq!(ran.stderr.matches(told).count(), 1, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("its files differ").count(), 1, "{}", ran.stderr);
    // Nothing is said of columns that are alike, or not read.
    for sql in
        ["SELECT sum(id) FROM 'data'", "SELECT count(*) FROM 'data'", "SELECT label FROM 'data/[bc].parquet'"]
    {
        let ran = csv(dir.path(), sql);
        assert!(ran.code == 0 && !ran.stderr.contains("differ"), "{}", ran.stderr);
    }
}

#[test]
fn types_that_do_not_fit_are_an_error_that_names_both_files() {
    let dir = folder();
    let ran = csv(dir.path(), "SELECT v FROM 'data'");
    refused(
        &ran,
        65,
        &["data/b.parquet, column \"v\"", "Utf8 here and Int64 in data/a.parquet", "CAST(v AS BIGINT)"],
    );
}

#[test]
fn delimited_files_of_other_columns_are_refused_and_lines_of_json_are_not() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("a.csv", "label,weight\n1,0.5\n"),
        ("b.csv", "weight,label\n2,7\n"),
        ("c.csv", "label\n3\n"),
        ("d.csv", "label,weight\n4,8\n"),
        ("e.csv", ""),
        ("a.ndjson", "{\"a\":1}\n"),
        ("b.ndjson", "{\"b\":\"x\"}\n"),
    ] {
        fs::write(dir.path().join(name), text).unwrap();
    }
    for (name, columns) in [("b", "weight, label"), ("c", "label")] {
        let ran = csv(dir.path(), &format!("SELECT * FROM '[a{name}].csv'"));
        let what = format!("{name}.csv: has the columns {columns}, and a.csv has label, weight");
        refused(&ran, 65, &[&what, "UNION ALL BY NAME"]);
    }
    let ran = csv(dir.path(), "SELECT * FROM '[ade].csv' ORDER BY label");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "label,weight\n1,0.5\n4,8.0\n"), "{}", ran.stderr);
    let ran = csv(dir.path(), "SELECT a, b FROM '*.ndjson' ORDER BY a");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "a,b\n1,\n,x\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("a is missing in b.ndjson, and null there"), "{}", ran.stderr);
}

#[test]
fn a_partition_is_no_missing_column() {
    let dir = tempfile::tempdir().unwrap();
    for (day, columns) in [("1", &["day", "id"][..]), ("2", &["id"])] {
        let folder = dir.path().join(format!("data/day={day}"));
        fs::create_dir_all(&folder).unwrap();
        let value = || Arc::new(Int64Array::from(vec![day.parse::<i64>().unwrap()])) as ArrayRef;
        let columns: Vec<(&str, ArrayRef)> = columns.iter().map(|name| (*name, value())).collect();
        write(&folder.join("a.parquet"), &batch(&columns));
    }
    let ran = csv(dir.path(), "SELECT day, id FROM 'data' ORDER BY id");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "day,id\n1,1\n2,2\n"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("differ"), "{}", ran.stderr);
}

/// The first rows of many files are read at the same time, and what is made of them is as if one after the other.
#[test]
fn many_files_of_text_have_the_types_of_all() {
    let dir = tempfile::tempdir().unwrap();
    let write = |folder: &str, name: String, text: String| {
        fs::create_dir_all(dir.path().join(folder)).unwrap();
        fs::write(dir.path().join(folder).join(name), text).unwrap();
    };
    for file in 0..100 {
        let value = if file == 97 { "0.5".to_owned() } else { file.to_string() };
        write("csv", format!("{file:03}.csv"), format!("id,v\n{file},{value}\n"));
        write("lines", format!("{file:03}.ndjson"), format!("{{\"id\": {file}, \"v\": {value}}}\n"));
    }
    for folder in ["csv", "lines"] {
        let sql =
            format!("SELECT count(*) AS n, sum(v) AS sum, arrow_typeof(max(v)) AS type FROM '{folder}'");
        let ran = csv(dir.path(), &sql);
        assert_eq!(ran.stdout, "n,sum,type\n100,4853.5,Float64\n", "{}", ran.stderr);
    }
    // The first file of other columns is named, however many there are.
    for file in [40, 41, 99] {
        write("csv", format!("{file:03}.csv"), format!("id,w\n{file},1\n"));
    }
    refused(&csv(dir.path(), "SELECT count(*) FROM 'csv'"), 65, &["csv/040.csv", "has the columns id, w"]);
}
