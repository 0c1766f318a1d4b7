//! Types that Parquet has no unit for are stored in one that it has, and Arrow files may have metadata.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::Schema;
use arrow::ipc::writer::FileWriter;
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::harness::{lsmi, lsmi_in, must, refused};

#[test]
fn times_are_stored_as_times() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let sql = "SELECT to_timestamp_seconds(1709208000) AS t, arrow_cast('12:00:00', 'Time32(Second)') AS c, \
               arrow_cast(DATE '2024-02-29', 'Date64') AS d, [to_timestamp_seconds(1)] AS l";
    must(lsmi().current_dir(dir).args(["sql", "--output", "t.parquet", sql]));
    let file = SerializedFileReader::new(File::open(dir.join("t.parquet")).unwrap()).unwrap();
    let schema = file.metadata().file_metadata().schema_descr();
    let types: Vec<String> =
        schema.columns().iter().map(|column| format!("{:?}", column.logical_type_ref())).collect();
    let expected = ["Timestamp", "Time", "Date", "Timestamp"];
    for (found, expected) in types.iter().zip(expected) {
        assert!(found.starts_with(&format!("Some({expected}")), "{types:?}");
    }
    let back = ["sql", "--format", "csv", "SELECT t, c, d, l[1] AS l FROM 't.parquet'"];
    let read = must(lsmi().current_dir(dir).args(back)).stdout;
    assert_eq!(read, "t,c,d,l\n2024-02-29T12:00:00,12:00:00,2024-02-29,1970-01-01T00:00:01\n");
    let sql = "SELECT arrow_cast(1709208000001, 'Date64') AS d";
    refused(&lsmi_in(dir, ["sql", "--output", "d.parquet", sql]), 64, &["time of day", "TIMESTAMP"]);
    assert!(!dir.join("d.parquet").exists());
}

#[test]
fn arrow_files_with_metadata_are_counted_and_grouped() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let k: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "a"]));
    let r: ArrayRef = Arc::new(Float64Array::from(vec![0.5, 1.0, 1.5]));
    let rows = RecordBatch::try_from_iter([("k", k), ("r", r)]).unwrap();
    let metadata = HashMap::from([("pandas".to_owned(), "{}".to_owned())]);
    let schema = Arc::new(Schema::clone(&rows.schema()).with_metadata(metadata));
    let rows = rows.with_schema(schema).unwrap();
    let mut writer =
        FileWriter::try_new(File::create(dir.join("p.feather")).unwrap(), &rows.schema()).unwrap();
    writer.write(&rows).unwrap();
    writer.finish().unwrap();
    for (sql, read) in [
        ("SELECT count(*) AS n, sum(1) AS s, count(k) AS k FROM 'p.feather'", "n,s,k\n3,3,3\n"),
        ("SELECT k, avg(r) AS r FROM 'p.feather' GROUP BY k ORDER BY k", "k,r\na,1.0\nb,1.0\n"),
        ("SELECT count(*) AS n FROM (SELECT * FROM 'p.feather' WHERE r > 0.5)", "n\n2\n"),
    ] {
        let ran = must(lsmi().current_dir(dir).args(["sql", "--format", "csv", sql]));
        assert_eq!(ran.stdout, read, "{sql}");
    }
}
