//! A two-dimensional histogram of r and s.

use super::bins::{BinScale, without_rounding_noise};
use super::numbers::Density;

/// Approximate number of bins on each axis of the picture.
const PICTURE_BINS: f64 = 32.0;

/// Row counts over a two-dimensional grid of bins.
#[derive(Debug, Clone)]
pub(super) struct DensityGrid {
    scales: [BinScale; 2],
    counts: Vec<u64>,
}

impl DensityGrid {
    pub(super) fn new(scales: [BinScale; 2]) -> Self {
        let [across, up] = scales;
        Self { scales, counts: vec![0; across.bins * up.bins] }
    }

    #[inline]
    pub(super) fn push(&mut self, x: f64, y: f64) {
        let [across, up] = &self.scales;
        if let (Some(column), Some(line)) = (across.bin_within(x), up.bin_within(y))
            && let Some(count) = self.counts.get_mut(column * up.bins + line)
        {
            *count += 1;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
    }

    /// The density picture of the ranges `x` and `y`; `rows` is the total of all rows.
    pub(super) fn density(&self, x: (f64, f64), y: (f64, f64), rows: u64) -> Density {
        let [across, up] = &self.scales;
        let groups = |scale: &BinScale, (low, high): (f64, f64)| {
            let size = scale.group_size(low, high, PICTURE_BINS);
            scale.groups(low, high, size)
        };
        let (columns, lines) = (groups(across, x), groups(up, y));
        let edges = |scale: &BinScale, groups: &[i64]| {
            groups
                .iter()
                .map(|&bin| scale.edge(0) + bin as f64 * scale.width)
                .map(without_rounding_noise)
                .collect()
        };
        let inside = |from: i64, to: i64, bins: usize| {
            let clamp = |bin: i64| usize::try_from(bin.max(0)).unwrap_or(usize::MAX).min(bins);
            clamp(from)..clamp(to)
        };
        let pairs = |groups: &[i64]| -> Vec<(i64, i64)> {
            groups.iter().copied().zip(groups.iter().copied().skip(1)).collect()
        };
        let column = |(from, to): (i64, i64)| -> Vec<u64> {
            let cell = |(low, high): (i64, i64)| -> u64 {
                let of = |column: usize| {
                    let bins = inside(low, high, up.bins);
                    let start = column * up.bins;
                    self.counts.get(start + bins.start..start + bins.end).into_iter().flatten().sum::<u64>()
                };
                inside(from, to, across.bins).map(of).sum()
            };
            pairs(&lines).into_iter().map(cell).collect()
        };
        let counts: Vec<Vec<u64>> = pairs(&columns).into_iter().map(column).collect();
        let shown: u64 = counts.iter().flatten().sum();
        Density {
            r_edges_nats: edges(across, &columns),
            s_edges_nats: edges(up, &lines),
            counts,
            outside_rows: rows - shown,
        }
    }
}
