//! Encoded levels, run by run without decoding them: Parquet's hybrid of run lengths and packed
//! bits.

/// Whether the bytes are exactly the encoding of `values` levels of at most `max`.
pub(super) fn are_levels(bytes: &[u8], max: i16, values: u64) -> bool {
    let width = u64::from((u16::BITS - max.max(0).cast_unsigned().leading_zeros()) as u8);
    if width == 0 {
        return bytes.is_empty();
    }
    // The last group of eight packed levels is padded.
    run_levels(bytes, width, u64::from(max.cast_unsigned()))
        .is_some_and(|levels| levels >= values && levels < values + 8)
}

/// The levels of all runs. None where the bytes do not end with a run, or a level is too high.
fn run_levels(mut bytes: &[u8], width: u64, max: u64) -> Option<u64> {
    let mut levels = 0_u64;
    while !bytes.is_empty() {
        let (header, rest) = varint(bytes)?;
        let count = header >> 1;
        let length = if header & 1 == 1 { count.checked_mul(width)? } else { width.div_ceil(8) };
        let (run, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        if header & 1 == 0 {
            let level = run.iter().rev().fold(0, |level, byte| level << 8 | u64::from(*byte));
            if level > max {
                return None;
            }
        }
        levels = levels.checked_add(if header & 1 == 1 { count.checked_mul(8)? } else { count })?;
        bytes = rest;
    }
    Some(levels)
}

/// A little-endian base-128 number.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            return bytes.get(index + 1..).map(|rest| (value, rest));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_fill_their_bytes() {
        // 10 times 1, then two groups of eight bits.
        let bytes = [20, 1, 5, 0b1010_1010, 0b0000_0011];
        assert!(are_levels(&bytes, 1, 26) && are_levels(&bytes, 1, 19));
        assert!(!are_levels(&bytes, 1, 27) && !are_levels(&bytes, 1, 18));
        assert!(!are_levels(&bytes[..4], 1, 19) && !are_levels(&bytes[..3], 1, 10));
        assert!(!are_levels(&[20, 2], 1, 10) && are_levels(&[20, 2], 2, 10));
        assert!(are_levels(&[], 0, 10) && !are_levels(&[], 1, 10) && are_levels(&[], 1, 0));
        assert!(!are_levels(&[0xff; 12], 1, 10));
    }
}
