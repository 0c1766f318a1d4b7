//! Mergeable moments: count, mean, variance and range of a column.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// Independent partial sums, for SIMD.
const LANES: usize = 8;

/// The first two moments and the range of a stream of finite numbers.
///
/// Partial moments merge into those of one pass over all values (Chan, Golub, LeVeque
/// 1979), to rounding, in any order and grouping. Serialised as [`MomentSummary`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    count: u64,
    mean: f64,
    /// Sum of squared deviations from the mean.
    m2: f64,
    min: f64,
    max: f64,
}

/// Summary statistics of a column; null where undefined for its count.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ColumnSummary")]
pub struct MomentSummary {
    /// Samples.
    pub count: u64,
    /// Arithmetic mean.
    pub mean: Option<f64>,
    /// Unbiased variance; null below two samples.
    pub variance: Option<f64>,
    /// Standard error of the mean; null below two samples.
    pub std_error: Option<f64>,
    /// Smallest value.
    pub min: Option<f64>,
    /// Largest value.
    pub max: Option<f64>,
}

impl Moments {
    /// Adds one value. It must be finite: a NaN makes the mean NaN permanently.
    pub fn push(&mut self, value: f64) {
        self.merge(&Self { count: 1, mean: value, m2: 0.0, min: value, max: value });
    }

    /// Adds a slice of f32 or f64, in two passes: the mean, then the deviations, which is
    /// exact where a running update drifts. Partial sums in lanes vectorise.
    pub fn push_slice<T: Copy + Into<f64>>(&mut self, values: &[T]) {
        if values.is_empty() {
            return;
        }
        let count = values.len() as f64;
        let (mut sums, mut mins, mut maxs) =
            ([0.0; LANES], [f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
        for lanes in values.chunks(LANES) {
            for (lane, &value) in lanes.iter().enumerate() {
                let value = value.into();
                sums[lane] += value;
                mins[lane] = if value < mins[lane] { value } else { mins[lane] };
                maxs[lane] = if value > maxs[lane] { value } else { maxs[lane] };
            }
        }
        let mean = sums.iter().sum::<f64>() / count;
        let (mut drifts, mut squares) = ([0.0; LANES], [0.0; LANES]);
        for lanes in values.chunks(LANES) {
            for (lane, &value) in lanes.iter().enumerate() {
                let deviation = value.into() - mean;
                drifts[lane] += deviation;
                squares[lane] += deviation * deviation;
            }
        }
        // The rounding error of the sum is visible in the deviations: correct both for it.
        let drift = drifts.iter().sum::<f64>();
        self.merge(&Self {
            count: values.len() as u64,
            mean: mean + drift / count,
            m2: squares.iter().sum::<f64>() - drift * drift / count,
            min: mins.into_iter().fold(f64::INFINITY, f64::min),
            max: maxs.into_iter().fold(f64::NEG_INFINITY, f64::max),
        });
    }

    /// Merges the moments of another part.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        let (n, m) = (self.count as f64, other.count as f64);
        let delta = other.mean - self.mean;
        self.count += other.count;
        self.mean += delta * (m / (n + m));
        self.m2 += other.m2 + delta * delta * (n * m / (n + m));
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Number of samples.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Arithmetic mean, where there is a sample.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// Unbiased variance, where there are two samples.
    pub fn variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.m2 / (self.count - 1) as f64)
    }

    /// Standard error of the mean, where there are two samples.
    pub fn std_error(&self) -> Option<f64> {
        self.variance().map(|variance| (variance / self.count as f64).sqrt())
    }

    /// Smallest value, where there is a sample.
    pub fn min(&self) -> Option<f64> {
        (self.count > 0).then_some(self.min)
    }

    /// Largest value, where there is a sample.
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }

    /// The same values, each with `shift` added.
    #[must_use]
    pub fn shifted(self, shift: f64) -> Self {
        if self.count == 0 {
            return self;
        }
        Self { mean: self.mean + shift, min: self.min + shift, max: self.max + shift, ..self }
    }

    /// The moments as a [`MomentSummary`].
    pub fn summary(&self) -> MomentSummary {
        MomentSummary {
            count: self.count,
            mean: self.mean(),
            variance: self.variance(),
            std_error: self.std_error(),
            min: self.min(),
            max: self.max(),
        }
    }

    /// The complete state: count, mean, sum of squared deviations, min, max. For a journal or
    /// the partial state of an aggregate.
    pub fn to_state(&self) -> [f64; 5] {
        [self.count as f64, self.mean, self.m2, self.min, self.max]
    }

    /// The inverse of [`Self::to_state`].
    pub fn from_state([count, mean, m2, min, max]: [f64; 5]) -> Self {
        Self { count: count as u64, mean, m2, min, max }
    }
}

impl From<&MomentSummary> for Moments {
    /// Reconstructs moments from a summary, to rounding, so that several files merge.
    fn from(summary: &MomentSummary) -> Self {
        let number = Option::unwrap_or_default;
        Self {
            count: summary.count,
            mean: number(summary.mean),
            m2: number(summary.variance) * summary.count.saturating_sub(1) as f64,
            min: number(summary.min),
            max: number(summary.max),
        }
    }
}

impl Serialize for Moments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.summary().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        moments.push_slice(values);
        moments
    }

    fn close(a: &Moments, b: &Moments, scale: f64) -> bool {
        a.count == b.count
            && (a.mean - b.mean).abs() <= 1e-12 * scale
            && (a.m2 - b.m2).abs() <= 1e-12 * scale * scale * a.count.max(1) as f64
            && (a.min, a.max) == (b.min, b.max)
    }

    fn values() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec(-1000.0..1000.0f64, 0..40)
    }

    proptest! {
        #[test]
        fn merging_is_associative_and_equals_one_pass(a in values(), b in values(), c in values()) {
            let (mut left, mut right) = (of(&a), of(&b));
            left.merge(&of(&b));
            left.merge(&of(&c));
            right.merge(&of(&c));
            let mut grouped = of(&a);
            grouped.merge(&right);
            prop_assert!(close(&left, &grouped, 1000.0));

            let mut one_by_one = Moments::default();
            a.iter().chain(&b).chain(&c).for_each(|&value| one_by_one.push(value));
            prop_assert!(close(&left, &one_by_one, 1000.0));
        }
    }

    #[test]
    fn small_numbers_by_hand() {
        let moments = of(&[1.0, 2.0, 6.0]);
        assert_eq!(moments.mean(), Some(3.0));
        assert_eq!(moments.variance(), Some(7.0));
        assert!((moments.std_error().unwrap() - (7.0f64 / 3.0).sqrt()).abs() < 1e-15);
        assert_eq!((moments.min(), moments.max()), (Some(1.0), Some(6.0)));
        assert_eq!(moments.shifted(10.0).mean(), Some(13.0));
        assert_eq!(moments.shifted(10.0).variance(), Some(7.0));
        assert_eq!(Moments::from_state(moments.to_state()), moments);
        assert_eq!(Moments::from(&moments.summary()), moments);
    }

    #[test]
    fn a_far_mean_costs_no_digits_of_the_variance() {
        let values: Vec<f64> = (0..1000).map(|i| 1e9 + f64::from(i % 2)).collect();
        let variance = of(&values).variance().unwrap();
        assert!((variance - 250.0 / 999.0).abs() < 1e-12, "{variance}");
    }

    #[test]
    fn empty_is_null_in_the_summary() {
        let empty = Moments::default();
        assert_eq!(empty.mean(), None);
        assert_eq!(
            serde_json::to_string(&empty).unwrap(),
            r#"{"count":0,"mean":null,"variance":null,"std_error":null,"min":null,"max":null}"#
        );
        let mut one = Moments::default();
        one.push(-2.0);
        assert_eq!((one.mean(), one.variance(), one.max()), (Some(-2.0), None, Some(-2.0)));
        let mut merged = one;
        merged.merge(&empty);
        assert_eq!(merged, one);
        assert_eq!((Moments::from(&empty.summary()), Moments::from(&one.summary())), (empty, one));
    }
}
