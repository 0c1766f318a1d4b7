//! Dictionary pages, and the data pages whose values are indices into them, which are looked up where the
//! values are needed.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use half::f16;
use parquet::column::page::Page;

use crate::parquet_file::RawPage;
use crate::samples::embedding_type::{Float, to_f32};

use super::leaf::EmbeddingLeaf;
use super::looked_up::{NARROW, look_up};
use super::packed_indices::PackedIndices;

/// The dictionary of a column chunk.
#[derive(Debug)]
pub(super) struct Dictionary {
    raw: RawPage,
    body: Bytes,
    table: Table,
    /// Elements in it.
    elements: usize,
    /// Those of a value.
    value_elements: usize,
}

/// The elements of a dictionary, the ones of a value behind each other. Behind singles
/// there is NaN for each index of two bytes that has none.
#[derive(Debug)]
enum Table {
    Half(Vec<f16>),
    Single(Vec<f32>),
    Double(Vec<f64>),
}

/// The values of a page: indices into its dictionary.
#[derive(Debug, Clone)]
pub(super) struct Indexed {
    dictionary: Arc<Dictionary>,
    indices: PackedIndices,
}

impl Dictionary {
    /// Takes a decompressed dictionary page.
    pub(super) fn new(leaf: &EmbeddingLeaf, raw: RawPage, body: Bytes) -> Self {
        let halves = || body.as_chunks::<2>().0.iter().map(|bytes| f16::from_le_bytes(*bytes));
        let singles = || body.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let doubles = || body.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
        let single = |mut values: Vec<f32>| {
            let elements = values.len();
            values.resize(elements.max(NARROW), f32::NAN);
            (Table::Single(values), elements)
        };
        let (table, elements) = match (leaf.float, leaf.keeps_type) {
            (Float::F16, true) => (Table::Half(halves().collect()), halves().len()),
            (Float::F16, false) => single(halves().map(f16::to_f32).collect()),
            (Float::F32, _) => single(singles().collect()),
            (Float::F64, true) => (Table::Double(doubles().collect()), doubles().len()),
            (Float::F64, false) => single(doubles().map(to_f32).collect()),
        };
        let value_elements = leaf.value_elements();
        Self { raw, body, table, elements, value_elements }
    }

    /// The page, as the Parquet crate takes it.
    pub(super) fn page(&self) -> Option<Page> {
        self.raw.as_page(self.body.clone())
    }

    /// The `count` values of a page, of which `bytes` hold the indices. None where there are fewer.
    pub(super) fn index(self: &Arc<Self>, bytes: &Bytes, count: usize) -> Option<Indexed> {
        let indices = PackedIndices::new(bytes, count)?;
        Some(Indexed { dictionary: Arc::clone(self), indices })
    }
}

impl Indexed {
    /// Writes elements as f32. Returns whether all are finite; None where there are fewer, or an index is
    /// beyond the dictionary.
    pub(super) fn read(&self, elements: Range<usize>, out: &mut [f32]) -> Option<bool> {
        self.singles(elements, bytemuck::cast_slice_mut(out))
    }

    /// Writes elements in their own type, as they are in memory. None where there are fewer, or an index is
    /// beyond the dictionary.
    pub(super) fn read_own_type(&self, elements: Range<usize>, out: &mut [u8]) -> Option<()> {
        match &self.dictionary.table {
            Table::Half(table) => {
                self.copy(table, elements, out.as_chunks_mut().0, |half| half.to_ne_bytes())
            }
            Table::Single(_) => self.singles(elements, out.as_chunks_mut().0).map(drop),
            Table::Double(table) => {
                self.copy(table, elements, out.as_chunks_mut().0, |double| double.to_ne_bytes())
            }
        }
    }

    /// Writes elements of a dictionary of f32, as they are in memory. Returns whether all are finite.
    fn singles(&self, elements: Range<usize>, out: &mut [[u8; 4]]) -> Option<bool> {
        let Table::Single(table) = &self.dictionary.table else { return None };
        if self.dictionary.value_elements == 1 && look_up(table, &self.indices, elements.clone(), out)? {
            return Some(true);
        }
        // A value of the dictionary is not finite, or an index is beyond it.
        self.copy(table, elements, out, |single| single.to_ne_bytes())?;
        Some(out.iter().all(|value| f32::from_ne_bytes(*value).is_finite()))
    }

    /// Copies the elements of values, each in its bytes.
    fn copy<T: Copy, const WIDTH: usize>(
        &self,
        table: &[T],
        elements: Range<usize>,
        out: &mut [[u8; WIDTH]],
        stored: impl Fn(T) -> [u8; WIDTH],
    ) -> Option<()> {
        let each = self.dictionary.value_elements;
        let table = table.get(..self.dictionary.elements)?;
        if each == 1 {
            let mut rest = out;
            return self.indices.for_each_block(elements, |indices| {
                let block;
                (block, rest) = std::mem::take(&mut rest).split_at_mut_checked(indices.len())?;
                for (out, index) in block.iter_mut().zip(indices) {
                    *out = stored(*table.get(*index as usize)?);
                }
                Some(())
            });
        }
        let mut out = out.chunks_mut(each);
        self.indices.for_each_block(elements.start / each..elements.end / each, |indices| {
            for (index, out) in indices.iter().zip(&mut out) {
                let start = (*index as usize).checked_mul(each)?;
                let value = table.get(start..start.checked_add(each)?)?;
                out.iter_mut().zip(value).for_each(|(out, element)| *out = stored(*element));
            }
            Some(())
        })
    }
}
