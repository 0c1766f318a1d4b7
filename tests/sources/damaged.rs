//! Damage that only shows while a file or a stream is read, and types that an output does not have: the
//! exit code and the place, with little memory, and nothing left behind.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, FixedSizeBinaryArray, Int32Array, IntervalMonthDayNanoArray, RecordBatch, StringArray,
    UnionArray,
};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field, IntervalMonthDayNano, UnionFields};
use arrow::ipc::writer::{FileWriter, StreamWriter};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::harness::files::{batch, listing, replaced};
use crate::harness::{Ran, bundle, lsmi, refused, rows, run, shell};

/// Runs a command line with little address space: memory for what a length claims is not there.
fn limited(dir: &Path, line: &str) -> Ran {
    run(shell(&format!("ulimit -v 4000000; {line}")).current_dir(dir))
}

fn annotate(dir: &Path, input: &str) -> Ran {
    limited(dir, &format!("lsmi-etl annotate {input} out.parquet --bundle '{}'", bundle().display()))
}

const FIT: &str = "lsmi-etl fit in.parquet --x1 x1 --x2 x2 --label y --bundle fitted";

fn write(path: &Path, rows: &RecordBatch, properties: WriterProperties) {
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), rows.schema(), Some(properties)).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
}

/// Replaces the first bytes `from` behind `start`, of which there are some.
fn replace(bytes: &mut Vec<u8>, start: usize, from: &[u8], to: &[u8]) {
    let at = start + bytes[start..].windows(from.len()).position(|found| found == from).unwrap();
    bytes.splice(at..at + from.len(), to.iter().copied());
}

/// A change of a file's bytes, of which the footer begins here.
type Edit<'a> = &'a dyn Fn(&mut Vec<u8>, usize);

/// Changes a file's footer, and its length where that changes.
fn edit_footer(path: &Path, edit: Edit<'_>) {
    let mut bytes = fs::read(path).unwrap();
    let end = bytes.len() - 8;
    let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
    edit(&mut bytes, end - length);
    let grown = bytes.len() - 8 - end;
    let end = bytes.len() - 8;
    bytes[end..end + 4].copy_from_slice(&((length + grown) as u32).to_le_bytes());
    fs::write(path, bytes).unwrap();
}

/// The unsigned number 2³¹ − 1 in seven bits a byte.
const MOST: [u8; 5] = [0xff, 0xff, 0xff, 0xff, 7];

#[test]
fn a_footer_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let path = dir.join("in.parquet");
    let properties = || WriterProperties::builder().set_max_row_group_row_count(Some(100));
    let footer = |edit: Edit<'_>| {
        write(&path, &rows(200), properties().build());
        edit_footer(&path, edit);
    };
    // The footer's rows, 200, and then the list of two row groups.
    let groups = [0x16, 0x90, 0x03, 0x19, 0x2c];
    let cases: [(Edit<'_>, &str); 3] = [
        (
            &|bytes, footer| {
                let claim = [&groups[..4], &[0xfc], &MOST].concat();
                replace(bytes, footer, &groups, &claim);
            },
            "in.parquet: cannot be decoded: the footer claims more than its bytes hold",
        ),
        (
            &|bytes, footer| replace(bytes, footer, &groups, &[0x16, 0x92, 0x03, 0x19, 0x2c]),
            "in.parquet: has 201 rows by its footer, and 200 in its row groups",
        ),
        (
            // The second row group's rows, 100, and then its file offset.
            &|bytes, footer| replace(bytes, footer, &[0x16, 0xc8, 0x01, 0x26], &[0x16, 0xc7, 0x01, 0x26]),
            "in.parquet, row group 0: has -100 rows by its footer",
        ),
    ];
    for (edit, words) in cases {
        footer(edit);
        refused(&annotate(dir, "in.parquet"), 65, &[words, "write it again"]);
        refused(&limited(dir, FIT), 65, &[words]);
        refused(&limited(dir, "lsmi-etl sql \"SELECT count(*) FROM 'in.parquet'\""), 65, &[words]);
        refused(&limited(dir, "lsmi-etl report in.parquet -o report.html"), 65, &[words]);
        assert_eq!(listing(dir), ["in.parquet"]);
    }
}

#[test]
fn a_damaged_file_leaves_nothing_that_bars_its_replacement() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let path = dir.join("in.parquet");
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(1000))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_compression(Compression::GZIP(GzipLevel::default()));
    write(&path, &rows(3000), properties.build());
    let good = fs::read(&path).unwrap();
    let file = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    let label = file.metadata().row_group(2).columns().last().unwrap().byte_range();
    let end = (label.0 + label.1) as usize;
    let mut bytes = good.clone();
    bytes[end - 40..end].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let words = ["in.parquet, row group 2, column \"y\": cannot be decoded"];
    refused(&annotate(dir, "in.parquet --batch-rows 64"), 65, &words);
    assert_eq!(listing(dir), ["in.parquet"]);
    let bundle = bundle();
    let line = format!("lsmi-etl annotate in.parquet - --bundle '{}' > /dev/null", bundle.display());
    refused(&limited(dir, &line), 65, &words);
    fs::write(&path, good).unwrap();
    let ran = annotate(dir, "in.parquet");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

fn strange(name: &str) -> ArrayRef {
    const ROWS: usize = 20;
    match name {
        "union" => {
            let fields = UnionFields::from_fields(vec![
                Field::new("n", DataType::Int32, true),
                Field::new("t", DataType::Utf8, true),
            ]);
            let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1; ROWS]));
            let texts: ArrayRef = Arc::new(StringArray::from(vec!["a"; ROWS]));
            let kinds = ScalarBuffer::from((0..ROWS as i8).map(|row| row % 2).collect::<Vec<_>>());
            Arc::new(UnionArray::try_new(fields, kinds, None, vec![numbers, texts]).unwrap())
        }
        "empty" => {
            Arc::new(FixedSizeBinaryArray::try_new_with_len(0, Vec::<u8>::new().into(), None, ROWS).unwrap())
        }
        _ => {
            let values = vec![IntervalMonthDayNano::new(1, 2, 3); ROWS];
            Arc::new(IntervalMonthDayNanoArray::from(values))
        }
    }
}

#[test]
fn a_type_without_a_place_in_parquet_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for (name, kind) in
        [("union", "Union("), ("empty", "FixedSizeBinary(0)"), ("interval", "Interval(MonthDayNano)")]
    {
        let rows = rows(20);
        let mut columns: Vec<(&str, ArrayRef)> =
            ["x1", "x2", "y"].map(|name| (name, rows.column_by_name(name).unwrap().clone())).to_vec();
        columns.push((name, strange(name)));
        let rows = batch(&columns);
        let mut writer =
            StreamWriter::try_new(File::create(dir.join("t.arrows")).unwrap(), rows.schema_ref()).unwrap();
        writer.write(&rows).unwrap();
        writer.finish().unwrap();
        let words =
            [&format!("column {name:?}"), &format!("has type {kind}"), "cannot become Parquet", "cast"];
        refused(&annotate(dir, "- < t.arrows"), 65, &[&words[..], &["stdin, "]].concat());
        refused(&limited(dir, "lsmi-etl fit - --bundle fitted < t.arrows"), 65, &words);
        refused(&limited(dir, "lsmi-etl sql --output t.parquet \"SELECT * FROM 't.arrows'\""), 64, &words);
        refused(&limited(dir, "lsmi-etl sql \"COPY 't.arrows' TO 't.parquet'\""), 64, &words);
        assert_eq!(listing(dir), ["t.arrows"]);
        let line = format!("lsmi-etl annotate - - --bundle '{}' < t.arrows | wc -c", bundle().display());
        let ran = limited(dir, &line);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
}

#[test]
fn an_arrow_table_is_blamed_and_not_its_query() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rows = rows(20);
    let words: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..20).map(|row| format!("word {row:02}"))));
    let rows = replaced(&rows, "y", words);
    let mut writer =
        FileWriter::try_new(File::create(dir.join("t.arrow")).unwrap(), rows.schema_ref()).unwrap();
    writer.write(&rows).unwrap();
    writer.finish().unwrap();
    let mut bytes = fs::read(dir.join("t.arrow")).unwrap();
    // Where a word begins, and where the next one: in the other order.
    let offsets = [7_i32.to_le_bytes(), 14_i32.to_le_bytes()].concat();
    replace(&mut bytes, 0, &offsets, &[70_i32.to_le_bytes(), 14_i32.to_le_bytes()].concat());
    fs::write(dir.join("t.arrow"), bytes).unwrap();
    for query in ["SELECT * FROM 't.arrow'", "SELECT y, count(*) FROM 't.arrow' GROUP BY y"] {
        let ran = run(lsmi().current_dir(dir).args(["sql", query]));
        refused(&ran, 65, &["t.arrow: cannot be decoded", "write it again"]);
    }
    // An error of the query stays one.
    let ran = run(lsmi().current_dir(dir).args(["sql", "SELECT 1 / (x1[1] - x1[1])::INT FROM 't.arrow'"]));
    refused(&ran, 64, &["divided by zero"]);
}
