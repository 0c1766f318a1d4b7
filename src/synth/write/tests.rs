//! Tests of synthetic files, written and read back.

use std::fs::{self, File};

use arrow::array::{Array, AsArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::ParquetMetaData;

use crate::interaction::decompose;
use crate::interaction::truth::{Gaussian, Prior, Wide, WideShape, Xor};

use super::*;

fn gaussian() -> Generator {
    let prior = Prior::new(vec![0.5, 0.3, 0.2]).unwrap();
    Generator::Gaussian(Gaussian::new(prior, 0.5, 0.5).unwrap())
}

fn options(folder: &Path, rows: u64) -> SynthOptions {
    SynthOptions {
        output: folder.join("rows.parquet"),
        rows,
        seed: 3,
        row_group_rows: None,
        truth: Truth::Full,
        overwrite: false,
        lineage: vec![("lsmi_etl.synth".into(), "gaussian".into())],
    }
}

fn never() -> bool {
    false
}

fn read(path: &Path) -> (RecordBatch, Arc<ParquetMetaData>) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let (metadata, schema) = (Arc::clone(builder.metadata()), Arc::clone(builder.schema()));
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(|batch| batch.unwrap()).collect();
    (concat_batches(&schema, &batches).unwrap(), metadata)
}

fn names_in(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn columns_hold_the_rows_and_their_truth() {
    let folder = tempfile::tempdir().unwrap();
    let (generator, options) =
        (gaussian(), SynthOptions { row_group_rows: Some(400), ..options(folder.path(), 1000) });
    let written = write(&generator, &options, &never).unwrap();
    assert_eq!((written.rows, written.row_groups), (1000, 3));
    assert_eq!(written.bytes, fs::metadata(&options.output).unwrap().len());
    assert_eq!(names_in(folder.path()), ["rows.parquet"]);

    let (batch, metadata) = read(&options.output);
    let names: Vec<&str> = batch.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
    let pointwise = ["true_i1", "true_i2", "true_i12", "true_h1", "true_h2"];
    assert_eq!(names[..7], ["x1", "x2", "y", "true_r", "true_u1", "true_u2", "true_s"]);
    assert_eq!(names[7..], pointwise);
    assert!(batch.schema_ref().fields().iter().all(|field| !field.is_nullable()));
    assert!(matches!(batch.column(0).data_type(), DataType::FixedSizeList(item, 3)
        if item.data_type() == &DataType::Float32 && !item.is_nullable()));
    let groups: Vec<i64> = metadata.row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(groups, [400, 400, 200]);
    let lineage = metadata.file_metadata().key_value_metadata().unwrap();
    assert!(lineage.contains(&KeyValue::new("lsmi_etl.synth".into(), "gaussian".to_string())));

    let value =
        |name: &str, row: usize| batch.column_by_name(name).unwrap().as_primitive::<Float64Type>().value(row);
    let x = |at: usize, row: usize| {
        batch.column(at).as_fixed_size_list().value(row).as_primitive::<Float32Type>().values().to_vec()
    };
    for row in 0..1000 {
        let y = batch.column(2).as_primitive::<Int64Type>().value(row) as usize;
        let p = generator.exact(&x(0, row), &x(1, row), y);
        let t = decompose(p);
        assert_eq!(
            ["true_r", "true_u1", "true_u2", "true_s"].map(|name| value(name, row)),
            [t.r, t.u1, t.u2, t.s]
        );
        assert_eq!(pointwise.map(|name| value(name, row)), [p.i1, p.i2, p.i12, p.h1, p.h2]);
    }
}

#[test]
fn embeddings_are_plain_and_carry_no_statistics() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), 100);
    write(&gaussian(), &options, &never).unwrap();
    let (_, metadata) = read(&options.output);
    let columns = metadata.row_group(0).columns();
    assert_eq!(columns[0].column_path().string(), "x1.list.element");
    for (at, column) in columns.iter().enumerate() {
        assert_eq!(column.compression(), Compression::UNCOMPRESSED);
        assert_eq!(column.dictionary_page_offset().is_some(), at == 2, "{}", column.column_path());
        assert_eq!(column.statistics().is_some(), at > 1, "{}", column.column_path());
    }
}

#[test]
fn rows_are_the_same_in_any_row_groups_and_longer_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, rows: u64, row_group_rows| {
        let options =
            SynthOptions { output: folder.path().join(name), row_group_rows, ..options(folder.path(), rows) };
        write(&gaussian(), &options, &never).unwrap();
        options.output
    };
    let (a, b) = (file("a", 20_000, None), file("b", 20_000, Some(999)));
    let (again, longer) = (file("again", 20_000, None), file("longer", 20_001, None));
    assert_eq!(fs::read(&a).unwrap(), fs::read(&again).unwrap());
    let ((a, _), (b, metadata), (longer, _)) = (read(&a), read(&b), read(&longer));
    assert_eq!(metadata.num_row_groups(), 21);
    assert_eq!(a, b);
    assert_eq!(a, longer.slice(0, 20_000));
}

#[test]
fn truth_is_optional_and_xor_has_none_in_one_modality() {
    let folder = tempfile::tempdir().unwrap();
    let generator = Generator::Xor(Xor::new().unwrap());
    let bare = SynthOptions { truth: Truth::None, ..options(folder.path(), 10) };
    write(&generator, &bare, &never).unwrap();
    assert_eq!(read(&bare.output).0.num_columns(), 3);

    let columns = SynthOptions { truth: Truth::Columns, overwrite: true, ..bare };
    write(&generator, &columns, &never).unwrap();
    let (batch, _) = read(&columns.output);
    assert_eq!(batch.num_columns(), 7);
    let r = batch.column_by_name("true_r").unwrap().as_primitive::<Float64Type>();
    assert!(r.values().iter().all(|r| *r == 0.0));
}

#[test]
fn wide_rows_make_small_batches_and_row_groups() {
    let shape = WideShape {
        dims: [3000, 1096],
        prior: Prior::uniform(5).unwrap(),
        rho: 0.5,
        sigma: 0.5,
        distribution_seed: 0,
    };
    let generator = Generator::Wide(Wide::new(shape).unwrap());
    assert_eq!((rows_in(&generator, BATCH_BYTES), rows_in(&generator, ROW_GROUP_BYTES)), (512, 8192));
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), 1025);
    write(&generator, &options, &never).unwrap();
    let (batch, _) = read(&options.output);
    assert_eq!(batch.num_rows(), 1025);
    assert_eq!(batch.column(1).as_fixed_size_list().value_length(), 1096);
}

#[test]
fn no_rows_make_a_file_with_a_schema() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), 0);
    assert_eq!(write(&gaussian(), &options, &never).unwrap().row_groups, 0);
    let (batch, _) = read(&options.output);
    assert_eq!((batch.num_rows(), batch.num_columns()), (0, 12));
}

#[test]
fn an_interrupted_run_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let polls = std::sync::atomic::AtomicUsize::new(0);
    let second_time = || polls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 1;
    let error = write(&gaussian(), &options(folder.path(), 50_000), &second_time).unwrap_err();
    assert!(matches!(error, Error::Interrupted));
    assert!(names_in(folder.path()).is_empty());
}

#[test]
fn outputs_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let there = options(folder.path(), 10);
    fs::write(&there.output, "mine").unwrap();
    let error = write(&gaussian(), &there, &never).unwrap_err();
    assert!(matches!(&error, Error::OutputExists(path) if *path == there.output), "{error}");
    assert_eq!(fs::read(&there.output).unwrap(), b"mine");
    write(&gaussian(), &SynthOptions { overwrite: true, ..there.clone() }, &never).unwrap();
    assert_eq!(read(&there.output).0.num_rows(), 10);

    let nowhere = SynthOptions { output: folder.path().join("missing/rows.parquet"), ..there.clone() };
    let error = write(&gaussian(), &nowhere, &never).unwrap_err();
    assert_eq!(error.exit_code(), 73);
    let message = error.to_string();
    assert!(message.contains("missing/rows.parquet") && message.contains("No such file"), "{message}");
    assert!(!message.contains(".rows.parquet"), "{message}");

    let empty_groups = SynthOptions { row_group_rows: Some(0), overwrite: true, ..there };
    assert_eq!(write(&gaussian(), &empty_groups, &never).unwrap_err().exit_code(), 64);
}

#[cfg(unix)]
#[test]
fn a_new_file_is_readable_like_any_other() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), 1);
    write(&gaussian(), &options, &never).unwrap();
    let other = folder.path().join("other");
    fs::write(&other, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&options.output), mode(&other));
}
