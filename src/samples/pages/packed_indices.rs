//! Indices into a dictionary as a data page has them: a byte with their width in bits, then runs of one
//! index and groups of eight packed ones.

use crate::vectors::vectorised;

/// Indices that are unpacked at once: groups of eight.
const BLOCK: usize = 512;

/// Calls `take` with `count` indices, in blocks: a byte with their width in bits, then runs of one index
/// and groups of eight packed ones. None where they end too soon, or `take` says so.
pub(super) fn for_each_block(
    bytes: &[u8],
    count: usize,
    mut take: impl FnMut(&[u32]) -> Option<()>,
) -> Option<()> {
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
                let behind = packed.get(stored..)?;
                unpack(packed, &mut block);
                packed = behind;
                take(block.get(..indices)?)?;
                run -= indices;
            }
        }
    }
    Some(())
}

/// Whether there are `count` indices.
pub(super) fn holds(bytes: &[u8], count: usize) -> bool {
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

/// Unpacks the first groups, at most a block of them.
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
    // Eight values are one vector where the shifts of a vector may differ, as from AVX2 on.
    vectorised(
        #[inline(always)]
        || unpack_groups::<WIDTH>(packed, out),
    );
}

#[inline(always)]
fn unpack_groups<const WIDTH: usize>(packed: &[u8], out: &mut [u32; BLOCK]) {
    if WIDTH == 0 {
        out.fill(0);
        return;
    }
    let groups = packed.len().div_ceil(WIDTH).min(BLOCK / 8);
    // Groups with so many bytes from their start on, their own and others'.
    let inner = (packed.len() + 1).saturating_sub(GROUP_BYTES).div_ceil(WIDTH).min(groups);
    let (whole, last) = out.as_chunks_mut::<8>().0.split_at_mut(inner);
    for (number, out) in whole.iter_mut().enumerate() {
        if let Some(group) = packed.get(number * WIDTH..).and_then(|rest| rest.first_chunk()) {
            unpack_group::<WIDTH>(group, out);
        }
    }
    for (number, out) in last.iter_mut().enumerate().take(groups - inner) {
        let mut group = [0; GROUP_BYTES];
        let rest = packed.get((inner + number) * WIDTH..).unwrap_or_default();
        group.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        unpack_group::<WIDTH>(&group, out);
    }
}

/// Bytes of a group of the greatest width. In one of any width each value is in a word that ends within them.
const GROUP_BYTES: usize = 32;

#[inline(always)]
fn unpack_group<const WIDTH: usize>(group: &[u8; GROUP_BYTES], out: &mut [u32; 8]) {
    let mask = (1_u64 << WIDTH) - 1;
    for (number, out) in out.iter_mut().enumerate() {
        let (byte, shift) = (number * WIDTH / 8, number * WIDTH % 8);
        let bytes = group.get(byte..).unwrap_or_default();
        *out = if shift + WIDTH <= 32 {
            bytes.first_chunk().map_or(0, |word| u32::from_le_bytes(*word) >> shift & mask as u32)
        } else {
            bytes.first_chunk().map_or(0, |word| (u64::from_le_bytes(*word) >> shift & mask) as u32)
        };
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
