//! Validation metrics: cross-entropy, accuracy and expected calibration error.

use crate::bundle::{CalibrationBin, ClassifierFigures};

use super::lanes::Real;
use super::softmax::log_sum_exp_rows;

/// Maximum loss of a cheaper density, in nats per dimension, however uncertain it is: a few far rows make
/// any difference uncertain.
pub(crate) const MOST_LOSS: f64 = 0.01;

/// The figures of log-probabilities `[n, C]`; those of the training are left at their defaults.
pub(crate) fn classifier_figures(log_prob: &[f64], y: &[u32], classes: usize) -> ClassifierFigures {
    let losses: Vec<f64> = losses(log_prob, y, classes).collect();
    let (mean, error) = mean_and_error(&losses);
    ClassifierFigures {
        cross_entropy_nats: mean,
        standard_error_nats: Some(error),
        accuracy: accuracy(log_prob, y, classes),
        calibration_error: calibration_error(log_prob, y, classes),
        calibration: calibration_curve(log_prob, y, classes),
        ..ClassifierFigures::default()
    }
}

/// The mean of some values and its standard error; NaN for none.
pub(crate) fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (square / (n - 1.0).max(1.0) / n).sqrt())
}

/// −ln p of each label under logits (or log-probabilities) `[n, C]`.
pub(crate) fn losses<T: Real + Into<f64>>(
    logits: &[T],
    y: &[u32],
    classes: usize,
) -> impl Iterator<Item = f64> {
    let mut totals = vec![T::ZERO; y.len()];
    log_sum_exp_rows(logits, classes, &mut totals);
    let rows = logits.chunks_exact(classes).zip(y).zip(totals);
    rows.map(|((row, &y), total)| total.into() - row[y as usize].into())
}

/// Mean −ln p of the labels under logits (or log-probabilities) `[n, C]`; NaN for no rows.
pub(crate) fn cross_entropy<T: Real + Into<f64>>(logits: &[T], y: &[u32], classes: usize) -> f64 {
    losses(logits, y, classes).sum::<f64>() / y.len() as f64
}

/// Share of rows with the largest entry at their label.
pub(crate) fn accuracy(log_prob: &[f64], y: &[u32], classes: usize) -> f64 {
    let right = log_prob.chunks_exact(classes).zip(y).filter(|(row, y)| top(row).0 == **y as usize);
    right.count() as f64 / y.len() as f64
}

/// Expected calibration error (Guo et al. 2017): the mean over rows of the gap between
/// confidence and accuracy in the row's bin, 15 bins of equal width.
pub(crate) fn calibration_error(log_prob: &[f64], y: &[u32], classes: usize) -> f64 {
    const BINS: usize = 15;
    let (mut confidence, mut right) = ([0.0; BINS], [0.0; BINS]);
    for (row, &y) in log_prob.chunks_exact(classes).zip(y) {
        let (class, log_p) = top(row);
        let p = log_p.exp();
        let bin = ((p * BINS as f64) as usize).min(BINS - 1);
        confidence[bin] += p;
        right[bin] += if class == y as usize { 1.0 } else { 0.0 };
    }
    let gaps =
        confidence.iter().zip(&right).map(|(confidence, right): (&f64, &f64)| (confidence - right).abs());
    gaps.sum::<f64>() / y.len() as f64
}

/// The calibration curve: ten bins of equally many rows, by the largest probability. Bins of equal width,
/// as of [`calibration_error`], would leave most points to a few rows, since most rows are certain.
pub(crate) fn calibration_curve(log_prob: &[f64], y: &[u32], classes: usize) -> Vec<CalibrationBin> {
    const BINS: usize = 10;
    let rows = log_prob.chunks_exact(classes).zip(y).map(|(row, &y)| {
        let (class, log_p) = top(row);
        (log_p.exp(), if class == y as usize { 1.0 } else { 0.0 })
    });
    let mut rows: Vec<(f64, f64)> = rows.collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let edge = |bin: usize| bin * rows.len() / BINS;
    let bins = (0..BINS).filter_map(|bin| rows.get(edge(bin)..edge(bin + 1)));
    bins.filter(|bin| !bin.is_empty())
        .map(|bin| {
            let (mut confidence, mut accuracy) = (0.0, 0.0);
            for (p, right) in bin {
                confidence += p;
                accuracy += right;
            }
            let n = bin.len() as f64;
            CalibrationBin { confidence: confidence / n, accuracy: accuracy / n, rows: bin.len() }
        })
        .collect()
}

fn top(row: &[f64]) -> (usize, f64) {
    let first = (0, f64::NEG_INFINITY);
    row.iter().copied().enumerate().fold(first, |best, entry| if entry.1 > best.1 { entry } else { best })
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;
    use crate::fit::random::{RandomStream, random_stream};

    #[test]
    fn figures_by_hand() {
        let log_prob: Vec<f64> =
            [0.9, 0.1, 0.9, 0.1, 0.4, 0.6, 0.4, 0.6].iter().map(|p: &f64| p.ln()).collect();
        let y = [0, 1, 1, 1];
        assert!((accuracy(&log_prob, &y, 2) - 0.75).abs() < 1e-12);
        let truth = -(0.9f64.ln() + 0.1f64.ln() + 2.0 * 0.6f64.ln()) / 4.0;
        assert!((cross_entropy(&log_prob, &y, 2) - truth).abs() < 1e-12);
        // Bin of 0.9: 1.8 expected, 1 right; bin of 0.6: 1.2 expected, 2 right.
        assert!((calibration_error(&log_prob, &y, 2) - (0.8 + 0.8) / 4.0).abs() < 1e-12);
        // Fewer rows than bins: one point a row, ascending.
        let curve = calibration_curve(&log_prob, &y, 2);
        let points: Vec<(f64, f64, usize)> =
            curve.iter().map(|bin| ((bin.confidence * 10.0).round(), bin.accuracy, bin.rows)).collect();
        assert_eq!(points, [(6.0, 1.0, 1), (6.0, 1.0, 1), (9.0, 1.0, 1), (9.0, 0.0, 1)]);
    }

    /// Labels drawn with the probabilities that the classifier gives, and with others.
    #[test]
    fn known_probabilities_lie_on_the_diagonal() {
        let mut rng = random_stream(1, RandomStream::Split);
        let (mut log_prob, mut y, mut bold) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..50_000 {
            let p: f64 = rng.random_range(0.02..0.98);
            y.push(u32::from(rng.random_bool(p)));
            log_prob.extend([(1.0 - p).ln(), p.ln()]);
            // Twice the log-odds: too certain.
            let total = p * p + (1.0 - p) * (1.0 - p);
            bold.extend([((1.0 - p).powi(2) / total).ln(), (p * p / total).ln()]);
        }
        let curve = calibration_curve(&log_prob, &y, 2);
        assert_eq!(curve.iter().map(|bin| bin.rows).collect::<Vec<_>>(), [5_000; 10]);
        for bin in &curve {
            let error = (bin.confidence * (1.0 - bin.confidence) / 5_000.0).sqrt();
            assert!((bin.accuracy - bin.confidence).abs() < 4.0 * error, "{bin:?}");
        }
        assert!(curve.windows(2).all(|pair| pair[0].confidence < pair[1].confidence), "{curve:?}");
        let middle = calibration_curve(&bold, &y, 2)[5];
        assert!(middle.accuracy < middle.confidence - 0.1, "{middle:?}");
    }
}
