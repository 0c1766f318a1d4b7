//! The scales of a density, fitted out of fold: a covariance of the rows that it was fitted on is too
//! narrow for others, the more so the more dimensions it has, and real clusters have heavier tails
//! than Gaussians. The Gaussians stay as they are, and a few numbers that all components share are
//! fitted by expectation-maximisation on rows that the Gaussians have not seen.

use rayon::prelude::*;

use crate::bundle::{Mixture, Scales};

use super::density::gather;
use super::metrics::{MOST_LOSS, mean_and_error};
use super::scaling::Scaling;
use super::softmax::{log_sum_exp_rows, softmax_rows};
use super::split::Fold;
use super::training_set::EmbeddingMatrix;

/// Maximum number of scales.
const MOST_SCALES: usize = 3;
/// Nats per dimension that a scale has to gain: it costs K exponentials a row in every use.
const WORTH: f64 = 1e-4;
/// Maximum number of squares |z_k|² in the fit: an error of the scales of one part in a hundred
/// costs less than the rows' own noise.
const SQUARES: usize = 1 << 17;
const ITERATIONS: usize = 200;
/// Relative change of the scales that ends the iterations.
const SETTLED: f64 = 1e-4;
/// Range of the scales.
const LEAST: f64 = 0.05;
const GREATEST: f64 = 20.0;
/// Rows per task: fixed, so that sums do not depend on the number of threads.
const BLOCK: usize = 512;

/// Gives the densities their scales, each fold's fitted together on the rows outside its own training
/// rows; returns s_j, ascending.
///
/// Of one to three scales it takes the fewest that are not worse than the best by more than one standard
/// error of −ln p or what a scale is worth.
pub(super) fn fit(
    x: &EmbeddingMatrix<'_>,
    folds: &[Fold],
    main: &mut Mixture,
    of_folds: &mut [Mixture],
) -> Vec<f64> {
    let all: Vec<usize> = (0..x.len()).collect();
    if varying(x, &all) == 0.0 {
        return Vec::new();
    }
    let rows: usize = folds.iter().map(|fold| fold.held_out.len()).sum();
    let stride = (rows * main.components()).div_ceil(SQUARES).max(1);
    let of_fold = |(fold, mixture): (&Fold, &Mixture)| {
        let held_out: Vec<usize> = fold.held_out.iter().step_by(stride).copied().collect();
        Unseen::new(mixture, varying(x, &fold.train), &gather(x, &held_out))
    };
    let unseen: Vec<Unseen> = folds.iter().zip(&*of_folds).map(of_fold).collect();
    let mut tried: Vec<(ScaleWeights, Vec<f64>)> = Vec::new();
    for count in 1..=MOST_SCALES {
        let common = tried.first().and_then(|(one, _)| one.scales.first()).copied().unwrap_or(1.0);
        let fitted = expectation_maximisation(&unseen, ScaleWeights::around(common, count));
        let nats: Vec<f64> = unseen.iter().flat_map(|rows| rows.nats(&fitted)).collect();
        tried.push((fitted, nats));
    }
    let columns = unseen.iter().map(|rows| rows.columns).fold(0.0, f64::max);
    let Some(chosen) = fewest(tried, [WORTH * columns, MOST_LOSS * columns]) else { return Vec::new() };
    chosen.apply(main, &Scaling::measure(x, &all));
    for (mixture, fold) in of_folds.iter_mut().zip(folds) {
        chosen.apply(mixture, &Scaling::measure(x, &fold.train));
    }
    chosen.ascending()
}

/// Of candidates in ascending order of cost, the first that is not worse than the best beyond doubt:
/// by one standard error, within the given range.
fn fewest(tried: Vec<(ScaleWeights, Vec<f64>)>, [least_loss, most_loss]: [f64; 2]) -> Option<ScaleWeights> {
    let finite = |nats: &[f64]| nats.iter().all(|value| value.is_finite());
    let tried: Vec<_> = tried.into_iter().filter(|(_, nats)| finite(nats)).collect();
    let mean = |nats: &[f64]| mean_and_error(nats).0;
    let least = tried.iter().map(|(_, nats)| nats).min_by(|a, b| mean(a).total_cmp(&mean(b)))?.clone();
    let good_enough = |nats: &[f64]| {
        let (loss, error) =
            mean_and_error(&nats.iter().zip(&least).map(|(own, least)| own - least).collect::<Vec<_>>());
        loss <= error.clamp(least_loss, most_loss)
    };
    tried.into_iter().find(|(_, nats)| good_enough(nats)).map(|(candidate, _)| candidate)
}

/// The number of columns that vary in some rows.
fn varying(x: &EmbeddingMatrix<'_>, rows: &[usize]) -> f64 {
    Scaling::measure(x, rows).varying().len() as f64
}

/// π_j and s_j.
#[derive(Debug, Clone)]
struct ScaleWeights {
    log_weights: Vec<f64>,
    scales: Vec<f64>,
}

impl ScaleWeights {
    /// Equal weights, at scales spread about one.
    fn around(common: f64, count: usize) -> Self {
        let spread: &[f64] = match count {
            1 => &[1.0],
            2 => &[0.85, 1.25],
            _ => &[0.75, 1.0, 1.4],
        };
        let log_weights = vec![-(spread.len() as f64).ln(); spread.len()];
        Self { log_weights, scales: spread.iter().map(|scale| scale * common).collect() }
    }

    /// Gives a density the scales. A single one becomes part of its factors.
    fn apply(&self, mixture: &mut Mixture, scaling: &Scaling) {
        let [scale] = self.scales[..] else {
            mixture.scales = self.of_columns(scaling.varying().len() as f64);
            return;
        };
        let rows = mixture.factors.chunks_exact_mut(mixture.dim).zip(scaling.constant.iter().cycle());
        for (row, _) in rows.filter(|(_, constant)| !**constant) {
            row.iter_mut().for_each(|value| *value /= scale);
        }
    }

    /// For a density of so many varying columns.
    fn of_columns(&self, columns: f64) -> Scales {
        let amplitude = |(weight, scale): (&f64, &f64)| weight - columns * scale.ln();
        Scales {
            log_amplitudes: self.log_weights.iter().zip(&self.scales).map(amplitude).collect(),
            precisions: self.scales.iter().map(|scale| scale.powi(-2)).collect(),
        }
    }

    fn ascending(&self) -> Vec<f64> {
        let mut scales = self.scales.clone();
        scales.sort_by(f64::total_cmp);
        scales
    }
}

/// Rows that a density has not seen.
struct Unseen {
    /// The term of p(x) at the mean of every component, length K.
    constants: Vec<f64>,
    /// −|z_k|²/2, `[n, K]`.
    exponents: Vec<f64>,
    /// d'.
    columns: f64,
}

/// What a step of expectation-maximisation sums up for each scale.
#[derive(Clone)]
struct Sums {
    /// Σ γ.
    rows: Vec<f64>,
    /// Σ γ |z|².
    squares: Vec<f64>,
    /// Σ γ d'.
    columns: Vec<f64>,
}

impl Unseen {
    fn new(mixture: &Mixture, columns: f64, x: &[f32]) -> Self {
        let x: Vec<f64> = x.iter().map(|&value| f64::from(value)).collect();
        let constants = mixture.log_constants();
        let mut exponents = mixture.log_joint(&x);
        for row in exponents.chunks_exact_mut(constants.len()) {
            row.iter_mut().zip(&constants).for_each(|(value, constant)| *value -= constant);
        }
        Self { constants, exponents, columns }
    }

    /// ln of the terms of p(x) of some rows, `[n, K·J]`.
    fn terms(&self, exponents: &[f64], scales: &Scales) -> Vec<f64> {
        let rows = exponents.chunks_exact(self.constants.len());
        let components = rows.flat_map(|row| row.iter().zip(&self.constants));
        components
            .flat_map(|(exponent, constant)| scales.iter().map(move |(a, p)| constant + a + p * exponent))
            .collect()
    }

    /// −ln p(x) of every row.
    fn nats(&self, candidate: &ScaleWeights) -> Vec<f64> {
        let scales = candidate.of_columns(self.columns);
        let width = self.constants.len() * candidate.scales.len();
        let mut nats = vec![0.0; self.exponents.len() / self.constants.len()];
        log_sum_exp_rows(&self.terms(&self.exponents, &scales), width, &mut nats);
        nats.iter_mut().for_each(|value| *value = -*value);
        nats
    }

    /// The sums of the rows.
    fn sums(&self, candidate: &ScaleWeights) -> Sums {
        let scales = candidate.of_columns(self.columns);
        let (components, count) = (self.constants.len(), candidate.scales.len());
        let blocks = self.exponents.par_chunks(BLOCK * components).map(|exponents| {
            let mut shares = self.terms(exponents, &scales);
            softmax_rows(&mut shares, components * count);
            let mut sums = Sums::new(count);
            for (shares, exponent) in shares.chunks_exact(count).zip(exponents) {
                for (scale, share) in shares.iter().enumerate() {
                    sums.rows[scale] += share;
                    sums.squares[scale] -= 2.0 * share * exponent;
                    sums.columns[scale] += share * self.columns;
                }
            }
            sums
        });
        blocks.collect::<Vec<_>>().iter().fold(Sums::new(count), Sums::plus)
    }
}

impl Sums {
    fn new(count: usize) -> Self {
        Self { rows: vec![0.0; count], squares: vec![0.0; count], columns: vec![0.0; count] }
    }

    fn plus(mut self, other: &Self) -> Self {
        let add = |to: &mut [f64], from: &[f64]| to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        add(&mut self.rows, &other.rows);
        add(&mut self.squares, &other.squares);
        add(&mut self.columns, &other.columns);
        self
    }

    /// The scales and weights of greatest likelihood, with additive smoothing by one row.
    fn maximise(&self) -> ScaleWeights {
        let total: f64 = self.rows.iter().sum::<f64>() + self.rows.len() as f64;
        let scale = |(square, columns): (&f64, &f64)| {
            (square / columns.max(f64::MIN_POSITIVE)).sqrt().clamp(LEAST, GREATEST)
        };
        ScaleWeights {
            log_weights: self.rows.iter().map(|rows| ((rows + 1.0) / total).ln()).collect(),
            scales: self.squares.iter().zip(&self.columns).map(scale).collect(),
        }
    }
}

fn expectation_maximisation(unseen: &[Unseen], mut candidate: ScaleWeights) -> ScaleWeights {
    let none = Sums::new(candidate.scales.len());
    for _ in 0..ITERATIONS {
        let sums: Sums =
            unseen.iter().map(|rows| rows.sums(&candidate)).fold(none.clone(), |a, b| a.plus(&b));
        let next = sums.maximise();
        let settled =
            next.scales.iter().zip(&candidate.scales).all(|(new, old)| (new / old - 1.0).abs() < SETTLED);
        candidate = next;
        if settled {
            break;
        }
    }
    candidate
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    /// A standard normal density in `d` dimensions.
    fn standard(d: usize) -> Mixture {
        Mixture {
            dim: d,
            log_weights: vec![0.0],
            means: vec![0.0; d],
            factors: (0..d * d).map(|i| f64::from(u8::from(i % (d + 1) == 0))).collect(),
            center: vec![0.0; d],
            scales: Scales::default(),
        }
    }

    /// Rows at the given scales in turn.
    fn rows(n: usize, d: usize, scales: &[f64]) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let normal = |rng: &mut ChaCha8Rng| -> f64 { StandardNormal.sample(rng) };
        (0..n * d).map(|i| (scales[i / d % scales.len()] * normal(&mut rng)) as f32).collect()
    }

    fn two_folds(n: usize) -> Vec<Fold> {
        let half = |odd: usize| -> Vec<usize> { (0..n).filter(|row| row % 4 / 2 == odd).collect() };
        vec![Fold { train: half(0), held_out: half(1) }, Fold { train: half(1), held_out: half(0) }]
    }

    fn fitted(n: usize, d: usize, scales: &[f64]) -> (Vec<f64>, Mixture) {
        let values = rows(n, d, scales);
        let x = EmbeddingMatrix { column: "x", dim: d, values: &values };
        let (mut main, mut of_folds) = (standard(d), vec![standard(d), standard(d)]);
        let found = fit(&x, &two_folds(n), &mut main, &mut of_folds);
        (found, main)
    }

    #[test]
    fn a_covariance_that_is_too_narrow_gets_one_wider_scale() {
        let (found, _) = fitted(4_000, 8, &[1.3]);
        assert!(found.len() == 1 && (found[0] - 1.3).abs() < 0.02, "{found:?}");
    }

    #[test]
    fn two_scales_are_found_and_give_the_exact_density() {
        let (found, mixture) = fitted(8_000, 8, &[0.7, 1.8]);
        assert!((found[0] - 0.7).abs() < 0.02 && (found[1] - 1.8).abs() < 0.04, "{found:?}");
        let fresh = rows(500, 8, &[0.7, 1.8]);
        for (x, h) in fresh.chunks_exact(8).zip(mixture.specificity(&fresh)) {
            let square: f64 = x.iter().map(|&v| f64::from(v).powi(2)).sum();
            let at = |s: f64| {
                0.5 * (-square / (2.0 * s * s)).exp() / (s * (2.0 * std::f64::consts::PI).sqrt()).powi(8)
            };
            let truth = -(at(0.7) + at(1.8)).ln();
            assert!((h - truth).abs() < 0.02 * truth.abs().max(5.0), "{h} {truth}");
        }
    }

    #[test]
    fn a_density_integrates_to_one() {
        let (_, mixture) = fitted(2_000, 1, &[0.5, 2.0]);
        let step = 0.01;
        let grid: Vec<f32> = (-2_000..2_000).map(|i| (f64::from(i) * step) as f32).collect();
        let total: f64 = mixture.specificity(&grid).iter().map(|h| (-h).exp() * step).sum();
        assert!((total - 1.0).abs() < 1e-3, "{total}");
    }
}
