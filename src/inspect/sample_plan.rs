//! The rows of a sample: blocks of neighbouring rows at equal distances. A row by itself costs as much to
//! read as the page that it is in.

use std::ops::Range;

/// Rows of a block.
const BLOCK_ROWS: u64 = 256;

/// Ranges of row numbers, counted through all files; ascending, without overlap.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SamplePlan {
    ranges: Vec<Range<u64>>,
}

impl SamplePlan {
    /// A sample of at most `most` of `rows` rows; of all where there are no more.
    pub(super) fn new(rows: u64, most: u64) -> Self {
        if rows <= most {
            return Self { ranges: (rows > 0).then_some(0..rows).into_iter().collect() };
        }
        let block = BLOCK_ROWS.min(most);
        let blocks = (most / block).max(1);
        let distance = rows / blocks;
        let ranges = (0..blocks).map(|place| {
            // Blocks at multiples of one number would meet whatever in the data has that period.
            let free = distance.saturating_sub(block) + 1;
            let start = place * distance + place.wrapping_mul(0x9e37_79b9_7f4a_7c15) % free;
            start..start + block
        });
        Self { ranges: ranges.collect() }
    }

    /// Number of places that rows are read from.
    pub(super) fn places(&self) -> usize {
        self.ranges.len()
    }

    /// The rows of the sample among `rows`, both counted through all files.
    pub(super) fn within(&self, rows: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let first = self.ranges.partition_point(|range| range.end <= rows.start);
        let from = self.ranges.iter().skip(first).take_while({
            let end = rows.end;
            move |range| range.start < end
        });
        from.map(move |range| range.start.max(rows.start)..range.end.min(rows.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_lie_apart_and_in_the_data() {
        for (rows, most) in [(1_000_000, 20_000), (20_001, 20_000), (5_000, 100), (300, 257), (2, 1)] {
            let plan = SamplePlan::new(rows, most);
            let taken: u64 = plan.ranges.iter().map(|range| range.end - range.start).sum();
            assert!(taken <= most && taken * 2 > most, "{taken} of {most}");
            assert!(plan.ranges.windows(2).all(|pair| pair[0].end <= pair[1].start));
            assert!(plan.ranges.last().unwrap().end <= rows);
            // The row groups' shares make up the whole.
            let shares = (0..rows).step_by(777).flat_map(|start| plan.within(start..rows.min(start + 777)));
            assert_eq!(shares.map(|range| range.end - range.start).sum::<u64>(), taken);
        }
        assert!(SamplePlan::new(10, 10).ranges.iter().eq(std::iter::once(&(0..10))));
        assert_eq!(SamplePlan::new(0, 10), SamplePlan::default());
    }
}
