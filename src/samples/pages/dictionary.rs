//! Dictionary pages, and the data pages whose values are indices into them. Indices are unpacked where
//! the page is loaded, and looked up where its values are needed.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use half::f16;
use parquet::column::page::Page;

use crate::parquet_file::RawPage;
use crate::samples::embedding_type::{Float, to_f32};
use crate::samples::extract::is_finite;
use crate::vectors::vectorised;

use super::leaf::EmbeddingLeaf;
use super::packed_indices::{for_each_block, holds};

/// Values that an index of two bytes can have. Tables are at least that long, so that no lookup of such an
/// index needs a check.
const NARROW: usize = 1 << 16;

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
    all_finite: bool,
}

/// The elements of a dictionary, the ones of a value behind each other, and zeros.
#[derive(Debug)]
enum Table {
    Half(Vec<f16>),
    Single(Vec<f32>),
    Double(Vec<f64>),
}

/// The values of a page: indices into its dictionary, none of them beyond it.
#[derive(Debug, Clone)]
pub(super) struct Indexed {
    dictionary: Arc<Dictionary>,
    indices: Indices,
}

/// Indices, in the order of bytes in memory.
#[derive(Debug, Clone)]
enum Indices {
    /// Of two bytes.
    Narrow(Bytes),
    /// Of four bytes.
    Wide(Bytes),
}

impl Dictionary {
    /// Takes a decompressed dictionary page.
    pub(super) fn new(leaf: &EmbeddingLeaf, raw: RawPage, body: Bytes) -> Self {
        let halves = || body.as_chunks::<2>().0.iter().map(|bytes| f16::from_le_bytes(*bytes));
        let singles = || body.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let doubles = || body.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
        let single = |values: Vec<f32>| {
            let (elements, all_finite) = (values.len(), is_finite(&values));
            (Table::Single(padded(values)), elements, all_finite)
        };
        let (table, elements, all_finite) = match (leaf.float, leaf.keeps_type) {
            (Float::F16, true) => (Table::Half(padded(halves().collect())), halves().len(), false),
            (Float::F16, false) => single(halves().map(f16::to_f32).collect()),
            (Float::F32, _) => single(singles().collect()),
            (Float::F64, true) => (Table::Double(padded(doubles().collect())), doubles().len(), false),
            (Float::F64, false) => single(doubles().map(to_f32).collect()),
        };
        let value_elements = leaf.value_elements();
        Self { raw, body, table, elements, value_elements, all_finite }
    }

    /// The page, as the Parquet crate takes it.
    pub(super) fn page(&self) -> Option<Page> {
        self.raw.as_page(self.body.clone())
    }

    /// The `count` values of a page, of which `bytes` hold the indices. None where there are fewer, or one
    /// is beyond the dictionary.
    pub(super) fn index(self: &Arc<Self>, bytes: &[u8], count: usize) -> Option<Indexed> {
        // A page has fewer. More are not reserved on the word of its header.
        const USUAL: usize = 1 << 22;
        if count > USUAL && !holds(bytes, count) {
            return None;
        }
        let indices = match self.elements / self.value_elements {
            // None is cut off: they are below the number of values.
            values if values <= NARROW => {
                Indices::Narrow(self.unpack(bytes, count, values, |index| (index as u16).to_ne_bytes())?)
            }
            values => Indices::Wide(self.unpack(bytes, count, values, u32::to_ne_bytes)?),
        };
        Some(Indexed { dictionary: Arc::clone(self), indices })
    }

    /// The indices of a page, each as so many bytes. None where one is not below `values`.
    fn unpack<const WIDTH: usize>(
        &self,
        bytes: &[u8],
        count: usize,
        values: usize,
        stored: impl Fn(u32) -> [u8; WIDTH],
    ) -> Option<Bytes> {
        let mut out = self.raw.buffers().take(count.checked_mul(WIDTH)?);
        let mut rest = out.bytes_mut().as_chunks_mut::<WIDTH>().0;
        for_each_block(bytes, count, |indices| {
            let block;
            (block, rest) = std::mem::take(&mut rest).split_at_mut_checked(indices.len())?;
            let most = vectorised(
                #[inline(always)]
                || {
                    block.iter_mut().zip(indices).for_each(|(out, index)| *out = stored(*index));
                    indices.iter().fold(0, |most, index| most.max(*index))
                },
            );
            // The largest is compared once for all of a block.
            ((most as usize) < values).then_some(())
        })?;
        Some(out.into_bytes())
    }
}

/// A table in which indices of two bytes find something.
fn padded<T: Copy + Default>(mut table: Vec<T>) -> Vec<T> {
    table.resize(table.len().max(NARROW), T::default());
    table
}

impl Indexed {
    /// Writes elements as f32. Returns whether all are finite; None where there are fewer.
    pub(super) fn read(&self, elements: Range<usize>, out: &mut [f32]) -> Option<bool> {
        let Table::Single(table) = &self.dictionary.table else { return None };
        match self.dictionary.value_elements {
            1 => self.look_up(table, elements, out.iter_mut(), |out, value| *out = value)?,
            each => {
                let values = elements.start / each..elements.end / each;
                let mut found = vec![0; values.len()];
                self.copy_indices(values, &mut found)?;
                for (out, index) in out.chunks_mut(each).zip(found) {
                    let start = index as usize * each;
                    out.copy_from_slice(table.get(start..start + each)?);
                }
            }
        }
        Some(self.dictionary.all_finite || is_finite(out))
    }

    /// Writes elements in their own type, as they are in memory. None where there are fewer.
    pub(super) fn read_own_type(&self, elements: Range<usize>, out: &mut [u8]) -> Option<()> {
        let each = self.dictionary.value_elements;
        match &self.dictionary.table {
            Table::Single(_) if each > 1 => {
                let mut values = vec![0.0; elements.len()];
                self.read(elements, &mut values)?;
                let out = out.as_chunks_mut::<4>().0.iter_mut();
                out.zip(values).for_each(|(out, value)| *out = value.to_ne_bytes());
                Some(())
            }
            Table::Half(table) => {
                let out = out.as_chunks_mut::<2>().0.iter_mut();
                self.look_up(table, elements, out, |out, value| *out = value.to_ne_bytes())
            }
            Table::Single(table) => {
                let out = out.as_chunks_mut::<4>().0.iter_mut();
                self.look_up(table, elements, out, |out, value| *out = value.to_ne_bytes())
            }
            Table::Double(table) => {
                let out = out.as_chunks_mut::<8>().0.iter_mut();
                self.look_up(table, elements, out, |out, value| *out = value.to_ne_bytes())
            }
        }
    }

    /// Looks values of one element up.
    fn look_up<T: Copy + Default, O>(
        &self,
        table: &[T],
        values: Range<usize>,
        out: impl Iterator<Item = O>,
        put: impl Fn(O, T),
    ) -> Option<()> {
        match &self.indices {
            Indices::Narrow(indices) => {
                let table = table.first_chunk::<NARROW>()?;
                let indices = indices.as_chunks::<2>().0.get(values)?;
                out.zip(indices).for_each(|(out, index)| {
                    let index = usize::from(u16::from_ne_bytes(*index));
                    put(out, table.get(index).copied().unwrap_or_default());
                });
            }
            Indices::Wide(indices) => {
                let indices = indices.as_chunks::<4>().0.get(values)?;
                out.zip(indices).for_each(|(out, index)| {
                    let index = u32::from_ne_bytes(*index) as usize;
                    put(out, table.get(index).copied().unwrap_or_default());
                });
            }
        }
        Some(())
    }

    fn copy_indices(&self, values: Range<usize>, out: &mut [u32]) -> Option<()> {
        match &self.indices {
            Indices::Narrow(indices) => {
                let indices = indices.as_chunks::<2>().0.get(values)?.iter();
                let indices = indices.map(|index| u32::from(u16::from_ne_bytes(*index)));
                out.iter_mut().zip(indices).for_each(|(out, index)| *out = index);
            }
            Indices::Wide(indices) => {
                let indices = indices.as_chunks::<4>().0.get(values)?.iter();
                let indices = indices.map(|index| u32::from_ne_bytes(*index));
                out.iter_mut().zip(indices).for_each(|(out, index)| *out = index);
            }
        }
        Some(())
    }
}
