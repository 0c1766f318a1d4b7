//! `split`: parts by shares, strata and groups, complete or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use parquet::column::writer::ColumnWriter;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::harness::files::{batch, embeddings, key_value, listing, names, read, write};
use crate::harness::{last_json, lsmi, lsmi_in, must, refused};

/// 1 000 rows with an id, a label of which every tenth is rare, a patient of four rows, and embeddings.
fn rows() -> RecordBatch {
    let x: Vec<Option<Vec<f32>>> = (0..1000).map(|row| Some(vec![row as f32, 1.0])).collect();
    let label = (0..1000).map(|row| if row % 10 == 0 { "rare" } else { "usual" });
    let patient = (0..1000).map(|row| Some(format!("p{}", row / 4)));
    batch(&[
        ("id", Arc::new(Int64Array::from_iter_values(0..1000)) as ArrayRef),
        ("label", Arc::new(StringArray::from_iter_values(label))),
        ("patient", Arc::new(StringArray::from_iter(patient))),
        ("x", embeddings(&x, 2)),
    ])
}

fn ids(path: &Path) -> Vec<i64> {
    read(path).column_by_name("id").unwrap().as_primitive::<Int64Type>().values().to_vec()
}

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("data")).unwrap();
    write(&dir.path().join("data/1.parquet"), &rows().slice(0, 350));
    write(&dir.path().join("data/2.parquet"), &rows().slice(350, 650));
    dir
}

fn split(dir: &Path, args: &[&str]) -> serde_json::Value {
    last_json(&must(lsmi().current_dir(dir).args(["split", "data", "--json"]).args(args)))
}

#[test]
fn strata_give_exact_shares_and_rows_are_kept_as_they_are() {
    let dir = folder();
    let found = split(dir.path(), &["out", "--test", "0.2", "--validation", "0.1", "--by", "label"]);
    assert_eq!(listing(&dir.path().join("out")), ["test.parquet", "train.parquet", "validation.parquet"]);
    let counts: BTreeMap<&str, u64> = found["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| (part["part"].as_str().unwrap(), part["rows"].as_u64().unwrap()))
        .collect();
    assert_eq!(counts, [("test", 200), ("train", 700), ("validation", 100)].into());
    assert_eq!(
        found["strata"],
        serde_json::json!([
            {"value": "rare", "train": 70, "test": 20, "validation": 10},
            {"value": "usual", "train": 630, "test": 180, "validation": 90}
        ])
    );
    let all = rows();
    let mut seen = Vec::new();
    for (part, count) in counts {
        let path = dir.path().join(format!("out/{part}.parquet"));
        let (ids, part) = (ids(&path), read(&path));
        assert_eq!(ids.len() as u64, count);
        assert!(ids.is_sorted(), "the order is not the input's");
        assert_eq!(
            (names(part.schema_ref()), part.schema().fields()),
            (names(all.schema_ref()), all.schema().fields())
        );
        for (at, id) in ids.iter().enumerate() {
            assert_eq!(part.slice(at, 1).columns(), all.slice(*id as usize, 1).columns());
        }
        assert_eq!(key_value(&path, "written_by").as_deref(), Some("the tests"));
        seen.extend(ids);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..1000).collect::<Vec<_>>());

    // The same seed gives the same parts, another one others.
    let test = ids(&dir.path().join("out/test.parquet"));
    let more = ["--test", "0.2", "--validation", "0.1", "--by", "label"];
    split(dir.path(), &[&["again"], &more[..]].concat());
    split(dir.path(), &[&["other", "--seed", "1"], &more[..]].concat());
    assert_eq!(ids(&dir.path().join("again/test.parquet")), test);
    assert_ne!(ids(&dir.path().join("other/test.parquet")), test);
}

#[test]
fn bytes_that_are_no_text_are_strata_and_groups_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let stratum = (0..1000).map(|row| if row % 10 == 0 { &b"\x81"[..] } else { b"\x80" });
    let group: Vec<Vec<u8>> = (0..1000).map(|row: i32| vec![128 + (row % 50) as u8; 4]).collect();
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(Int64Array::from_iter_values(0..1000))),
        ("s", Arc::new(BinaryArray::from_iter_values(stratum))),
        ("g", Arc::new(BinaryArray::from_iter_values(group))),
    ];
    write(&dir.join("data"), &batch(&columns));
    let found = split(dir, &["by", "--test", "20%", "--by", "s"]);
    assert_eq!(
        found["strata"],
        serde_json::json!([
            {"value": "0x80", "train": 720, "test": 180, "validation": 0},
            {"value": "0x81", "train": 80, "test": 20, "validation": 0}
        ])
    );
    assert_eq!(split(dir, &["grouped", "--test", "0.2", "--group", "g"])["groups"], 50);
    let groups =
        |part: &str| ids(&dir.join("grouped").join(part)).iter().map(|id| id % 50).collect::<BTreeSet<_>>();
    let (train, test) = (groups("train.parquet"), groups("test.parquet"));
    assert_eq!((train.len(), test.len(), train.intersection(&test).count()), (40, 10, 0));
}

#[test]
fn a_group_is_in_one_part() {
    let dir = folder();
    let found = split(dir.path(), &["out", "--test", "0.25", "--by", "label", "--group", "patient"]);
    assert_eq!(found["groups"], 250);
    let of = |part: &str| ids(&dir.path().join(format!("out/{part}.parquet")));
    let patients = |part: &str| of(part).into_iter().map(|id| id / 4).collect::<BTreeSet<_>>();
    assert!(patients("train").is_disjoint(&patients("test")));
    let (train, test) = (of("train").len(), of("test").len());
    assert_eq!(train + test, 1000);
    assert!(test.abs_diff(250) <= 8, "{test}");
    let rare = of("test").into_iter().filter(|id| id % 10 == 0).count();
    assert!(rare.abs_diff(25) <= 2, "{rare}");
}

#[test]
fn nothing_is_replaced_or_half_written() {
    let dir = folder();
    let run = |args: &[&str]| lsmi_in(dir.path(), [&["split"], args].concat());
    assert_eq!(run(&["data", "out"]).code, 0);
    let before = fs::read(dir.path().join("out/test.parquet")).unwrap();
    refused(&run(&["data", "out", "--seed", "1"]), 73, &["train.parquet", "exists"]);
    assert_eq!(fs::read(dir.path().join("out/test.parquet")).unwrap(), before);
    assert_eq!(run(&["data", "out", "--seed", "1", "--overwrite"]).code, 0);
    assert_ne!(fs::read(dir.path().join("out/test.parquet")).unwrap(), before);
    // A part of another split would hold rows of the new ones.
    assert_eq!(run(&["data", "three", "--validation", "0.1"]).code, 0);
    refused(&run(&["data", "three", "--overwrite"]), 64, &["validation.parquet", "remove it"]);

    let cut = fs::read(dir.path().join("data/2.parquet")).unwrap();
    fs::write(dir.path().join("data/2.parquet"), &cut[..cut.len() / 2]).unwrap();
    refused(&run(&["data", "late"]), 65, &["data/2.parquet"]);
    assert!(!dir.path().join("late").exists());
}

#[test]
fn parts_that_a_killed_run_has_left_are_completed_by_the_same_command() {
    let dir = folder();
    let run = |args: &[&str]| {
        lsmi_in(dir.path(), [&["split", "data", "out", "--validation", "0.1"], args].concat())
    };
    assert_eq!(run(&[]).code, 0);
    let part = |name: &str| dir.path().join(format!("out/{name}.parquet"));
    let bytes = || ["train", "test", "validation"].map(|name| fs::read(part(name)).unwrap());
    let whole = bytes();
    // As if it had ended before the second, and before the third name was given.
    for missing in [&["test", "validation"][..], &["validation"]] {
        missing.iter().for_each(|name| fs::remove_file(part(name)).unwrap());
        refused(&run(&["--seed", "7"]), 73, &["train.parquet", "exists"]);
        let ran = run(&[]);
        assert!(ran.code == 0 && ran.stderr.contains("completing the parts in out"), "{}", ran.stderr);
        assert!(bytes() == whole);
    }
    refused(&run(&[]), 73, &["train.parquet", "exists"]);
    // Parts of another split are not left beside new ones.
    assert_eq!(run(&["--overwrite", "--seed", "7"]).code, 0);
    assert!(bytes() != whole);
    fs::remove_file(part("test")).unwrap();
    refused(&run(&[]), 73, &["train.parquet", "exists"]);
    assert_eq!(run(&["--overwrite"]).code, 0);
    assert!(bytes() == whole);
    // What is not a part of it is kept.
    fs::remove_file(part("test")).unwrap();
    fs::write(part("train"), "precious").unwrap();
    refused(&run(&[]), 73, &["train.parquet", "exists"]);
    assert_eq!(fs::read(part("train")).unwrap(), b"precious");
}

#[test]
fn what_can_not_be_split_is_named() {
    let dir = folder();
    write(&dir.path().join("three.parquet"), &rows().slice(0, 3));
    fs::create_dir_all(dir.path().join("hive/day=1")).unwrap();
    write(&dir.path().join("hive/day=1/a.parquet"), &rows());
    fs::create_dir(dir.path().join("mixed")).unwrap();
    write(&dir.path().join("mixed/1.parquet"), &rows());
    write(&dir.path().join("mixed/2.parquet"), &rows().project(&[0, 2, 1, 3]).unwrap());
    write(&dir.path().join("none.parquet"), &rows().slice(0, 0));
    let cases: [(&[&str], i32, &[&str]); 14] = [
        (&["data", "data"], 64, &["data/train.parquet", "among the inputs"]),
        (&["data/*.parquet", "data"], 64, &["data/train.parquet", "among the inputs"]),
        (&["none.parquet", "o"], 65, &["none.parquet: has no rows"]),
        (&["data", "new/o", "--by", "label", "--group", "label"], 64, &["--by label", "one part"]),
        (&["data", "out.parquet"], 64, &["out.parquet: it is the folder", "without an ending"]),
        (&["data", "o", "--test", "1"], 64, &["--test", "between 0 and 1"]),
        (&["data", "o", "--test", "0.7", "--validation", "0.3"], 64, &["--validation", "left to train on"]),
        (&["data", "o", "--test", "nan"], 64, &["--test"]),
        (&["data", "o", "--by", "lable"], 65, &["lable", "label"]),
        (&["data", "o", "--group", "x"], 65, &["\"x\"", "no group"]),
        (&["three.parquet", "o", "--test", "0.1"], 64, &["3 rows", "test part without rows"]),
        (&["hive", "o"], 65, &["day=", "lsmi-etl sql --output"]),
        (&["mixed", "o"], 65, &["mixed/2.parquet", "patient", "label"]),
        (&["-", "o"], 64, &["stream"]),
    ];
    for (args, code, words) in cases {
        refused(&lsmi_in(dir.path(), [&["split"], args].concat()), code, words);
    }
    assert_eq!(listing(dir.path()), ["data", "hive", "mixed", "none.parquet", "three.parquet"]);
}

/// Types as another writer has them, which the Parquet crate does not write by itself.
#[test]
fn logical_types_are_those_of_the_input() {
    let dir = tempfile::tempdir().unwrap();
    let schema = "message m { required fixed_len_byte_array(16) u (UUID); required binary j (JSON); required int32 d \
                  (DATE); required int64 t (TIMESTAMP(MILLIS, true)); }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let file = File::create(dir.path().join("data.parquet")).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    while let Some(mut column) = group.next_column().unwrap() {
        let written = match column.untyped() {
            ColumnWriter::FixedLenByteArrayColumnWriter(column) => {
                column.write_batch(&vec![vec![7; 16].into(); 10], None, None)
            }
            ColumnWriter::ByteArrayColumnWriter(column) => {
                column.write_batch(&vec!["{}".into(); 10], None, None)
            }
            ColumnWriter::Int32ColumnWriter(column) => column.write_batch(&[19_782; 10], None, None),
            ColumnWriter::Int64ColumnWriter(column) => {
                column.write_batch(&[1_709_208_000_000; 10], None, None)
            }
            _ => panic!("a column of another type"),
        };
        assert_eq!(written.unwrap(), 10);
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    must(lsmi().current_dir(dir.path()).args(["split", "data.parquet", "out", "--test", "0.2"]));
    let types = |name: &str| -> Vec<_> {
        let file = SerializedFileReader::new(File::open(dir.path().join(name)).unwrap()).unwrap();
        let columns = file.metadata().file_metadata().schema_descr_ptr();
        columns.columns().iter().map(|column| column.logical_type_ref().cloned()).collect()
    };
    assert_eq!(types("out/test.parquet"), types("data.parquet"));
}
