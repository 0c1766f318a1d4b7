//! Fitting the densities of both modalities: standardise, search, refit on all rows that
//! may be learned from, and measure.

use rayon::join;

use crate::bundle::{DensityFigures, Mixture};
use crate::error::{Error, Result};

use super::em_steps::{self, Rows};
use super::mixture::{self, Fitted};
use super::random::{Chance, chance};
use super::scaling::Scaling;
use super::{DensityFit, Modality, Parts, Progress, Recipe, TrainingSet, go_on, gradient};

/// Steps from the chosen mixture on the rows it was fitted to and chosen by.
const REFIT_STEPS: usize = 5;

/// Fits p(x1) and p(x2) side by side.
pub(super) fn fit_both(
    set: &TrainingSet<'_>,
    parts: &Parts,
    recipe: &Recipe,
    progress: &dyn Progress,
) -> Result<[(Mixture, DensityFigures); 2]> {
    let (first, second) =
        join(|| fit(set, 0, parts, recipe, progress), || fit(set, 1, parts, recipe, progress));
    Ok([first?, second?])
}

fn fit(
    set: &TrainingSet<'_>,
    modality: usize,
    parts: &Parts,
    recipe: &Recipe,
    progress: &dyn Progress,
) -> Result<(Mixture, DensityFigures)> {
    let x = &set.x[modality];
    let mut rng = chance(recipe.seed, Chance::Density(modality));
    let search = Scaling::measure(x, &parts.fit.train);
    let dim = search.varying().len();
    let (fitted, mixture) = if dim == 0 {
        constant(&search)
    } else {
        let [train, held_out] =
            [&parts.fit.train, &parts.fit.held_out].map(|rows| search.standardise(x, rows));
        let [train, held_out] = [&train, &held_out].map(|values| Rows { values, dim });
        let name = format!("density {}", modality + 1);
        match recipe.density_fit {
            DensityFit::Em => {
                let candidates = mixture::COMPONENTS.len() * mixture::SHRINKAGE.len();
                let mut tried = 0;
                let check = || go_on(progress);
                let fitted = mixture::search(train, held_out, &mut rng, &check, &mut |fitted| {
                    tried += 1;
                    progress.epoch(&name, tried, candidates, fitted.held_out_nats);
                })?;
                let mixture = refit(x, parts, &fitted, &search)?;
                (fitted, mixture)
            }
            DensityFit::Sgd => {
                let start = mixture::start(train, held_out, &mut rng)?;
                let fitted = gradient::descend(start, train, held_out, rng, &|epoch, of, nats| {
                    progress.epoch(&name, epoch, of, nats);
                    go_on(progress)
                })?;
                let mixture = mixture::to_raw_units(&fitted.mixture, &search);
                (fitted, mixture)
            }
        }
    };
    let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
    if !(finite(&mixture.factors) && finite(&mixture.means) && finite(&mixture.log_weights)) {
        let place = set.place.clone().column(x.column);
        return Err(Error::bad_data(place, "the density's parameters overflow; scale the column down"));
    }
    let measured = gather(x, &parts.measure);
    let nats = mixture.specificity(&measured);
    let figures = DensityFigures {
        mean_nats: nats.iter().sum::<f64>() / nats.len() as f64,
        components: mixture.components(),
        shrinkage_rows: fitted.shrinkage.is_finite().then_some(fitted.shrinkage),
        iterations: fitted.iterations,
    };
    Ok((mixture, figures))
}

/// The chosen mixture, fitted to the rows that chose it as well. These may hold values
/// where a column was constant before, so they are standardised by themselves.
fn refit(x: &Modality<'_>, parts: &Parts, fitted: &Fitted, search: &Scaling) -> Result<Mixture> {
    let learned = [parts.fit.train.as_slice(), &parts.fit.held_out].concat();
    let raw: Vec<f64> = gather(x, &learned).into_iter().map(f64::from).collect();
    let shares = em_steps::shares(&mixture::to_raw_units(&fitted.mixture, search), &raw);
    let scaling = Scaling::measure(x, &learned);
    let rows = Rows { values: &scaling.standardise(x, &learned), dim: scaling.varying().len() };
    Ok(mixture::to_raw_units(&mixture::refit(fitted, rows, shares, REFIT_STEPS)?, &scaling))
}

/// The density of a modality whose columns are all constant: h is 0.
fn constant(scaling: &Scaling) -> (Fitted, Mixture) {
    let mixture = Mixture { dim: 0, log_weights: vec![0.0], means: vec![], factors: vec![], center: vec![] };
    let raw = mixture::to_raw_units(&mixture, scaling);
    let fitted = Fitted { mixture, shrinkage: f64::INFINITY, iterations: 0, held_out_nats: 0.0 };
    (fitted, raw)
}

fn gather(x: &Modality<'_>, rows: &[usize]) -> Vec<f32> {
    rows.iter().flat_map(|&row| x.row(row)).copied().collect()
}
