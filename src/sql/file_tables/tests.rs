//! Tests of tables that are files, folders and globs.

use std::fs::File;

use datafusion::arrow::array::{Array, Int64Array, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use tempfile::TempDir;

use super::super::{SqlOptions, context};
use super::*;

/// The rows of a query, in one batch.
fn query(sql: &str) -> Result<RecordBatch> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let context = context(&SqlOptions::default())?;
        let frame = context.sql(sql).await.map_err(|e| convert_error(e, ""))?;
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let batches = frame.collect().await.map_err(|e| convert_error(e, ""))?;
        Ok(concat_batches(&schema, &batches).unwrap())
    })
}

fn integer(batch: &RecordBatch, column: &str) -> i64 {
    let column = batch.column_by_name(column).unwrap();
    column.as_any().downcast_ref::<Int64Array>().unwrap().value(0)
}

/// A Parquet file with one Int64 column `v` of 0..rows.
fn parquet(dir: &TempDir, name: &str, rows: i64) -> String {
    let path = dir.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let values: Arc<dyn Array> = Arc::new(Int64Array::from_iter_values(0..rows));
    let batch = RecordBatch::try_from_iter([("v", values)]).unwrap();
    let file = File::create(&path).unwrap();
    let mut writer = datafusion::parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    path.to_string_lossy().into_owned()
}

#[test]
fn a_file_is_a_table_in_either_quotes() {
    let dir = TempDir::new().unwrap();
    let path = parquet(&dir, "Out 1.parquet", 5);
    for quoted in [format!("'{path}'"), format!("\"{path}\"")] {
        let rows = query(&format!("SELECT sum(v) AS v FROM {quoted}")).unwrap();
        assert_eq!(integer(&rows, "v"), 10);
    }
}

#[test]
fn a_folder_is_read_whole_with_its_partitions_as_columns() {
    let dir = TempDir::new().unwrap();
    parquet(&dir, "year=2024/site=a/1.parquet", 2);
    parquet(&dir, "year=2025/site=7/1.parquet", 3);
    let folder = dir.path().display();
    let rows = query(&format!(
        "SELECT max(year) AS year, count(*) AS n, min(site) AS site FROM '{folder}' WHERE year > 2024"
    ))
    .unwrap();
    assert_eq!((integer(&rows, "year"), integer(&rows, "n")), (2025, 3));
    assert_eq!(rows.column_by_name("site").unwrap().data_type().to_string(), "Utf8");
}

#[test]
fn files_in_plain_folders_below_are_read_and_other_files_are_not() {
    let dir = TempDir::new().unwrap();
    parquet(&dir, "1.parquet", 2);
    parquet(&dir, "deep/2.parquet", 3);
    std::fs::write(dir.path().join("_SUCCESS"), "").unwrap();
    std::fs::write(dir.path().join("0.txt"), "notes").unwrap();
    let rows = query(&format!("SELECT count(*) AS n FROM '{}'", dir.path().display())).unwrap();
    assert_eq!(integer(&rows, "n"), 5);
}

#[test]
fn a_partition_that_a_path_lacks_is_null() {
    let dir = TempDir::new().unwrap();
    parquet(&dir, "year=2024/1.parquet", 2);
    parquet(&dir, "2.parquet", 3);
    let table = dir.path().display();
    let rows = query(&format!("SELECT count(*) AS n FROM '{table}' WHERE year IS NULL")).unwrap();
    assert_eq!(integer(&rows, "n"), 3);
}

#[test]
fn a_file_without_the_column_of_its_folder_takes_the_folders_value() {
    let dir = TempDir::new().unwrap();
    parquet(&dir, "v=0/1.parquet", 1);
    let path = dir.path().join("v=3/2.parquet");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let names: Arc<dyn Array> = Arc::new(Int64Array::from(vec![7, 8]));
    let batch = RecordBatch::try_from_iter([("w", names)]).unwrap();
    let file = File::create(&path).unwrap();
    let mut writer = datafusion::parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let table = dir.path().display();
    for (condition, count) in [("v = 3", 2), ("v = 0", 1), ("v IS NULL", 0), ("v >= 0", 3)] {
        let rows = query(&format!("SELECT count(*) AS n FROM '{table}' WHERE {condition}")).unwrap();
        assert_eq!(integer(&rows, "n"), count, "{condition}");
    }
    let rows = query(&format!("SELECT sum(v) AS v, max(w) AS w FROM '{table}'")).unwrap();
    assert_eq!((integer(&rows, "v"), integer(&rows, "w")), (6, 8));
    // What a file says itself is still compared.
    parquet(&dir, "v=5/3.parquet", 1);
    let error = query(&format!("SELECT v FROM '{table}'")).unwrap_err();
    assert!(error.to_string().contains("holds 0 where its folder says v=5"), "{error}");
}

#[test]
fn partitions_of_text_are_compared_with_numbers() {
    let dir = TempDir::new().unwrap();
    for (folder, rows) in [("1", 1), ("02", 2), ("2.5", 4), ("x%20y", 8), ("__HIVE_DEFAULT_PARTITION__", 16)]
    {
        parquet(&dir, &format!("k={folder}/a.parquet"), rows);
    }
    let table = dir.path().display();
    let count = |from: &str| integer(&query(&format!("SELECT count(*) AS n FROM {from}")).unwrap(), "n");
    for (condition, rows) in [
        ("k = 2", 2),
        ("2 = k", 2),
        ("k = 2.5", 4),
        ("k > 1", 6),
        ("k <> 2", 5),
        ("k IN (1, 2)", 3),
        ("k BETWEEN 2 AND 3", 6),
        ("k = '02'", 2),
        ("k = 'x y'", 8),
        ("k IS DISTINCT FROM 2", 29),
    ] {
        assert_eq!(count(&format!("'{table}' WHERE {condition}")), rows, "{condition}");
        let renamed = format!("(SELECT t.k, v FROM '{table}' AS t) AS u WHERE {condition}");
        assert_eq!(count(&renamed), rows, "{renamed}");
    }
    // Text that is no partition is an error, as elsewhere.
    assert!(query("SELECT * FROM (VALUES ('x')) AS t(k) WHERE k = 2").is_err());
}

#[test]
fn a_glob_matches_one_level_a_star() {
    let dir = TempDir::new().unwrap();
    parquet(&dir, "a1.parquet", 1);
    parquet(&dir, "a2.parquet", 2);
    parquet(&dir, "b.parquet", 4);
    parquet(&dir, "day=1/a3.parquet", 8);
    let count = |pattern: &str| {
        let sql = format!("SELECT count(*) AS n FROM '{}/{pattern}'", dir.path().display());
        query(&sql).map(|rows| integer(&rows, "n"))
    };
    assert_eq!(count("a*.parquet").unwrap(), 3);
    assert_eq!(count("day=*/*.parquet").unwrap(), 8);
    assert_eq!(count("**/a?.parquet").unwrap(), 11);
    assert_eq!(count("z*.parquet").unwrap_err().exit_code(), 66);
}

#[test]
fn text_formats_are_told_by_the_ending() {
    let dir = TempDir::new().unwrap();
    for (name, text) in [
        ("t.csv", "v,w\n1,x\n2,y\n"),
        ("t.tsv", "v\tw\n1\tx\n2\ty\n"),
        ("t.ndjson", "{\"v\":1,\"w\":\"x\"}\n{\"v\":2,\"w\":\"y\"}\n"),
        ("t.json", " [{\"v\":1,\"w\":\"x\"},{\"v\":2,\"w\":\"y\"}]"),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let rows = query(&format!("SELECT sum(v) AS v FROM '{}' WHERE w <> 'q'", path.display())).unwrap();
        assert_eq!(integer(&rows, "v"), 3, "{name}");
    }
}

#[test]
fn arrow_files_are_tables_too() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("t.arrow");
    let values: Arc<dyn Array> = Arc::new(Int64Array::from_iter_values(0..5));
    let batch = RecordBatch::try_from_iter([("v", values)]).unwrap();
    let file = File::create(&path).unwrap();
    let mut writer = datafusion::arrow::ipc::writer::FileWriter::try_new(file, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let rows = query(&format!("SELECT sum(v) AS v FROM '{}'", path.display())).unwrap();
    assert_eq!(integer(&rows, "v"), 10);
}

/// Without a check, a null of the type takes 6 GB before anything is read.
#[test]
fn an_arrow_file_of_absurdly_wide_values_is_damaged() {
    let dir = TempDir::new().unwrap();
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let wide = Field::new("x1", DataType::FixedSizeList(item, 1_476_395_012), false);
    let path = dir.path().join("wide.arrows");
    let file = File::create(&path).unwrap();
    let schema = Schema::new(vec![wide]);
    datafusion::arrow::ipc::writer::StreamWriter::try_new(file, &schema).unwrap().finish().unwrap();
    let error = query(&format!("SELECT * FROM '{}'", path.display())).unwrap_err();
    assert_eq!(error.exit_code(), 65);
    assert!(error.to_string().contains("wide.arrows, column \"x1\": has type FixedSizeList"), "{error}");
}

#[test]
fn what_is_missing_or_broken_is_named() {
    let dir = TempDir::new().unwrap();
    let remote = query("SELECT * FROM 'ftp://host/file.parquet'").unwrap_err();
    assert_eq!(remote.exit_code(), 64);
    assert!(remote.to_string().contains("no URL of a store; use s3://"), "{remote}");

    let missing = query("SELECT * FROM 'no/such/file.parquet'").unwrap_err();
    assert_eq!(missing.exit_code(), 66);
    assert!(missing.to_string().starts_with("no/such/file.parquet: cannot open the input"), "{missing}");

    let whole = parquet(&dir, "data/1.parquet", 1000);
    let bytes = std::fs::read(&whole).unwrap();
    let half = dir.path().join("data/2.parquet");
    std::fs::write(&half, &bytes[..bytes.len() / 2]).unwrap();
    for table in [half.display().to_string(), dir.path().join("data").display().to_string()] {
        let error = query(&format!("SELECT * FROM '{table}'")).unwrap_err();
        assert_eq!(error.exit_code(), 65, "{error}");
        assert!(error.to_string().contains("2.parquet: "), "{error}");
    }

    let other = dir.path().join("notes.txt");
    std::fs::write(&other, "hello").unwrap();
    let error = query(&format!("SELECT * FROM '{}'", other.display())).unwrap_err();
    assert_eq!(error.exit_code(), 65);
    assert!(error.to_string().contains(".parquet, .csv"), "{error}");
}

#[test]
fn a_query_of_what_is_not_there_says_so() {
    let table = query("SELECT * FROM nowhere").unwrap_err();
    assert_eq!(table.exit_code(), 64);
    assert!(table.to_string().starts_with("there is no table nowhere"), "{table}");
    let dir = TempDir::new().unwrap();
    let path = parquet(&dir, "a.parquet", 1);
    let column = query(&format!("SELECT vv FROM '{path}'")).unwrap_err();
    assert_eq!(column.exit_code(), 64);
    assert!(column.to_string().contains("there is no column vv; did you mean v?"), "{column}");
    let syntax = query("SELEC 1").unwrap_err();
    assert_eq!(syntax.exit_code(), 64);
    assert!(syntax.to_string().contains("SELEC"), "{syntax}");
}
