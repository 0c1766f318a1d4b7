//! Differences and correlation of two values of the same rows.

use crate::bundle::Agreement;

/// How far the first of each pair is from the second; zero of no pairs.
pub(super) fn agreement(pairs: impl Iterator<Item = (f64, f64)>) -> Agreement {
    let pairs: Vec<(f64, f64)> = pairs.collect();
    let n = pairs.len().max(1) as f64;
    let mean = |value: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(value).sum::<f64>() / n;
    let (a, b) = (mean(&|pair| pair.0), mean(&|pair| pair.1));
    let variance = |own: &dyn Fn(&(f64, f64)) -> f64| mean(&|pair| own(pair) * own(pair));
    let both = variance(&|pair| pair.0 - a) * variance(&|pair| pair.1 - b);
    let covariance = mean(&|pair| (pair.0 - a) * (pair.1 - b));
    Agreement {
        mean_difference_nats: a - b,
        rmse_nats: variance(&|pair| pair.0 - pair.1).sqrt(),
        correlation: Some(covariance / both.sqrt()).filter(|correlation| correlation.is_finite()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_by_hand() {
        let found = agreement([(1.0, 0.0), (2.0, 2.0), (3.0, 4.0)].into_iter());
        assert!(found.mean_difference_nats.abs() < 1e-15, "{found:?}");
        assert!((found.rmse_nats - (2.0f64 / 3.0).sqrt()).abs() < 1e-15, "{found:?}");
        assert!((found.correlation.unwrap() - 1.0).abs() < 1e-15, "{found:?}");
        let constant = agreement([(1.0, 0.0), (1.0, 2.0)].into_iter());
        assert_eq!(constant.correlation, None);
        assert_eq!(agreement(std::iter::empty()).correlation, None);
    }
}
