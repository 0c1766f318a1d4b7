//! A decoder of any data page into levels and values, by the Parquet crate.

use std::collections::VecDeque;

use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{DataType, DoubleType, FixedLenByteArrayType, FloatType};
use parquet::errors::{ParquetError, Result as ParquetResult};

use crate::parquet_file::catch_panics;
use crate::samples::embedding_type::Float;

use super::leaf::EmbeddingLeaf;
use super::page_values::PageValues;
use super::row_runs::{RowRun, push_levels};

/// A page of any levels.
#[derive(Debug)]
pub(super) struct DecodedPage {
    /// Those of each element, null element, null list and empty list.
    pub(super) runs: Vec<RowRun>,
    pub(super) values: PageValues,
    /// The number of elements, without null ones.
    pub(super) elements: usize,
}

impl DecodedPage {
    /// Whether nearly all runs of levels are rows of the models' dimension, so that values can be read in
    /// large parts. Rows that pages cut are others, too.
    pub(super) fn has_few_other_rows(&self, leaf: &EmbeddingLeaf) -> bool {
        let is_row = |run: &&RowRun| {
            run.starts_row
                && i16::from(run.definition) == leaf.max_level()
                && usize::from(run.count) == leaf.dim
        };
        let others = self.runs.len() - self.runs.iter().filter(is_row).count();
        others <= self.runs.len() / 16 + 4
    }
}

/// Decodes a page of any encoding, behind its dictionary.
pub(super) fn decode(leaf: &EmbeddingLeaf, pages: VecDeque<Page>) -> ParquetResult<DecodedPage> {
    let pages = PagesInMemory(pages);
    catch_panics(|| match (leaf.is_whole_row, leaf.float) {
        (false, Float::F32) => {
            read::<FloatType>(leaf, pages, |value, bytes| bytes.extend(value.to_le_bytes()))
        }
        (false, Float::F64) => {
            read::<DoubleType>(leaf, pages, |value, bytes| bytes.extend(value.to_le_bytes()))
        }
        (false, Float::F16) | (true, _) => {
            read::<FixedLenByteArrayType>(leaf, pages, |value, bytes| bytes.extend_from_slice(value.data()))
        }
    })
}

fn read<T: DataType>(
    leaf: &EmbeddingLeaf,
    pages: PagesInMemory,
    append: fn(&T::T, &mut Vec<u8>),
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
        let definition = u8::try_from(definition).unwrap_or(u8::MAX);
        push_levels(&mut runs, repetition == 0, definition, elements);
    }
    let mut bytes = Vec::with_capacity(values.len() * leaf.value_elements() * leaf.float.bytes());
    values.iter().for_each(|value| append(value, &mut bytes));
    let elements = bytes.len() / leaf.float.bytes();
    Ok(DecodedPage { runs, values: PageValues::Plain(bytes.into(), leaf.float), elements })
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
