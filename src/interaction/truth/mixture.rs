//! The formula behind every generator: class-conditional densities, known up to a factor
//! common to all classes, give i and the log density of the mixture.

use std::f64::consts::PI;

use super::prior::Prior;

/// ln(2π).
pub(super) fn ln_2pi() -> f64 {
    (2.0 * PI).ln()
}

/// Given `score(k)` = ln p(x|k) − base for each class k, with a base that is the same
/// for all, returns i = ln p(x|y) − ln p(x) and ln p(x) − base. In nats.
pub(super) fn evidence(prior: &Prior, y: usize, score: impl Fn(usize) -> f64) -> (f64, f64) {
    let mixture = log_sum_exp(prior.log().iter().enumerate().map(|(k, log_p)| log_p + score(k)));
    (score(y) - mixture, mixture)
}

/// ln Σ exp(term), with the largest term subtracted first.
pub(super) fn log_sum_exp(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = terms.clone().fold(f64::NEG_INFINITY, f64::max);
    if !largest.is_finite() {
        return largest;
    }
    largest + terms.map(|term| (term - largest).exp()).sum::<f64>().ln()
}

/// −ln of the isotropic Gaussian N(x; 0, variance·I), without the mean: the base that
/// classes with means μ_k share, whose score is then (x·μ_k − |μ_k|²/2)/variance.
pub(super) fn isotropic(dim: usize, square: f64, variance: f64) -> f64 {
    0.5 * (dim as f64 * (ln_2pi() + variance.ln()) + square / variance)
}

/// (i, h) of a modality that is N(e_y, variance·I) given y, each e_k a unit vector: the
/// −|e_k|²/(2·variance) is the same for all classes, so it goes into the base.
pub(super) fn corners<T: Copy + Into<f64>>(prior: &Prior, x: &[T], y: usize, variance: f64) -> (f64, f64) {
    let (i, mixture) = evidence(prior, y, |k| x[k].into() / variance);
    (i, isotropic(x.len(), square(x) + 1.0, variance) - mixture)
}

/// |x|².
pub(super) fn square<T: Copy + Into<f64>>(x: &[T]) -> f64 {
    x.iter()
        .map(|&x| {
            let x: f64 = x.into();
            x * x
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_sum_exp_survives_large_terms() {
        let sum = |terms: &[f64]| log_sum_exp(terms.iter().copied());
        assert!((sum(&[0.0, 0.0]) - 2f64.ln()).abs() < 1e-15);
        assert!((sum(&[-5000.0, -5000.0, -9000.0]) + 5000.0 - 2f64.ln()).abs() < 1e-12);
        assert!((sum(&[5000.0, 4999.0]) - 5000.0 - (1.0 + (-1f64).exp()).ln()).abs() < 1e-12);
        assert_eq!(sum(&[f64::NEG_INFINITY, f64::NEG_INFINITY]), f64::NEG_INFINITY);
    }

    #[test]
    fn evidence_of_scores_that_do_not_differ_is_none() {
        let prior = Prior::new(vec![0.7, 0.2, 0.1]).unwrap();
        let (i, mixture) = evidence(&prior, 2, |_| -3.0);
        assert!(i.abs() < 1e-15 && (mixture + 3.0).abs() < 1e-15);
    }

    #[test]
    fn evidence_is_bayes() {
        let prior = Prior::new(vec![0.75, 0.25]).unwrap();
        let (i, mixture) = evidence(&prior, 0, |k| [0.5f64, 0.1][k].ln());
        let p: f64 = 0.75 * 0.5 + 0.25 * 0.1;
        assert!((i - (0.5 / p).ln()).abs() < 1e-15 && (mixture - p.ln()).abs() < 1e-15);
    }
}
