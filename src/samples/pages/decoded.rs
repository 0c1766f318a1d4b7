//! A decoder of any data page into levels and values, by the Parquet crate.

use std::collections::VecDeque;

use arrow::buffer::ScalarBuffer;
use half::f16;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, FloatType};
use parquet::errors::{ParquetError, Result as ParquetResult};

use crate::parquet_file::catch_panics;
use crate::samples::embedding_type::{Float, to_f32};

use super::leaf::EmbeddingLeaf;
use super::row_runs::{RowRun, push_levels};

/// A decoded page: levels for each element, null element, null list and empty list, in runs; a value for each
/// element.
#[derive(Debug)]
pub(super) struct DecodedPage {
    pub(super) runs: Vec<RowRun>,
    pub(super) values: ScalarBuffer<f32>,
}

/// Decodes a page of any encoding, behind its dictionary.
pub(super) fn decode(leaf: &EmbeddingLeaf, pages: VecDeque<Page>) -> ParquetResult<DecodedPage> {
    let pages = PagesInMemory(pages);
    catch_panics(|| match (leaf.is_whole_row, leaf.float) {
        (false, Float::F16) => read::<FixedLenByteArrayType, _>(leaf, pages, |values| values.map(half)),
        (false, Float::F32) => read::<FloatType, _>(leaf, pages, |values| values),
        (false, Float::F64) => read::<DoubleType, _>(leaf, pages, |values| values.map(to_f32)),
        (true, _) => read::<FixedLenByteArrayType, _>(leaf, pages, |values| {
            values.flat_map(|value| floats(&value).collect::<Vec<_>>())
        }),
    })
}

fn read<T: DataType, V: Iterator<Item = f32>>(
    leaf: &EmbeddingLeaf,
    pages: PagesInMemory,
    convert: impl FnOnce(std::vec::IntoIter<T::T>) -> V,
) -> ParquetResult<DecodedPage> {
    let mut reader = ColumnReaderImpl::<T>::new(leaf.column.clone(), Box::new(pages));
    let (mut repetition, mut definition, mut values) = (Vec::new(), Vec::new(), Vec::new());
    reader.read_records(usize::MAX, Some(&mut definition), Some(&mut repetition), &mut values)?;
    // A run of equal levels has a whole byte for them, and the crate's decoder takes any.
    let most = (leaf.column.max_def_level(), leaf.column.max_rep_level());
    if definition.iter().any(|level| *level > most.0) || repetition.iter().any(|level| *level > most.1) {
        return Err(ParquetError::General("a page has levels that its column does not have".to_owned()));
    }
    if most.0 == 0 {
        definition.resize(values.len(), 0);
    }
    if most.1 == 0 {
        repetition.resize(definition.len(), 0);
    }
    let mut runs = Vec::new();
    for (repetition, definition) in repetition.into_iter().zip(definition) {
        let is_row = leaf.is_whole_row && definition == leaf.max_level();
        let elements = if is_row { u32::try_from(leaf.dim).unwrap_or(u32::MAX) } else { 1 };
        push_levels(&mut runs, repetition == 0, definition, elements);
    }
    Ok(DecodedPage { runs, values: convert(values.into_iter()).collect::<Vec<_>>().into() })
}

fn half(value: FixedLenByteArray) -> f32 {
    value.data().first_chunk::<2>().map_or(f32::NAN, |bytes| f16::from_le_bytes(*bytes).to_f32())
}

fn floats(value: &FixedLenByteArray) -> impl Iterator<Item = f32> {
    value.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes))
}

/// A page reader over pages in memory.
struct PagesInMemory(VecDeque<Page>);

impl Iterator for PagesInMemory {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.pop_front().map(Ok)
    }
}

impl PageReader for PagesInMemory {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        Ok(self.0.pop_front())
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        Ok(None)
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        self.0.pop_front();
        Ok(())
    }
}
