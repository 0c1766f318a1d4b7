//! Columns of an earlier run that a later one replaces.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float32Array, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::Float32Type;
use arrow::ipc::reader::StreamReader;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};

use crate::harness::files::{batch, floats, key_value, names, read};
use crate::harness::{Ran, bundle, fitted, last_json, lsmi, must, python, refused, run};

const SWAPPED: [&str; 4] = ["--x1", "x2", "--x2", "x1"];

fn annotate(dir: &Path, input: &str, output: &str, more: &[&str]) -> Ran {
    let common = ["annotate", input, output, "--json", "--bundle"];
    run(lsmi().current_dir(dir).args(common).arg(bundle()).args(more))
}

fn replace(dir: &Path, input: &str, output: &str, more: &[&str]) -> Ran {
    annotate(dir, input, output, &[&["--replace-columns"], more].concat())
}

/// A folder with `in.parquet`, `first.parquet`, annotated with more columns, and `other.parquet`, the input
/// annotated otherwise.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(fitted().join("in.parquet"), dir.path().join("in.parquet")).unwrap();
    for (output, more) in [("first.parquet", &["--columns", "i1,i12,p_y12"][..]), ("other.parquet", &SWAPPED)]
    {
        let ran = annotate(dir.path(), "in.parquet", output, more);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    dir
}

#[test]
fn columns_of_an_earlier_run_make_way() {
    let dir = folder();
    let dir = dir.path();
    let without = annotate(dir, "first.parquet", "again.parquet", &SWAPPED);
    refused(&without, 64, &["there is a column \"r\" already", "--replace-columns", "--prefix"]);
    // A dry run says the same.
    refused(&annotate(dir, "first.parquet", "again.parquet", &["--dry-run"]), 64, &["--replace-columns"]);

    let ran = replace(dir, "first.parquet", "again.parquet", &SWAPPED);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("leaves out i1, i12, p_y12 of the earlier annotate"), "{}", ran.stderr);
    let (again, other) = (read(&dir.join("again.parquet")), read(&dir.join("other.parquet")));
    assert_eq!((again.schema().fields(), again.columns()), (other.schema().fields(), other.columns()));
    for key in ["lsmi_etl.columns", "lsmi_etl.rows", "lsmi_etl.bundle_sha256"] {
        let of = |name: &str| key_value(&dir.join(name), key);
        assert_eq!(of("again.parquet"), of("other.parquet"), "{key}");
    }
    assert_ne!(floats(&again, "u1"), floats(&read(&dir.join("first.parquet")), "u1"));

    // The same again is nothing to do, and a row that has changed in a kept column is another input.
    let done = replace(dir, "first.parquet", "again.parquet", &SWAPPED);
    assert_eq!(last_json(&done)["skipped"], true, "{}", done.stderr);
    assert!(!done.stderr.contains("leaves out"), "{}", done.stderr);
    // A dry run writes nothing, and of the two passes of an adjustment one does.
    let dry = replace(dir, "first.parquet", "dry.parquet", &["--dry-run"]);
    assert!(dry.code == 0 && !dry.stderr.contains("leaves out"), "{}", dry.stderr);
    let adjusted = replace(dir, "first.parquet", "adjusted.parquet", &["--adjust", "dataset"]);
    assert_eq!(adjusted.code, 0, "{}", adjusted.stderr);
    assert_eq!(adjusted.stderr.matches("leaves out i1, i12, p_y12").count(), 1, "{}", adjusted.stderr);
    let verified =
        replace(dir, "first.parquet", "again.parquet", &[&SWAPPED[..], &["--verify-inputs"]].concat());
    assert_eq!(last_json(&verified)["skipped"], true, "{}", verified.stderr);
    // Nothing to replace is no fault.
    let plain = replace(dir, "in.parquet", "plain.parquet", &SWAPPED);
    assert_eq!(plain.code, 0, "{}", plain.stderr);
    assert_eq!(read(&dir.join("plain.parquet")).columns(), other.columns());
}

#[test]
fn other_prefixes_stay() {
    let dir = folder();
    let dir = dir.path();
    let with_prefix = [&SWAPPED[..], &["--prefix", "b_", "--columns", "i1"]].concat();
    assert_eq!(annotate(dir, "first.parquet", "both.parquet", &with_prefix).code, 0);
    let ran = replace(dir, "both.parquet", "b.parquet", &["--prefix", "b_"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let (before, after) = (read(&dir.join("first.parquet")), read(&dir.join("b.parquet")));
    let (first, schema) = (before.num_columns(), after.schema());
    assert_eq!(names(&schema)[first..], ["b_r", "b_u1", "b_u2", "b_s"]);
    assert_eq!(after.project(&(0..first).collect::<Vec<_>>()).unwrap().columns(), before.columns());
    assert_eq!(floats(&after, "b_u1"), floats(&before, "u1"));
    let kept = |key: &str| key_value(&dir.join("b.parquet"), key);
    assert_eq!(kept("lsmi_etl.columns"), key_value(&dir.join("first.parquet"), "lsmi_etl.columns"));
    assert!(!kept("lsmi_etl.b_.columns").unwrap().contains("i1"));
    // Those without a prefix, beside others.
    let ran = replace(dir, "both.parquet", "a.parquet", &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let schema = read(&dir.join("a.parquet")).schema();
    let all = names(&schema);
    assert_eq!(all[all.len() - 9..], ["b_r", "b_u1", "b_u2", "b_s", "b_i1", "r", "u1", "u2", "s"]);
}

/// `first.parquet` as a user may have rearranged it, with sorted rows and a page index.
fn rearranged(dir: &Path, of: &[(&str, Option<ArrayRef>)]) {
    let first = read(&dir.join("first.parquet"));
    let columns = of.iter().map(|(name, own)| {
        (*name, own.clone().unwrap_or_else(|| first.column_by_name(name).unwrap().clone()))
    });
    let rows = batch(&columns.collect::<Vec<_>>());
    let sorted = |column_idx| SortingColumn { column_idx, descending: false, nulls_first: false };
    let properties = WriterProperties::builder()
        .set_sorting_columns(Some(vec![sorted(3), sorted(0), sorted(2)]))
        .set_max_row_group_row_count(Some(700))
        .set_data_page_row_count_limit(100)
        .build();
    let file = File::create(dir.join("rearranged.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(properties)).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
}

#[test]
fn columns_without_a_record_are_replaced_where_they_stand() {
    let dir = folder();
    let dir = dir.path();
    let rows = read(&dir.join("first.parquet")).num_rows();
    let doubles: ArrayRef = Arc::new(Float64Array::from_iter_values((0..rows).map(|row| row as f64)));
    // The leaves are r, x1's, u1, y, x2's, s.
    rearranged(
        dir,
        &[("r", Some(doubles)), ("x1", None), ("u1", None), ("y", None), ("x2", None), ("s", None)],
    );
    let ran = replace(dir, "rearranged.parquet", "out.parquet", &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let (out, first) = (read(&dir.join("out.parquet")), read(&dir.join("first.parquet")));
    assert_eq!(names(&out.schema()), ["x1", "y", "x2", "r", "u1", "u2", "s"]);
    for name in ["x1", "x2", "y", "r", "u1", "u2", "s"] {
        assert_eq!(out.column_by_name(name), first.column_by_name(name), "{name}");
    }
    let options = ReadOptionsBuilder::new().with_page_index().build();
    let reader =
        SerializedFileReader::new_with_options(File::open(dir.join("out.parquet")).unwrap(), options)
            .unwrap();
    let metadata = reader.metadata();
    // Sorted by y, then r, which is gone: by y alone, now the second.
    let sorted = metadata.row_group(0).sorting_columns().unwrap();
    assert_eq!(sorted.iter().map(|column| column.column_idx).collect::<Vec<_>>(), [1]);
    let pages = metadata.offset_index().unwrap();
    assert_eq!(pages[0].len(), 7);
    assert!(pages[0][1].page_locations().len() > 5);
    let statistics = metadata.row_group(0).column(1).statistics().unwrap();
    assert!(statistics.min_bytes_opt().is_some());
}

#[test]
fn what_is_ones_own_stays() {
    let dir = folder();
    let dir = dir.path();
    let rows = read(&dir.join("first.parquet")).num_rows();
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["mine"; rows]));
    rearranged(dir, &[("x1", None), ("x2", None), ("y", None), ("u1", Some(texts))]);
    let ran = replace(dir, "rearranged.parquet", "out.parquet", &[]);
    refused(&ran, 64, &["column \"u1\"", "annotate has not written it", "Utf8", "rename it"]);
    let read_column = replace(dir, "first.parquet", "out.parquet", &["--label", "s"]);
    refused(&read_column, 64, &["column \"s\"", "is read", "--prefix"]);
    assert!(!dir.join("out.parquet").exists());
}

fn streamed(ran: &[u8]) -> RecordBatch {
    let reader = StreamReader::try_new(ran, None).unwrap();
    let (schema, batches) = (reader.schema(), reader.map(Result::unwrap).collect::<Vec<_>>());
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

/// pyarrow takes the metadata in the Arrow schema for those of the file.
#[test]
fn the_arrow_schema_says_what_the_footer_says() {
    let dir = folder();
    let dir = dir.path();
    let script = "
import sys, pyarrow as pa, pyarrow.parquet as pq
pq.write_table(pa.ipc.open_stream(sys.argv[1]).read_all(), 'copy.parquet')
";
    let mut first = lsmi();
    first.current_dir(dir).args(["annotate", "in.parquet", "-", "--columns", "i1", "--bundle"]).arg(bundle());
    std::fs::write(dir.join("first.arrows"), first.output().unwrap().stdout).unwrap();
    must(Command::new(python()).current_dir(dir).args(["-c", script, "first.arrows"]));
    let options = ["--columns", "i2", "--adjust", "dataset"];
    let ran = replace(dir, "copy.parquet", "again.parquet", &options);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let script = "
import pyarrow.parquet as pq
schema, footer = pq.read_schema('again.parquet').metadata, pq.read_metadata('again.parquet').metadata
ours = {key: value for key, value in footer.items() if key.startswith(b'lsmi_etl.')}
assert len(ours) > 9 and ours[b'lsmi_etl.adjust'] == b'dataset', ours
assert {key: value for key, value in schema.items() if key.startswith(b'lsmi_etl.')} == ours, schema
print('the same')
";
    assert!(must(Command::new(python()).current_dir(dir).args(["-c", script])).stdout.contains("the same"));
}

#[test]
fn streams_replace_columns_likewise() {
    let dir = folder();
    let dir = dir.path();
    let other = read(&dir.join("other.parquet"));
    let mut from_file = lsmi();
    from_file
        .current_dir(dir)
        .args(["annotate", "first.parquet", "-", "--replace-columns", "--bundle"])
        .arg(bundle());
    let out = from_file.args(SWAPPED).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let rows = streamed(&out.stdout);
    assert_eq!(rows.columns(), other.columns());
    assert_eq!(names(&rows.schema()), names(&other.schema()));

    // And from a stream, whose schema says what annotate wrote.
    let mut first = lsmi();
    first.current_dir(dir).args(["annotate", "in.parquet", "-", "--columns", "i1", "--bundle"]).arg(bundle());
    let first = first.output().unwrap().stdout;
    let mut again = lsmi();
    again
        .current_dir(dir)
        .args(["annotate", "-", "-", "--replace-columns", "--bundle"])
        .arg(bundle())
        .args(SWAPPED);
    let mut child =
        again.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let sender = std::thread::spawn(move || stdin.write_all(&first).unwrap());
    let out = child.wait_with_output().unwrap();
    sender.join().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let rows = streamed(&out.stdout);
    assert_eq!(names(&rows.schema()), names(&other.schema()));
    let values = |rows: &RecordBatch, name: &str| -> Float32Array {
        rows.column_by_name(name).unwrap().as_primitive::<Float32Type>().clone()
    };
    assert_eq!(values(&rows, "u1"), values(&other, "u1"));
}

#[test]
fn a_pipeline_file_replaces_them_too() {
    let dir = folder();
    let dir = dir.path();
    let pipeline = format!(
        "input = \"first.parquet\"\noutput = \"out.parquet\"\n[annotate]\nbundle = {:?}\nreplace_columns = true\n\
         [[sql]]\nname = \"stale\"\nquery = \"SELECT i1 FROM annotated\"\n",
        bundle()
    );
    std::fs::write(dir.join("p.toml"), &pipeline).unwrap();
    // The query is planned over the columns that there will be.
    let ran = run(lsmi().current_dir(dir).args(["run", "p.toml"]));
    refused(&ran, 78, &["i1"]);
    std::fs::write(dir.join("p.toml"), pipeline.replace("SELECT i1", "SELECT avg(u1)")).unwrap();
    must(lsmi().current_dir(dir).args(["run", "p.toml"]));
    assert_eq!(
        names(&read(&dir.join("out.parquet")).schema()),
        names(&read(&dir.join("other.parquet")).schema())
    );
}
