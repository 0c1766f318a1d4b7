//! Dictionary pages, and the data pages whose values are indices into them.

use bytes::Bytes;
use half::f16;
use parquet::basic::Encoding;
use parquet::column::page::Page;

use crate::samples::embedding_type::Float;

use super::leaf::EmbeddingLeaf;
use super::page_values::to_f32;

/// The dictionary of a column chunk.
#[derive(Debug)]
pub(super) struct Dictionary {
    bytes: Bytes,
    values: u32,
    encoding: Encoding,
    is_sorted: bool,
    /// Its elements, the ones of a value behind each other.
    table: Vec<f32>,
}

impl Dictionary {
    /// Takes a dictionary page. None where the page is another one.
    pub(super) fn of(leaf: &EmbeddingLeaf, page: Page) -> Option<Self> {
        let Page::DictionaryPage { buf, num_values, encoding, is_sorted } = page else { return None };
        let table = match leaf.float {
            Float::F16 => buf.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            Float::F32 => buf.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Float::F64 => buf.as_chunks::<8>().0.iter().map(|b| to_f32(f64::from_le_bytes(*b))).collect(),
        };
        Some(Self { bytes: buf, values: num_values, encoding, is_sorted, table })
    }

    /// The page, as the Parquet crate takes it.
    pub(super) fn page(&self) -> Page {
        Page::DictionaryPage {
            buf: self.bytes.clone(),
            num_values: self.values,
            encoding: self.encoding,
            is_sorted: self.is_sorted,
        }
    }

    /// The elements of `count` values, of which `bytes` hold the indices. None where there are fewer, or
    /// one is beyond the dictionary.
    pub(super) fn decode(&self, leaf: &EmbeddingLeaf, bytes: &[u8], count: usize) -> Option<Vec<f32>> {
        let elements = leaf.value_elements();
        let mut out = Vec::with_capacity(count.checked_mul(elements)?);
        match leaf.is_whole_row {
            false => for_each_index(bytes, count, |index| {
                out.push(*self.table.get(index as usize)?);
                Some(())
            }),
            true => for_each_index(bytes, count, |index| {
                let start = (index as usize).checked_mul(elements)?;
                out.extend_from_slice(self.table.get(start..start.checked_add(elements)?)?);
                Some(())
            }),
        }?;
        Some(out)
    }
}

/// Calls `take` with each of `count` indices: a byte with their width in bits, then runs of one index and
/// groups of eight packed ones. None where they end too soon, or `take` says so.
fn for_each_index(bytes: &[u8], count: usize, mut take: impl FnMut(u32) -> Option<()>) -> Option<()> {
    let (&width, mut bytes) = bytes.split_first()?;
    let width = usize::from(width);
    if width > 32 {
        return None;
    }
    let mask = (1_u64 << width) - 1;
    let mut left = count;
    while left > 0 {
        let header = varint(&mut bytes)?;
        let length = usize::try_from(header >> 1).ok()?;
        if header & 1 == 0 {
            let (value, behind) = bytes.split_at_checked(width.div_ceil(8))?;
            bytes = behind;
            let index = value.iter().rev().fold(0_u64, |index, byte| index << 8 | u64::from(*byte));
            let index = u32::try_from(index).ok()?;
            for _ in 0..length.min(left) {
                take(index)?;
            }
            left -= length.min(left);
        } else {
            // The last groups may be cut off behind the last index.
            let stored = length.checked_mul(width)?;
            let packed = bytes.get(..stored.min(bytes.len()))?;
            bytes = bytes.get(packed.len()..)?;
            let indices = length.checked_mul(8)?.min(left);
            if (indices * width).div_ceil(8) > packed.len() {
                return None;
            }
            unpack(packed, width, mask, indices, &mut take)?;
            left -= indices;
        }
    }
    Some(())
}

/// Unpacks indices of a width: each from the eight bytes in which it begins.
fn unpack(
    packed: &[u8],
    width: usize,
    mask: u64,
    count: usize,
    take: &mut impl FnMut(u32) -> Option<()>,
) -> Option<()> {
    // Those that are followed by enough bytes.
    let followed = (packed.len().saturating_sub(8) * 8).checked_div(width);
    let whole = followed.map_or(count, |followed| followed.min(count));
    for number in 0..whole {
        let bit = number * width;
        let word = match packed.get(bit / 8..) {
            Some(bytes) if width > 0 => u64::from_le_bytes(*bytes.first_chunk::<8>()?),
            _ => 0,
        };
        take((word >> (bit % 8) & mask) as u32)?;
    }
    for number in whole..count {
        let bit = number * width;
        let bytes = packed.get(bit / 8..)?;
        let word = bytes.iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        take((word >> (bit % 8) & mask) as u32)?;
    }
    Some(())
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
        for_each_index(bytes, count, |index| {
            found.push(index);
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
