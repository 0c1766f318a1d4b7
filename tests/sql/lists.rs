//! Lists of floats, which are not read by DataFusion's reader: every query gives over Parquet what it
//! gives over the same rows in a file of Arrow.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Builder, Int64Array, ListBuilder, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use arrow::ipc::writer::FileWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use tempfile::TempDir;

use super::damaged::damage;
use crate::harness::files::batch;
use crate::harness::lsmi_in;

const ROWS: i64 = 3000;

/// What a row's list is.
#[derive(Clone, Copy, PartialEq)]
enum Rows {
    /// Four elements each.
    Regular,
    /// Other lengths and nulls here and there, also where the footer cannot tell it.
    Odd,
}

fn lists(kind: Rows) -> ArrayRef {
    let mut lists = ListBuilder::new(Float32Builder::new());
    for row in 0..ROWS {
        let length = match row {
            1500 if kind == Rows::Odd => 5,
            1501 if kind == Rows::Odd => 3,
            2700 if kind == Rows::Odd => 0,
            _ => 4,
        };
        for item in 0..length {
            match row {
                2222 if kind == Rows::Odd => lists.values().append_null(),
                2301 => lists.values().append_value(f32::NAN),
                _ => lists.values().append_value((row * 8 + item) as f32 / 2.0),
            }
        }
        lists.append(!(row == 2800 && kind == Rows::Odd));
    }
    Arc::new(lists.finish())
}

fn rows(kind: Rows, of: &DataType) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| format!("row {row}"))));
    batch(&[("id", ids), ("x", cast(&lists(kind), of).unwrap()), ("text", texts)])
}

fn properties(version: WriterVersion, compression: Compression) -> WriterProperties {
    WriterProperties::builder()
        .set_writer_version(version)
        .set_compression(compression)
        .set_max_row_group_row_count(Some(1000))
        .set_data_page_row_count_limit(128)
        .set_write_batch_size(64)
        .set_statistics_enabled(EnabledStatistics::Page)
        .build()
}

fn write_both(dir: &Path, rows: &RecordBatch, properties: WriterProperties) {
    let file = std::fs::File::create(dir.join("t.parquet")).unwrap();
    let mut parquet = ArrowWriter::try_new(file, rows.schema(), Some(properties)).unwrap();
    parquet.write(rows).unwrap();
    parquet.close().unwrap();
    let file = std::fs::File::create(dir.join("t.arrow")).unwrap();
    let mut arrow = FileWriter::try_new(file, &rows.schema()).unwrap();
    arrow.write(rows).unwrap();
    arrow.finish().unwrap();
}

#[track_caller]
fn answer(dir: &Path, query: &str) -> String {
    let ran = lsmi_in(dir, ["sql", "--format", "json", query]);
    assert_eq!(ran.code, 0, "{query}: {}", ran.stderr);
    ran.stdout
}

const QUERIES: [&str; 10] = [
    "SELECT * FROM T ORDER BY id",
    "SELECT x FROM T ORDER BY x[1], x[2], id",
    "SELECT x, x AS again, text FROM T WHERE id BETWEEN 990 AND 1010 ORDER BY id",
    "SELECT id, x[2] AS second FROM T WHERE id IN (5, 1500, 2299, 2999) ORDER BY id",
    "SELECT id, x FROM T WHERE text = 'row 1501'",
    "SELECT x, id FROM T ORDER BY id DESC LIMIT 7",
    "SELECT x FROM (SELECT x, id FROM T ORDER BY id LIMIT 3 OFFSET 1499) ORDER BY id",
    "SELECT count(*) AS rows, count(x) AS lists, sum(cardinality(x)) AS items FROM T",
    "SELECT a.x FROM T a JOIN T b ON a.id = b.id + 1500 WHERE b.id < 3 ORDER BY a.id",
    "SELECT id % 10 AS digit, sum(x[3]) AS total FROM T WHERE id <> 2301 GROUP BY digit ORDER BY digit",
];

#[test]
fn they_are_what_they_are_in_arrow() {
    let item = |of| Arc::new(Field::new("item", of, true));
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let cases = [
        (DataType::List(item(DataType::Float32)), WriterVersion::PARQUET_1_0, Compression::SNAPPY),
        (DataType::List(item(DataType::Float64)), WriterVersion::PARQUET_2_0, zstd),
        (DataType::LargeList(item(DataType::Float32)), WriterVersion::PARQUET_1_0, Compression::UNCOMPRESSED),
        (DataType::LargeList(item(DataType::Float16)), WriterVersion::PARQUET_2_0, Compression::LZ4_RAW),
    ];
    for (of, version, compression) in cases {
        for kind in [Rows::Regular, Rows::Odd] {
            let dir = TempDir::new().unwrap();
            write_both(dir.path(), &rows(kind, &of), properties(version, compression));
            for query in QUERIES {
                let over = |table: &str| answer(dir.path(), &query.replace(" T", &format!(" '{table}'")));
                assert_eq!(over("t.parquet"), over("t.arrow"), "{of} {version:?} {compression:?}: {query}");
            }
        }
    }
}

#[test]
fn fixed_lists_and_split_bytes_are_what_they_are_in_arrow() {
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let rows = rows(Rows::Regular, &DataType::FixedSizeList(item, 4)).project(&[1]).unwrap();
    let dir = TempDir::new().unwrap();
    let split = properties(WriterVersion::PARQUET_2_0, Compression::SNAPPY).into_builder();
    let split = split.set_dictionary_enabled(false).set_encoding(Encoding::BYTE_STREAM_SPLIT).build();
    for properties in [properties(WriterVersion::PARQUET_1_0, Compression::SNAPPY), split] {
        write_both(dir.path(), &rows, properties);
        for query in [
            "SELECT * FROM T ORDER BY x[1]",
            "SELECT x[4] AS last, x FROM T WHERE x[1] > 7000 ORDER BY x[1] LIMIT 70 OFFSET 900",
        ] {
            let over = |table: &str| answer(dir.path(), &query.replace(" T", &format!(" '{table}'")));
            assert_eq!(over("t.parquet"), over("t.arrow"), "{query}");
        }
    }
}

#[test]
fn a_plan_names_them_and_damage_is_named() {
    let dir = TempDir::new().unwrap();
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let rows = rows(Rows::Regular, &DataType::List(item));
    let zstd = Compression::ZSTD(ZstdLevel::default());
    write_both(dir.path(), &rows, properties(WriterVersion::PARQUET_2_0, zstd));
    let plan = answer(dir.path(), "EXPLAIN SELECT id, x FROM 't.parquet' WHERE id > 5");
    assert!(plan.contains("lists=[x]"), "{plan}");
    let plan = answer(dir.path(), "EXPLAIN SELECT id, text FROM 't.parquet'");
    assert!(!plan.contains("lists="), "{plan}");

    damage(&dir.path().join("t.parquet"), 1, 1);
    let ran = lsmi_in(dir.path(), ["sql", "SELECT sum(x[1]) FROM 't.parquet'"]);
    assert_eq!(ran.code, 65, "{}", ran.stderr);
    assert!(ran.stderr.contains("t.parquet") && ran.stderr.contains("row group 1"), "{}", ran.stderr);
    assert!(ran.stderr.contains("column \"x\"") || ran.stderr.contains("column x"), "{}", ran.stderr);
    let ran = lsmi_in(dir.path(), ["sql", "SELECT x FROM 't.parquet' WHERE id < 900"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}
