//! Tests of spliced files, read back: old column chunks to the byte, footers field by field.

use std::path::{Path, PathBuf};

use arrow::array::{ArrayRef, AsArray, Float32Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Float32Type, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{ColumnChunkMetaData, SortingColumn};
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use tempfile::TempDir;

use crate::error::Error;

use super::*;

const ROWS: usize = 1000;
const GROUP: usize = 300;

fn batch() -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter((0..ROWS as i64).map(|i| (i % 9 != 4).then_some(i))));
    let words: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS).map(|i| format!("w{}", i % 40))));
    let batch =
        RecordBatch::try_from_iter_with_nullable([("id", ids, true), ("word", words, false)]).unwrap();
    let metadata = [("owner".to_owned(), "tests".to_owned())].into();
    let schema = Schema::new_with_metadata(batch.schema().fields().clone(), metadata);
    RecordBatch::try_new(Arc::new(schema), batch.columns().to_vec()).unwrap()
}

fn input(properties: WriterPropertiesBuilder) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.parquet");
    let properties = properties.set_max_row_group_row_count(Some(GROUP)).set_data_page_row_count_limit(50);
    let properties = properties.set_write_batch_size(10).build();
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch().schema(), Some(properties)).unwrap();
    writer.write(&batch()).unwrap();
    writer.close().unwrap();
    (folder, path)
}

fn fields() -> Vec<Field> {
    let metadata = [("unit".to_owned(), "nats".to_owned())].into();
    ["r", "s"]
        .map(|name| Field::new(name, DataType::Float32, true).with_metadata(Clone::clone(&metadata)))
        .to_vec()
}

/// Column `c` of row `i`: i·(c + 1), null in every seventh row.
fn computed(rows: std::ops::Range<usize>, c: usize) -> Float32Array {
    rows.map(|i| (i % 7 != 3).then_some((i * (c + 1)) as f32)).collect()
}

/// The new columns of these rows.
fn columns(rows: std::ops::Range<usize>) -> Vec<ArrayRef> {
    (0..2).map(|c| Arc::new(computed(rows.clone(), c)) as ArrayRef).collect()
}

fn splice(path: &Path, key_values: &[KeyValue]) -> Result<PathBuf> {
    let input = Input::open(path)?;
    let output = path.with_file_name("out.parquet");
    let mut writer = SpliceWriter::new(&input, Staged::create(&output, false)?, &fields(), key_values)?;
    let mut row = 0;
    for group in 0..input.metadata().num_row_groups() {
        let rows = input.rows_in(group);
        let third = row + rows / 3;
        writer.row_group(group, |new| {
            new.append(&columns(row..third))?;
            new.append(&columns(third..row + rows))
        })?;
        row += rows;
    }
    writer.finish()?;
    Ok(output)
}

fn read(path: &Path) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap()).unwrap();
    let schema = builder.schema().clone();
    let batches: Vec<_> = builder.build().unwrap().map(std::result::Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn check(path: &Path) -> (Input, Input) {
    let output = splice(path, &[KeyValue::new("lineage".to_owned(), "new".to_owned())]).unwrap();
    let (old, new) = (batch(), read(&output));
    assert_eq!(new.columns()[..2], old.columns()[..]);
    assert_eq!(new.schema().fields()[..2], old.schema().fields()[..]);
    assert_eq!(*new.schema().fields()[3], fields()[1]);
    assert_eq!(new.schema().metadata()["owner"], "tests");
    assert_eq!(new.schema().metadata()["lineage"], "new");
    for c in 0..2 {
        assert_eq!(*new.column(2 + c).as_primitive::<Float32Type>(), computed(0..ROWS, c));
    }
    (Input::open(path).unwrap(), Input::open(&output).unwrap())
}

fn bytes_of(input: &Input, chunk: &ColumnChunkMetaData) -> Vec<u8> {
    let (start, length) = chunk.byte_range();
    std::fs::read(input.file().path()).unwrap()[start as usize..(start + length) as usize].to_vec()
}

#[test]
fn all_that_belongs_to_a_chunk_is_carried_over() {
    let sorting = vec![SortingColumn { column_idx: 0, descending: true, nulls_first: false }];
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_sorting_columns(Some(sorting))
        .set_created_by("parquet-mr version 1.15.1 (build 0)".to_owned())
        .set_bloom_filter_enabled(true);
    let (_folder, path) = input(properties);
    let (old, new) = check(&path);
    let (old_meta, new_meta) = (old.metadata(), new.metadata());
    assert_eq!(old_meta.file_metadata().created_by(), new_meta.file_metadata().created_by());
    assert_eq!(new_meta.num_row_groups(), 4);
    for (g, (a, b)) in old_meta.row_groups().iter().zip(new_meta.row_groups()).enumerate() {
        assert_eq!((a.num_rows(), a.sorting_columns()), (b.num_rows(), b.sorting_columns()));
        assert_eq!(b.ordinal(), Some(g as i16));
        assert_eq!(b.total_byte_size(), b.columns().iter().map(|c| c.uncompressed_size()).sum::<i64>());
        for c in 0..2 {
            let (x, y) = (a.column(c), b.column(c));
            assert_eq!(bytes_of(&old, x), bytes_of(&new, y));
            assert_eq!(x.statistics(), y.statistics());
            assert_eq!(x.page_encoding_stats(), y.page_encoding_stats());
            assert_eq!(x.encodings_mask(), y.encodings_mask());
            assert_eq!(x.definition_level_histogram(), y.definition_level_histogram());
            assert_eq!(x.unencoded_byte_array_data_bytes(), y.unencoded_byte_array_data_bytes());
            assert_eq!(old_meta.column_index().unwrap()[g][c], new_meta.column_index().unwrap()[g][c]);
            let pages =
                |meta: &parquet::file::metadata::ParquetMetaData, start: u64| -> Vec<(i64, i32, i64)> {
                    let index = &meta.offset_index().unwrap()[g][c];
                    let locations = index.page_locations().iter();
                    locations
                        .map(|p| (p.offset - start as i64, p.compressed_page_size, p.first_row_index))
                        .collect()
                };
            assert_eq!(pages(old_meta, x.byte_range().0), pages(new_meta, y.byte_range().0));
            let filter =
                |input: &Input, chunk| Sbbf::read_from_column_chunk(chunk, input.file()).unwrap().unwrap();
            let (mut p, mut q) = (Vec::new(), Vec::new());
            filter(&old, x).write(&mut p).unwrap();
            filter(&new, y).write(&mut q).unwrap();
            assert_eq!(p, q);
        }
        assert_eq!(b.column(2).compression(), a.column(0).compression());
        assert!(new_meta.column_index().unwrap()[g][3].num_pages() > 0);
    }
}

#[test]
fn an_input_without_page_index_gives_an_output_without() {
    let properties = WriterProperties::builder().set_offset_index_disabled(true);
    let (_folder, path) = input(properties.set_statistics_enabled(EnabledStatistics::Chunk));
    let (_, new) = check(&path);
    assert!(new.metadata().offset_index().is_none());
    assert!(new.metadata().row_group(0).column(2).statistics().is_some());
}

#[test]
fn the_format_version_is_kept() {
    let (_folder, path) = input(WriterProperties::builder().set_writer_version(WriterVersion::PARQUET_2_0));
    let (old, new) = check(&path);
    assert_eq!(new.metadata().file_metadata().version(), 2);
    assert_eq!(old.metadata().file_metadata().created_by(), new.metadata().file_metadata().created_by());
}

#[test]
fn a_name_that_is_taken_is_refused() {
    let (folder, path) = input(WriterProperties::builder());
    let input = Input::open(&path).unwrap();
    let new = |names: &[&str]| {
        let staged = Staged::create(&folder.path().join("out"), false).unwrap();
        let fields: Vec<_> = names.iter().map(|name| Field::new(*name, DataType::Float32, true)).collect();
        SpliceWriter::new(&input, staged, &fields, &[]).unwrap_err()
    };
    let taken = new(&["r", "word"]);
    assert_eq!(taken.exit_code(), 64);
    assert!(
        taken.to_string().contains("\"word\"") && taken.to_string().contains("--prefix NAME_"),
        "{taken}"
    );
    assert_eq!(new(&["r", "r"]).exit_code(), 64);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn nothing_appears_unless_all_is_written() {
    let (folder, path) = input(WriterProperties::builder());
    let input = Input::open(&path).unwrap();
    let output = folder.path().join("out");
    let writer =
        || SpliceWriter::new(&input, Staged::create(&output, false).unwrap(), &fields(), &[]).unwrap();
    let write = |writer: &mut SpliceWriter, group, rows: usize| {
        writer.row_group(group, |new| new.append(&columns(0..rows)))
    };
    assert_eq!(writer().finish().unwrap_err().exit_code(), 70);
    assert_eq!(write(&mut writer(), 1, GROUP).unwrap_err().exit_code(), 70);
    assert_eq!(write(&mut writer(), 0, GROUP - 1).unwrap_err().exit_code(), 70);
    let too_few = writer().row_group(0, |new| new.append(&columns(0..GROUP)[..1]));
    assert_eq!(too_few.unwrap_err().exit_code(), 70);
    let failed = writer().row_group(0, |_| Err(Error::Interrupted));
    assert_eq!(failed.unwrap_err().exit_code(), 75);

    // The input shrinks while it is read.
    let mut shrunk = writer();
    write(&mut shrunk, 0, GROUP).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(100).unwrap();
    let error = write(&mut shrunk, 1, GROUP).unwrap_err();
    assert!(error.to_string().contains("in.parquet, row group 1"), "{error}");
    drop(shrunk);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn an_input_that_was_changed_is_noticed_at_the_end() {
    let (folder, path) = input(WriterProperties::builder());
    let input = Input::open(&path).unwrap();
    let staged = Staged::create(&folder.path().join("out"), false).unwrap();
    let mut writer = SpliceWriter::new(&input, staged, &fields(), &[]).unwrap();
    for group in 0..4 {
        let rows = input.rows_in(group);
        writer.row_group(group, |new| new.append(&columns(0..rows))).unwrap();
    }
    let modified = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    assert_eq!(writer.finish().unwrap_err().exit_code(), 75);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn large_chunks_lie_in_their_pages_as_they_did() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.parquet");
    let rows = 600_000;
    // Nine bytes of a small chunk before each large one, so that they lie anywhere.
    let values = |factor: u64| -> ArrayRef {
        let random = (0..rows as u64).map(|i| (i * factor).wrapping_mul(0x9E37_79B9_7F4A_7C15) as i64);
        Arc::new(Int64Array::from_iter_values(random))
    };
    let few: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows as i64).map(|i| i % 3)));
    let old = RecordBatch::try_from_iter([("a", few), ("b", values(1)), ("c", values(3))]).unwrap();
    let properties = WriterProperties::builder().set_dictionary_enabled(false);
    let properties = properties
        .set_max_row_group_row_count(Some(rows / 3))
        .set_column_dictionary_enabled("a".into(), true);
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, old.schema(), Some(properties.build())).unwrap();
    writer.write(&old).unwrap();
    writer.close().unwrap();

    let output = splice(&path, &[]).unwrap();
    let new = read(&output);
    assert_eq!(new.columns()[..3], old.columns()[..]);
    for c in 0..2 {
        assert_eq!(*new.column(3 + c).as_primitive::<Float32Type>(), computed(0..rows, c));
    }
    let (old, new) = (Input::open(&path).unwrap(), Input::open(&output).unwrap());
    let mut moved = 0;
    for (a, b) in old.metadata().row_groups().iter().zip(new.metadata().row_groups()) {
        assert_eq!(b.file_offset(), Some(b.column(0).byte_range().0 as i64));
        for c in 0..3 {
            assert_eq!(bytes_of(&old, a.column(c)), bytes_of(&new, b.column(c)));
        }
        for c in 1..3 {
            let (from, to) = (a.column(c).byte_range().0, b.column(c).byte_range().0);
            assert_eq!(from % 4096, to % 4096);
            moved += to - from;
        }
    }
    assert!(moved > 0);
}
