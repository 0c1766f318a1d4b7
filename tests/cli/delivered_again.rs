//! Inputs that are delivered again after their outputs were made, the same bytes or others; and
//! outputs that are there for another reason, with that reason.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow::array::{ArrayRef, FixedSizeListArray, RecordBatch};
use arrow::datatypes::{Field, Float32Type};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::harness::files::{listing, replaced, vectors, write};
use crate::harness::{annotate, last_json, lsmi, must, refused, rows};

/// Says that a file was written some time after all others.
fn is_written_later(path: &Path, seconds: u64) {
    let later = SystemTime::now() + Duration::from_secs(seconds);
    File::options().write(true).open(path).unwrap().set_modified(later).unwrap();
}

#[test]
fn the_same_bytes_are_nothing_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in.parquet"), dir.path().join("out.parquet"));
    for more in [&[][..], &["--adjust", "dataset"], &["--rejects", "bad.parquet"]] {
        write(&input, &rows(250));
        let _ = fs::remove_file(&output);
        assert_eq!(annotate(dir.path(), "in.parquet", "out.parquet", more).code, 0);
        let bytes = fs::read(&output).unwrap();
        is_written_later(&input, 10);
        let more = [more, &["--json", "--if-nothing", "exit99"]].concat();
        let ran = annotate(dir.path(), "in.parquet", "out.parquet", &more);
        assert_eq!(ran.code, 99, "{more:?}: {}", ran.stderr);
        assert_eq!(last_json(&ran)["skipped"], true);
        assert!(
            ran.stderr.contains("in.parquet was written again after out.parquet was made"),
            "{}",
            ran.stderr
        );
        assert_eq!(fs::read(&output).unwrap(), bytes);
    }
}

#[test]
fn other_bytes_are_said_to_be_others() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in.parquet");
    let rows = rows(250);
    write(&input, &rows);
    assert_eq!(annotate(dir.path(), "in.parquet", "out.parquet", &[]).code, 0);
    let mut x1 = vectors(&rows, "x1");
    x1[200].as_mut().unwrap()[1] += 1.0;
    write(&input, &replaced(&rows, "x1", crate::harness::files::embeddings(&x1, 4)));
    is_written_later(&input, 10);
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &[]);
    refused(
        &ran,
        73,
        &["out.parquet exists, made from an input that has changed since", "--overwrite", "annotate it anew"],
    );
    assert_eq!(annotate(dir.path(), "in.parquet", "out.parquet", &["--overwrite"]).code, 0);
}

/// Writes rows so that the footer is the same whatever the values are.
fn write_plainly(path: &Path, rows: &RecordBatch) {
    let properties = WriterProperties::builder()
        .set_statistics_enabled(EnabledStatistics::None)
        .set_dictionary_enabled(false)
        .set_offset_index_disabled(true)
        .build();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), rows.schema(), Some(properties)).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
}

#[test]
fn other_values_under_the_same_footer_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in.parquet");
    let rows = rows(250);
    // As a list of the tests' own, whose type the changed one has, too.
    let rows = replaced(&rows, "x2", crate::harness::files::embeddings(&vectors(&rows, "x2"), 4));
    write_plainly(&input, &rows);
    let footer = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        let length = u32::from_le_bytes(bytes[bytes.len() - 8..][..4].try_into().unwrap()) as usize;
        bytes[bytes.len() - 8 - length..].to_vec()
    };
    let before = footer(&input);
    assert_eq!(annotate(dir.path(), "in.parquet", "out.parquet", &[]).code, 0);
    let mut x2 = vectors(&rows, "x2");
    x2[249].as_mut().unwrap()[3] += 1.0;
    write_plainly(&input, &replaced(&rows, "x2", crate::harness::files::embeddings(&x2, 4)));
    assert!(footer(&input) == before, "the footer tells them apart already");
    is_written_later(&input, 10);
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &[]);
    refused(&ran, 73, &["out.parquet exists, made from an input that has changed since"]);
    write_plainly(&input, &rows);
    is_written_later(&input, 20);
    assert_eq!(annotate(dir.path(), "in.parquet", "out.parquet", &[]).code, 0);
    assert_eq!(listing(dir.path()), ["in.parquet", "out.parquet"]);
}

/// 250 rows, and the same with other values of x2 in some of them, so that their footers are equal.
fn same_footer(changed: std::ops::Range<usize>) -> [RecordBatch; 2] {
    let rows = rows(250);
    let mut x2 = vectors(&rows, "x2");
    let before = replaced(&rows, "x2", crate::harness::files::embeddings(&x2, 4));
    x2[changed].iter_mut().for_each(|x2| x2.as_mut().unwrap()[3] += 1.0);
    [before, replaced(&rows, "x2", crate::harness::files::embeddings(&x2, 4))]
}

fn is_written_long_ago(path: &Path) {
    let long_ago = SystemTime::now() - Duration::from_secs(100_000);
    File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
}

#[test]
fn an_older_file_in_anothers_place_is_found() {
    // One changed row, in the middle of a page.
    let [before, after] = same_footer(120..121);
    for through_link in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        write_plainly(&path("a.parquet"), &before);
        write_plainly(&path("b.parquet"), &after);
        is_written_long_ago(&path("a.parquet"));
        is_written_long_ago(&path("b.parquet"));
        match through_link {
            true => std::os::unix::fs::symlink("a.parquet", path("in.parquet")).unwrap(),
            false => fs::rename(path("a.parquet"), path("in.parquet")).unwrap(),
        }
        assert_eq!(annotate(dir.path(), "in.parquet", "out.parquet", &[]).code, 0);
        let made = fs::read(path("out.parquet")).unwrap();
        match through_link {
            true => {
                std::os::unix::fs::symlink("b.parquet", path("new")).unwrap();
                fs::rename(path("new"), path("in.parquet")).unwrap();
            }
            false => fs::rename(path("b.parquet"), path("in.parquet")).unwrap(),
        }
        for more in [&[][..], &["--if-nothing", "exit99"], &["--adjust", "dataset"]] {
            let ran = annotate(dir.path(), "in.parquet", "out.parquet", more);
            assert_eq!(ran.code, 73, "{}", ran.stderr);
        }
        refused(
            &annotate(dir.path(), "in.parquet", "out.parquet", &[]),
            73,
            &["out.parquet exists, made from an input that has changed since"],
        );
        assert!(fs::read(path("out.parquet")).unwrap() == made);
        assert_eq!(annotate(dir.path(), "in.parquet", "out.parquet", &["--overwrite"]).code, 0);
        assert!(fs::read(path("out.parquet")).unwrap() != made);
    }
}

#[test]
fn another_folder_in_the_inputs_place_is_found() {
    // All its times are from before the output was made: a sample of the columns tells it.
    let [before, after] = same_footer(0..250);
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for (folder, rows) in [("in", &before), ("next", &after)] {
        fs::create_dir(path(folder)).unwrap();
        write_plainly(&path(folder).join("a.parquet"), rows);
        is_written_long_ago(&path(folder).join("a.parquet"));
    }
    assert_eq!(annotate(dir.path(), "in", "out", &[]).code, 0);
    assert_eq!(annotate(dir.path(), "in", "out", &[]).code, 0);
    fs::rename(path("in"), path("last")).unwrap();
    fs::rename(path("next"), path("in")).unwrap();
    refused(
        &annotate(dir.path(), "in", "out", &[]),
        73,
        &["out/a.parquet exists, made from an input that has"],
    );
}

#[test]
fn all_of_an_input_is_compared_where_that_is_asked_for() {
    // A column of a megabyte, of which one row has changed: between the blocks of a sample.
    let rows = rows(250);
    let text = |changed: usize| -> ArrayRef {
        let text = |row: usize| format!("{:0>5000}", row + usize::from(row == changed) * 1000);
        Arc::new(arrow::array::StringArray::from_iter_values((0..250).map(text)))
    };
    let with = |changed: usize| {
        let columns = ["x1", "x2", "y"].map(|name| (name, rows.column_by_name(name).unwrap().clone()));
        crate::harness::files::batch(&[&columns[..], &[("text", text(changed))]].concat())
    };
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for (folder, changed) in [("in", 1000), ("next", 40)] {
        fs::create_dir(path(folder)).unwrap();
        write_plainly(&path(folder).join("a.parquet"), &with(changed));
        is_written_long_ago(&path(folder).join("a.parquet"));
    }
    assert_eq!(annotate(dir.path(), "in", "out", &[]).code, 0);
    assert_eq!(annotate(dir.path(), "in", "out", &["--verify-inputs"]).code, 0);
    fs::rename(path("in"), path("last")).unwrap();
    fs::rename(path("next"), path("in")).unwrap();
    assert_eq!(
        annotate(dir.path(), "in", "out", &[]).code,
        0,
        "the sample has become larger than the test knows"
    );
    let ran = annotate(dir.path(), "in", "out", &["--verify-inputs"]);
    refused(&ran, 73, &["out/a.parquet exists, made from an input that has changed since"]);
}

#[test]
fn other_labels_of_the_same_embeddings_are_found() {
    let rows = rows(250);
    let y = rows.column_by_name("y").unwrap();
    let other = arrow::compute::kernels::cmp::eq(y, &arrow::array::Int64Array::new_scalar(0)).unwrap();
    let other = arrow::compute::cast(&other, y.data_type()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for (folder, rows) in [("in", &rows), ("next", &replaced(&rows, "y", other))] {
        fs::create_dir(path(folder)).unwrap();
        write_plainly(&path(folder).join("a.parquet"), rows);
    }
    write_plainly(&path("in/a.parquet"), &replaced(&rows, "y", y.clone()));
    assert_eq!(annotate(dir.path(), "in", "out", &[]).code, 0);
    fs::rename(path("in"), path("last")).unwrap();
    fs::rename(path("next"), path("in")).unwrap();
    refused(&annotate(dir.path(), "in", "out", &[]), 73, &["made from an input that has changed since"]);
}

#[test]
fn an_encrypted_file_that_is_delivered_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("keys.json"), r#"{"footer_key": "30313233343536373839303132333435"}"#).unwrap();
    let encrypted = |rows: &RecordBatch| {
        let encryption =
            parquet::encryption::encrypt::FileEncryptionProperties::builder(b"0123456789012345".to_vec());
        let properties =
            WriterProperties::builder().with_file_encryption_properties(encryption.build().unwrap()).build();
        let file = File::create(dir.path().join("in.parquet")).unwrap();
        let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(properties)).unwrap();
        writer.write(rows).unwrap();
        writer.close().unwrap();
    };
    encrypted(&rows(250));
    let keys = ["--parquet-keys", "keys.json"];
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &keys);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    is_written_later(&dir.path().join("in.parquet"), 10);
    let ran = annotate(dir.path(), "in.parquet", "out.parquet", &[&keys[..], &["--json"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(last_json(&ran)["skipped"], true);
    // The same rows, encrypted anew, are other bytes with another footer.
    encrypted(&rows(250));
    refused(&annotate(dir.path(), "in.parquet", "out.parquet", &keys), 73, &["out.parquet exists"]);
}

#[test]
fn folders_with_one_file_delivered_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("in")).unwrap();
    for name in ["a", "b"] {
        write(&dir.path().join(format!("in/{name}.parquet")), &rows(150));
    }
    assert_eq!(annotate(dir.path(), "in", "out", &[]).code, 0);
    is_written_later(&dir.path().join("in/b.parquet"), 10);
    let ran = annotate(dir.path(), "in", "out", &["--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(last_json(&ran)["skipped_files"], 2);
}

#[test]
fn an_output_of_other_work_is_said_to_be_that() {
    let dir = tempfile::tempdir().unwrap();
    let made = |more: &[&str]| annotate(dir.path(), "in.parquet", "out.parquet", more);
    write(&dir.path().join("in.parquet"), &rows(250));
    assert_eq!(made(&[]).code, 0);
    for (more, why) in [
        (&["--columns", "i1"][..], "exists, without i1; "),
        (&["--adjust", "dataset"], "made with --adjust none"),
        (&["--x1", "x2", "--x2", "x1"], "made from the columns x1, x2 and y"),
        (&["--rejects", "bad.parquet"], "made by the same work, but without bad.parquet"),
    ] {
        refused(&made(more), 73, &["out.parquet exists", why, "--overwrite"]);
    }
    assert_eq!(made(&["--columns", "i1", "--overwrite"]).code, 0);
    refused(&made(&[]), 73, &["out.parquet exists, with other new columns than this run's"]);
    assert_eq!(made(&["--overwrite"]).code, 0);
    let train = crate::harness::fitted().join("train.parquet");
    must(lsmi().current_dir(dir.path()).args(["fit", "--max-rows", "500", "--bundle", "other"]).arg(train));
    let ran =
        crate::harness::lsmi_in(dir.path(), ["annotate", "in.parquet", "out.parquet", "--bundle", "other"]);
    refused(&ran, 73, &["out.parquet exists, made with another bundle"]);
    fs::write(dir.path().join("out.parquet"), "precious").unwrap();
    refused(&made(&[]), 73, &["out.parquet exists, which can't be read as an output of annotate"]);
    fs::copy(dir.path().join("in.parquet"), dir.path().join("out.parquet")).unwrap();
    refused(&made(&[]), 73, &["out.parquet exists, which annotate has not made"]);
}

#[test]
fn vectors_are_compared_by_all_their_leaves() {
    // A list of lists is no embedding, and is copied all the same.
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(100);
    let pair = |offset: f32| -> ArrayRef {
        let values = (0..100).map(|row| Some([Some(row as f32), Some(row as f32 + offset)]));
        Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(values, 2))
    };
    let with = |offset: f32| {
        let field = Arc::new(Field::new("pair", pair(offset).data_type().clone(), true));
        let inner = arrow::array::StructArray::from(vec![(field, pair(offset))]);
        let columns = ["x1", "x2", "y"].map(|name| (name, rows.column_by_name(name).unwrap().clone()));
        crate::harness::files::batch(&[&columns[..], &[("inner", Arc::new(inner) as ArrayRef)]].concat())
    };
    write_plainly(&dir.path().join("in.parquet"), &with(1.0));
    assert_eq!(annotate(dir.path(), "in.parquet", "out.parquet", &[]).code, 0);
    write_plainly(&dir.path().join("in.parquet"), &with(2.0));
    is_written_later(&dir.path().join("in.parquet"), 10);
    refused(&annotate(dir.path(), "in.parquet", "out.parquet", &[]), 73, &["has changed since"]);
}
