//! Tests of the memory that compressed pages pass through, and that batches are views of it where they can be.

use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch};
use arrow::datatypes::{DataType, Field};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};

use crate::samples::embedding_type::{EmbeddingLayout, Float};

use super::tests::{File, Row, assert_same, by_pages, generally, open};
use super::*;

#[test]
fn batches_within_a_decompressed_page_are_not_copied() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for (layout, batch) in [(EmbeddingLayout::List, 600), (EmbeddingLayout::FixedSizeBinary(0), 100)] {
            let file = File {
                dim: 6,
                rows: vec![Row::Good; 400],
                version,
                compression: Compression::ZSTD(ZstdLevel::default()),
                encoding: Some(Encoding::PLAIN),
                page_bytes: 2400,
                batch,
                index: false,
                layout,
                float: Float::F32,
                nullable: true,
                helped: false,
            };
            file.write(&path);
            let input = Input::open(&path).unwrap();
            let mut reader = open(&input, 6, 0, &ReadAhead::none());
            let (mut in_place, mut copied) = (0, 0);
            for _ in 0..40 {
                let EmbeddingData::Segments(found) = reader.read(10).unwrap() else { panic!("irregular") };
                match &found.segments[..] {
                    [segment] if segment.in_place().is_some() => in_place += 1,
                    [_] => copied += 1,
                    // The end of a page cuts the batch.
                    _ => {}
                }
            }
            // The length of the levels of version 1 is known from the second page on.
            let first_page = if version == WriterVersion::PARQUET_2_0 { 0 } else { 12 };
            assert!(in_place > 20 && copied <= first_page, "{version:?} {layout:?}: {in_place} and {copied}");
            assert_same(6, &generally(&input, 6, 0, 10), &by_pages(&input, 6, 0, 10));
        }
    }
}

#[test]
fn compressed_pages_of_any_length_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let (dim, rows) = (1000, 2_500);
    // Bits without a pattern, of finite values: what no codec makes shorter.
    let bits = (0..dim * rows).scan(1_u32, |state, _| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some(f32::from_bits(*state >> 2))
    });
    let values = Arc::new(Float32Array::from_iter_values(bits));
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let lists = FixedSizeListArray::new(Arc::clone(&item), i32::try_from(dim).unwrap(), values, None);
    let batch = RecordBatch::try_from_iter([("x", Arc::new(lists) as ArrayRef)]).unwrap();
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_compression(Compression::SNAPPY)
        .set_data_page_size_limit(usize::MAX)
        .set_data_page_row_count_limit(2_000);
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let input = Input::open(&path).unwrap();
    assert!(input.metadata().row_group(0).column(0).compressed_size() > 9 << 20);
    assert_same(dim, &generally(&input, dim, 0, 300), &by_pages(&input, dim, 0, 300));
}
