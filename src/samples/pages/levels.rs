//! Checks of encoded repetition and definition levels without decoding them. A
//! page of lists that all have d elements has the levels 0 1 1 … 1 (d of them)
//! over and over, and the highest definition level throughout; in Parquet's hybrid
//! of run lengths and packed bits that is a handful of bytes a list, however long
//! the list, and most often the same ones.

/// A run of levels in the hybrid encoding.
pub(super) enum Run<'a> {
    /// The same level `count` times.
    Repeated { level: u8, count: usize },
    /// Packed levels, a multiple of eight of them.
    Packed(&'a [u8]),
}

/// The runs of encoded levels with a width of 1 to 8 bits. Ends where the bytes end or are
/// invalid, so that the caller has to count the levels.
pub(super) struct Runs<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) width: usize,
}

impl<'a> Iterator for Runs<'a> {
    type Item = Run<'a>;

    fn next(&mut self) -> Option<Run<'a>> {
        let header = self.header()?;
        let count = usize::try_from(header >> 1).ok()?;
        if header & 1 == 1 {
            let (packed, rest) = self.bytes.split_at_checked(count.checked_mul(self.width)?)?;
            self.bytes = rest;
            Some(Run::Packed(packed))
        } else {
            let (&level, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            Some(Run::Repeated { level, count })
        }
    }
}

impl Runs<'_> {
    /// A little-endian base-128 number.
    fn header(&mut self) -> Option<u64> {
        let mut header = 0_u64;
        for shift in (0..63).step_by(7) {
            let (&byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            header |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(header);
            }
        }
        None
    }
}

impl<'a> Runs<'a> {
    /// Skips repeats of the `levels` levels just read, whose encoded bytes start at `from`:
    /// compares bytes, twice as many each time. Returns the number of levels skipped, at most
    /// `most`.
    fn skip_repeats(&mut self, from: &'a [u8], mut levels: usize, most: usize) -> usize {
        let (mut bytes, mut skipped) = (from.len() - self.bytes.len(), 0);
        while skipped + levels <= most
            && let Some((next, rest)) = self.bytes.split_at_checked(bytes)
            && from.starts_with(next)
        {
            self.bytes = rest;
            skipped += levels;
            (bytes, levels) = (bytes * 2, levels * 2);
        }
        skipped
    }
}

/// Whether the first `count` levels are all `max`, a level of 1 to 3, encoded in as
/// many bits as it needs.
pub(super) fn all_max(bytes: &[u8], max: u8, count: usize) -> bool {
    let width = if max > 1 { 2 } else { 1 };
    let filled = if width == 1 { max * 0xff } else { max * 0b0101_0101 };
    let mut left = count;
    for run in (Runs { bytes, width }) {
        if left == 0 {
            break;
        }
        match run {
            Run::Repeated { level, count } if level == max => left -= count.min(left),
            Run::Repeated { .. } => return false,
            Run::Packed(packed) => {
                let levels = (packed.len() * 8 / width).min(left);
                let (whole, rest) = packed.split_at(levels * width / 8);
                let mask = (1_u8 << (levels * width % 8)) - 1;
                let tail = rest.first().copied().unwrap_or(0) & mask;
                if whole.iter().any(|byte| *byte != filled) || tail != filled & mask {
                    return false;
                }
                left -= levels;
            }
        }
    }
    left == 0
}

/// Whether the first `count` repetition levels (of one bit) are those of lists of
/// `dim` elements, where the first level belongs to element `element_offset` of its list,
/// below `dim`.
pub(super) fn all_regular(bytes: &[u8], dim: usize, element_offset: usize, count: usize) -> bool {
    let mut left = count;
    // Levels of 1 until the next list starts with a 0.
    let mut inside = if element_offset == 0 { 0 } else { dim - element_offset };
    let mut runs = Runs { bytes, width: 1 };
    // The last place where a list and a run start together: the bytes from there, and the
    // number of levels left.
    let mut aligned = (element_offset == 0).then_some((bytes, left));
    while left > 0 {
        if inside == 0 {
            if let Some((from, levels)) = aligned.filter(|(_, levels)| left < *levels) {
                left -= runs.skip_repeats(from, levels - left, left);
            }
            aligned = Some((runs.bytes, left));
        }
        let Some(run) = runs.next() else { break };
        match run {
            Run::Repeated { level: 1, count } => {
                let count = count.min(left);
                if count > inside {
                    return false;
                }
                inside -= count;
                left -= count;
            }
            Run::Repeated { level: 0, count } => {
                let count = count.min(left);
                if inside != 0 || (count > 1 && dim > 1) {
                    return false;
                }
                if count > 0 {
                    inside = dim - 1;
                }
                left -= count;
            }
            Run::Repeated { .. } => return false,
            Run::Packed(packed) => {
                for byte in packed {
                    let levels = left.min(8);
                    if inside >= levels {
                        // All inside one list: the usual byte of a long one.
                        if (byte.trailing_ones() as usize) < levels {
                            return false;
                        }
                        inside -= levels;
                    } else {
                        for bit in 0..levels {
                            let start = inside == 0;
                            if (byte >> bit & 1 == 0) != start {
                                return false;
                            }
                            inside = if start { dim - 1 } else { inside - 1 };
                        }
                    }
                    left -= levels;
                }
            }
        }
    }
    left == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Encodes levels as runs where `choice` says so, and packed elsewhere.
    fn encode(levels: &[u8], width: usize, choice: &[bool]) -> Vec<u8> {
        let header = |out: &mut Vec<u8>, mut value: usize| {
            while value >= 0x80 {
                out.push((value & 0x7f) as u8 | 0x80);
                value >>= 7;
            }
            out.push(value as u8);
        };
        let mut out = Vec::new();
        let mut at = 0;
        let mut turn = 0;
        while at < levels.len() {
            let same = levels[at..].iter().take_while(|level| **level == levels[at]).count();
            turn += 1;
            if choice[turn % choice.len()] {
                header(&mut out, same << 1);
                out.push(levels[at]);
                at += same;
            } else {
                let groups = 1 + turn % 3;
                header(&mut out, groups << 1 | 1);
                let start = out.len();
                out.resize(start + groups * width, 0);
                for i in 0..groups * 8 {
                    let level = levels.get(at + i).copied().unwrap_or(0);
                    let bit = i * width;
                    out[start + bit / 8] |= level << (bit % 8);
                }
                at += (groups * 8).min(levels.len() - at);
            }
        }
        out
    }

    proptest! {
        #[test]
        fn regular_levels_are_recognised_and_no_others(
            dim in 1_usize..20,
            element_offset in 0_usize..20,
            count in 0_usize..200,
            broken in proptest::option::of(0_usize..200),
            choice in proptest::collection::vec(any::<bool>(), 1..5),
        ) {
            let element_offset = element_offset % dim;
            let mut levels: Vec<u8> = (0..count).map(|i| u8::from((element_offset + i) % dim != 0)).collect();
            let broken = broken.filter(|at| *at < count);
            if let Some(at) = broken {
                levels[at] ^= 1;
            }
            let bytes = encode(&levels, 1, &choice);
            prop_assert_eq!(all_regular(&bytes, dim, element_offset, count), broken.is_none());
            if count > 0 {
                prop_assert!(!all_regular(&bytes[..bytes.len() - 1], dim, element_offset, count));
            }
        }

        #[test]
        fn the_highest_level_is_recognised(
            max in 1_u8..=3,
            count in 0_usize..200,
            broken in proptest::option::of((0_usize..200, 1_u8..=3)),
            choice in proptest::collection::vec(any::<bool>(), 1..5),
        ) {
            let mut levels = vec![max; count];
            let broken = broken.filter(|(at, below)| *at < count && *below <= max);
            if let Some((at, below)) = broken {
                levels[at] -= below;
            }
            let bytes = encode(&levels, if max > 1 { 2 } else { 1 }, &choice);
            prop_assert_eq!(all_max(&bytes, max, count), broken.is_none());
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..40), dim in 1_usize..9) {
            _ = all_regular(&bytes, dim, dim / 2, 100);
            _ = all_max(&bytes, 3, 100);
        }
    }
}
