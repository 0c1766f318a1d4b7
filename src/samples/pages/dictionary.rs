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

use super::leaf::EmbeddingLeaf;

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
        let values = self.elements / self.value_elements;
        let dictionary = Arc::clone(self);
        let indices = match values <= NARROW {
            true => {
                let mut out = self.raw.buffers().take(count.checked_mul(2)?);
                let mut rest = out.bytes_mut().as_chunks_mut::<2>().0.iter_mut();
                for_each_block(bytes, count, |indices| {
                    let most = indices.iter().fold(0, |most, index| most.max(*index));
                    ((most as usize) < values).then_some(())?;
                    // None is cut off: they are below the number of values.
                    rest.by_ref().zip(indices).for_each(|(out, index)| *out = (*index as u16).to_ne_bytes());
                    Some(())
                })?;
                Indices::Narrow(out.into_bytes())
            }
            false => {
                let mut out = self.raw.buffers().take(count.checked_mul(4)?);
                let mut rest = out.bytes_mut().as_chunks_mut::<4>().0.iter_mut();
                for_each_block(bytes, count, |indices| {
                    let most = indices.iter().fold(0, |most, index| most.max(*index));
                    ((most as usize) < values).then_some(())?;
                    rest.by_ref().zip(indices).for_each(|(out, index)| *out = index.to_ne_bytes());
                    Some(())
                })?;
                Indices::Wide(out.into_bytes())
            }
        };
        Some(Indexed { dictionary, indices })
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

/// Indices that are unpacked at once: groups of eight.
const BLOCK: usize = 512;

/// Calls `take` with `count` indices, in blocks: a byte with their width in bits, then runs of one index
/// and groups of eight packed ones. None where they end too soon, or `take` says so.
fn for_each_block(bytes: &[u8], count: usize, mut take: impl FnMut(&[u32]) -> Option<()>) -> Option<()> {
    let (&width, mut bytes) = bytes.split_first()?;
    let (width, unpack) = (usize::from(width), *UNPACK.get(usize::from(width))?);
    let mut block = [0; BLOCK];
    let mut left = count;
    while left > 0 {
        let header = varint(&mut bytes)?;
        let length = usize::try_from(header >> 1).ok()?;
        if header & 1 == 0 {
            let (value, behind) = bytes.split_at_checked(width.div_ceil(8))?;
            bytes = behind;
            let index = value.iter().rev().fold(0_u64, |index, byte| index << 8 | u64::from(*byte));
            let mut run = length.min(left);
            left -= run;
            block.get_mut(..run.min(BLOCK))?.fill(u32::try_from(index).ok()?);
            while run > 0 {
                take(block.get(..run.min(BLOCK))?)?;
                run -= run.min(BLOCK);
            }
        } else {
            // The last groups may be cut off behind the last index.
            let stored = length.checked_mul(width)?;
            let (mut packed, behind) = bytes.split_at(stored.min(bytes.len()));
            bytes = behind;
            let mut run = length.checked_mul(8)?.min(left);
            left -= run;
            while run > 0 {
                let indices = run.min(BLOCK);
                let stored = (indices * width).div_ceil(8);
                unpack(packed.get(..stored)?, &mut block);
                packed = packed.get(stored..)?;
                take(block.get(..indices)?)?;
                run -= indices;
            }
        }
    }
    Some(())
}

/// Whether there are `count` indices.
fn holds(bytes: &[u8], count: usize) -> bool {
    let walk = || -> Option<()> {
        let (&width, mut bytes) = bytes.split_first()?;
        let (width, mut left) = (usize::from(width), count);
        while left > 0 {
            let header = varint(&mut bytes)?;
            let length = usize::try_from(header >> 1).ok()?;
            let (indices, stored, needed) = match header & 1 {
                0 => (length, width.div_ceil(8), width.div_ceil(8)),
                _ => {
                    let (indices, stored) = (length.checked_mul(8)?, length.checked_mul(width)?);
                    // The last groups may be cut off behind the last index.
                    (indices, stored, stored.min(left.checked_mul(width)?.div_ceil(8)))
                }
            };
            bytes.get(..needed)?;
            bytes = bytes.get(stored.min(bytes.len())..)?;
            left = left.saturating_sub(indices);
        }
        Some(())
    };
    walk().is_some()
}

/// Unpacks the indices in at most [`BLOCK`] groups' bytes.
type Unpack = fn(&[u8], &mut [u32; BLOCK]);

/// By width in bits, so that the shifts are constants.
const UNPACK: [Unpack; 33] = [
    unpack::<0>,
    unpack::<1>,
    unpack::<2>,
    unpack::<3>,
    unpack::<4>,
    unpack::<5>,
    unpack::<6>,
    unpack::<7>,
    unpack::<8>,
    unpack::<9>,
    unpack::<10>,
    unpack::<11>,
    unpack::<12>,
    unpack::<13>,
    unpack::<14>,
    unpack::<15>,
    unpack::<16>,
    unpack::<17>,
    unpack::<18>,
    unpack::<19>,
    unpack::<20>,
    unpack::<21>,
    unpack::<22>,
    unpack::<23>,
    unpack::<24>,
    unpack::<25>,
    unpack::<26>,
    unpack::<27>,
    unpack::<28>,
    unpack::<29>,
    unpack::<30>,
    unpack::<31>,
    unpack::<32>,
];

fn unpack<const WIDTH: usize>(packed: &[u8], out: &mut [u32; BLOCK]) {
    if WIDTH == 0 {
        out.fill(0);
        return;
    }
    let (groups, rest) = packed.as_chunks::<WIDTH>();
    let mut blocks = out.as_chunks_mut::<8>().0.iter_mut();
    for (group, out) in groups.iter().zip(&mut blocks) {
        unpack_group(group, out);
    }
    if let Some(out) = blocks.next().filter(|_| !rest.is_empty()) {
        let mut group = [0; WIDTH];
        group.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        unpack_group(&group, out);
    }
}

#[inline(always)]
fn unpack_group<const WIDTH: usize>(group: &[u8; WIDTH], out: &mut [u32; 8]) {
    let mask = (1_u64 << WIDTH) - 1;
    for (number, out) in out.iter_mut().enumerate() {
        let (byte, shift) = (number * WIDTH / 8, number * WIDTH % 8);
        let mut word = 0;
        for next in 0..(shift + WIDTH).div_ceil(8) {
            word |= group.get(byte + next).map_or(0, |byte| u64::from(*byte)) << (8 * next);
        }
        *out = (word >> shift & mask) as u32;
    }
}

/// A little-endian base-128 number.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn indices(bytes: &[u8], count: usize) -> Option<Vec<u32>> {
        let mut found = Vec::new();
        for_each_block(bytes, count, |block| {
            found.extend(block);
            Some(())
        })?;
        Some(found)
    }

    proptest! {
        #[test]
        fn runs_and_packed_groups_of_every_width(
            width in 0_usize..=32,
            runs in proptest::collection::vec((any::<u32>(), 1_usize..40, any::<bool>()), 0..12),
        ) {
            let mask = ((1_u64 << width) - 1) as u32;
            let (mut bytes, mut expected) = (vec![width as u8], Vec::new());
            for (seed, length, packed) in runs {
                if packed {
                    let groups = length.div_ceil(8);
                    bytes.push((groups << 1 | 1) as u8);
                    let values: Vec<u32> =
                        (0..groups * 8).map(|i| seed.wrapping_mul(i as u32 * 2 + 1) & mask).collect();
                    let mut packed = vec![0_u8; groups * width];
                    for (at, value) in values.iter().enumerate() {
                        for bit in 0..width {
                            let to = at * width + bit;
                            packed[to / 8] |= ((value >> bit & 1) as u8) << (to % 8);
                        }
                    }
                    bytes.extend(packed);
                    expected.extend(values);
                } else {
                    bytes.push((length << 1) as u8);
                    bytes.extend(&(seed & mask).to_le_bytes()[..width.div_ceil(8)]);
                    expected.extend(vec![seed & mask; length]);
                }
            }
            prop_assert_eq!(indices(&bytes, expected.len()), Some(expected.clone()));
            prop_assert_eq!(indices(&bytes, expected.len() + 1), None);
            prop_assert!(holds(&bytes, expected.len()) && !holds(&bytes, expected.len() + 1));
            for cut in 0..bytes.len() {
                let _ = indices(&bytes[..cut], expected.len());
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..60), count in 0_usize..5000) {
            let _ = indices(&bytes, count);
        }
    }
}
