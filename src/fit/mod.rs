//! Training: two densities and three classifiers from rows in memory. Numerics only:
//! slices in, [`crate::bundle`]'s parameters and validation figures out.
//!
//! One tenth of the rows is set aside and only measures: the figures are those of the
//! models as they are returned, on rows these never saw. Of the rest, a sixth is held out
//! from the fits: it chooses hyperparameters, stops networks and weighs the stack. Once
//! all is chosen, densities and regressions are fitted to that sixth as well.
//!
//! Cross-fitting is more of the same: [`split`] makes k folds, of which one is used here.

mod calibration;
mod classifier;
mod covariance;
mod density;
mod em_steps;
mod evaluate;
mod gradient;
mod job;
mod kmeans;
mod linear;
mod mixture;
mod network;
mod product;
mod random;
mod sample;
mod scaling;
mod split;
mod stack;
#[cfg(test)]
mod tests;

pub use job::{Fitted, Options, fit_file};
pub use split::Fold;

use crate::bundle::{Figures, Mixture, Stack};
use crate::error::{Error, Place, Result};

/// The least number of rows that can be divided in three.
const LEAST_ROWS: usize = 30;

/// One embedding column of the training rows.
#[derive(Debug, Clone, Copy)]
pub struct Modality<'a> {
    /// The column's name, for messages.
    pub column: &'a str,
    /// d, the length of an embedding.
    pub dim: usize,
    /// `[n, d]` row-major, finite.
    pub values: &'a [f32],
}

impl<'a> Modality<'a> {
    /// One row.
    pub(crate) fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.dim..][..self.dim]
    }
}

/// Rows to learn from.
#[derive(Debug, Clone)]
pub struct TrainingSet<'a> {
    /// Where the rows come from, for messages.
    pub place: Place,
    /// The two modalities.
    pub x: [Modality<'a>; 2],
    /// Each row's class, an index below `classes`.
    pub y: &'a [u32],
    /// C, the number of classes.
    pub classes: usize,
}

/// How densities are fitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DensityFit {
    /// Expectation and maximisation with shrinkage.
    #[default]
    Em,
    /// Gradient descent, as in the paper: slower, seldom better.
    Sgd,
}

/// How to train.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recipe {
    /// Fixes every random choice.
    pub seed: u64,
    /// How densities are fitted.
    pub density_fit: DensityFit,
}

/// Is told how training goes, from several threads, and may end it.
pub trait Progress: Sync {
    /// A stage begins.
    fn stage(&self, name: &str);
    /// One epoch, iteration or candidate `step` of `of` at most is done; `held_out_nats`
    /// is the model's loss on held-out rows.
    fn epoch(&self, model: &str, step: usize, of: usize, held_out_nats: f64);
    /// Whether to stop: training then returns [`Error::Interrupted`].
    fn interrupted(&self) -> bool {
        false
    }
}

/// What training gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Models {
    /// p(x1) and p(x2).
    pub densities: [Mixture; 2],
    /// p(y|x1), p(y|x2) and p(y|x1, x2).
    pub classifiers: [Stack; 3],
    /// p(y): the training counts, each with a half added.
    pub prior: Vec<f64>,
    /// How good they are on rows they have not seen.
    pub figures: Figures,
}

/// Trains all models on one held-out split. Deterministic for a seed.
///
/// # Errors
/// [`Error::BadData`] for rows nothing can be learned from, [`Error::Interrupted`] where
/// `progress` says so.
pub fn train(set: &TrainingSet<'_>, recipe: &Recipe, progress: &dyn Progress) -> Result<Models> {
    check(set)?;
    let mut rng = random::chance(recipe.seed, random::Chance::Split);
    let rows: Vec<usize> = (0..set.y.len()).collect();
    let fold = split::folds(&rows, set.y, 10, &mut rng).swap_remove(0);
    train_fold(set, &fold, recipe, progress)
}

/// Trains all models on `fold.train` and measures them on `fold.held_out`.
fn train_fold(
    set: &TrainingSet<'_>,
    fold: &Fold,
    recipe: &Recipe,
    progress: &dyn Progress,
) -> Result<Models> {
    let mut rng = random::chance(recipe.seed, random::Chance::Split);
    let parts = Parts {
        fit: split::folds(&fold.train, set.y, 6, &mut rng).swap_remove(0),
        measure: fold.held_out.clone(),
    };
    progress.stage("densities");
    let [first, second] = density::fit_both(set, &parts, recipe, progress)?;
    progress.stage("classifiers");
    let [one, two, both] = classifier::fit_all(set, &parts, recipe, progress)?;
    Ok(Models {
        densities: [first.0, second.0],
        classifiers: [one.0, two.0, both.0],
        prior: prior(set.y, set.classes),
        figures: Figures {
            trained_rows: fold.train.len(),
            measured_rows: fold.held_out.len(),
            densities: [first.1, second.1],
            classifiers: [one.1, two.1, both.1],
        },
    })
}

/// The rows' division: what is learned from, what chooses, what only measures.
struct Parts {
    /// `train` is learned from; `held_out` chooses.
    fit: Fold,
    /// Only measures.
    measure: Vec<usize>,
}

/// [`Error::Interrupted`] where training is to stop.
fn go_on(progress: &dyn Progress) -> Result<()> {
    if progress.interrupted() { Err(Error::Interrupted) } else { Ok(()) }
}

fn prior(y: &[u32], classes: usize) -> Vec<f64> {
    let mut counts = vec![0.5; classes];
    y.iter().for_each(|&class| counts[class as usize] += 1.0);
    let total: f64 = counts.iter().sum();
    counts.into_iter().map(|count| count / total).collect()
}

/// Refuses rows nothing can be learned from.
fn check(set: &TrainingSet<'_>) -> Result<()> {
    let rows = set.y.len();
    let bad = |column: Option<&str>, what: String| {
        let place = set.place.clone();
        Err(Error::bad_data(column.map_or(place.clone(), |column| place.column(column)), what))
    };
    if rows < LEAST_ROWS {
        return bad(None, format!("{rows} usable rows are too few to fit on; give at least {LEAST_ROWS}"));
    }
    for x in &set.x {
        if x.dim == 0 || x.values.len() != rows * x.dim {
            let message = format!("{} values are not {rows} rows of {}", x.values.len(), x.dim);
            return Err(Error::Internal(message));
        }
        if let Some(at) = x.values.iter().position(|value| !value.is_finite()) {
            let row = at / x.dim;
            return bad(Some(x.column), format!("training row {row} holds NaN or infinity; leave it out"));
        }
    }
    if set.y.iter().any(|&class| class as usize >= set.classes) {
        return Err(Error::Internal(format!("a label is not one of {} classes", set.classes)));
    }
    if set.y.iter().all(|class| Some(class) == set.y.first()) {
        return bad(
            None,
            "all labels are the same, so there is nothing to predict; give rows of at least two classes"
                .into(),
        );
    }
    Ok(())
}
