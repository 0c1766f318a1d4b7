//! The levels of a page as runs of equal ones within a row. Rows that are null, empty or of another length
//! are runs of few levels, and all others one run each, however long their lists are.

use super::leaf::{EmbeddingLeaf, Sections};
use super::levels::{Run, Runs};

/// Levels of one row that follow each other: all have the same definition level, and only the first can start
/// a row. Four bytes, since every element of a list can be another run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowRun {
    pub(super) starts_row: bool,
    pub(super) definition: u8,
    pub(super) count: u16,
}

/// The levels of the first `count` values of a page, nulls among them.
pub(super) struct RowLevels<'a> {
    pub(super) leaf: &'a EmbeddingLeaf,
    pub(super) sections: &'a Sections<'a>,
    pub(super) count: usize,
    /// More rows than this are no levels of the page, so that few bytes can't be many runs.
    pub(super) most_rows: usize,
}

impl RowLevels<'_> {
    /// The number of values that are not null. None where there are fewer definition levels, one is above the
    /// highest, or they are encoded as no writer does.
    pub(super) fn values(&self) -> Option<usize> {
        let (max, count) = (u8::try_from(self.leaf.max_level()).ok()?, u32::try_from(self.count).ok()?);
        if max == 0 {
            return Some(self.count);
        }
        let mut levels = EqualLevels::new(self.sections.definition_levels, max, count);
        let (mut left, mut values) = (count, 0);
        while left > 0 {
            let (level, count) = levels.next()?;
            left -= count;
            values += if level == max { count as usize } else { 0 };
        }
        Some(values)
    }

    /// The runs. A value that is a whole row counts as its elements.
    pub(super) fn runs(&self) -> Option<Vec<RowRun>> {
        let leaf = self.leaf;
        let (dim, max) = (u32::try_from(leaf.dim).ok()?, u8::try_from(leaf.max_level()).ok()?);
        let mut runs = Vec::new();
        self.for_each(|starts_row, definition, count| match starts_row {
            true => (0..count).for_each(|_| {
                let is_row = leaf.is_whole_row && definition == max;
                push_levels(&mut runs, true, definition, if is_row { dim } else { 1 });
            }),
            false => push_levels(&mut runs, false, definition, count),
        })?;
        Some(runs)
    }

    /// Visits levels that are equal: whether each starts a row, the definition level, and how many they are.
    fn for_each(&self, mut visit: impl FnMut(bool, u8, u32)) -> Option<()> {
        let Self { leaf, sections, most_rows, .. } = self;
        let (mut left, mut rows_left) = (u32::try_from(self.count).ok()?, *most_rows);
        let max = u8::try_from(leaf.max_level()).ok()?;
        let mut definition = EqualLevels::new(sections.definition_levels, max, left);
        let mut repetition = EqualLevels::new(sections.repetition_levels, 1, left);
        let (mut levels, mut starts) = ((0, 0), (0, 0));
        while left > 0 {
            if levels.1 == 0 {
                levels = if max == 0 { (0, left) } else { definition.next()? };
            }
            if starts.1 == 0 {
                // Without lists each value starts a row.
                starts = if leaf.is_whole_row { (0, left) } else { repetition.next()? };
            }
            let both = levels.1.min(starts.1);
            if starts.0 == 0 {
                rows_left = rows_left.checked_sub(both as usize)?;
            }
            visit(starts.0 == 0, levels.0, both);
            (levels.1, starts.1, left) = (levels.1 - both, starts.1 - both, left - both);
        }
        Some(())
    }
}

/// Appends levels, to the last run if they continue it.
pub(super) fn push_levels(runs: &mut Vec<RowRun>, mut starts_row: bool, definition: u8, mut count: u32) {
    let at_most = |count: u32, room: u16| u16::try_from(count).unwrap_or(u16::MAX).min(room);
    if let Some(last) = runs.last_mut().filter(|last| !starts_row && last.definition == definition) {
        let more = at_most(count, u16::MAX - last.count);
        last.count += more;
        count -= u32::from(more);
    }
    while count > 0 {
        let part = at_most(count, u16::MAX);
        runs.push(RowRun { starts_row, definition, count: part });
        (starts_row, count) = (false, count - u32::from(part));
    }
}

/// Levels of at most `max`, which is 1 to 3, as equal ones that follow each other. Ends at a level that is
/// higher, and at a run that is empty or longer than the levels that are left.
struct EqualLevels<'a> {
    runs: Runs<'a>,
    /// Packed levels that are left of a run, and the bits that are left of their first byte.
    packed: &'a [u8],
    bits: u32,
    max: u8,
    left: u32,
}

impl<'a> EqualLevels<'a> {
    fn new(bytes: &'a [u8], max: u8, left: u32) -> Self {
        let width = if max > 1 { 2 } else { 1 };
        Self { runs: Runs { bytes, width }, packed: &[], bits: 8, max, left }
    }

    /// The next levels of a packed run.
    fn unpacked(&mut self) -> Option<(u8, u32)> {
        let (width, byte) = (self.runs.width as u32, *self.packed.first()?);
        let (mask, rest) = ((1_u8 << width) - 1, byte >> (8 - self.bits));
        let level = rest & mask;
        // A byte of one level only is that level times this.
        let ones = u8::MAX / mask;
        let equal = (rest ^ (level * ones)).trailing_zeros() / width;
        let count = equal.min(self.bits / width).min(self.left);
        self.bits -= count * width;
        if self.bits == 0 || count == self.left {
            self.packed = self.packed.get(1..).unwrap_or_default();
            self.bits = 8;
        }
        Some((level, count))
    }
}

impl Iterator for EqualLevels<'_> {
    type Item = (u8, u32);

    fn next(&mut self) -> Option<(u8, u32)> {
        let (level, count) = match self.unpacked() {
            Some(unpacked) => unpacked,
            None => match self.runs.next()? {
                Run::Repeated { level, count } => (level, u32::try_from(count).ok()?),
                Run::Packed(packed) => {
                    self.packed = packed;
                    self.unpacked()?
                }
            },
        };
        self.left = self.left.checked_sub(count)?;
        (count > 0 && level <= self.max).then_some((level, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(bytes: &[u8], max: u8, count: u32) -> Vec<(u8, u32)> {
        let mut all: Vec<(u8, u32)> = Vec::new();
        for (level, count) in EqualLevels::new(bytes, max, count) {
            match all.last_mut().filter(|last| last.0 == level) {
                Some(last) => last.1 += count,
                None => all.push((level, count)),
            }
        }
        all
    }

    #[test]
    fn packed_and_repeated_levels_follow_each_other() {
        // Ten times 3, then packed levels of two bits: 3 0 2 3 and twelve times 3, then 3 five times.
        let bytes = [10 << 1, 3, 2 << 1 | 1, 0b1110_0011, 0xff, 0xff, 0xff, 5 << 1, 3];
        assert_eq!(levels(&bytes, 3, 10), [(3, 10)]);
        assert_eq!(levels(&bytes, 3, 12), [(3, 11), (0, 1)]);
        assert_eq!(levels(&bytes, 3, 31), [(3, 11), (0, 1), (2, 1), (3, 18)]);
        // There are no more.
        assert_eq!(levels(&bytes, 3, 40), levels(&bytes, 3, 31));
        assert_eq!(levels(&[10 << 1, 1, 1 << 1 | 1, 0b0000_0101], 1, 14), [(1, 11), (0, 1), (1, 1), (0, 1)]);
    }

    #[test]
    fn long_runs_are_several() {
        let mut runs = Vec::new();
        push_levels(&mut runs, true, 3, 70_000);
        push_levels(&mut runs, false, 3, 61_071);
        push_levels(&mut runs, false, 2, 1);
        push_levels(&mut runs, true, 2, 1);
        let run = |starts_row, definition, count| RowRun { starts_row, definition, count };
        let long = [run(true, 3, u16::MAX), run(false, 3, u16::MAX), run(false, 3, 1)];
        assert_eq!(runs, [&long[..], &[run(false, 2, 1), run(true, 2, 1)]].concat());
    }

    #[test]
    fn what_no_writer_writes_is_the_end() {
        // A level that the column does not have, an empty run, and one that is too long.
        assert_eq!(levels(&[10 << 1, 3], 2, 10), []);
        assert_eq!(levels(&[1 << 1 | 1, 0b1010_1011, 0b1010_1010], 2, 8), []);
        assert_eq!(levels(&[4 << 1, 1, 0, 1, 4 << 1, 1], 1, 8), [(1, 4)]);
        assert_eq!(levels(&[9 << 1, 1], 1, 8), []);
        assert_eq!(levels(&[], 1, 1), []);
    }
}
