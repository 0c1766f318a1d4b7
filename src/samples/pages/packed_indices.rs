//! Indices into a dictionary as a data page has them: a byte with their width in bits, then runs of one
//! index and groups of eight packed ones. They stay packed until a batch needs its part of them.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::vectors::vectorised;

/// Indices that are unpacked at once: groups of eight.
const BLOCK: usize = 512;
/// The most bits of an index.
const WIDEST: usize = 32;
/// From one mark to the next there are at least so many indices: with fewer, short runs would have marks of
/// more bytes than their own.
const MARKED: usize = 4096;

/// The indices of a page, of which any part can be read.
#[derive(Debug, Clone)]
pub(super) struct PackedIndices {
    /// Bits of an index.
    pub(super) width: usize,
    /// Headers and indices of all runs.
    runs: Bytes,
    /// Some of the runs, the first among them.
    marks: Arc<[Mark]>,
    count: usize,
}

/// The start of a run: its first index, and its first byte.
#[derive(Debug, Clone, Copy)]
struct Mark {
    index: usize,
    byte: usize,
}

/// Indices that follow each other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Run<'a> {
    /// One index, so many times.
    Repeated { index: u32, count: usize },
    /// Groups of eight packed indices. Some of the first group are skipped, and the last one may be cut off
    /// behind its last index.
    Packed { groups: &'a [u8], skipped: usize, count: usize },
}

impl PackedIndices {
    /// The first `count` indices of a page's bytes. None where there are fewer, or a run is empty.
    pub(super) fn new(bytes: &Bytes, count: usize) -> Option<Self> {
        let width = usize::from(*bytes.first()?);
        if width > WIDEST {
            return None;
        }
        let runs = bytes.slice(1..);
        let (mut marks, mut index, mut rest) = (Vec::new(), 0_usize, &runs[..]);
        while index < count {
            if marks.last().is_none_or(|last: &Mark| index - last.index >= MARKED) {
                marks.push(Mark { index, byte: runs.len() - rest.len() });
            }
            let run = take_run(&mut rest, width)?;
            // The last groups of all may be cut off behind the last index.
            run.part(width, 0..run.len().min(count - index))?;
            index = index.saturating_add(run.len());
        }
        Some(Self { width, runs, marks: marks.into(), count })
    }

    /// Calls `take` with the runs of a range of the indices. None where there are fewer, or `take` says so.
    pub(super) fn for_each_run(
        &self,
        range: Range<usize>,
        mut take: impl FnMut(Run<'_>) -> Option<()>,
    ) -> Option<()> {
        if range.end > self.count {
            return None;
        }
        let behind = self.marks.partition_point(|mark| mark.index <= range.start);
        let Some(mark) = self.marks.get(behind.saturating_sub(1)) else {
            return range.is_empty().then_some(());
        };
        let (mut index, mut rest) = (mark.index, self.runs.get(mark.byte..)?);
        while index < range.end {
            let run = take_run(&mut rest, self.width)?;
            let part = range.start.saturating_sub(index)..run.len().min(range.end - index);
            if !part.is_empty() {
                take(run.part(self.width, part)?)?;
            }
            index = index.saturating_add(run.len());
        }
        Some(())
    }

    /// Calls `take` with a range of the indices, in blocks. None where there are fewer, or `take` says so.
    pub(super) fn for_each_block(
        &self,
        range: Range<usize>,
        mut take: impl FnMut(&[u32]) -> Option<()>,
    ) -> Option<()> {
        let unpack = *UNPACK.get(self.width)?;
        let mut block = [0; BLOCK];
        self.for_each_run(range, |run| match run {
            Run::Repeated { index, mut count } => {
                block.get_mut(..count.min(BLOCK))?.fill(index);
                while count > 0 {
                    take(block.get(..count.min(BLOCK))?)?;
                    count -= count.min(BLOCK);
                }
                Some(())
            }
            Run::Packed { mut groups, mut skipped, mut count } => {
                while count > 0 {
                    let end = (skipped + count).min(BLOCK);
                    unpack(groups, &mut block);
                    take(block.get(skipped..end)?)?;
                    groups = groups.get((end * self.width).div_ceil(8)..)?;
                    count -= end - skipped;
                    skipped = 0;
                }
                Some(())
            }
        })
    }
}

/// Takes a run from the front. None where a header or a repeated index ends too soon, or the run is empty.
fn take_run<'a>(bytes: &mut &'a [u8], width: usize) -> Option<Run<'a>> {
    let header = varint(bytes)?;
    // Without empty runs, which nobody writes, a mark is never far from an index.
    let length = usize::try_from(header >> 1).ok().filter(|length| *length > 0)?;
    if header & 1 == 0 {
        let (value, behind) = bytes.split_at_checked(width.div_ceil(8))?;
        *bytes = behind;
        let index = value.iter().rev().fold(0_u64, |index, byte| index << 8 | u64::from(*byte));
        return Some(Run::Repeated { index: u32::try_from(index).ok()?, count: length });
    }
    let stored = length.checked_mul(width)?;
    let (groups, behind) = bytes.split_at(stored.min(bytes.len()));
    *bytes = behind;
    Some(Run::Packed { groups, skipped: 0, count: length.checked_mul(8)? })
}

impl<'a> Run<'a> {
    fn len(&self) -> usize {
        match self {
            Self::Repeated { count, .. } | Self::Packed { count, .. } => *count,
        }
    }

    /// A part of it. None where its bytes end before.
    fn part(self, width: usize, range: Range<usize>) -> Option<Self> {
        let count = range.len();
        match self {
            Self::Repeated { index, .. } => Some(Self::Repeated { index, count }),
            Self::Packed { groups, .. } => {
                let (group, skipped) = (range.start / 8, range.start % 8);
                let groups = groups.get(group.checked_mul(width)?..)?;
                groups.get(..skipped.checked_add(count)?.checked_mul(width)?.div_ceil(8))?;
                Some(Self::Packed { groups, skipped, count })
            }
        }
    }
}

/// Unpacks the first groups, at most a block of them.
type Unpack = fn(&[u8], &mut [u32; BLOCK]);

/// By width in bits, so that the shifts are constants.
const UNPACK: [Unpack; WIDEST + 1] = [
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

    /// Of short runs, and of some that have several blocks.
    fn run_length() -> impl Strategy<Value = usize> {
        prop_oneof![1_usize..40, 1_usize..5_000]
    }

    fn put_varint(bytes: &mut Vec<u8>, mut value: usize) {
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
    }

    fn part(bytes: &[u8], count: usize, range: Range<usize>) -> Option<Vec<u32>> {
        let mut found = Vec::new();
        PackedIndices::new(&Bytes::copy_from_slice(bytes), count)?.for_each_block(range, |block| {
            found.extend(block);
            Some(())
        })?;
        Some(found)
    }

    fn indices(bytes: &[u8], count: usize) -> Option<Vec<u32>> {
        part(bytes, count, 0..count)
    }

    proptest! {
        #[test]
        fn runs_and_packed_groups_of_every_width(
            width in 0_usize..=32,
            runs in proptest::collection::vec((any::<u32>(), run_length(), any::<bool>()), 0..12),
            (from, to) in (0_usize..10_000, 0_usize..10_000),
        ) {
            let mask = ((1_u64 << width) - 1) as u32;
            let (mut bytes, mut expected) = (vec![width as u8], Vec::new());
            for (seed, length, packed) in runs {
                if packed {
                    let groups = length.div_ceil(8);
                    put_varint(&mut bytes, groups << 1 | 1);
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
                    put_varint(&mut bytes, length << 1);
                    bytes.extend(&(seed & mask).to_le_bytes()[..width.div_ceil(8)]);
                    expected.extend(vec![seed & mask; length]);
                }
            }
            prop_assert_eq!(indices(&bytes, expected.len()), Some(expected.clone()));
            prop_assert_eq!(indices(&bytes, expected.len() + 1), None);
            let cuts = [0, from % (expected.len() + 1), to % (expected.len() + 1), expected.len()];
            for range in cuts.iter().flat_map(|start| cuts.map(|end| *start..end)) {
                let wanted = expected.get(range.clone()).unwrap_or_default();
                prop_assert_eq!(part(&bytes, expected.len(), range), Some(wanted.to_vec()));
            }
            let beyond = 0..expected.len() + 1;
            prop_assert_eq!(part(&bytes, expected.len(), beyond), None);
            for cut in 0..bytes.len() {
                let _ = indices(&bytes[..cut], expected.len());
            }
        }

        #[test]
        fn empty_runs_are_left_to_the_general_reader(is_packed in any::<bool>()) {
            let run = [8, 7];
            prop_assert_eq!(indices(&[&[8], &run[..]].concat(), 4), Some(vec![7; 4]));
            let empty = if is_packed { vec![1] } else { vec![0, 7] };
            prop_assert_eq!(indices(&[&[8], &empty[..], &run].concat(), 4), None);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..60), count in 0_usize..5000) {
            let _ = indices(&bytes, count);
        }
    }
}
