//! The levels of a page as runs of equal ones within a row. Rows that are null, empty or of another length
//! are runs of few levels, and all others one run each, however long their lists are.

use super::leaf::{EmbeddingLeaf, Sections};
use super::levels::{Run, Runs};

/// Levels of one row that follow each other: all have the same definition level, and only the first can start
/// a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowRun {
    pub(super) starts_row: bool,
    pub(super) definition: i16,
    pub(super) count: u32,
}

/// The runs of the first `count` values of a page, nulls among them. None where it has fewer, a level above
/// the highest, or more than `most_rows` rows, so that few bytes can't be many runs.
pub(super) fn row_runs(
    leaf: &EmbeddingLeaf,
    sections: &Sections<'_>,
    count: usize,
    most_rows: usize,
) -> Option<Vec<RowRun>> {
    let (mut runs, mut rows_left) = (Vec::new(), most_rows);
    let mut start_rows = |rows: u32| rows_left.checked_sub(rows as usize).map(|left| rows_left = left);
    let max = u8::try_from(leaf.max_level()).ok()?;
    let definition = match max {
        0 => vec![(0, u32::try_from(count).ok()?)],
        _ => equal_levels(sections.definition_levels, max, count)?,
    };
    if leaf.is_whole_row {
        for (definition, count) in definition {
            start_rows(count)?;
            let elements = if definition == max { u32::try_from(leaf.dim).ok()? } else { 1 };
            (0..count).for_each(|_| push(&mut runs, true, i16::from(definition), elements));
        }
        return Some(runs);
    }
    let mut definition = definition.into_iter();
    let (mut level, mut left) = definition.next()?;
    for (repetition, mut count) in equal_levels(sections.repetition_levels, 1, count)? {
        while count > 0 {
            if left == 0 {
                (level, left) = definition.next()?;
            }
            let both = count.min(left);
            if repetition == 0 {
                start_rows(both)?;
                (0..both).for_each(|_| push(&mut runs, true, i16::from(level), 1));
            } else {
                push(&mut runs, false, i16::from(level), both);
            }
            (count, left) = (count - both, left - both);
        }
    }
    Some(runs)
}

/// Appends levels, to the last run if they continue it.
pub(super) fn push(runs: &mut Vec<RowRun>, starts_row: bool, definition: i16, count: u32) {
    let continued = runs.last_mut().filter(|last| !starts_row && last.definition == definition);
    match continued.and_then(|last| Some((last.count.checked_add(count)?, last))) {
        Some((count, last)) => last.count = count,
        None => runs.push(RowRun { starts_row, definition, count }),
    }
}

/// The first `count` levels of at most `max`, which is 1 to 3, and how often each of them is repeated. None
/// where there are fewer, or one is higher.
fn equal_levels(bytes: &[u8], max: u8, count: usize) -> Option<Vec<(u8, u32)>> {
    let width = if max > 1 { 2_u8 } else { 1 };
    let in_byte = 8 / u32::from(width);
    let mask = (1_u8 << width) - 1;
    // A byte of one level only is that level times this.
    let ones = u8::MAX / mask;
    let mut levels: Vec<(u8, u32)> = Vec::new();
    let mut left = u32::try_from(count).ok()?;
    let mut append = |level: u8, count: u32| {
        match levels.last_mut().filter(|last| last.0 == level) {
            Some(last) => last.1 += count,
            None => levels.push((level, count)),
        }
        (level <= max).then_some(())
    };
    for run in (Runs { bytes, width: usize::from(width) }) {
        if left == 0 {
            break;
        }
        match run {
            Run::Repeated { level, count } => {
                let count = left.min(u32::try_from(count).unwrap_or(u32::MAX));
                append(level, count)?;
                left -= count;
            }
            Run::Packed(packed) => {
                for byte in packed {
                    let levels = left.min(in_byte);
                    if levels == in_byte && *byte == (byte & mask) * ones {
                        append(byte & mask, levels)?;
                    } else {
                        (0..levels)
                            .try_for_each(|level| append(byte >> (level * u32::from(width)) & mask, 1))?;
                    }
                    left -= levels;
                }
            }
        }
    }
    (left == 0).then_some(levels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_and_repeated_levels_are_one_run() {
        // Ten times 3, then eight packed levels of two bits, 3 3 3 3 and 3 0 2 3, then 3 five times.
        let bytes = [10 << 1, 3, 2 << 1 | 1, 0xff, 0b1110_0011, 0xff, 0xff, 5 << 1, 3];
        let levels = |count| equal_levels(&bytes, 3, count);
        assert_eq!(levels(10).unwrap(), [(3, 10)]);
        assert_eq!(levels(14).unwrap(), [(3, 14)]);
        assert_eq!(levels(31).unwrap(), [(3, 15), (0, 1), (2, 1), (3, 14)]);
        assert_eq!(levels(32), None);
        // A level that the column does not have.
        assert_eq!(equal_levels(&bytes, 2, 10), None);
        assert_eq!(equal_levels(&[10 << 1, 1, 1 << 1 | 1, 0b0000_0101], 1, 14).unwrap().len(), 4);
        assert_eq!(equal_levels(&[10 << 1, 2], 1, 10), None);
        assert_eq!(equal_levels(&[], 1, 1), None);
    }
}
