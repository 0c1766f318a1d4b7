//! Training of the densities on one split: standardisation, search, refit on training and held-out
//! rows, validation.

use rand_chacha::ChaCha8Rng;

use crate::bundle::{DensityFigures, Mixture, Scales};
use crate::error::{Error, Result};
use crate::interaction::Subset;

use super::covariance_model::CovarianceModel;
use super::em_steps::{self, RowMatrix};
use super::gradient;
use super::metrics::mean_and_error;
use super::mixture::{self, MixtureFit};
use super::progress::{FitProgress, check_interrupted};
use super::random::{RandomStream, random_stream};
use super::recipe::{DensityFit, Recipe};
use super::scaling::Scaling;
use super::split::RowSplit;
use super::training_set::{EmbeddingMatrix, TrainingSet};

/// EM steps of the refit.
const REFIT_STEPS: usize = 5;

/// Fits the density of some modalities.
pub(super) fn fit(
    set: &TrainingSet<'_>,
    modalities: Subset,
    parts: &RowSplit,
    recipe: &Recipe,
    progress: &dyn FitProgress,
) -> Result<(Mixture, DensityFigures)> {
    let joined = set.joined(modalities);
    let x = &joined.matrix();
    let mut rng = random_stream(recipe.seed, RandomStream::Density(modalities));
    let search = Scaling::measure(x, &parts.fit.train);
    let dim = search.varying().len();
    let (fitted, mixture) = if dim == 0 {
        constant(&search)
    } else {
        let [train, held_out] =
            [&parts.fit.train, &parts.fit.held_out].map(|rows| search.standardise(x, rows));
        let [train, held_out] = [&train, &held_out].map(|values| RowMatrix { values, dim });
        let name = format!("density {modalities}");
        match recipe.density_fit {
            DensityFit::Em => {
                let candidates = mixture::COMPONENTS.len() * mixture::COVARIANCES.len();
                let mut tried = 0;
                let check = || check_interrupted(progress);
                let fitted = mixture::search(train, held_out, &mut rng, &check, &mut |fitted| {
                    tried += 1;
                    progress.epoch(&name, tried, candidates, fitted.held_out_nats);
                })?;
                let mixture = refit(x, parts, &fitted, &search)?;
                (fitted, mixture)
            }
            DensityFit::Sgd => {
                let fitted = descend(progress, &name, train, held_out, rng)?;
                let mixture = search.to_raw_units(&fitted.mixture);
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
    let (mean_nats, error) = mean_and_error(&nats);
    let figures = DensityFigures {
        mean_nats,
        standard_error_nats: Some(error),
        components: mixture.components(),
        shrinkage_rows: fitted.covariances.shrinkage_rows(),
        factors: fitted.covariances.factors(),
        iterations: fitted.iterations,
        ..DensityFigures::default()
    };
    Ok((mixture, figures))
}

/// Fits by gradient descent.
pub(super) fn descend(
    progress: &dyn FitProgress,
    name: &str,
    train: RowMatrix<'_>,
    held_out: RowMatrix<'_>,
    mut rng: ChaCha8Rng,
) -> Result<MixtureFit> {
    let start = mixture::start(train, held_out, &mut rng)?;
    gradient::descend(start, train, held_out, rng, &|epoch, of, nats| {
        progress.epoch(name, epoch, of, nats);
        check_interrupted(progress)
    })
}

/// Refits the selected mixture on training and held-out rows. They are standardised anew,
/// since a column that is constant in the training rows may vary in the held-out rows.
fn refit(
    x: &EmbeddingMatrix<'_>,
    parts: &RowSplit,
    fitted: &MixtureFit,
    search: &Scaling,
) -> Result<Mixture> {
    let learned = [parts.fit.train.as_slice(), &parts.fit.held_out].concat();
    let raw: Vec<f64> = gather(x, &learned).into_iter().map(f64::from).collect();
    let responsibilities = em_steps::responsibilities(&search.to_raw_units(&fitted.mixture), &raw);
    let scaling = Scaling::measure(x, &learned);
    let rows = RowMatrix { values: &scaling.standardise(x, &learned), dim: scaling.varying().len() };
    Ok(scaling.to_raw_units(&mixture::refit(fitted, rows, responsibilities, REFIT_STEPS)?))
}

/// The density of a modality whose columns are all constant: h is 0.
pub(super) fn constant(scaling: &Scaling) -> (MixtureFit, Mixture) {
    let mixture = Mixture {
        dim: 0,
        log_weights: vec![0.0],
        means: vec![],
        factors: vec![],
        center: vec![],
        scales: Scales::default(),
    };
    let raw = scaling.to_raw_units(&mixture);
    let fitted =
        MixtureFit { mixture, covariances: CovarianceModel::Shared, iterations: 0, held_out_nats: 0.0 };
    (fitted, raw)
}

pub(super) fn gather(x: &EmbeddingMatrix<'_>, rows: &[usize]) -> Vec<f32> {
    rows.iter().flat_map(|&row| x.row(row)).copied().collect()
}
