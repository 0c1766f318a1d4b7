//! Training of all models on a set of rows: splits, densities, classifiers, prior.

use crate::bundle::{Ensemble, Figures, ModelSet};
use crate::error::Result;

use super::progress::FitProgress;
use super::random::{RandomStream, random_stream};
use super::recipe::Recipe;
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

/// Trains all models on one held-out split. Deterministic for a seed.
///
/// # Errors
/// [`Error::BadData`](crate::Error::BadData) for rows that are unsuitable for training,
/// [`Error::Interrupted`](crate::Error::Interrupted) on interruption by `progress`.
pub fn train(set: &TrainingSet<'_>, recipe: &Recipe, progress: &dyn FitProgress) -> Result<FittedModels> {
    check(set)?;
    let mut rng = random_stream(recipe.seed, RandomStream::Split);
    let rows: Vec<usize> = (0..set.y.len()).collect();
    let fold = split::folds(&rows, set.y, 10, &mut rng).swap_remove(0);
    train_fold(set, &fold, recipe, progress)
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
    let [first, second] = density::fit_both(set, &parts, recipe, progress)?;
    progress.stage("classifiers");
    let [one, two, both] = classifier::fit_all(set, &parts, recipe, progress)?;
    Ok(FittedModels {
        models: ModelSet {
            densities: [first.0, second.0],
            classifiers: [one.0, two.0, both.0].map(Ensemble::from),
        },
        folds: Vec::new(),
        fold_of_row: Vec::new(),
        prior: prior(set.y, set.classes),
        figures: Figures {
            folds: None,
            trained_rows: fold.train.len(),
            measured_rows: fold.held_out.len(),
            densities: [first.1, second.1],
            classifiers: [one.1, two.1, both.1],
        },
    })
}

fn prior(y: &[u32], classes: usize) -> Vec<f64> {
    let mut counts = vec![0.5; classes];
    y.iter().for_each(|&class| counts[class as usize] += 1.0);
    let total: f64 = counts.iter().sum();
    counts.into_iter().map(|count| count / total).collect()
}
