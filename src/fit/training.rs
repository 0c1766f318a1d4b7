//! Training of all models on a set of rows: splits, densities, classifiers, prior.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::bundle::{Ensemble, Figures, FitWarning, FittedFolds, ModelSet, Stack};
use crate::error::{Error, Result};
use crate::interaction::Subset;
use crate::samples::FateCounts;

use super::cross_density::{self, CrossFittedDensity};
use super::cross_fit::{self, CrossFitted};
use super::member::FoldContext;
use super::metrics::cross_entropy;
use super::progress::FitProgress;
use super::random::{RandomStream, random_stream};
use super::recipe::Recipe;
use super::row_groups::row_groups;
use super::split::{self, Fold, RowSplit};
use super::training_set::{TrainingSet, check};
use super::{classifier, density};

/// The result of training.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedModels {
    /// The main models, for rows that were not trained on.
    pub models: ModelSet,
    /// For each fold the models that have not seen its rows; empty without cross-fitting.
    pub folds: Vec<ModelSet>,
    /// The fold of each row; empty without cross-fitting.
    pub fold_of_row: Vec<u8>,
    /// p(y): class frequencies, with 0.5 added to each count.
    pub prior: Vec<f64>,
    /// Validation figures, out of fold or on the test set.
    pub figures: Figures,
}

/// The result of training on files.
pub(super) struct Trained {
    /// The models and figures.
    pub models: FittedModels,
    /// What cross-fitting adds to the bundle.
    pub folds: Option<FittedFolds>,
    /// Rows that were trained on.
    pub rows: usize,
    /// Fates of all rows of the files.
    pub fates: FateCounts,
    /// Doubts about the rows.
    pub warnings: Vec<FitWarning>,
}

/// Trains all models: cross-fitted on `recipe.folds` folds, or on one held-out split where that is 1.
/// Deterministic for a seed.
///
/// # Errors
/// [`Error::BadData`](crate::Error::BadData) for rows that are unsuitable for training,
/// [`Error::Interrupted`](crate::Error::Interrupted) on interruption by `progress`.
pub fn train(set: &TrainingSet<'_>, recipe: &Recipe, progress: &dyn FitProgress) -> Result<FittedModels> {
    check(set)?;
    let groups = row_groups(set);
    let mut rng = random_stream(recipe.seed, RandomStream::Split);
    let rows: Vec<usize> = (0..set.y.len()).collect();
    if recipe.folds > 1 {
        let folds = split::grouped_folds(&rows, set.y, &groups, recipe.folds, &mut rng);
        if folds.len() < 2 {
            let what = "all rows are of one group or key, which no fold may separate; fit with --folds 1";
            return Err(Error::bad_data(set.place.clone(), what));
        }
        let context = FoldContext { set, groups: &groups, recipe, progress };
        let models = cross_fit_all(&context, &folds)?;
        let fitted = models.fitted(set, set.y.len(), prior(set.y, set.classes));
        return Ok(FittedModels { fold_of_row: fold_of_row(&folds, set.y.len()), ..fitted });
    }
    let fold = split::folds(&rows, set.y, 10, &mut rng).swap_remove(0);
    train_fold(set, &fold, recipe, progress)
}

/// Cross-fitted densities and classifiers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CrossFittedModels {
    /// p(x_A) of every set A of modalities but the full one, in the order of [`Subset::proper`].
    pub densities: Vec<CrossFittedDensity>,
    /// p(y|x_A) of every set A, in the order of [`Subset::all`].
    pub classifiers: Vec<CrossFitted>,
}

/// Share of the rows that may be of classes that lie in one fold.
const UNSEEN_SHARE: f64 = 0.1;
/// Rows of a class that only a group keeps in one fold: fewer may be there for want of rows.
const ROWS_OF_UNSEEN: usize = 10;

/// A class whose rows lie in one fold is unknown to the models that evaluate them.
fn check_classes(set: &TrainingSet<'_>, folds: &[Fold]) -> Result<()> {
    let (mut rows, mut folds_of) = (vec![0_usize; set.classes], vec![0_usize; set.classes]);
    for fold in folds {
        let mut held_out = vec![0_usize; set.classes];
        fold.held_out.iter().for_each(|&row| held_out[set.y[row] as usize] += 1);
        for (class, count) in held_out.into_iter().enumerate() {
            rows[class] += count;
            folds_of[class] += usize::from(count > 0);
        }
    }
    let unseen = || (0..set.classes).filter(|&class| folds_of[class] == 1 && rows[class] >= ROWS_OF_UNSEEN);
    let unseen_rows: usize = unseen().map(|class| rows[class]).sum();
    let all: usize = rows.iter().sum();
    if unseen_rows as f64 <= UNSEEN_SHARE * all as f64 {
        return Ok(());
    }
    let what = format!(
        "the rows of {} of {} classes ({unseen_rows} of {all} rows) lie in one fold each, so that no model that evaluates \
         them has seen their class: rows of one --group or --key, and copies of a row, are never separated, and here they \
         decide the label; name a column of smaller groups, leave it out, or fit with --folds 1",
        unseen().count(),
        set.classes
    );
    Err(Error::bad_data(set.place.clone(), what))
}

/// Trains all models on folds.
pub(super) fn cross_fit_all(context: &FoldContext<'_>, folds: &[Fold]) -> Result<CrossFittedModels> {
    let FoldContext { progress, .. } = context;
    check_classes(context.set, folds)?;
    progress.stage("densities");
    let modalities = context.set.x.len();
    let densities = each_density(modalities, |set| cross_density::fit(context, set, folds))?;
    progress.stage("classifiers");
    let classifiers = Subset::all(modalities).into_iter().map(|set| cross_fit::fit(context, set, folds));
    Ok(CrossFittedModels { densities, classifiers: classifiers.collect::<Result<_>>()? })
}

/// Fits the density of every set of modalities but the full one, in parallel. The widest first: a short
/// job last balances the load of the threads.
fn each_density<T: Send>(
    modalities: usize,
    fit: impl Fn(Subset) -> Result<T> + Send + Sync,
) -> Result<Vec<T>> {
    let sets = Subset::proper(modalities).into_par_iter().rev().with_max_len(1);
    let mut fitted: Vec<Result<T>> = sets.map(fit).collect();
    fitted.reverse();
    fitted.into_iter().collect()
}

impl CrossFittedModels {
    /// The models of a bundle. `set` are the rows of the figures, all that were trained on or a sample.
    pub(super) fn fitted(self, set: &TrainingSet<'_>, trained_rows: usize, prior: Vec<f64>) -> FittedModels {
        let Self { densities, mut classifiers } = self;
        let of_fold = |fold: usize| ModelSet {
            densities: densities.iter().map(|density| density.folds[fold].clone()).collect(),
            classifiers: classifiers
                .iter()
                .map(|classifier| classifier.stacks[fold].clone().into())
                .collect(),
        };
        let folds: Vec<ModelSet> =
            (0..densities.first().map_or(0, |density| density.folds.len())).map(of_fold).collect();
        let ensembles: Vec<Ensemble> = classifiers.iter().map(CrossFitted::ensemble).collect();
        let of_sets = Subset::all(set.x.len()).into_iter().zip(&ensembles);
        for (classifier, (modalities, ensemble)) in classifiers.iter_mut().zip(of_sets) {
            classifier.figures.in_sample_nats = Some(in_sample_nats(set, modalities, ensemble));
        }
        FittedModels {
            figures: Figures {
                folds: Some(folds.len()),
                trained_rows,
                measured_rows: set.y.len(),
                densities: densities.iter().map(|density| density.figures.clone()).collect(),
                classifiers: classifiers.into_iter().map(|classifier| classifier.figures).collect(),
                ..Figures::default()
            },
            models: ModelSet {
                densities: densities.into_iter().map(|density| density.main).collect(),
                classifiers: ensembles,
            },
            folds,
            fold_of_row: Vec::new(),
            prior,
        }
    }
}

/// The fold of each row.
fn fold_of_row(folds: &[Fold], rows: usize) -> Vec<u8> {
    let mut fold_of_row = vec![0; rows];
    for (at, fold) in folds.iter().enumerate() {
        fold.held_out.iter().for_each(|&row| fold_of_row[row] = u8::try_from(at).unwrap_or(u8::MAX));
    }
    fold_of_row
}

/// Mean −ln p(y|x) of the trained rows under the main classifier.
fn in_sample_nats(set: &TrainingSet<'_>, modalities: Subset, ensemble: &Ensemble) -> f64 {
    let inputs: Vec<&[f32]> = set.matrices(modalities).iter().map(|x| x.values).collect();
    cross_entropy(&ensemble.log_prob(&inputs), set.y, set.classes)
}

/// Trains all models on `fold.train` and measures them on `fold.held_out`.
fn train_fold(
    set: &TrainingSet<'_>,
    fold: &Fold,
    recipe: &Recipe,
    progress: &dyn FitProgress,
) -> Result<FittedModels> {
    let mut rng = random_stream(recipe.seed, RandomStream::Split);
    let parts = RowSplit {
        fit: split::folds(&fold.train, set.y, 6, &mut rng).swap_remove(0),
        measure: fold.held_out.clone(),
    };
    progress.stage("densities");
    let fitted =
        each_density(set.x.len(), |modalities| density::fit(set, modalities, &parts, recipe, progress))?;
    let (densities, density_figures) = fitted.into_iter().unzip();
    progress.stage("classifiers");
    let fitted = classifier::fit_all(set, &parts, recipe, progress)?;
    let (classifiers, classifier_figures): (Vec<Stack>, _) = fitted.into_iter().unzip();
    Ok(FittedModels {
        models: ModelSet { densities, classifiers: classifiers.into_iter().map(Ensemble::from).collect() },
        folds: Vec::new(),
        fold_of_row: Vec::new(),
        prior: prior(set.y, set.classes),
        figures: Figures {
            folds: None,
            trained_rows: fold.train.len(),
            measured_rows: fold.held_out.len(),
            densities: density_figures,
            classifiers: classifier_figures,
            ..Figures::default()
        },
    })
}

/// p(y) of some rows.
pub(super) fn prior(y: &[u32], classes: usize) -> Vec<f64> {
    let mut counts = vec![0; classes];
    y.iter().for_each(|&class| counts[class as usize] += 1);
    prior_of(&counts)
}

/// p(y) from the rows of each class.
pub(super) fn prior_of(counts: &[u64]) -> Vec<f64> {
    let counts: Vec<f64> = counts.iter().map(|&count| count as f64 + 0.5).collect();
    let total: f64 = counts.iter().sum();
    counts.into_iter().map(|count| count / total).collect()
}
