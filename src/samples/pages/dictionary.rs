//! Dictionary pages, and the data pages whose values are indices into them.

use arrow::buffer::Buffer;
use bytes::Bytes;
use half::f16;
use parquet::column::page::Page;

use crate::parquet_file::RawPage;
use crate::samples::embedding_type::Float;

use super::leaf::EmbeddingLeaf;
use super::page_values::to_f32;

/// The dictionary of a column chunk.
#[derive(Debug)]
pub(super) struct Dictionary {
    raw: RawPage,
    body: Bytes,
    table: Table,
}

/// The elements of a dictionary, the ones of a value behind each other.
#[derive(Debug)]
enum Table {
    Half(Vec<f16>),
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Dictionary {
    /// Takes a decompressed dictionary page.
    pub(super) fn new(leaf: &EmbeddingLeaf, raw: RawPage, body: Bytes) -> Self {
        let halves = || body.as_chunks::<2>().0.iter().map(|bytes| f16::from_le_bytes(*bytes));
        let singles = || body.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let doubles = || body.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
        let table = match (leaf.float, leaf.keeps_type) {
            (Float::F16, true) => Table::Half(halves().collect()),
            (Float::F16, false) => Table::Single(halves().map(f16::to_f32).collect()),
            (Float::F32, _) => Table::Single(singles().collect()),
            (Float::F64, true) => Table::Double(doubles().collect()),
            (Float::F64, false) => Table::Single(doubles().map(to_f32).collect()),
        };
        Self { raw, body, table }
    }

    /// The page, as the Parquet crate takes it.
    pub(super) fn page(&self) -> Option<Page> {
        self.raw.as_page(self.body.clone())
    }

    /// The elements of `count` values, of which `bytes` hold the indices. None where there are fewer, or
    /// one is beyond the dictionary.
    pub(super) fn decode(&self, leaf: &EmbeddingLeaf, bytes: &[u8], count: usize) -> Option<Buffer> {
        let elements = leaf.value_elements();
        match &self.table {
            Table::Half(table) => gather(table, elements, bytes, count).map(Buffer::from),
            Table::Single(table) => gather(table, elements, bytes, count).map(Buffer::from),
            Table::Double(table) => gather(table, elements, bytes, count).map(Buffer::from),
        }
    }
}

/// The elements of `count` values, each `elements` of them in the table.
fn gather<T: Copy + Default>(table: &[T], elements: usize, bytes: &[u8], count: usize) -> Option<Vec<T>> {
    // More than a page usually has is not reserved on the word of its header.
    const USUAL: usize = 1 << 22;
    let mut out = Vec::with_capacity(count.checked_mul(elements)?.min(USUAL));
    match elements {
        // The largest index is compared once for all of a block, so that the loop is one of loads.
        1 => for_each_block(bytes, count, |indices| {
            let most = indices.iter().fold(0, |most, index| most.max(*index));
            table.get(most as usize)?;
            out.extend(indices.iter().map(|index| table.get(*index as usize).copied().unwrap_or_default()));
            Some(())
        }),
        _ => for_each_block(bytes, count, |indices| {
            for index in indices {
                let start = (*index as usize).checked_mul(elements)?;
                out.extend_from_slice(table.get(start..start.checked_add(elements)?)?);
            }
            Some(())
        }),
    }?;
    Some(out)
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
