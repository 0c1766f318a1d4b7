//! A decoder of any data page into levels and values, by the Parquet crate.

use std::collections::VecDeque;

use half::f16;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, FloatType};
use parquet::errors::{ParquetError, Result as ParquetResult};

use crate::parquet_file::catch_panics;
use crate::samples::embedding_type::{Float, to_f32};

use super::leaf::EmbeddingLeaf;

/// A decoded page: a pair of levels for each element, null element, null list and empty
/// list; a value for each element.
#[derive(Debug, Default)]
pub(super) struct DecodedLevels {
    pub(super) repetition: Vec<i16>,
    pub(super) definition: Vec<i16>,
    pub(super) values: Vec<f32>,
}

/// Decodes a page of any encoding, behind its dictionary.
pub(super) fn decode(leaf: &EmbeddingLeaf, pages: VecDeque<Page>) -> ParquetResult<DecodedLevels> {
    let pages = PagesInMemory(pages);
    catch_panics(|| match (leaf.is_whole_row, leaf.float) {
        (false, Float::F16) => read::<FixedLenByteArrayType, _>(leaf, pages, |values| values.map(half)),
        (false, Float::F32) => read::<FloatType, _>(leaf, pages, |values| values),
        (false, Float::F64) => read::<DoubleType, _>(leaf, pages, |values| values.map(to_f32)),
        (true, _) => read::<FixedLenByteArrayType, _>(leaf, pages, |values| {
            values.flat_map(|value| floats(&value).collect::<Vec<_>>())
        }),
    })
    .map(|levels| if leaf.is_whole_row { levels.of_elements(leaf) } else { levels })
}

fn read<T: DataType, V: Iterator<Item = f32>>(
    leaf: &EmbeddingLeaf,
    pages: PagesInMemory,
    convert: impl FnOnce(std::vec::IntoIter<T::T>) -> V,
) -> ParquetResult<DecodedLevels> {
    let mut reader = ColumnReaderImpl::<T>::new(leaf.column.clone(), Box::new(pages));
    let (mut repetition, mut definition, mut values) = (Vec::new(), Vec::new(), Vec::new());
    reader.read_records(usize::MAX, Some(&mut definition), Some(&mut repetition), &mut values)?;
    // A run of equal levels has a whole byte for them, and the crate's decoder takes any.
    let most = (leaf.column.max_def_level(), leaf.column.max_rep_level());
    if definition.iter().any(|level| *level > most.0) || repetition.iter().any(|level| *level > most.1) {
        return Err(ParquetError::General("a page has levels that its column does not have".to_owned()));
    }
    Ok(DecodedLevels { repetition, definition, values: convert(values.into_iter()).collect() })
}

impl DecodedLevels {
    /// The levels of elements, from those of values that are whole rows.
    fn of_elements(self, leaf: &EmbeddingLeaf) -> Self {
        let mut of_elements = Self { values: self.values, ..Self::default() };
        let values = of_elements.values.len() / leaf.dim;
        let definition = if leaf.max_level() == 0 { vec![0; values] } else { self.definition };
        for level in definition {
            let elements = if level == leaf.max_level() { leaf.dim } else { 1 };
            of_elements.repetition.extend((0..elements).map(|element| i16::from(element > 0)));
            of_elements.definition.extend(std::iter::repeat_n(level, elements));
        }
        of_elements
    }
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
