//! Tests of the page reader against Arrow's reader: both read every file.

use std::ops::Range;
use std::path::Path;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeBinaryArray, FixedSizeListArray, ListArray, RecordBatch,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float32Type};
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use proptest::prelude::*;

use crate::parquet_file::ColumnReader;
use crate::samples::embedding_type::{EmbeddingLayout, EmbeddingType, Float};
use crate::samples::extract::{Embeddings, extract};
use crate::samples::{ListReader, PageJob, ReadBuffers};

use super::list_pages::ListPages;
use super::page_source::NextPage;
use super::page_values::{PageValues, Segment};
use super::written_pages::{List, shred, write_cut_pages};
use super::*;

impl EmbeddingLayout {
    fn is_fixed(self) -> bool {
        matches!(self, Self::FixedSizeList(_) | Self::FixedSizeBinary(_))
    }
}

/// The content of a row of a generated file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Row {
    Good,
    Null,
    Length(usize),
    NullItem(usize),
    Value(f32),
}

fn any_row() -> impl Strategy<Value = Row> {
    prop_oneof![
        1 => Just(Row::Null),
        2 => (0_usize..12).prop_map(Row::Length),
        1 => (0_usize..12).prop_map(Row::NullItem),
        1 => prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(-0.0)].prop_map(Row::Value),
        1 => Just(Row::Good),
    ]
}

#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) dim: usize,
    pub(super) rows: Vec<Row>,
    pub(super) version: WriterVersion,
    pub(super) compression: Compression,
    pub(super) encoding: Option<Encoding>,
    pub(super) page_bytes: usize,
    pub(super) batch: usize,
    pub(super) index: bool,
    pub(super) layout: EmbeddingLayout,
    pub(super) float: Float,
    pub(super) nullable: bool,
    pub(super) helped: bool,
}

prop_compose! {
    fn any_file()(
        dim in 1_usize..10,
        length in 0_usize..120,
        odd in proptest::collection::vec((0_usize..120, any_row()), 0..6),
        version in prop_oneof![Just(WriterVersion::PARQUET_1_0), Just(WriterVersion::PARQUET_2_0)],
        compression in prop_oneof![
            Just(Compression::UNCOMPRESSED),
            Just(Compression::SNAPPY),
            Just(Compression::LZ4_RAW),
            Just(Compression::GZIP(GzipLevel::default())),
            Just(Compression::BROTLI(BrotliLevel::default())),
            Just(Compression::ZSTD(ZstdLevel::default())),
        ],
        encoding in prop_oneof![
            3 => Just(Some(Encoding::PLAIN)),
            1 => Just(Some(Encoding::BYTE_STREAM_SPLIT)),
            1 => Just(None),
        ],
        page_bytes in 8_usize..2000,
        batch in 1_usize..40,
        index in any::<bool>(),
        layout in prop_oneof![
            Just(EmbeddingLayout::List),
            Just(EmbeddingLayout::LargeList),
            Just(EmbeddingLayout::FixedSizeList(0)),
            Just(EmbeddingLayout::FixedSizeBinary(0)),
        ],
        float in prop_oneof![Just(Float::F16), Just(Float::F32), Just(Float::F64)],
        nullable in any::<bool>(),
        helped in any::<bool>(),
    ) -> File {
        let mut rows = vec![Row::Good; length];
        for (at, row) in odd {
            if let Some(slot) = rows.get_mut(at) {
                *slot = row;
            }
        }
        File { dim, rows, version, compression, encoding, page_bytes, batch, index, layout, float, nullable, helped }
    }
}

impl File {
    fn array(&self) -> ArrayRef {
        let value = |row: usize, item: usize| Some((row * 16 + item) as f32);
        let lists = self.rows.iter().enumerate().map(|(at, row)| {
            let mut items: Vec<_> = (0..self.dim).map(|item| value(at, item)).collect();
            match *row {
                Row::Good => {}
                Row::Null if self.nullable => return None,
                Row::Null => {}
                Row::Length(length) => items = (0..length).map(|item| value(at, item)).collect(),
                Row::NullItem(item) if self.nullable => items[item % self.dim] = None,
                Row::NullItem(_) => {}
                Row::Value(value) => items[at % self.dim] = Some(value),
            }
            // Fixed-size rows have no other length.
            if self.layout.is_fixed() {
                items.resize(self.dim, Some(0.5));
            }
            Some(items)
        });
        let lists = lists.collect::<Vec<_>>();
        let length = i32::try_from(self.dim).unwrap();
        if let EmbeddingLayout::FixedSizeBinary(_) = self.layout {
            let bytes = |items: &Vec<Option<f32>>| -> Vec<u8> {
                items.iter().flat_map(|item| item.unwrap_or(f32::NAN).to_le_bytes()).collect()
            };
            let rows = lists.iter().map(|items| items.as_ref().map(bytes));
            return Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(rows, length * 4).unwrap());
        }
        let of = match self.float {
            Float::F16 => DataType::Float16,
            Float::F32 => DataType::Float32,
            Float::F64 => DataType::Float64,
        };
        let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(lists));
        let item = Arc::new(Field::new("item", of.clone(), self.nullable));
        match self.layout {
            EmbeddingLayout::FixedSizeList(_) => {
                let to = DataType::FixedSizeList(Arc::new(Field::new("item", of, true)), length);
                let fixed = cast(&list, &to).unwrap();
                let (_, length, values, nulls) = fixed.as_fixed_size_list().clone().into_parts();
                Arc::new(FixedSizeListArray::new(item, length, values, nulls))
            }
            EmbeddingLayout::LargeList => cast(&list, &DataType::LargeList(item)).unwrap(),
            _ => cast(&list, &DataType::List(item)).unwrap(),
        }
    }

    pub(super) fn write(&self, path: &Path) {
        let array = self.array();
        let field = Field::new("x", array.data_type().clone(), self.nullable);
        let schema = Arc::new(arrow::datatypes::Schema::new(vec![field]));
        let batch = RecordBatch::try_new(schema, vec![array]).unwrap();
        let mut properties = WriterProperties::builder()
            .set_writer_version(self.version)
            .set_compression(self.compression)
            .set_data_page_size_limit(self.page_bytes)
            .set_write_batch_size(self.batch)
            .set_dictionary_page_size_limit(400)
            .set_offset_index_disabled(!self.index)
            .set_statistics_enabled(parquet::file::properties::EnabledStatistics::Chunk)
            .set_dictionary_enabled(self.encoding.is_none());
        if let Some(encoding) = self.encoding {
            properties = properties.set_encoding(encoding);
        }
        let file = std::fs::File::create(path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties.build())).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }
}

/// Rows from `first` on in batches, through the general reader.
pub(super) fn generally(input: &Input, dim: usize, first: usize, batch: usize) -> Vec<Embeddings> {
    let rows = input.rows_in(0);
    let kind = EmbeddingType::of(input.schema().field(0).data_type()).unwrap();
    let mut reader = ColumnReader::open(input, 0, "x", 0, first..rows, batch).unwrap();
    let starts = (first..rows).step_by(batch);
    starts.map(|start| extract(&reader.read(batch.min(rows - start)).unwrap(), kind, dim).unwrap()).collect()
}

pub(super) fn open(input: &Input, dim: usize, first: usize, read_ahead: &ReadAhead) -> EmbeddingPageReader {
    EmbeddingPageReader::open(input, 0, dim, 0, first, read_ahead).unwrap().unwrap()
}

pub(super) fn by_pages(input: &Input, dim: usize, first: usize, batch: usize) -> Vec<Embeddings> {
    by_pages_with(input, dim, first, batch, &ReadAhead::none())
}

fn by_pages_with(
    input: &Input,
    dim: usize,
    first: usize,
    batch: usize,
    ahead: &ReadAhead,
) -> Vec<Embeddings> {
    let rows = input.rows_in(0);
    let mut reader = open(input, dim, first, ahead);
    let starts = (first..rows).step_by(batch);
    let found = starts.map(|start| {
        // Some of the pages are loaded by others, and some by the reader.
        ahead.jobs().try_iter().step_by(2).for_each(PageJob::run);
        reader.read(batch.min(rows - start)).unwrap()
    });
    // All batches are deferred before the first is read.
    let found: Vec<EmbeddingData> = found.collect();
    found.into_iter().map(|found| found.read(&mut ReadBuffers::default()).unwrap()).collect()
}

/// Equal, also where values are NaN; values of invalid rows are not compared.
pub(super) fn assert_same(dim: usize, general: &[Embeddings], pages: &[Embeddings]) {
    assert_eq!(general.len(), pages.len());
    for (a, b) in general.iter().zip(pages) {
        assert_eq!(a.invalid, b.invalid);
        assert_eq!(a.values.len(), b.values.len());
        for (row, (x, y)) in a.values.chunks_exact(dim).zip(b.values.chunks_exact(dim)).enumerate() {
            let bits = |row: &[f32]| row.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert!(
                a.invalid.iter().any(|(at, _)| *at == row) || bits(x) == bits(y),
                "row {row}: {x:?} and {y:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn pages_give_what_the_general_reader_gives(file in any_file(), first in 0_usize..120, batch in 1_usize..60) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.parquet");
        file.write(&path);
        let input = Input::open(&path).unwrap();
        if file.rows.is_empty() {
            return Ok(());
        }
        let first = first % file.rows.len();
        let ahead = if file.helped { ReadAhead::new(3, 1 << 30) } else { ReadAhead::none() };
        let by_pages = by_pages_with(&input, file.dim, first, batch, &ahead);
        assert_same(file.dim, &generally(&input, file.dim, first, batch), &by_pages);
    }

    #[test]
    fn lists_are_those_of_the_general_reader(
        file in any_file(),
        batches in proptest::collection::vec((0_usize..60, 1_usize..60), 1..8),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.parquet");
        file.write(&path);
        let input = Input::open(&path).unwrap();
        if file.rows.is_empty() || !ListReader::reads(input.schema().field(0).data_type()) {
            return Ok(());
        }
        let rows = file.rows.len();
        let whole = ColumnReader::open(&input, 0, "x", 0, 0..rows, rows).unwrap().read(rows).unwrap();
        let ahead = if file.helped { ReadAhead::new(3, 1 << 30) } else { ReadAhead::none() };
        let mut reader = ListReader::open(&input, 0, 0, &ahead).unwrap();
        let (mut at, mut batches) = (0, batches.into_iter().cycle());
        while at < rows {
            prop_assert_eq!(reader.rows_left(), rows - at);
            let (skipped, taken) = batches.next().unwrap();
            let skipped = skipped.saturating_sub(30).min(rows - at);
            reader.skip(skipped).unwrap();
            at += skipped;
            let taken = taken.min(rows - at);
            if taken == 0 {
                break;
            }
            let read = reader.read(taken).unwrap();
            ahead.jobs().try_iter().step_by(2).for_each(PageJob::run);
            prop_assert_eq!(read.data_type(), whole.data_type());
            prop_assert_eq!(&read, &whole.slice(at, taken));
            at += taken;
        }
    }
}

/// Rows of the first column, through Arrow's reader.
fn array(input: &Input, rows: Range<usize>) -> ArrayRef {
    let (first, count) = (rows.start, rows.len());
    ColumnReader::open(input, 0, "x", 0, rows, count).unwrap().read(count).unwrap_or_else(|error| {
        panic!("{count} rows from {first} on: {error}");
    })
}

#[test]
fn lists_of_any_shape_come_from_pages() {
    let good = |row: usize| Some(vec![Some(row as f32); 5]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let mut lists: Vec<List> = (0..30).map(good).collect();
    let rows_read = |lists: &[List], cuts: &[usize], reads: &[usize]| {
        write_cut_pages(&path, lists, cuts);
        let input = Input::open(&path).unwrap();
        let mut pages = ListPages::open(&input, 0, 0, &ReadAhead::none()).unwrap();
        let mut at = 0;
        for rows in reads {
            assert_eq!(&pages.read(*rows).unwrap(), &array(&input, at..at + rows));
            at += rows;
        }
    };
    rows_read(&lists, &[7, 8, 15, 40, 99, 100, 149], &[13, 17]);
    // As many elements as before.
    lists[20].as_mut().unwrap().push(Some(1.0));
    lists[21].as_mut().unwrap().pop();
    rows_read(&lists, &[50, 100], &[20, 1, 1, 8]);
    lists[20] = None;
    lists[22] = Some(vec![]);
    lists[23] = Some(vec![None; 5]);
    lists[29].as_mut().unwrap()[4] = None;
    for cuts in [&[50, 100][..], &[104, 105, 106, 107, 108, 109]] {
        for reads in [&[30][..], &[20, 1, 1, 8], &[21, 9]] {
            rows_read(&lists, cuts, reads);
        }
    }
    rows_read(&[const { None }; 4], &[1], &[3, 1]);
    rows_read(&vec![Some(vec![]); 4], &[1], &[1, 3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn pages_may_start_in_the_middle_of_lists(
        dim in 1_usize..9,
        rows in proptest::collection::vec(prop_oneof![4 => Just(Row::Good), 1 => any_row()], 1..40),
        cuts in proptest::collection::btree_set(1_usize..200, 0..12),
        batch in 1_usize..15,
        first in 0_usize..40,
    ) {
        let list = |(at, row): (usize, &Row)| -> List {
            let item = |item: usize| Some((at * 16 + item) as f32);
            let mut items: Vec<_> = (0..dim).map(item).collect();
            match *row {
                Row::Good => {}
                Row::Null => return None,
                Row::Length(length) => items = (0..length).map(item).collect(),
                Row::NullItem(null) => items[null % dim] = None,
                Row::Value(value) => items[at % dim] = Some(value),
            }
            Some(items)
        };
        let lists: Vec<List> = rows.iter().enumerate().map(list).collect();
        let items = shred(&lists).len();
        let cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < items).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.parquet");
        write_cut_pages(&path, &lists, &cuts);
        let input = Input::open(&path).unwrap();
        let first = first % lists.len();
        assert_same(dim, &generally(&input, dim, first, batch), &by_pages(&input, dim, first, batch));
        let mut reader = ListReader::open(&input, 0, 0, &ReadAhead::none()).unwrap();
        reader.skip(first).unwrap();
        for start in (first..lists.len()).step_by(batch) {
            let rows = start..lists.len().min(start + batch);
            prop_assert_eq!(&reader.read(rows.len()).unwrap(), &array(&input, rows));
        }
    }
}

#[test]
fn regular_pages_are_copied_and_not_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let lists: Vec<List> = (0..30).map(|row| Some(vec![Some(row as f32); 5])).collect();
    write_cut_pages(&path, &lists, &[7, 8, 15, 40, 99, 100, 149]);
    let mut reader = open(&Input::open(&path).unwrap(), 5, 0, &ReadAhead::none());
    let (mut pages, rows) = (0, &mut reader.0);
    while !rows.is_at_end() {
        rows.pages.load(rows.rows.element_offset()).unwrap();
        assert!(!matches!(rows.pages.next, Some(NextPage::General(_))));
        rows.advance(31).unwrap();
        pages += 1;
    }
    assert_eq!((pages, rows.rows.complete()), (8 + 1, 30));
    let read = reader.read(30).unwrap().read(&mut ReadBuffers::default()).unwrap();
    let values: Vec<f32> = lists.into_iter().flatten().flatten().flatten().collect();
    assert_eq!(read, Embeddings { values: values.into(), invalid: vec![] });
}

/// Large pages, as only those are read in part: rows, and where pages begin.
fn large(lists: &[List], cuts: &[usize]) -> (tempfile::TempDir, Input) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    write_cut_pages(&path, lists, cuts);
    let input = Input::open(&path).unwrap();
    (folder, input)
}

#[test]
fn large_pages_are_left_in_the_file() {
    let dim = 700;
    let good = |row: usize| Some((0..dim).map(|item| Some((row * 1000 + item) as f32)).collect::<Vec<_>>());
    let mut lists: Vec<List> = (0..400).map(good).collect();
    // Pages begin at lists and within them.
    let cuts = [30_000, 70_000, 100_001, 150_000, 200_000];
    let (_folder, input) = large(&lists, &cuts);
    let assert_left = |input: &Input, batch: usize| {
        let mut reader = open(input, dim, 0, &ReadAhead::none());
        for start in (0..400).step_by(batch) {
            let found = reader.read(batch.min(400 - start)).unwrap();
            let EmbeddingData::Segments(found) = found else { panic!("{start} in batches of {batch}") };
            let is_left =
                |segment: &Segment| matches!(segment.values, PageValues::InFile(..) | PageValues::Missing);
            assert!(found.segments.iter().all(is_left), "{start} in batches of {batch}");
        }
    };
    for batch in [1, 7, 50, 100, 399, 400] {
        assert_left(&input, batch);
        assert_same(dim, &generally(&input, dim, 0, batch), &by_pages(&input, dim, 0, batch));
    }
    // Irregular rows at the ends of pages and within, one of which continues in the next page.
    lists[42] = None;
    lists[99].as_mut().unwrap().push(Some(1.0));
    lists[142].as_mut().unwrap().pop();
    lists[200].as_mut().unwrap()[3] = None;
    lists[300].as_mut().unwrap()[699] = Some(f32::NAN);
    for cuts in [&cuts[..], &[70_000 - 700, 70_000], &[140_000, 210_000]] {
        let (_folder, input) = large(&lists, cuts);
        // A page of one row is read whole.
        if cuts[1] - cuts[0] > dim {
            assert_left(&input, 50);
        }
        for (first, batch) in [(0, 1), (0, 10), (3, 64), (97, 150), (0, 400)] {
            let by_pages = by_pages(&input, dim, first, batch);
            assert_same(dim, &generally(&input, dim, first, batch), &by_pages);
        }
    }
}
