//! Damage that no checksum covers: the decoders' errors and panics name no file, and the program's
//! error does, with row group and column.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::harness::files::batch;
use crate::harness::{annotate, lsmi_in, refused, rows};

const ROW_GROUP: usize = 1000;

fn write(path: &Path, rows: &RecordBatch, codec: Compression) {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_compression(codec)
        .build();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), rows.schema(), Some(properties)).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
}

fn zstd() -> Compression {
    Compression::ZSTD(ZstdLevel::default())
}

/// Three row groups: numbers and text with dictionaries, and plain numbers.
fn three_groups() -> RecordBatch {
    let n: ArrayRef = Arc::new(Int64Array::from_iter_values((0..3000).map(|i| i * 7919 % 50)));
    let text: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..3000).map(|i| format!("word {}", i % 40))));
    let f: ArrayRef = Arc::new(Float64Array::from_iter_values((0..3000).map(|i| f64::from(i).sqrt())));
    batch(&[("n", n), ("text", text), ("f", f)])
}

/// Overwrites the second half of a column chunk.
pub(super) fn damage(path: &Path, row_group: usize, column: usize) {
    let mut bytes = fs::read(path).unwrap();
    let file = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let (start, length) = file.metadata().row_group(row_group).column(column).byte_range();
    bytes[(start + length / 2) as usize..(start + length) as usize].fill(0xff);
    fs::write(path, bytes).unwrap();
}

/// A folder `data` of three files, one of them damaged.
fn folder(codec: Compression, row_group: usize, column: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("data")).unwrap();
    for name in ["a", "b", "c"] {
        write(&dir.path().join(format!("data/{name}.parquet")), &three_groups(), codec);
    }
    damage(&dir.path().join("data/b.parquet"), row_group, column);
    dir
}

#[test]
fn the_file_is_named_among_many() {
    for (codec, column, name) in [
        (zstd(), 0, "n"),
        (zstd(), 2, "f"),
        (Compression::SNAPPY, 1, "text"),
        // Dictionary indices: a decoder panics.
        (Compression::UNCOMPRESSED, 0, "n"),
        (Compression::UNCOMPRESSED, 1, "text"),
    ] {
        let dir = folder(codec, 1, column);
        let place = format!("ERROR data/b.parquet, row group 1, column \"{name}\": cannot be decoded");
        for query in [
            "SELECT * FROM 'data'".to_owned(),
            format!("SELECT max({name}) FROM 'data'"),
            format!("SELECT {name} FROM 'data' ORDER BY 1"),
            format!("SELECT count(*) FROM 'data' WHERE {name} IS NOT NULL AND {name} <> {name}"),
            format!(
                "SELECT count(a.{name}) FROM 'data/a.parquet' AS a JOIN 'data/b.parquet' AS b USING ({name})"
            ),
            format!("SELECT {name} FROM 'data/b.parquet'"),
        ] {
            let ran = lsmi_in(dir.path(), ["sql", "--output", "out.csv", &query]);
            refused(&ran, 65, &[&place, "damaged, write it again"]);
        }
        let named = ["sql", "--table", "t=data", "--output", "out.csv", "SELECT * FROM t"];
        refused(&lsmi_in(dir.path(), named), 65, &[&place]);
    }
}

#[test]
fn columns_that_are_not_read_do_not_matter() {
    let dir = folder(zstd(), 1, 2);
    let ran = lsmi_in(dir.path(), ["sql", "--format", "csv", "SELECT count(n) AS n FROM 'data'"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "n\n9000\n"), "{}", ran.stderr);
}

#[test]
fn a_report_names_the_file_too() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::create_dir(dir.join("in")).unwrap();
    for name in ["a", "b"] {
        write(&dir.join(format!("in/{name}.parquet")), &rows(2000), zstd());
    }
    let ran = annotate(dir, "in", "out", &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let label = rows(1).schema().index_of("y").unwrap();
    damage(&dir.join("out/b.parquet"), 1, label);
    let ran = lsmi_in(dir, ["report", "out", "-o", "report.html"]);
    refused(&ran, 65, &["ERROR out/b.parquet, row group 1, column \"y\": cannot be decoded"]);
    assert!(!dir.join("report.html").exists());
}
