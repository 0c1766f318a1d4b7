//! Arrow IPC streams on stdin and stdout: what a stream becomes, a file of the same rows
//! becomes too.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, ListArray, NullArray, RecordBatch, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::util::pretty::pretty_format_batches;

use crate::harness::files::{floats, key_value, listing, names, read, write};
use crate::harness::{
    Ran, annotate, annotated, bundle, eight_values, last_json, lsmi, must, python, query, refused,
    repository, rows,
};

fn script(args: &[&str]) -> Command {
    let mut command = Command::new(python());
    command.arg(repository().join("tests/python/streams.py")).args(args);
    command
}

/// `annotate` with a file as stdin; stdout as it is.
fn piped(dir: &Path, stdin: &Path, args: &[&str], bundle: &Path) -> Output {
    let mut command = lsmi();
    command.current_dir(dir).arg("annotate").args(args).arg("--bundle").arg(bundle);
    command.stdin(File::open(stdin).unwrap()).output().unwrap()
}

/// The same with the bundle of the fitted data and bytes as stdin.
fn fed(dir: &Path, stdin: &[u8], args: &[&str]) -> Output {
    let path = dir.join(".stdin");
    fs::write(&path, stdin).unwrap();
    let output = piped(dir, &path, args, &bundle());
    fs::remove_file(path).unwrap();
    output
}

/// A stream of batches, whole.
fn stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), batches[0].schema_ref()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

fn same_values(one: &RecordBatch, other: &RecordBatch, columns: &[&str]) {
    for name in columns {
        let (one, other) = (floats(one, name), floats(other, name));
        assert_eq!(one.len(), other.len());
        for row in 0..one.len() {
            assert_eq!(one.is_null(row), other.is_null(row), "{name}, row {row}");
            let bits = |array: &Float32Array| array.value(row).to_bits();
            assert!(one.is_null(row) || bits(&one) == bits(&other), "{name}, row {row}");
        }
    }
}

/// Streams of other writers, and files of the same rows.
fn streams() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    must(&mut script(&["make", dir.path().to_str().unwrap()]));
    dir
}

#[test]
fn streams_of_other_writers_become_what_files_become() {
    let dir = streams();
    let dir = dir.path();
    let streams = listing(dir);
    let streams: Vec<&str> = streams.iter().filter_map(|name| name.strip_suffix(".arrows")).collect();
    assert!(streams.len() > 14, "{streams:?}");
    // Batches of another length than what is computed at once.
    let more = ["--label", "label", "--batch-rows", "300", "--overwrite"];
    for name in streams {
        let (stream, file) = (format!("{name}.arrows"), format!("{name}.parquet"));
        let annotate = ["annotate", &file, "annotated.parquet", "--bundle"];
        must(lsmi().current_dir(dir).args(annotate).arg(eight_values()).args(more));

        let to_stream = piped(dir, &dir.join(&stream), &[&["-", "-"], &more[..]].concat(), eight_values());
        assert!(to_stream.status.success(), "{name}: {}", String::from_utf8_lossy(&to_stream.stderr));
        fs::write(dir.join("after"), to_stream.stdout).unwrap();
        must(script(&["compare", &stream, "after", "annotated.parquet"]).current_dir(dir));

        let made = ["-", "made.parquet"];
        let to_file = piped(dir, &dir.join(&stream), &[&made, &more[..]].concat(), eight_values());
        assert!(to_file.status.success(), "{name}: {}", String::from_utf8_lossy(&to_file.stderr));
        let (made, annotated) = (read(&dir.join("made.parquet")), read(&dir.join("annotated.parquet")));
        assert_eq!(names(made.schema_ref()), names(annotated.schema_ref()), "{name}");
        same_values(&made, &annotated, &["r", "u1", "u2", "s"]);
        if name != "polars" {
            // What polars calls its columns' types differs between its two formats. As
            // text, NaN is equal to itself.
            let text =
                |rows: &RecordBatch| pretty_format_batches(std::slice::from_ref(rows)).unwrap().to_string();
            assert!(made.columns() == annotated.columns() || text(&made) == text(&annotated), "{name}");
        }
    }
}

#[test]
fn a_file_becomes_a_stream() {
    let dir = streams();
    let dir = dir.path();
    for name in ["plain", "rich", "pandas", "bad", "no_batches"] {
        let file = format!("{name}.parquet");
        let annotate =
            ["annotate", &file, "annotated.parquet", "--overwrite", "--label", "label", "--bundle"];
        must(lsmi().current_dir(dir).args(annotate).arg(eight_values()));
        let ran = piped(dir, &dir.join(&file), &[&file, "-", "--label", "label"], eight_values());
        assert!(ran.status.success(), "{name}: {}", String::from_utf8_lossy(&ran.stderr));
        fs::write(dir.join("after"), ran.stdout).unwrap();
        must(script(&["compare", &file, "after", "annotated.parquet"]).current_dir(dir));
    }
}

#[test]
fn a_stream_becomes_a_file_with_its_lineage() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rows = rows(1000);
    let stream = stream(&[rows.slice(0, 300), rows.slice(300, 0), rows.slice(300, 700)]);
    let more = ["-", "out.parquet", "--columns", "i1,h2,prior_y", "--summary", "summary.json", "--json"];
    let ran: Ran = fed(dir, &stream, &more).into();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary, last_json(&ran));
    assert_eq!((&summary["input"], &summary["output"]), (&"-".into(), &"out.parquet".into()));
    assert_eq!((&summary["rows"], &summary["fates"]["good"]), (&1000.into(), &1000.into()));
    assert_eq!((&summary["computed_row_groups"], &summary["resumed_rows"]), (&3.into(), &0.into()));
    assert_eq!(summary["columns"]["r"]["count"], 1000);
    let out = dir.join("out.parquet");
    assert_eq!(summary["output_bytes"], fs::metadata(&out).unwrap().len());
    let made = read(&out);
    assert_eq!(made.columns()[..3], rows.columns()[..]);
    assert_eq!(names(made.schema_ref()), ["x1", "x2", "y", "r", "u1", "u2", "s", "i1", "h2", "prior_y"]);
    assert_eq!(key_value(&out, "lsmi_etl.adjust").unwrap(), "none");
    let columns: serde_json::Value =
        serde_json::from_str(&key_value(&out, "lsmi_etl.columns").unwrap()).unwrap();
    assert_eq!(columns, summary["columns"]);
    let input: serde_json::Value = serde_json::from_str(&key_value(&out, "lsmi_etl.input").unwrap()).unwrap();
    assert_eq!(input, serde_json::json!({"x1": "x1", "x2": "x2", "label": "y"}));

    let again: Ran = fed(dir, &stream, &more[..2]).into();
    refused(&again, 73, &["out.parquet", "exists"]);
    let again: Ran = fed(dir, &stream, &[&more[..2], &["--overwrite"]].concat()).into();
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(names(read(&out).schema_ref()).len(), 7);
    assert_eq!(listing(dir), ["out.parquet", "summary.json"]);
}

#[test]
fn little_memory_is_enough() {
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(2000);
    let batches: Vec<RecordBatch> = (0..40).map(|i| rows.slice(i * 50, 50)).collect();
    // The least limit, which pages and sessions take: batches go through one by one.
    let ran = fed(dir.path(), &stream(&batches), &["-", "out.parquet", "--memory-limit", "1MiB"]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(read(&dir.path().join("out.parquet")).num_rows(), 2000);
    // An error in the midst of it ends all stages.
    let ran = fed(dir.path(), &stream(&batches)[..60_000], &["-", "-", "--memory-limit", "1MiB"]);
    assert_eq!(ran.status.code(), Some(65), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn bad_rows_have_their_fates() {
    let dir = streams();
    let dir = dir.path();
    let bad = dir.join("bad.arrows");
    let with = |more: &[&str]| -> Ran {
        let args = [&["-", "out.parquet", "--overwrite", "--label", "label", "--json"], more].concat();
        piped(dir, &bad, &args, eight_values()).into()
    };
    let ran = with(&["--rejects", "rejects.parquet"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let summary = last_json(&ran);
    assert_eq!((&summary["rows"], &summary["bad_rows"]), (&9.into(), &8.into()), "{summary}");
    let one = query(
        dir,
        "SELECT count(*) AS n, sum(row) AS rows, min(file) AS file, max(row_group) AS batch FROM 'rejects.parquet'",
    );
    assert_eq!((&one["n"], &one["file"], &one["batch"]), (&8.into(), &"-".into(), &2.into()), "{one}");
    assert_eq!(one["rows"], 36);

    refused(
        &with(&["--on-bad-row", "fail"]),
        65,
        &["stdin", "x1", "row 1 of record batch 0 is bad: null_x1"],
    );
    refused(&with(&["--max-bad-rows", "3"]), 65, &["more than --max-bad-rows 3"]);
    refused(&with(&["--max-bad-rows", "50%"]), 65, &["8 of 9 rows", "more than --max-bad-rows 50%"]);
}

/// A frame of pandas without rows, or whose rows lack a column, has it without a type.
#[test]
fn columns_without_a_type_are_null() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rows = rows(10);
    let nulls = || -> ArrayRef { Arc::new(NullArray::new(10)) };
    let typed = |name: &str| rows.column_by_name(name).unwrap().clone();
    for (x2, y, reason) in [(nulls(), typed("y"), "null_x2"), (typed("x2"), nulls(), "null_label")] {
        let rows = RecordBatch::try_from_iter([("x1", typed("x1")), ("x2", x2), ("y", y)]).unwrap();
        let ran: Ran = fed(dir, &stream(&[rows]), &["-", "out.parquet", "--overwrite", "--json"]).into();
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let summary = last_json(&ran);
        assert_eq!((&summary["rows"], &summary["bad_rows"]), (&10.into(), &10.into()), "{summary}");
        assert!(ran.stderr.contains(reason), "{}", ran.stderr);
    }
    let none = ["x1", "x2", "y"].map(|name| (name, Arc::new(NullArray::new(0)) as ArrayRef));
    let none = RecordBatch::try_from_iter(none).unwrap();
    let ran: Ran = fed(dir, &stream(&[none]), &["-", "out.parquet", "--overwrite"]).into();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(read(&dir.join("out.parquet")).num_rows(), 0);
}

#[test]
fn what_does_not_go_with_a_stream_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rows = rows(100);
    write(&dir.join("in.parquet"), &rows);
    fs::create_dir(dir.join("folder")).unwrap();
    fs::copy(dir.join("in.parquet"), dir.join("folder/a.parquet")).unwrap();
    let whole = stream(std::slice::from_ref(&rows));
    let twice = annotated(&rows, &[]);
    for (args, stdin, code, words) in [
        (&["-", "-", "--json"][..], &whole[..], 64, "--summary PATH"),
        (&["in.parquet", "-", "--json"], b"", 64, "--summary PATH"),
        (&["-", "-", "--adjust", "dataset"], &whole, 64, "--adjust dataset"),
        (&["in.parquet", "-", "--adjust", "dataset"], b"", 64, "--adjust dataset"),
        (&["-", "out.parquet", "--restart"], &whole, 64, "--restart"),
        (&["-", "out.parquet", "--dry-run"], &whole, 64, "--dry-run"),
        (&["-", "out.parquet", "--files-per-job", "1/2"], &whole, 64, "--files-per-job"),
        (&["folder", "-"], b"", 64, "name a folder"),
        (&["folder/*.parquet", "-"], b"", 64, "name a folder"),
        (&["-", "folder"], &whole, 73, "folder"),
        (&["-", "no/folder/out.parquet"], &whole, 73, "out.parquet"),
        (&["-", "out.parquet"], b"", 65, "stdin: holds nothing"),
        (&["-", "out.parquet"], b"a,b\n1,2\n", 65, "stdin: is not an Arrow IPC stream"),
        (&["-", "out.parquet"], &fs::read(dir.join("in.parquet")).unwrap(), 65, "is a Parquet file"),
        (&["-", "out.parquet"], &whole[..whole.len() - 8], 65, "end-of-stream mark"),
        (&["-", "out.parquet"], &whole[..whole.len() / 2], 65, "end-of-stream mark"),
        (&["-", "out.parquet"], &[&whole[..], &whole].concat(), 65, "send one stream"),
        (&["-", "out.parquet", "--x1", "z"], &whole, 65, "no such column"),
        (&["-", "out.parquet", "--x1", "y"], &whole, 65, "no embedding"),
        (&["-", "out.parquet", "--label", "x1"], &whole, 65, "no label"),
        (&["-", "out.parquet"], &stream(std::slice::from_ref(&twice)), 64, "there is a column \"r\" already"),
        (&["-", "-"], &stream(&[twice]), 64, "stdin: there is a column \"r\" already"),
    ] {
        let ran: Ran = fed(dir, stdin, args).into();
        refused(&ran, code, &[words]);
        assert_eq!(listing(dir), ["folder", "in.parquet"], "{args:?}");
    }
    let plan = annotate(dir, "in.parquet", "-", &["--dry-run", "--json"]);
    assert_eq!(last_json(&plan)["rows"], 100, "{}", plan.stderr);
}

#[test]
fn lists_of_another_length_are_bad_rows_and_types_of_another_length_are_refused() {
    let dir = streams();
    let dir = dir.path();
    // The bundle takes 4 values, these have 8.
    let annotate = |name: &str| -> Ran {
        let to = ["-", "out.parquet", "--label", "label", "--json"];
        piped(dir, &dir.join(format!("{name}.arrows")), &to, &bundle()).into()
    };
    refused(&annotate("plain"), 65, &["stdin", "column \"x1\"", "dimension 8", "take 4"]);
    assert!(!dir.join("out.parquet").exists());
    let ran = annotate("list_double");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(last_json(&ran)["fates"]["wrong_length_x1"], 500);
    let warned =
        "500 rows have no values: 500 wrong_length_x1; no embedding has the length that the models take";
    assert!(ran.stderr.contains(warned), "{}", ran.stderr);
    assert_eq!(floats(&read(&dir.join("out.parquet")), "r").null_count(), 500);
}

#[test]
fn the_cuts_between_batches_decide_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let good = rows(20);
    let lists = |name: &str| cast(good.column_by_name(name).unwrap(), &list_type()).unwrap();
    let short = lists("x1").slice(0, 1).as_list::<i32>().value(0).slice(0, 2);
    let short: ArrayRef = Arc::new(ListArray::new(
        Arc::new(Field::new_list_field(DataType::Float32, true)),
        OffsetBuffer::from_lengths([2]),
        short,
        None,
    ));
    let texts = cast(good.column_by_name("y").unwrap(), &DataType::Utf8).unwrap();
    let text: ArrayRef = Arc::new(StringArray::from(vec!["cat"]));
    let batch = |x1: ArrayRef, x2: ArrayRef, y: ArrayRef| {
        RecordBatch::try_from_iter([("x1", x1), ("x2", x2), ("y", y)]).unwrap()
    };
    let good = batch(lists("x1"), lists("x2"), texts.clone());
    let of_length = batch(short, lists("x2").slice(0, 1), texts.slice(0, 1));
    let of_label = batch(lists("x1").slice(0, 1), lists("x2").slice(0, 1), text);
    let nulls = |batches: &[RecordBatch]| {
        let ran = fed(dir, &stream(batches), &["-", "out.parquet", "--overwrite"]);
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let out = read(&dir.join("out.parquet"));
        (0..out.num_rows()).filter(|row| floats(&out, "r").is_null(*row)).collect::<Vec<_>>()
    };
    let [length, label, rest] = [of_length, of_label, good];
    assert_eq!(nulls(&[length.clone(), label.clone(), rest.clone()]), [0, 1]);
    assert_eq!(nulls(&[label.clone(), length.clone(), rest.clone()]), [0, 1]);
    assert_eq!(nulls(&[rest.clone(), length.clone(), label.clone()]), [20, 21]);
    let whole = concat_batches(rest.schema_ref(), [&length, &label, &rest]).unwrap();
    assert_eq!(nulls(&[whole]), [0, 1]);
}

fn list_type() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Float32, true)))
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let many = ["synth", "gaussian", "--classes", "4", "--rows", "200000", "-o", "many.parquet"];
    must(lsmi().current_dir(dir.path()).args(many));
    let mut command = lsmi();
    command.current_dir(dir.path()).args([
        "annotate",
        "many.parquet",
        "-",
        "--summary",
        "s.json",
        "--bundle",
    ]);
    command.arg(bundle()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 100_000]).unwrap();
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("the reader of stdout closed the pipe"), "{}", ran.stderr);
    assert_eq!(listing(dir.path()), ["many.parquet"]);
}

#[test]
fn batches_pass_as_they_come_and_a_silent_writer_can_be_left() {
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(64);
    let mut command = lsmi();
    command.current_dir(dir.path()).args(["annotate", "-", "-", "--bundle"]).arg(bundle());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let whole = stream(std::slice::from_ref(&rows));
    // All but the mark at the end.
    stdin.write_all(&whole[..whole.len() - 8]).unwrap();
    stdin.flush().unwrap();
    // The batch comes back while the stream is still open.
    let mut back = child.stdout.take().unwrap();
    let mut seen = vec![0; rows.num_rows() * 2 * 4 * 4];
    back.read_exact(&mut seen).unwrap();

    must(Command::new("kill").arg("-TERM").arg(child.id().to_string()));
    let sent = Instant::now();
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.code, 75, "{}", ran.stderr);
    assert!(sent.elapsed() < Duration::from_secs(20), "it took {:?} to stop", sent.elapsed());
    drop(stdin);
}

#[test]
fn the_new_columns_alone_are_those_of_the_whole_stream() {
    let dir = tempfile::tempdir().unwrap();
    let batches = [rows(100).slice(0, 0), rows(100), rows(7)];
    let read = |more: &[&str]| {
        let output = fed(dir.path(), &stream(&batches), &[&["-", "-"], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        StreamReader::try_new(output.stdout.as_slice(), None).unwrap().map(Result::unwrap).collect::<Vec<_>>()
    };
    let (whole, alone) = (read(&[]), read(&["--new-columns-only"]));
    assert_eq!(alone.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [0, 100, 7]);
    for (whole, alone) in whole.iter().zip(&alone) {
        assert_eq!(names(alone.schema_ref()), ["r", "u1", "u2", "s"]);
        assert_eq!(alone.columns(), &whole.columns()[3..]);
        assert_eq!(alone.schema().metadata(), whole.schema().metadata());
    }
    let ran = Ran::from(fed(dir.path(), &stream(&batches), &["-", "out.parquet", "--new-columns-only"]));
    refused(&ran, 64, &["--new-columns-only", "stdout"]);
}
