//! The density of one modality: a mixture of Gaussians fitted by expectation and
//! maximisation, with every component's covariance shrunk to the pooled one. How many
//! components and how much shrinkage is chosen on rows held out from the fit.
//!
//! Inputs here are standardised and hold varying columns only; [`to_raw_units`] folds
//! the standardisation into the result.

use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::triangular_inverse::invert_lower_triangular;
use faer::{Accum, Mat, MatRef, Par, Side};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::covariance::shrink;
use super::evaluate::log_softmax;
use super::kmeans;
use super::scaling::Scaling;
use crate::bundle::Mixture;
use crate::error::{Error, Result};

/// Numbers of components that are tried, ascending.
pub(crate) const COMPONENTS: [usize; 5] = [1, 2, 3, 5, 10];
/// Strengths of shrinkage ν that are tried, in rows' worth, from the strongest on.
pub(crate) const SHRINKAGE: [f64; 4] = [f64::INFINITY, 300.0, 30.0, 3.0];
/// Rows a component must have on average to be worth trying.
const ROWS_PER_COMPONENT: usize = 20;
const ITERATIONS: usize = 200;
const PATIENCE: usize = 4;
/// Nats of held-out −ln p, per dimension, that count as progress.
const PROGRESS: f64 = 1e-5;
/// Dimensions up to which the pooled covariance is shrunk anew in every iteration; above,
/// where its eigenvalues cost more than the iteration, in iterations 0, 1, 3, 7, 15, ….
const CHEAP_EIGENVALUES: usize = 128;
/// Dimensions up to which several copies of all covariances fit in memory.
const CHEAP_COPIES: usize = 512;

/// A mixture that was fitted, and what it was chosen by.
#[derive(Debug, Clone)]
pub(crate) struct Fitted {
    /// The mixture, in the units it was fitted in.
    pub mixture: Mixture,
    /// ν.
    pub shrinkage: f64,
    /// Iterations to the best held-out value.
    pub iterations: usize,
    /// Mean −ln p on the held-out rows, in the units it was fitted in.
    pub held_out_nats: f64,
}

/// Rows of standardised, varying columns, row-major.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// `[n, d]`.
    pub values: &'a [f64],
    /// d, at least 1.
    pub dim: usize,
}

impl Rows<'_> {
    fn len(&self) -> usize {
        self.values.len() / self.dim
    }
}

/// Searches the number of components and the shrinkage by mean −ln p on `held_out`.
///
/// For each number of components a k-means start is fitted with one shared covariance,
/// and from there with weaker and weaker shrinkage, until that gains nothing; the search
/// ends when two numbers of components in a row gained nothing. `seen` is told of each
/// fit; an error of `check`, which every iteration asks, ends the search.
pub(crate) fn search(
    train: Rows<'_>,
    held_out: Rows<'_>,
    rng: &mut ChaCha8Rng,
    check: &dyn Fn() -> Result<()>,
    seen: &mut dyn FnMut(&Fitted),
) -> Result<Fitted> {
    let mut best: Option<Fitted> = None;
    let mut without_gain = 0;
    for k in COMPONENTS {
        if k > 1 && train.len() < k * ROWS_PER_COMPONENT || without_gain == 2 {
            break;
        }
        let clusters = kmeans::cluster(train.values, train.dim, k, rng);
        let mut start = Start::Shares(one_hot(&clusters, k));
        let mut last = f64::INFINITY;
        without_gain += 1;
        for shrinkage in SHRINKAGE {
            let fitted = expectation_maximisation(train, held_out, start, shrinkage, check)?;
            seen(&fitted);
            let nats = fitted.held_out_nats;
            if best.as_ref().is_none_or(|best| nats < best.held_out_nats - PROGRESS * train.dim as f64) {
                best = Some(fitted.clone());
                without_gain = 0;
            }
            if nats > last {
                break;
            }
            last = nats;
            start = Start::Mixture(fitted.mixture);
        }
    }
    match best {
        Some(best) if best.held_out_nats.is_finite() => Ok(best),
        _ => Err(Error::Internal("no density could be fitted: −ln p is not finite".into())),
    }
}

/// Fits as `fitted` was, to other rows: `steps` steps from each row's shares `[n, K]`.
pub(crate) fn refit(fitted: &Fitted, rows: Rows<'_>, mut shares: Vec<f64>, steps: usize) -> Result<Mixture> {
    let k = fitted.mixture.components();
    let step = |shares: &[f64]| {
        let (stats, pooled) = statistics(rows, shares, k);
        maximise(&stats, &shrink_pooled(&pooled, rows.len(), k)?, fitted.shrinkage)
    };
    let mut mixture = step(&shares)?;
    for _ in 1..steps {
        shares = self::shares(&mixture, rows.values);
        mixture = step(&shares)?;
    }
    Ok(mixture)
}

/// The start of gradient descent: k-means, and one step with the pooled covariance for
/// every component. The number of components is chosen by the start's held-out −ln p.
pub(crate) fn start(train: Rows<'_>, held_out: Rows<'_>, rng: &mut ChaCha8Rng) -> Result<Fitted> {
    let mut best: Option<Fitted> = None;
    for k in COMPONENTS {
        if k > 1 && train.len() < k * ROWS_PER_COMPONENT {
            break;
        }
        let shares = one_hot(&kmeans::cluster(train.values, train.dim, k, rng), k);
        let (stats, pooled) = statistics(train, &shares, k);
        let shrinkage = f64::INFINITY;
        let mixture = maximise(&stats, &shrink_pooled(&pooled, train.len(), k)?, shrinkage)?;
        let held_out_nats = mean_nats(&mixture, held_out);
        if best.as_ref().is_none_or(|best| held_out_nats < best.held_out_nats - PROGRESS * train.dim as f64) {
            best = Some(Fitted { mixture, shrinkage, iterations: 0, held_out_nats });
        }
    }
    best.ok_or_else(|| Error::Internal("no start for a density".into()))
}

/// Folds the standardisation into a mixture over the varying columns: z is unchanged,
/// A_k and μ_k are in the units of x, and constant columns are back.
pub(crate) fn to_raw_units(mixture: &Mixture, scaling: &Scaling) -> Mixture {
    let dim = scaling.mean.len();
    let varying = scaling.varying();
    // |z|²/2 is 0 on the constant, so this diagonal adds ln √(2π) − ½ ln 2π = 0 nats.
    let neutral = (2.0 * std::f64::consts::PI).sqrt();
    let mut raw = Mixture {
        dim,
        log_weights: mixture.log_weights.clone(),
        means: Vec::with_capacity(mixture.components() * dim),
        factors: vec![0.0; mixture.components() * dim * dim],
        center: scaling.mean.clone(),
    };
    for component in 0..mixture.components() {
        let mut mean = scaling.mean.clone();
        for (i, &column) in varying.iter().enumerate() {
            mean[column] += scaling.scale[column] * mixture.means[component * mixture.dim + i];
        }
        raw.means.extend(mean);
        let factor = mixture.factor(component);
        let out = &mut raw.factors[component * dim * dim..][..dim * dim];
        for column in (0..dim).filter(|&column| scaling.constant[column]) {
            out[column * dim + column] = neutral;
        }
        for (i, &row) in varying.iter().enumerate() {
            for (j, &column) in varying.iter().enumerate().take(i + 1) {
                out[row * dim + column] = factor[(i, j)] / scaling.scale[column];
            }
        }
    }
    raw
}

/// Mean −ln p of rows.
pub(crate) fn mean_nats(mixture: &Mixture, rows: Rows<'_>) -> f64 {
    mixture.specificity_f64(rows.values).iter().sum::<f64>() / rows.len().max(1) as f64
}

/// What a maximisation step needs of one component.
struct Component {
    /// N_k, the sum of its shares.
    count: f64,
    /// μ_k.
    mean: Vec<f64>,
    /// S_k = Σ γ (x − μ)(x − μ)ᵀ, lower half.
    scatter: Mat<f64>,
}

/// Where expectation and maximisation start.
enum Start {
    /// From each row's shares in the components.
    Shares(Vec<f64>),
    /// From a mixture.
    Mixture(Mixture),
}

fn expectation_maximisation(
    train: Rows<'_>,
    held_out: Rows<'_>,
    start: Start,
    shrinkage: f64,
    check: &dyn Fn() -> Result<()>,
) -> Result<Fitted> {
    let mut shares = match start {
        Start::Shares(shares) => shares,
        Start::Mixture(mixture) => self::shares(&mixture, train.values),
    };
    let k = shares.len() / train.len();
    // One shared covariance needs the scatter of all rows only once.
    let whole = shrinkage.is_infinite().then(|| statistics(train, &vec![1.0; train.len()], 1));
    let whole = whole.and_then(|(mut stats, _)| stats.pop());
    // In many dimensions a step costs seconds, and own covariances gain at once or not at all.
    let patience = if whole.is_some() || train.dim <= CHEAP_EIGENVALUES { PATIENCE } else { 1 };
    let mut best: Option<Fitted> = None;
    let mut pooled = None;
    let mut since_best = 0;
    for iteration in 0..ITERATIONS {
        check()?;
        let (stats, scatter) = match &whole {
            Some(whole) => between(whole, train, &shares, k),
            None => statistics(train, &shares, k),
        };
        let shrunk = match pooled.take() {
            Some(kept) if train.dim > CHEAP_EIGENVALUES && !(iteration + 1).is_power_of_two() => kept,
            _ => shrink_pooled(&scatter, train.len(), k)?,
        };
        let mixture = maximise(&stats, &shrunk, shrinkage)?;
        pooled = Some(shrunk);
        let held_out_nats = mean_nats(&mixture, held_out);
        let gain = best.as_ref().map_or(f64::INFINITY, |best| best.held_out_nats - held_out_nats);
        since_best = if gain > PROGRESS * train.dim as f64 { 0 } else { since_best + 1 };
        // One component is done after one step.
        let done = k == 1 || since_best >= patience;
        if !done {
            shares = match &whole {
                Some(_) => shares_of_shared(&mixture, train),
                None => self::shares(&mixture, train.values),
            };
        }
        if gain > 0.0 {
            best = Some(Fitted { mixture, shrinkage, iterations: iteration + 1, held_out_nats });
        }
        if done {
            break;
        }
    }
    best.ok_or_else(|| Error::Internal("a density's −ln p is not a number".into()))
}

/// Each row's share in each component, `[n, K]`.
pub(crate) fn shares(mixture: &Mixture, rows: &[f64]) -> Vec<f64> {
    let mut shares = mixture.log_joint(rows);
    shares.chunks_exact_mut(mixture.components()).for_each(|row| {
        log_softmax(row);
        row.iter_mut().for_each(|share| *share = share.exp());
    });
    shares
}

/// [`shares`] where all factors are the same A: the quadratic terms cancel, and what is
/// left is linear in x, so that no product with A is needed.
fn shares_of_shared(mixture: &Mixture, rows: Rows<'_>) -> Vec<f64> {
    let (d, k) = (rows.dim, mixture.components());
    let factor = mixture.factor(0);
    let z = factor * MatRef::from_column_major_slice(&mixture.means, d, k);
    let slopes = factor.transpose() * &z;
    let offsets: Vec<f64> =
        (0..k).map(|c| mixture.log_weights[c] - 0.5 * z.col(c).squared_norm_l2()).collect();
    let slopes: Vec<f64> = (0..k).flat_map(|c| slopes.col(c).iter().copied()).collect();
    let mut shares = vec![0.0; rows.len() * k];
    shares.par_chunks_exact_mut(k).zip(rows.values.par_chunks_exact(d)).for_each(|(shares, x)| {
        for ((share, slope), offset) in shares.iter_mut().zip(slopes.chunks_exact(d)).zip(&offsets) {
            *share = offset + x.iter().zip(slope).map(|(x, slope)| x * slope).sum::<f64>();
        }
        log_softmax(shares);
        shares.iter_mut().for_each(|share| *share = share.exp());
    });
    shares
}

/// What [`statistics`] gives, without the components' own scatters: the pooled one is the
/// whole scatter less that between the means.
fn between(whole: &Component, rows: Rows<'_>, shares: &[f64], k: usize) -> (Vec<Component>, Mat<f64>) {
    let d = rows.dim;
    let (counts, means) = counts_and_means(rows, shares, k);
    let offsets = Mat::from_fn(d, k, |j, c| counts[c].sqrt() * (means[c * d + j] - whole.mean[j]));
    let mut pooled = whole.scatter.clone();
    triangular::matmul(
        &mut pooled,
        BlockStructure::TriangularLower,
        Accum::Add,
        &offsets,
        BlockStructure::Rectangular,
        offsets.transpose(),
        BlockStructure::Rectangular,
        -1.0,
        Par::Seq,
    );
    let components = counts.into_iter().zip(means.chunks_exact(d));
    let components = components
        .map(|(count, mean)| Component { count, mean: mean.to_vec(), scatter: Mat::zeros(0, 0) })
        .collect();
    (components, pooled)
}

/// N_k and μ_k, `[K, d]`.
fn counts_and_means(rows: Rows<'_>, shares: &[f64], k: usize) -> (Vec<f64>, Vec<f64>) {
    let d = rows.dim;
    let mut counts = vec![0.0; k];
    let mut means = vec![0.0; k * d];
    for (row, shares) in rows.values.chunks_exact(d).zip(shares.chunks_exact(k)) {
        for (component, &share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            counts[component] += share;
            means[component * d..][..d].iter_mut().zip(row).for_each(|(mean, x)| *mean += share * x);
        }
    }
    for (mean, count) in means.chunks_exact_mut(d).zip(&counts) {
        mean.iter_mut().for_each(|mean| *mean /= count.max(1e-12));
    }
    (counts, means)
}

/// Counts, means and scatters of all components, and the sum of the scatters.
fn statistics(rows: Rows<'_>, shares: &[f64], k: usize) -> (Vec<Component>, Mat<f64>) {
    let d = rows.dim;
    let (counts, means) = counts_and_means(rows, shares, k);
    // A fixed number of lanes, so that sums don't depend on the number of threads.
    let (lanes, par) = if d <= CHEAP_COPIES { (8, Par::Seq) } else { (1, Par::rayon(0)) };
    let lane_rows = rows.len().div_ceil(lanes).max(1);
    let jobs: Vec<(usize, usize)> = (0..k).flat_map(|c| (0..lanes).map(move |lane| (c, lane))).collect();
    let parts: Vec<Mat<f64>> = jobs
        .into_par_iter()
        .map(|(component, lane)| {
            let from = (lane * lane_rows).min(rows.len());
            let to = (from + lane_rows).min(rows.len());
            let part = Rows { values: &rows.values[from * d..to * d], dim: d };
            let shares = shares[from * k..to * k].iter().skip(component).step_by(k);
            scatter(part, shares.copied(), &means[component * d..][..d], par)
        })
        .collect();
    let mut pooled = Mat::zeros(d, d);
    let mut parts = parts.into_iter();
    let components = counts
        .into_iter()
        .zip(means.chunks_exact(d))
        .map(|(count, mean)| {
            let mut scatter = Mat::zeros(d, d);
            parts.by_ref().take(lanes).for_each(|part| scatter += part);
            pooled += &scatter;
            Component { count, mean: mean.to_vec(), scatter }
        })
        .collect();
    (components, pooled)
}

/// Σ γ (x − μ)(x − μ)ᵀ, lower half, over the rows that have a share.
fn scatter(rows: Rows<'_>, shares: impl Iterator<Item = f64>, mean: &[f64], par: Par) -> Mat<f64> {
    const BLOCK: usize = 512;
    let d = rows.dim;
    let mut out = Mat::zeros(d, d);
    let mut block: Vec<f64> = Vec::with_capacity(BLOCK * d);
    let mut add = |block: &mut Vec<f64>| {
        let columns = MatRef::from_column_major_slice(block.as_slice(), d, block.len() / d);
        triangular::matmul(
            &mut out,
            BlockStructure::TriangularLower,
            Accum::Add,
            columns,
            BlockStructure::Rectangular,
            columns.transpose(),
            BlockStructure::Rectangular,
            1.0,
            par,
        );
        block.clear();
    };
    for (row, share) in rows.values.chunks_exact(d).zip(shares) {
        // Rows far from a component add nothing to it: most, in many dimensions.
        if share > 1e-10 {
            let root = share.sqrt();
            block.extend(row.iter().zip(mean).map(|(x, mean)| root * (x - mean)));
            if block.len() == BLOCK * d {
                add(&mut block);
            }
        }
    }
    add(&mut block);
    out
}

/// P: the pooled within-component covariance, shrunk.
fn shrink_pooled(scatter: &Mat<f64>, rows: usize, k: usize) -> Result<Mat<f64>> {
    let covariance = scatter * faer::Scale(1.0 / rows as f64);
    shrink(covariance.as_ref(), rows.saturating_sub(k).max(1) as f64)
}

/// The mixture of Σ_k = (S_k + νP)/(N_k + ν); P for every component where ν is infinite.
fn maximise(components: &[Component], pooled: &Mat<f64>, shrinkage: f64) -> Result<Mixture> {
    let d = pooled.nrows();
    let k = components.len() as f64;
    let rows: f64 = components.iter().map(|component| component.count).sum();
    let shared = if shrinkage.is_infinite() { Some(inverse_factor(pooled)?) } else { None };
    let factors: Vec<Vec<f64>> = components
        .par_iter()
        .map(|component| match &shared {
            Some(factor) => Ok(factor.clone()),
            None => {
                let weight = 1.0 / (component.count + shrinkage);
                inverse_factor(&Mat::from_fn(d, d, |i, j| {
                    if i >= j {
                        weight * (component.scatter[(i, j)] + shrinkage * pooled[(i, j)])
                    } else {
                        0.0
                    }
                }))
            }
        })
        .collect::<Result<_>>()?;
    Ok(Mixture {
        dim: d,
        // One row more for each, so that a component that lost its rows has a weight.
        log_weights: components.iter().map(|c| ((c.count + 1.0) / (rows + k)).ln()).collect(),
        means: components.iter().flat_map(|c| c.mean.iter().copied()).collect(),
        factors: factors.concat(),
        center: vec![0.0; d],
    })
}

/// The inverse of the lower Cholesky factor, `[d, d]` row-major.
fn inverse_factor(covariance: &Mat<f64>) -> Result<Vec<f64>> {
    let d = covariance.nrows();
    let llt = covariance
        .llt(Side::Lower)
        .map_err(|why| Error::Internal(format!("a shrunk covariance is not positive: {why:?}")))?;
    let mut inverse = Mat::zeros(d, d);
    let par = if d < 128 { Par::Seq } else { Par::rayon(0) };
    invert_lower_triangular(inverse.as_mut(), llt.L(), par);
    Ok((0..d).flat_map(|i| (0..d).map(move |j| (i, j))).map(|at| inverse[at]).collect())
}

fn one_hot(clusters: &[usize], k: usize) -> Vec<f64> {
    let mut shares = vec![0.0; clusters.len() * k];
    clusters.iter().enumerate().for_each(|(row, &cluster)| shares[row * k + cluster] = 1.0);
    shares
}
