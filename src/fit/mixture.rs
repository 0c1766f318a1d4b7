//! The density of one modality: a mixture of Gaussians fitted by expectation and
//! maximisation, with every component's covariance shrunk to the pooled one. How many
//! components and how much shrinkage is chosen on rows held out from the fit.
//!
//! Inputs here are standardised and hold varying columns only; [`to_raw_units`] folds
//! the standardisation into the result.

use rand_chacha::ChaCha8Rng;

use crate::bundle::Mixture;
use crate::error::{Error, Result};

use super::em_steps::{self, Rows, between, maximise, shares_of_shared, shrink_pooled, statistics};
use super::kmeans;
use super::scaling::Scaling;

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
        shares = em_steps::shares(&mixture, rows.values);
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
        Start::Mixture(mixture) => em_steps::shares(&mixture, train.values),
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
                None => em_steps::shares(&mixture, train.values),
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

fn one_hot(clusters: &[usize], k: usize) -> Vec<f64> {
    let mut shares = vec![0.0; clusters.len() * k];
    clusters.iter().enumerate().for_each(|(row, &cluster)| shares[row * k + cluster] = 1.0);
    shares
}
