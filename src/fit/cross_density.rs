//! Cross-fitting of a density: the numbers of components and the shrinkage are chosen on held-out
//! folds; the main density is refitted on all rows, and that of each fold, from it, on the others.

use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::bundle::{DensityCandidate, DensityFigures, Mixture};
use crate::error::{Error, Result};
use crate::interaction::Subset;

use super::covariance_model::CovarianceModel;
use super::density::{constant, descend, gather};
use super::em_steps::{self, RowMatrix};
use super::member::FoldContext;
use super::metrics::{MOST_LOSS, mean_and_error};
use super::mixture::{self, MixtureFit};
use super::progress::check_interrupted;
use super::random::{RandomStream, random_stream};
use super::recipe::DensityFit;
use super::scales;
use super::scaling::Scaling;
use super::split::Fold;
use super::training_set::EmbeddingMatrix;

/// Held-out rows of the search, where the folds have so many.
const SEARCH_ROWS: usize = 1_000;
/// EM steps of the refit on all rows.
const MAIN_STEPS: usize = 5;
/// EM steps of the refit of a fold, from the responsibilities of the main density.
const FOLD_STEPS: usize = 3;

/// A cross-fitted density.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CrossFittedDensity {
    /// Of all rows.
    pub main: Mixture,
    /// Of the rows outside each fold.
    pub folds: Vec<Mixture>,
    /// Out-of-fold figures.
    pub figures: DensityFigures,
}

/// A candidate of the search in one fold.
struct Tried {
    fit: MixtureFit,
    scaling: Scaling,
    /// −ln p of the fold's rows, in the units of x.
    nats: Vec<f64>,
}

/// Fits the density of some modalities.
pub(super) fn fit(
    context: &FoldContext<'_>,
    modalities: Subset,
    folds: &[Fold],
) -> Result<CrossFittedDensity> {
    let joined = context.set.joined(modalities);
    let x = &joined.matrix();
    let rows = context.set.y.len();
    let all: Vec<usize> = (0..rows).collect();
    // Gradient descent chooses for itself, in every fold.
    let by_descent = context.recipe.density_fit == DensityFit::Sgd;
    let searched = (SEARCH_ROWS * folds.len()).div_ceil(rows.max(1)).clamp(1, folds.len());
    let searched = if by_descent { folds.len() } else { searched };
    let tried: Vec<Vec<Tried>> = (0..searched)
        .into_par_iter()
        .with_min_len(context.folds_of_a_task())
        .map(|fold| search(context, (modalities, x), fold, &folds[fold]))
        .collect::<Result<_>>()?;
    let (candidates, best) = choose(&tried, by_descent, MOST_LOSS * x.dim as f64);
    let Some(chosen) = best.and_then(|best| tried.first().and_then(|fold| best_of(fold, best))) else {
        return Err(Error::Internal("no density could be fitted: −ln p is not finite".into()));
    };
    let raw = |tried: &Tried| tried.scaling.to_raw_units(&tried.fit.mixture);
    let (mut main, mut of_folds) = if by_descent {
        // A descent needs rows to stop on: the main density is that of the first fold.
        (raw(chosen), tried.iter().flatten().map(raw).collect())
    } else {
        let main = refit(x, &all, &chosen.fit, &raw(chosen), MAIN_STEPS)?;
        let refitted = folds.par_iter().with_min_len(context.folds_of_a_task()).map(|fold| {
            check_interrupted(context.progress)?;
            refit(x, &fold.train, &chosen.fit, &main, FOLD_STEPS)
        });
        let refitted = refitted.collect::<Result<Vec<Mixture>>>()?;
        (main, refitted)
    };
    let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
    for mixture in of_folds.iter().chain([&main]) {
        if !(finite(&mixture.factors) && finite(&mixture.means) && finite(&mixture.log_weights)) {
            let place = context.set.place.clone().column(x.column);
            return Err(Error::bad_data(place, "the density's parameters overflow; scale the column down"));
        }
    }
    let scales = scales::fit(x, folds, &mut main, &mut of_folds);
    let held_out = of_folds
        .iter()
        .zip(folds)
        .flat_map(|(mixture, fold)| mixture.specificity(&gather(x, &fold.held_out)));
    let (mean_nats, error) = mean_and_error(&held_out.collect::<Vec<f64>>());
    let figures = DensityFigures {
        mean_nats,
        components: main.components(),
        scales,
        shrinkage_rows: chosen.fit.covariances.shrinkage_rows(),
        factors: chosen.fit.covariances.factors(),
        iterations: chosen.fit.iterations,
        standard_error_nats: Some(error),
        in_sample_nats: Some(mean_and_error(&main.specificity(&gather(x, &all))).0),
        candidates,
    };
    Ok(CrossFittedDensity { main, folds: of_folds, figures })
}

/// The candidates of one fold.
fn search(
    context: &FoldContext<'_>,
    (modalities, x): (Subset, &EmbeddingMatrix<'_>),
    fold: usize,
    rows: &Fold,
) -> Result<Vec<Tried>> {
    let mut rng = random_stream(context.recipe.seed, RandomStream::FoldDensity(modalities, fold));
    let scaling = Scaling::measure(x, &rows.train);
    let dim = scaling.varying().len();
    if dim == 0 {
        let (fit, raw) = constant(&scaling);
        let nats = raw.specificity(&gather(x, &rows.held_out));
        return Ok(vec![Tried { fit, scaling, nats }]);
    }
    let [train, held_out] = [&rows.train, &rows.held_out].map(|rows| scaling.standardise(x, rows));
    let [train, held_out] = [&train, &held_out].map(|values| RowMatrix { values, dim });
    let name = format!("density {modalities}, fold {}", fold + 1);
    let progress = context.progress;
    // ln|det| of the standardisation.
    let unit: f64 = scaling.varying().iter().map(|&column| scaling.scale[column].ln()).sum();
    let mut tried = Vec::new();
    let keep = |fit: &MixtureFit| Tried {
        nats: fit.mixture.specificity_f64(held_out.values).iter().map(|nats| nats + unit).collect(),
        fit: fit.clone(),
        scaling: scaling.clone(),
    };
    if context.recipe.density_fit == DensityFit::Sgd {
        let fit = descend(context.progress, &name, train, held_out, rng)?;
        return Ok(vec![keep(&fit)]);
    }
    let check = || check_interrupted(progress);
    let candidates = mixture::COMPONENTS.len() * mixture::COVARIANCES.len();
    mixture::search(train, held_out, &mut rng, &check, &mut |fit| {
        progress.epoch(&name, tried.len() + 1, candidates, fit.held_out_nats);
        tried.push(keep(fit));
    })?;
    let y: Vec<u32> = rows.train.iter().map(|&row| context.set.y[row]).collect();
    of_classes(train, held_out, &y, context.set.classes, &mut rng, &check, &mut |fit| tried.push(keep(fit)))?;
    Ok(tried)
}

/// Candidates whose components start as the classes' own clusters: where classes are clusters,
/// k-means without labels seldom finds them.
fn of_classes(
    train: RowMatrix<'_>,
    held_out: RowMatrix<'_>,
    y: &[u32],
    classes: usize,
    rng: &mut ChaCha8Rng,
    check: &dyn Fn() -> Result<()>,
    on_fit: &mut dyn FnMut(&MixtureFit),
) -> Result<()> {
    let whole = mixture::total_statistics(train)?;
    let mut last = f64::INFINITY;
    for centres in 1..=3 {
        if classes * centres > mixture::MOST_COMPONENTS
            || y.len() < classes * centres * mixture::ROWS_PER_COMPONENT
        {
            break;
        }
        let clusters = class_clusters(train, y, classes, centres, rng);
        let fit =
            mixture::from_clusters(train, held_out, &whole, &clusters, classes * centres, check, on_fit)?;
        if fit >= last {
            break;
        }
        last = fit;
    }
    Ok(())
}

/// A cluster of each row: its class, divided by k-means.
fn class_clusters(
    train: RowMatrix<'_>,
    y: &[u32],
    classes: usize,
    centres: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<usize> {
    let mut clusters: Vec<usize> = y.iter().map(|&class| class as usize * centres).collect();
    if centres > 1 {
        for class in 0..classes {
            let rows: Vec<usize> = (0..y.len()).filter(|&row| y[row] as usize == class).collect();
            let x: Vec<f64> =
                rows.iter().flat_map(|&row| &train.values[row * train.dim..][..train.dim]).copied().collect();
            let own = super::kmeans::cluster(&x, train.dim, centres, rng);
            rows.into_iter().zip(own).for_each(|(row, own)| clusters[row] += own);
        }
    }
    clusters
}

/// K, and the estimate of the covariances.
type Key = (usize, CovarianceModel);

fn key(tried: &Tried) -> Key {
    (tried.fit.mixture.components(), tried.fit.covariances)
}

/// A fold's best candidate of some hyper-parameters: there may be several starts.
fn best_of(fold: &[Tried], own: Key) -> Option<&Tried> {
    let same = fold.iter().filter(|tried| key(tried) == own);
    same.min_by(|a, b| a.fit.held_out_nats.total_cmp(&b.fit.held_out_nats))
}

/// The figures of all candidates, and the best of those that all folds have tried, or the first has.
/// `most_loss` limits what a cheaper one may lose.
fn choose(tried: &[Vec<Tried>], of_first: bool, most_loss: f64) -> (Vec<DensityCandidate>, Option<Key>) {
    if of_first {
        return (Vec::new(), tried.first().and_then(|fold| fold.first()).map(key));
    }
    let mut keys: Vec<Key> = Vec::new();
    for own in tried.iter().flatten().map(key) {
        if !keys.contains(&own) {
            keys.push(own);
        }
    }
    let mut candidates = Vec::new();
    let mut reached: Vec<(Key, f64, Vec<f64>)> = Vec::new();
    for own in keys {
        let fits: Vec<&Tried> = tried.iter().filter_map(|fold| best_of(fold, own)).collect();
        let nats: Vec<f64> = fits.iter().flat_map(|tried| tried.nats.iter().copied()).collect();
        let (mean_nats, standard_error_nats) = mean_and_error(&nats);
        let (components, covariances) = own;
        candidates.push(DensityCandidate {
            components,
            shrinkage_rows: covariances.shrinkage_rows(),
            factors: covariances.factors(),
            mean_nats,
            standard_error_nats,
        });
        if fits.len() == tried.len() && mean_nats.is_finite() {
            reached.push((own, mean_nats, nats));
        }
    }
    let least = reached.iter().min_by(|a, b| a.1.total_cmp(&b.1));
    let Some((_, _, least)) = least else { return (candidates, None) };
    // Of those that are not worse beyond doubt, the cheapest; of equally cheap ones, the best.
    let good_enough = reached.iter().filter(|(.., nats)| {
        let (loss, error) =
            mean_and_error(&nats.iter().zip(least).map(|(own, least)| own - least).collect::<Vec<_>>());
        loss <= error.min(most_loss)
    });
    let cheapest = good_enough.min_by(|(a, of_a, _), (b, of_b, _)| {
        covariance_count(*a).cmp(&covariance_count(*b)).then(of_a.total_cmp(of_b))
    });
    (candidates, cheapest.map(|(key, ..)| *key))
}

/// The number of covariances, which is most of the cost of using a density.
fn covariance_count((components, covariances): Key) -> usize {
    if covariances.is_shared() { 1 } else { components }
}

/// Fits a mixture's successor on `rows`, from its responsibilities for them.
fn refit(
    x: &EmbeddingMatrix<'_>,
    rows: &[usize],
    chosen: &MixtureFit,
    from: &Mixture,
    steps: usize,
) -> Result<Mixture> {
    let scaling = Scaling::measure(x, rows);
    if scaling.varying().is_empty() {
        return Ok(constant(&scaling).1);
    }
    let raw: Vec<f64> = gather(x, rows).into_iter().map(f64::from).collect();
    let responsibilities = em_steps::responsibilities(from, &raw);
    let values = RowMatrix { values: &scaling.standardise(x, rows), dim: scaling.varying().len() };
    Ok(scaling.to_raw_units(&mixture::refit(chosen, values, responsibilities, steps)?))
}
