//! Snappy's raw format for pages of short literals and copies, such as those of f64 values that were
//! f32: there the Snappy crate's time is that of mispredicted branches. Here one lookup gives length
//! and offset of a copy of any kind, and the tag behind a short literal is in a register already.

/// Length of a copy, bits 8 to 10 of its offset where the tag has them, and a mask of the offset's
/// bytes behind the tag, by tag. Offsets of four bytes are left to the crate.
static COPIES: [u32; 256] = copies();

/// The longest literal that is copied as one block, and the length of the blocks of copies.
const BLOCK: usize = 16;
/// Bytes left of the input at which the fast loop ends: a tag, its block, and the next word.
const INPUT_MARGIN: usize = 1 + BLOCK + 8;
/// Bytes left of the output at which it ends: the longest copy in blocks.
const OUTPUT_MARGIN: usize = 64 + BLOCK;

/// Fills `out`, which is as long as the bytes say. False where they are damaged, are of another length
/// or have what this decoder leaves to the crate; `out` is undefined then.
pub(super) fn decompress(stored: &[u8], out: &mut [u8]) -> bool {
    let Some((length, start)) = length(stored) else { return false };
    length == out.len() && elements(stored, start, out).is_some()
}

/// The length of the output, and where the elements start.
fn length(stored: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0_u64;
    for (at, byte) in stored.iter().take(5).enumerate() {
        length |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(length).ok()?, at + 1));
        }
    }
    None
}

fn elements(stored: &[u8], mut from: usize, out: &mut [u8]) -> Option<()> {
    let input_end = stored.len().saturating_sub(INPUT_MARGIN);
    let output_end = out.len().saturating_sub(OUTPUT_MARGIN);
    let mut to = 0;
    while from < input_end && to < output_end {
        let mut word = word(stored, from);
        if word & 3 == 0 {
            let length = ((word & 0xff) >> 2) as usize + 1;
            if length > BLOCK {
                (from, to) = literal(stored, from, out, to)?;
                continue;
            }
            out[to..to + BLOCK].copy_from_slice(&stored[from + 1..=from + BLOCK]);
            (from, to) = (from + 1 + length, to + length);
            // The word has eight bytes: behind a short literal also the next tag and its offset.
            if length > 4 {
                continue;
            }
            word >>= 8 * (length + 1);
            if word & 3 == 0 {
                continue;
            }
        }
        if word & 3 == 3 {
            return None;
        }
        let entry = COPIES[(word & 0xff) as usize];
        let length = (entry & 0xff) as usize;
        let offset = (entry & 0x700 | (word >> 8) as u32 & entry >> 16) as usize;
        from += 1 + (word & 3) as usize;
        let start = to.checked_sub(offset)?;
        match offset {
            0 => return None,
            // Blocks that lie apart; what they copy beyond the length is written over.
            BLOCK.. => {
                out.copy_within(start..start + BLOCK, to);
                for at in (BLOCK..length).step_by(BLOCK) {
                    out.copy_within(start + at..start + at + BLOCK, to + at);
                }
            }
            _ => repeat(out, start, to, length),
        }
        to += length;
    }
    while from < stored.len() {
        (from, to) = match stored[from] & 3 {
            0 => literal(stored, from, out, to)?,
            _ => copy(stored, from, out, to)?,
        };
    }
    (to == out.len()).then_some(())
}

fn word(stored: &[u8], at: usize) -> u64 {
    stored[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Copies a literal of any length. Returns where the next element starts, in both.
fn literal(stored: &[u8], from: usize, out: &mut [u8], to: usize) -> Option<(usize, usize)> {
    let short = usize::from(stored[from] >> 2);
    let length_bytes = short.saturating_sub(59);
    let from = from + 1 + length_bytes;
    let length = match length_bytes {
        0 => short,
        _ => stored
            .get(from - length_bytes..from)?
            .iter()
            .rfold(0, |length, byte| length << 8 | usize::from(*byte)),
    } + 1;
    let literal = stored.get(from..)?.get(..length)?;
    out.get_mut(to..)?.get_mut(..length)?.copy_from_slice(literal);
    Some((from + length, to + length))
}

/// Copies an earlier part of the output near the end of one of both.
fn copy(stored: &[u8], from: usize, out: &mut [u8], to: usize) -> Option<(usize, usize)> {
    let tag = stored[from];
    let entry = COPIES[usize::from(tag)];
    let length = (entry & 0xff) as usize;
    let end = from + 1 + usize::from(tag & 3);
    let behind = match *stored.get(from + 1..end)? {
        [low] => u16::from(low),
        [low, high] => u16::from_le_bytes([low, high]),
        _ => return None,
    };
    let offset = (entry & 0x700) as usize | usize::from(behind);
    if offset == 0 || length > out.len() - to {
        return None;
    }
    repeat(out, to.checked_sub(offset)?, to, length);
    Some((end, to + length))
}

/// Repeats the bytes between `start` and `to`.
fn repeat(out: &mut [u8], start: usize, to: usize, length: usize) {
    for at in 0..length {
        out[to + at] = out[start + at];
    }
}

const fn copies() -> [u32; 256] {
    let mut table = [0; 256];
    let mut tag = 0;
    while tag < 256 {
        table[tag as usize] = match tag & 3 {
            1 => ((tag >> 2 & 7) + 4) | (tag >> 5 << 8) | (0xff << 16),
            _ => ((tag >> 2) + 1) | (0xffff << 16),
        };
        tag += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by_crate(stored: &[u8], length: usize) -> Option<Vec<u8>> {
        let mut out = vec![0; length];
        let filled = snap::raw::Decoder::new().decompress(stored, &mut out).ok()?;
        (filled == length).then_some(out)
    }

    fn by_us(stored: &[u8], length: usize) -> Option<Vec<u8>> {
        let mut out = vec![0; length];
        decompress(stored, &mut out).then_some(out)
    }

    /// Bytes that compress to literals and copies of all kinds.
    fn plain() -> impl Strategy<Value = Vec<u8>> {
        let values = |of: Vec<f32>| of.iter().flat_map(|value| f64::from(*value).to_le_bytes()).collect();
        let piece = prop_oneof![
            prop::collection::vec(any::<f32>(), 0..400).prop_map(values),
            prop::collection::vec((-50..50_i16).prop_map(|value| f32::from(value) / 7.0), 0..400)
                .prop_map(values),
            prop::collection::vec(any::<u8>(), 0..300),
            prop::collection::vec(0..3_u8, 0..300),
            (any::<u8>(), 0..300_usize).prop_map(|(byte, times)| vec![byte; times]),
        ];
        prop::collection::vec((piece, 1..4_usize), 0..8)
            .prop_map(|pieces| pieces.iter().flat_map(|(piece, times)| piece.repeat(*times)).collect())
    }

    proptest! {
        #[test]
        fn makes_what_was_compressed(plain in plain()) {
            let stored = snap::raw::Encoder::new().compress_vec(&plain).unwrap();
            prop_assert_eq!(by_us(&stored, plain.len()), Some(plain));
        }

        /// Damaged bytes make what the crate makes of them, or are left to it.
        #[test]
        fn damaged_bytes_are_as_the_crate_has_them(
            plain in plain(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let mut stored = snap::raw::Encoder::new().compress_vec(&plain).unwrap();
            for (at, byte) in changes {
                let at = at.index(stored.len());
                stored[at] = byte;
            }
            if let Some(cut) = cut {
                stored.truncate(cut.index(stored.len()));
            }
            if let Some(ours) = by_us(&stored, plain.len()) {
                prop_assert_eq!(Some(ours), by_crate(&stored, plain.len()));
            }
        }
    }

    #[test]
    fn copies_reach_over_all_offsets_and_lengths() {
        for offset in 1..70_usize {
            for length in 1..=64_usize {
                let seed: Vec<u8> = (0..offset as u8).collect();
                let mut stored = vec![];
                let total = offset + length + 200;
                stored.extend([(total as u8 & 0x7f) | 0x80, (total >> 7) as u8]);
                stored.extend([60 << 2, offset as u8 - 1]);
                stored.extend(&seed);
                stored.extend([(length as u8 - 1) << 2 | 2, offset as u8, 0]);
                stored.extend([60 << 2, 199]);
                stored.extend([7; 200]);
                let ours = by_us(&stored, total);
                assert!(ours.is_some());
                assert_eq!(ours, by_crate(&stored, total), "{offset} {length}");
            }
        }
    }
}
