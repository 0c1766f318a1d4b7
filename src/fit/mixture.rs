//! Density of one modality: a mixture of Gaussians fitted by expectation-maximisation, with
//! the covariance of every component shrunk towards the pooled one. The numbers of components
//! and the shrinkage are selected on held-out rows.
//!
//! Inputs here are standardised and hold varying columns only;
//! [`Scaling::to_raw_units`](super::scaling::Scaling::to_raw_units) folds the standardisation into
//! the result.

use rand_chacha::ChaCha8Rng;

use crate::bundle::Mixture;
use crate::error::{Error, Result};

use super::covariance_model::CovarianceModel;
use super::em_steps::{
    self, ComponentStatistics, RowMatrix, maximise, pooled_statistics, shared_factor_responsibilities,
    statistics,
};
use super::kmeans;

/// Candidate numbers of components, ascending.
pub(crate) const COMPONENTS: [usize; 6] = [1, 2, 3, 5, 10, 20];
/// Candidate covariances, from the strongest shrinkage.
pub(crate) const COVARIANCES: [CovarianceModel; 4] = [
    CovarianceModel::Shared,
    CovarianceModel::Separate(300.0),
    CovarianceModel::Separate(30.0),
    CovarianceModel::Separate(3.0),
];
/// Candidate numbers of factors of a shared covariance: none, so that it is diagonal, and some where there are
/// few rows for the dimensions.
const FACTORS: [usize; 8] = [0, 1, 2, 4, 8, 16, 32, 64];
/// Rows per dimension from which nonlinear shrinkage has been as good.
const ROWS_OF_SHRINKAGE: usize = 2;
/// Minimum average number of rows per component.
pub(crate) const ROWS_PER_COMPONENT: usize = 20;
/// Maximum number of components of [`from_clusters`].
pub(crate) const MOST_COMPONENTS: usize = 100;
/// Maximum number of components with covariances of their own: each costs d² operations a row in every
/// use of the density, where components of one covariance cost d.
pub(crate) const MOST_COVARIANCES: usize = 10;
const ITERATIONS: usize = 200;
const PATIENCE: usize = 4;
/// Minimum improvement of held-out −ln p, in nats per dimension.
const PROGRESS: f64 = 1e-5;
/// Distance from the value to beat, in nats per dimension, beyond which a fit ends.
const HOPELESS: f64 = 1e-3;
/// Maximum dimension for a new shrinkage of the pooled covariance in every iteration; above,
/// where the eigenvalues cost more than the iteration, in iterations 0, 1, 3, 7, 15, ….
const CHEAP_EIGENVALUES: usize = 128;

/// A fitted mixture with its selection criterion.
#[derive(Debug, Clone)]
pub(crate) struct MixtureFit {
    /// The mixture, in the units of the fitted rows.
    pub mixture: Mixture,
    /// The estimate of its covariances.
    pub covariances: CovarianceModel,
    /// Iterations to the best held-out value.
    pub iterations: usize,
    /// Mean −ln p on the held-out rows, in the units of the fitted rows.
    pub held_out_nats: f64,
}

/// Searches the number of components and the shrinkage by mean −ln p on `held_out`.
///
/// For each number of components, a k-means initialisation is fitted with one shared
/// covariance, then with decreasing shrinkage until the criterion gets worse. The search
/// stops after two consecutive numbers of components without improvement. `on_fit` receives
/// each fit; `check` is called in every iteration, and its error ends the search.
pub(crate) fn search(
    train: RowMatrix<'_>,
    held_out: RowMatrix<'_>,
    rng: &mut ChaCha8Rng,
    check: &dyn Fn() -> Result<()>,
    on_fit: &mut dyn FnMut(&MixtureFit),
) -> Result<MixtureFit> {
    let mut best: Option<MixtureFit> = None;
    let mut without_gain = 0;
    let mut separate_losses = 0;
    let whole = total_statistics(train)?;
    for k in COMPONENTS {
        if k > 1 && train.len() < k * ROWS_PER_COMPONENT || without_gain == 2 {
            break;
        }
        let clusters = kmeans::cluster(train.values, train.dim, k, rng);
        let mut start = EmStart::Responsibilities(one_hot(&clusters, k));
        let mut last = f64::INFINITY;
        without_gain += 1;
        for covariances in COVARIANCES {
            // In many dimensions separate covariances are the cost of the search. Where they lost for
            // two numbers of components, more components have fewer rows each.
            let hopeless = separate_losses == 2 && train.dim > CHEAP_EIGENVALUES;
            if !covariances.is_shared() && (hopeless || k > MOST_COVARIANCES) {
                break;
            }
            let fitted = expectation_maximisation(train, held_out, &whole, start, covariances, last, check)?;
            // With so few rows, more components than classes seldom gain.
            let by_factors = match k {
                1 => factor_analyses(train, held_out, &whole, &fitted, check, on_fit)?,
                _ => None,
            };
            on_fit(&fitted);
            let nats = fitted.held_out_nats;
            for fitted in by_factors.iter().chain([&fitted]) {
                let progress = PROGRESS * train.dim as f64;
                if best.as_ref().is_none_or(|best| fitted.held_out_nats < best.held_out_nats - progress) {
                    best = Some(fitted.clone());
                    without_gain = 0;
                }
            }
            if nats > last {
                separate_losses += 1;
                break;
            }
            last = nats;
            start = EmStart::Mixture { mixture: fitted.mixture, shared: covariances.is_shared() };
        }
    }
    match best {
        Some(best) if best.held_out_nats.is_finite() => Ok(best),
        _ => Err(Error::Internal("no density could be fitted: −ln p is not finite".into())),
    }
}

/// Count, mean and scatter of all rows: what a covariance that components share is made from.
pub(crate) fn total_statistics(rows: RowMatrix<'_>) -> Result<ComponentStatistics> {
    let total = statistics(rows, &vec![1.0; rows.len()], 1).0.pop();
    total.ok_or_else(|| Error::Internal("no statistics of a density's rows".into()))
}

/// Fits from given clusters, with one shared covariance, then with decreasing shrinkage until the
/// criterion gets worse; returns the least. `on_fit` receives each fit.
pub(crate) fn from_clusters(
    train: RowMatrix<'_>,
    held_out: RowMatrix<'_>,
    whole: &ComponentStatistics,
    clusters: &[usize],
    k: usize,
    check: &dyn Fn() -> Result<()>,
    on_fit: &mut dyn FnMut(&MixtureFit),
) -> Result<f64> {
    let mut start = EmStart::Responsibilities(one_hot(clusters, k));
    let mut last = f64::INFINITY;
    for covariances in COVARIANCES {
        if !covariances.is_shared() && k > MOST_COVARIANCES {
            break;
        }
        let fitted = expectation_maximisation(train, held_out, whole, start, covariances, last, check)?;
        factor_analyses(train, held_out, whole, &fitted, check, on_fit)?;
        on_fit(&fitted);
        if fitted.held_out_nats >= last {
            break;
        }
        last = fitted.held_out_nats;
        start = EmStart::Mixture { mixture: fitted.mixture, shared: covariances.is_shared() };
    }
    Ok(last)
}

/// The fit of one shared covariance with others in its place: a diagonal one, which holds where columns
/// vary in a few rows only, and with few rows for the dimensions factor analyses, the number of
/// factors rising until −ln p gets worse. Returns the best; `on_fit` receives each fit.
fn factor_analyses(
    train: RowMatrix<'_>,
    held_out: RowMatrix<'_>,
    whole: &ComponentStatistics,
    shared: &MixtureFit,
    check: &dyn Fn() -> Result<()>,
    on_fit: &mut dyn FnMut(&MixtureFit),
) -> Result<Option<MixtureFit>> {
    if shared.covariances != CovarianceModel::Shared {
        return Ok(None);
    }
    let mut best: Option<MixtureFit> = None;
    let few_rows = train.len() < ROWS_OF_SHRINKAGE * train.dim;
    let most = if few_rows { (train.len() - 1) / 2 } else { 0 };
    for factors in FACTORS.into_iter().filter(|factors| *factors <= most) {
        let start = EmStart::Mixture { mixture: shared.mixture.clone(), shared: true };
        let covariances = CovarianceModel::Factors(factors);
        let fitted =
            expectation_maximisation(train, held_out, whole, start, covariances, f64::INFINITY, check)?;
        on_fit(&fitted);
        if best.as_ref().is_some_and(|best| fitted.held_out_nats >= best.held_out_nats) {
            break;
        }
        best = Some(fitted);
    }
    Ok(best)
}

/// Refits on other rows: `steps` EM steps from the responsibilities `[n, K]`.
pub(crate) fn refit(
    fitted: &MixtureFit,
    rows: RowMatrix<'_>,
    mut responsibilities: Vec<f64>,
    steps: usize,
) -> Result<Mixture> {
    let k = fitted.mixture.components();
    let covariances = fitted.covariances;
    let shared = covariances.is_shared();
    let whole = shared.then(|| total_statistics(rows)).transpose()?;
    let step = |responsibilities: &[f64]| {
        let (stats, pooled) = match &whole {
            Some(whole) => pooled_statistics(whole, rows, responsibilities, k),
            None => statistics(rows, responsibilities, k),
        };
        maximise(&stats, &covariances.pooled(&pooled, rows.len(), k)?, covariances.shrinkage())
    };
    let mut mixture = step(&responsibilities)?;
    for _ in 1..steps {
        responsibilities = if shared {
            shared_factor_responsibilities(&mixture, rows)
        } else {
            em_steps::responsibilities(&mixture, rows.values)
        };
        mixture = step(&responsibilities)?;
    }
    Ok(mixture)
}

/// The initialisation of gradient descent: k-means, and one step with the pooled covariance
/// for every component. Held-out −ln p selects the number of components.
pub(crate) fn start(
    train: RowMatrix<'_>,
    held_out: RowMatrix<'_>,
    rng: &mut ChaCha8Rng,
) -> Result<MixtureFit> {
    let mut best: Option<MixtureFit> = None;
    for k in COMPONENTS {
        if k > 1 && train.len() < k * ROWS_PER_COMPONENT {
            break;
        }
        let responsibilities = one_hot(&kmeans::cluster(train.values, train.dim, k, rng), k);
        let (stats, pooled) = statistics(train, &responsibilities, k);
        let covariances = CovarianceModel::Shared;
        let pooled = covariances.pooled(&pooled, train.len(), k)?;
        let mixture = maximise(&stats, &pooled, covariances.shrinkage())?;
        let held_out_nats = mean_nats(&mixture, held_out);
        if best.as_ref().is_none_or(|best| held_out_nats < best.held_out_nats - PROGRESS * train.dim as f64) {
            best = Some(MixtureFit { mixture, covariances, iterations: 0, held_out_nats });
        }
    }
    best.ok_or_else(|| Error::Internal("no start for a density".into()))
}

/// Mean −ln p of rows.
pub(crate) fn mean_nats(mixture: &Mixture, rows: RowMatrix<'_>) -> f64 {
    mixture.specificity_f64(rows.values).iter().sum::<f64>() / rows.len().max(1) as f64
}

/// Initial state of expectation-maximisation.
enum EmStart {
    /// Responsibilities, `[n, K]`.
    Responsibilities(Vec<f64>),
    /// A mixture, whose components may share one covariance.
    Mixture { mixture: Mixture, shared: bool },
}

/// Fits by EM until the held-out −ln p no longer gets less. `bar` is the value to beat: a fit that
/// is far from it ends, in many dimensions a fit that does not reach it in the first step.
fn expectation_maximisation(
    train: RowMatrix<'_>,
    held_out: RowMatrix<'_>,
    whole: &ComponentStatistics,
    start: EmStart,
    covariances: CovarianceModel,
    bar: f64,
    check: &dyn Fn() -> Result<()>,
) -> Result<MixtureFit> {
    let mut responsibilities = match start {
        EmStart::Responsibilities(responsibilities) => responsibilities,
        EmStart::Mixture { mixture, shared: true } => shared_factor_responsibilities(&mixture, train),
        EmStart::Mixture { mixture, shared: false } => em_steps::responsibilities(&mixture, train.values),
    };
    let k = responsibilities.len() / train.len();
    let whole = covariances.is_shared().then_some(whole);
    // In many dimensions a step costs seconds, and separate covariances improve the fit in the
    // first step or never.
    let patience = if whole.is_some() || train.dim <= CHEAP_EIGENVALUES { PATIENCE } else { 1 };
    let mut best: Option<MixtureFit> = None;
    let mut pooled = None;
    let mut since_best = 0;
    for iteration in 0..ITERATIONS {
        check()?;
        let (stats, scatter) = match whole {
            Some(whole) => pooled_statistics(whole, train, &responsibilities, k),
            None => statistics(train, &responsibilities, k),
        };
        let shrunk = match pooled.take() {
            Some(kept) if train.dim > CHEAP_EIGENVALUES && !(iteration + 1).is_power_of_two() => kept,
            _ => covariances.pooled(&scatter, train.len(), k)?,
        };
        let mixture = maximise(&stats, &shrunk, covariances.shrinkage())?;
        pooled = Some(shrunk);
        let held_out_nats = mean_nats(&mixture, held_out);
        let gain = best.as_ref().map_or(f64::INFINITY, |best| best.held_out_nats - held_out_nats);
        since_best = if gain > PROGRESS * train.dim as f64 { 0 } else { since_best + 1 };
        // One component converges in one step.
        let margin = if patience == 1 { 0.0 } else { HOPELESS * train.dim as f64 };
        let hopeless = held_out_nats > bar + margin;
        let done = k == 1 || since_best >= patience || hopeless;
        if !done {
            responsibilities = match whole {
                Some(_) => shared_factor_responsibilities(&mixture, train),
                None => em_steps::responsibilities(&mixture, train.values),
            };
        }
        if gain > 0.0 {
            best = Some(MixtureFit { mixture, covariances, iterations: iteration + 1, held_out_nats });
        }
        if done {
            break;
        }
    }
    best.ok_or_else(|| Error::Internal("a density's −ln p is not a number".into()))
}

fn one_hot(clusters: &[usize], k: usize) -> Vec<f64> {
    let mut responsibilities = vec![0.0; clusters.len() * k];
    clusters.iter().enumerate().for_each(|(row, &cluster)| responsibilities[row * k + cluster] = 1.0);
    responsibilities
}
