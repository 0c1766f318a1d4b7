//! Values of a dictionary, looked up straight from packed indices: these are nowhere unpacked.

use std::ops::Range;

use crate::vectors::vectorised;

use super::packed_indices::{PackedIndices, Run};

/// Values that an index of two bytes can have.
pub(super) const NARROW: usize = 1 << 16;

/// Bytes that hold a group of eight indices of at most two bytes.
const GROUP_BYTES: usize = 16;

/// A value as it is in memory.
type Stored = [u8; 4];

/// Writes the values of a range of indices, and NaN for each of which the table has none. Returns whether
/// all are finite, so that no index has to be compared with the length of the table; false where indices have
/// more than two bytes. None where there are fewer.
pub(super) fn look_up(
    table: &[f32],
    indices: &PackedIndices,
    range: Range<usize>,
    out: &mut [Stored],
) -> Option<bool> {
    let Some((look_up, table)) = LOOK_UP.get(indices.width).zip(table.first_chunk()) else {
        return Some(false);
    };
    let (mut rest, mut all_finite) = (out, true);
    indices.for_each_run(range, |run| {
        let (Run::Repeated { count, .. } | Run::Packed { count, .. }) = run;
        let out;
        (out, rest) = std::mem::take(&mut rest).split_at_mut_checked(count)?;
        match run {
            Run::Repeated { index, .. } => {
                let value = table.get(index as usize).copied().unwrap_or(f32::NAN);
                all_finite &= value.is_finite();
                out.fill(value.to_ne_bytes());
            }
            Run::Packed { groups, skipped, .. } => all_finite &= look_up(groups, skipped, table, out),
        }
        Some(())
    })?;
    Some(all_finite)
}

/// Looks up the indices of groups, but for the first ones; returns whether all values are finite.
type LookUp = fn(&[u8], usize, &[f32; NARROW], &mut [Stored]) -> bool;

/// By width in bits, so that the shifts are constants.
const LOOK_UP: [LookUp; 17] = [
    packed::<0>,
    packed::<1>,
    packed::<2>,
    packed::<3>,
    packed::<4>,
    packed::<5>,
    packed::<6>,
    packed::<7>,
    packed::<8>,
    packed::<9>,
    packed::<10>,
    packed::<11>,
    packed::<12>,
    packed::<13>,
    packed::<14>,
    packed::<15>,
    packed::<16>,
];

fn packed<const WIDTH: usize>(
    groups: &[u8],
    skipped: usize,
    table: &[f32; NARROW],
    out: &mut [Stored],
) -> bool {
    vectorised(
        #[inline(always)]
        || {
            packed_groups::<WIDTH>(groups, skipped, table, out);
            let magnitudes = out.iter().map(|value| u32::from_ne_bytes(*value) & !(1 << 31));
            magnitudes.fold(0, u32::max) < f32::INFINITY.to_bits()
        },
    )
}

#[inline(always)]
fn packed_groups<const WIDTH: usize>(
    groups: &[u8],
    skipped: usize,
    table: &[f32; NARROW],
    out: &mut [Stored],
) {
    let mask = u16::MAX.checked_shr(16 - WIDTH as u32).unwrap_or_default();
    let value = |packed: u64| {
        let value = table.get(usize::from(packed as u16 & mask));
        value.copied().unwrap_or_default().to_ne_bytes()
    };
    let cut = if skipped > 0 { 8 - skipped } else { 0 };
    let (first, out) = out.split_at_mut(cut.min(out.len()));
    for (at, out) in first.iter_mut().enumerate() {
        *out = value((group(groups, 0) >> ((skipped + at) * WIDTH)) as u64);
    }
    let groups = if skipped > 0 { groups.get(WIDTH..).unwrap_or_default() } else { groups };
    let (whole, last) = out.as_chunks_mut::<8>();
    let behind = whole.len() * WIDTH;
    for (number, out) in whole.iter_mut().enumerate() {
        let group = group(groups, number * WIDTH);
        // Two words of four indices: a shift of 64 bits is one instruction.
        let (low, high) = (group as u64, (group >> (4 * WIDTH)) as u64);
        let [a, b, c, d] = [0, WIDTH, 2 * WIDTH, 3 * WIDTH];
        *out = [
            value(low >> a),
            value(low >> b),
            value(low >> c),
            value(low >> d),
            value(high >> a),
            value(high >> b),
            value(high >> c),
            value(high >> d),
        ];
    }
    for (at, out) in last.iter_mut().enumerate() {
        *out = value((group(groups, behind) >> (at * WIDTH)) as u64);
    }
}

/// The bytes from the start of a group on, and zeros behind the last byte.
#[inline(always)]
fn group(groups: &[u8], start: usize) -> u128 {
    let bytes = groups.get(start..).unwrap_or_default();
    let bytes = bytes.first_chunk().copied().unwrap_or_else(|| {
        let mut padded = [0; GROUP_BYTES];
        padded.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        padded
    });
    u128::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn values_are_those_of_the_unpacked_indices(
            width in 0_u8..=20,
            values in 0_usize..=70_000,
            runs in proptest::collection::vec((any::<u64>(), 1_u8..127), 1..12),
            cut in 0_usize..40,
        ) {
            let mut bytes = vec![width];
            for (mut state, header) in runs {
                let stored = match header & 1 {
                    0 => usize::from(width).div_ceil(8),
                    _ => usize::from(header >> 1) * usize::from(width),
                };
                bytes.push(header);
                bytes.extend((0..stored).map(|at| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    // Of many widths most indices are small, too.
                    if at % 2 == 1 && values < 1000 { 0 } else { (state >> 60) as u8 }
                }));
            }
            let mut table: Vec<f32> = (0..values).map(|value| value as f32 - 0.5).collect();
            table.resize(values.max(NARROW), f32::NAN);
            let bytes = Bytes::from(bytes);
            for bytes in [bytes.clone(), bytes.slice(..bytes.len() - cut.min(bytes.len()))] {
                for count in [0, 1, 7, 8, 9, 100, 511, 600] {
                    let Some(indices) = PackedIndices::new(&bytes, count) else { continue };
                    for start in [0, 1, 5, 8, 13, 504, 507].into_iter().filter(|start| *start <= count) {
                        let mut expected = Vec::new();
                        let unpacked = indices.for_each_block(start..count, |indices| {
                            expected.extend(indices.iter().map(|index| table.get(*index as usize).copied()));
                            Some(())
                        });
                        prop_assert!(unpacked.is_some());
                        let mut out = vec![[7; 4]; count - start];
                        let all_finite = look_up(&table, &indices, start..count, &mut out).unwrap();
                        let is_finite = |value: &Option<f32>| value.is_some_and(f32::is_finite);
                        prop_assert_eq!(all_finite, width <= 16 && expected.iter().all(is_finite));
                        if width <= 16 {
                            let expected = expected.iter().map(|value| value.unwrap().to_bits());
                            let found = out.iter().map(|value| u32::from_ne_bytes(*value));
                            prop_assert!(found.eq(expected));
                        }
                    }
                }
            }
        }
    }
}
