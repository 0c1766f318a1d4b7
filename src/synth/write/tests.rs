//! Tests of synthetic files, written and read back.

use std::fs::{self, File};

use arrow::array::{Array, AsArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::ParquetMetaData;

use crate::interaction::lattice::{AtomPlan, Lattice};
use crate::interaction::truth::{Gaussian, Prior, SubsetValues, Wide, WideShape, Xor};
use crate::interaction::{Pointwise, decompose};

use super::*;

fn gaussian() -> Generator {
    let prior = Prior::new(vec![0.5, 0.3, 0.2]).unwrap();
    Generator::Gaussian(Gaussian::new(2, prior, 0.5, 0.5).unwrap())
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
        let exact = generator.exact(&[&x(0, row), &x(1, row)], y);
        let (SubsetValues { i, h }, [i1, i2, i12]) = (&exact, [0, 1, 2].map(|at| exact.i[at]));
        let t = decompose(Pointwise { i1, i2, i12, h1: h[0], h2: h[1] });
        assert_eq!(
            ["true_r", "true_u1", "true_u2", "true_s"].map(|name| value(name, row)),
            [t.r, t.u1, t.u2, t.s]
        );
        assert_eq!(pointwise.map(|name| value(name, row)), [i[0], i[1], i[2], h[0], h[1]]);
    }
}

#[test]
fn three_modalities_have_the_values_of_every_set_and_all_atoms() {
    let folder = tempfile::tempdir().unwrap();
    let prior = Prior::uniform(3).unwrap();
    let generator = Generator::Gaussian(Gaussian::new(3, prior, -0.2, 0.5).unwrap());
    let options = options(folder.path(), 50);
    write(&generator, &options, &never).unwrap();
    let (batch, metadata) = read(&options.output);
    let names: Vec<&str> = batch.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
    let expected = "x1 x2 x3 y true_r true_u1 true_u2 true_u3 true_s \
        true_i_1 true_i_2 true_i_3 true_i_12 true_i_13 true_i_23 true_i_123 \
        true_h_1 true_h_2 true_h_3 true_h_12 true_h_13 true_h_23 true_a_1_2_3";
    assert_eq!(names[..23].join(" "), expected);
    assert_eq!((names.len(), names[39]), (40, "true_a_123"));
    assert_eq!(metadata.row_group(0).column(2).column_path().string(), "x3.list.element");
    assert!(metadata.row_group(0).column(2).statistics().is_none());

    let value =
        |name: &str, row: usize| batch.column_by_name(name).unwrap().as_primitive::<Float64Type>().value(row);
    let lattice = Lattice::new(3).unwrap();
    let plan = AtomPlan::new(&lattice, lattice.nodes()).unwrap();
    for row in 0..50 {
        let x = [0, 1, 2].map(|at| {
            batch.column(at).as_fixed_size_list().value(row).as_primitive::<Float32Type>().values().to_vec()
        });
        let y = batch.column(3).as_primitive::<Int64Type>().value(row) as usize;
        let SubsetValues { i, h } = generator.exact(&[&x[0], &x[1], &x[2]], y);
        let stored = |names: &[&str]| names.iter().map(|name| value(name, row)).collect::<Vec<_>>();
        assert_eq!(stored(&names[9..16]), i);
        assert_eq!(stored(&names[16..22]), h);
        assert_eq!(stored(&names[22..]), plan.decompose(&i, &h).unwrap());
        for (default, atom) in [("r", "1_2_3"), ("u1", "1"), ("u2", "2"), ("u3", "3"), ("s", "123")] {
            assert_eq!(value(&format!("true_{default}"), row), value(&format!("true_a_{atom}"), row));
        }
    }

    let few = SynthOptions { truth: Truth::Columns, overwrite: true, ..options };
    write(&generator, &few, &never).unwrap();
    let names: Vec<String> =
        read(&few.output).0.schema_ref().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names[4..].join(" "), "true_r true_u1 true_u2 true_u3 true_s");
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
        dims: vec![3000, 1096],
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
