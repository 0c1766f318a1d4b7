//! A histogram of fine bins, from which quantiles and the coarser bins of a picture are derived.
//! Zero is always a bin edge, so that positive and negative values are never in one bin.

use super::numbers::{Distribution, Quantile};

/// Range of a fine scale around the mean, in standard deviations. Values outside are in the end bins.
const REACH: f64 = 12.0;
/// Minimum number of bins of a fine scale; the maximum is about ten times as many.
const FINE: f64 = 1000.0;
/// Approximate number of bins of a picture.
const SHOWN: f64 = 44.0;
/// Quantiles in a report.
const SHARES: [f64; 9] = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99];

/// A scale of equal bins that starts at `first · width`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct BinScale {
    pub(super) width: f64,
    first: i64,
    pub(super) bins: usize,
}

impl BinScale {
    /// A fine scale for values of this range, mean and standard deviation.
    pub(super) fn fine(min: f64, max: f64, mean: f64, deviation: f64) -> Self {
        let low = min.max(mean - REACH * deviation);
        let high = max.min(mean + REACH * deviation);
        // A constant: any width is valid.
        let range = if high > low { high - low } else { low.abs().max(1.0) };
        Self::over(low, high, 10f64.powf((range / FINE).log10().floor()))
    }

    /// A scale of at most `bins` bins, whose width is 1, 2 or 5 times a power of ten.
    pub(super) fn coarse(low: f64, high: f64, bins: f64) -> Self {
        let range = if high > low { high - low } else { low.abs().max(1.0) };
        Self::over(low, high, nice_above(range / bins))
    }

    fn over(low: f64, high: f64, width: f64) -> Self {
        let first = (low / width).floor() as i64;
        let last = (high / width).floor() as i64;
        Self { width, first, bins: usize::try_from(last - first).unwrap_or(0) + 1 }
    }

    /// A scale of the wider bins that covers both scales.
    pub(super) fn union(self, other: Self) -> Self {
        let wider = if self.width >= other.width { self } else { other };
        let (low, high) = (self.low().min(other.low()), self.high().max(other.high()));
        // Edges of the finer scale need not be edges of the other.
        let first = (low / wider.width + 1e-9).floor() as i64;
        let end = (high / wider.width - 1e-9).ceil() as i64;
        Self { width: wider.width, first, bins: usize::try_from(end - first).unwrap_or(0).max(1) }
    }

    /// The bin of a value; values outside the scale are in the end bins.
    #[inline]
    pub(super) fn bin(&self, value: f64) -> usize {
        let position = (value / self.width).floor() - self.first as f64;
        // A cast saturates: below zero to zero.
        (position as usize).min(self.bins - 1)
    }

    /// The bin of a value; `None` outside the scale.
    #[inline]
    pub(super) fn bin_within(&self, value: f64) -> Option<usize> {
        let position = (value / self.width).floor() - self.first as f64;
        (position >= 0.0 && position < self.bins as f64).then_some(position as usize)
    }

    /// The lower edge of a bin; for `bins`, the upper edge of the last.
    pub(super) fn edge(&self, bin: usize) -> f64 {
        (self.first + bin as i64) as f64 * self.width
    }

    fn low(&self) -> f64 {
        self.edge(0)
    }

    fn high(&self) -> f64 {
        self.edge(self.bins)
    }

    /// Groups of `size` bins that cover `low` to `high`, with zero at an edge: the first bin of each,
    /// and the end of the last. They may extend beyond the scale.
    pub(super) fn groups(&self, low: f64, high: f64, size: i64) -> Vec<i64> {
        let start = (low / self.width / size as f64).floor() as i64;
        let end = ((high / self.width / size as f64).ceil() as i64).max(start + 1);
        (start..=end).map(|group| group * size - self.first).collect()
    }

    /// The number of fine bins in each of about `shown` coarse bins between two values.
    pub(super) fn group_size(&self, low: f64, high: f64, shown: f64) -> i64 {
        let wanted = nice_above((high - low) / shown / self.width);
        (wanted.round() as i64).max(1)
    }
}

/// The least of 1, 2, 5, 10, 20, … and their decimal fractions that is not below `value`.
fn nice_above(value: f64) -> f64 {
    let power = 10f64.powf(value.max(f64::MIN_POSITIVE).log10().floor());
    let nice = [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| step * power >= value * (1.0 - 1e-9));
    nice.unwrap_or(10.0) * power
}

/// Rounds off the errors of floating-point sums.
pub(super) fn without_rounding_noise(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

/// Row counts over a fine scale.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    pub(super) scale: BinScale,
    counts: Vec<u64>,
    zeros: u64,
}

impl Histogram {
    pub(super) fn new(scale: BinScale) -> Self {
        Self { scale, counts: vec![0; scale.bins], zeros: 0 }
    }

    #[inline]
    pub(super) fn push(&mut self, value: f64) {
        if let Some(count) = self.counts.get_mut(self.scale.bin(value)) {
            *count += 1;
        }
        self.zeros += u64::from(value == 0.0);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.zeros += other.zeros;
    }

    fn rows(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The value below which a share of the rows lies, interpolated linearly within a bin; `None`
    /// without rows.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let rows = self.rows();
        let wanted = share * rows as f64;
        let mut before = 0.0;
        for (bin, &count) in self.counts.iter().enumerate() {
            let after = before + count as f64;
            if count > 0 && after >= wanted {
                let within = ((wanted - before) / count as f64).clamp(0.0, 1.0);
                return Some(self.scale.edge(bin) + within * self.scale.width);
            }
            before = after;
        }
        None
    }

    /// The range of a picture: the 1 % to the 99 % quantile.
    pub(super) fn central_range(&self) -> (f64, f64) {
        let low = self.quantile(0.01).unwrap_or(0.0);
        let high = self.quantile(0.99).unwrap_or(0.0);
        (low, high.max(low + self.scale.width))
    }

    /// The quantiles, and the bins of a picture from `low` to `high`.
    pub(super) fn distribution(&self, (low, high): (f64, f64)) -> Distribution {
        let size = self.scale.group_size(low, high, SHOWN);
        let groups = self.scale.groups(low, high, size);
        let (edges, counts) = (self.edges(&groups), self.grouped(&groups));
        let below: u64 = self.count_between(i64::MIN, groups.first().copied().unwrap_or(0));
        let above: u64 = self.count_between(groups.last().copied().unwrap_or(0), i64::MAX);
        let quantile = |share| Some(Quantile { share, nats: self.quantile(share)? });
        Distribution {
            quantiles: SHARES.into_iter().filter_map(quantile).collect(),
            resolution_nats: self.scale.width,
            rows: self.rows(),
            zero_rows: self.zeros,
            edges_nats: edges,
            counts,
            below_rows: below,
            above_rows: above,
        }
    }

    fn edges(&self, groups: &[i64]) -> Vec<f64> {
        groups
            .iter()
            .map(|bin| without_rounding_noise((self.scale.first + bin) as f64 * self.scale.width))
            .collect()
    }

    fn grouped(&self, groups: &[i64]) -> Vec<u64> {
        groups.iter().zip(groups.iter().skip(1)).map(|(&from, &to)| self.count_between(from, to)).collect()
    }

    fn count_between(&self, from: i64, to: i64) -> u64 {
        let clamp = |bin: i64| usize::try_from(bin.max(0)).unwrap_or(usize::MAX).min(self.counts.len());
        self.counts.get(clamp(from)..clamp(to)).into_iter().flatten().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(values: &[f64]) -> Histogram {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut histogram = Histogram::new(BinScale::fine(min, max, mean, deviation));
        values.iter().for_each(|&value| histogram.push(value));
        histogram
    }

    #[test]
    fn quantiles_are_exact_to_a_bin() {
        let values: Vec<f64> = (0..10_000).map(|i| f64::from(i) / 1000.0 - 3.0).collect();
        let histogram = filled(&values);
        assert!(histogram.scale.bins >= 1000, "{:?}", histogram.scale);
        for share in SHARES {
            let exact = share * 10.0 - 3.0;
            let found = histogram.quantile(share).unwrap();
            assert!((found - exact).abs() <= histogram.scale.width + 1e-3, "{share}: {found} for {exact}");
        }
    }

    #[test]
    fn zero_is_an_edge_and_every_row_is_somewhere() {
        let values: Vec<f64> = (0..1000).map(|i| (f64::from(i) * 0.7).sin() * 2.0 + 0.3).collect();
        let histogram = filled(&values);
        let shown = histogram.distribution(histogram.central_range());
        assert!(shown.edges_nats.contains(&0.0), "{:?}", shown.edges_nats);
        assert_eq!(shown.edges_nats.len(), shown.counts.len() + 1);
        let bin_within: u64 = shown.counts.iter().sum();
        assert_eq!(bin_within + shown.below_rows + shown.above_rows, 1000);
        for ((from, to), count) in
            shown.edges_nats.iter().zip(shown.edges_nats.iter().skip(1)).zip(&shown.counts)
        {
            // A value on an edge may fall to either side of it by rounding.
            let exact = values.iter().filter(|v| (*from..*to).contains(*v)).count() as u64;
            assert!(exact.abs_diff(*count) <= 1, "{from} to {to}: {count} for {exact}");
        }
    }

    #[test]
    fn a_constant_and_nothing_at_all() {
        let histogram = filled(&[0.0; 5]);
        let shown = histogram.distribution(histogram.central_range());
        assert_eq!((shown.zero_rows, shown.counts.iter().sum::<u64>()), (5, 5));
        let empty = Histogram::new(BinScale::fine(0.0, 0.0, 0.0, 0.0));
        assert_eq!(empty.quantile(0.5), None);
        assert!(empty.distribution(empty.central_range()).quantiles.is_empty());
    }

    #[test]
    fn outliers_do_not_coarsen_the_scale() {
        let mut values: Vec<f64> = (0..100_000).map(|i| f64::from(i % 100) / 100.0).collect();
        values.push(1e6);
        let histogram = filled(&values);
        // The outlier alone makes the deviation 3 162.
        assert!(histogram.scale.bins <= 10_001, "{:?}", histogram.scale);
        assert_eq!(histogram.rows(), 100_001);
    }

    #[test]
    fn two_scales_join() {
        let (a, b) = (BinScale::fine(0.0, 1.0, 0.5, 0.3), BinScale::fine(-5.0, 20.0, 1.0, 4.0));
        let joined = a.union(b);
        assert_eq!(joined.width, b.width);
        assert!(joined.edge(0) <= -5.0 && joined.edge(joined.bins) >= 20.0);
        assert_eq!(joined.bin(-100.0), 0);
        assert_eq!(joined.bin(1e300), joined.bins - 1);
    }
}
