//! Tests that batches are views of decompressed pages where they can be.

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterVersion;

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
