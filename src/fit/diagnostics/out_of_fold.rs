//! The training rows' decomposition by the models that have not seen them, in memory.

use crate::bundle::{DensityFigures, ModelSet, Units};
use crate::error::Result;
use crate::fit::density::gather;
use crate::fit::member::FoldContext;
use crate::fit::progress::check_interrupted;
use crate::fit::training::FittedModels;
use crate::fit::training_set::{EmbeddingMatrix, TrainingSet};
use crate::interaction::Subset;
use crate::interaction::lattice::{AtomPlan, Lattice};

use super::redundancy::SinglePoint;

/// Probabilities in memory at a time, for each classifier.
const BLOCK_VALUES: usize = 1 << 21;
/// Maximum number of rows in memory at a time.
const BLOCK_ROWS: usize = 1 << 14;

/// The decomposition of each training row.
#[derive(Debug, Clone, Default)]
pub(super) struct OutOfFold {
    /// r, u1 … uM, s, and the information of all modalities, of each row by the models of its fold.
    pub values: Vec<Vec<f64>>,
    /// Information and specificity of single modalities, of each row.
    pub points: Vec<SinglePoint>,
    /// The fold of each row.
    pub folds: Vec<u8>,
    /// Expectations over the label; empty where they were not asked for.
    pub expected: Vec<Expectation>,
}

/// A row's expectation over the label.
#[derive(Debug, Clone, Default)]
pub(super) struct Expectation {
    /// Σ_y p(y|x) of r, u1 … uM and s with the label y, x of all modalities.
    pub parts: Vec<f64>,
    /// The entropy of p(y|x) in nats.
    pub entropy: f64,
}

impl OutOfFold {
    /// Evaluates the rows of `context.set` by `models`, which name the fold of each.
    ///
    /// # Errors
    /// [`Error::Interrupted`](crate::Error::Interrupted).
    pub(super) fn evaluate(
        context: &FoldContext<'_>,
        models: &FittedModels,
        units: Units,
        with_expectations: bool,
    ) -> Result<Self> {
        let set = context.set;
        let (rows, modalities) = (set.y.len(), set.x.len());
        let lattice = Lattice::of(modalities)?;
        let plan = AtomPlan::new(lattice, &lattice.default_nodes())?;
        let mut all = Self {
            values: vec![Vec::new(); rows],
            points: vec![SinglePoint::default(); rows],
            folds: models.fold_of_row.clone(),
            expected: vec![Expectation::default(); if with_expectations { rows } else { 0 }],
        };
        let log_prior: Vec<f64> = models.prior.iter().map(|p| p.ln()).collect();
        let offset = |density: &DensityFigures| match units {
            Units::Raw => 0.0,
            Units::Centred => density.mean_nats,
        };
        let offsets: Vec<f64> = models.figures.densities.iter().map(offset).collect();
        let block = (BLOCK_VALUES / set.classes.max(1)).clamp(1, BLOCK_ROWS);
        for (fold, of_fold) in models.folds.iter().enumerate() {
            let held_out: Vec<usize> =
                (0..rows).filter(|&row| usize::from(models.fold_of_row[row]) == fold).collect();
            for rows in held_out.chunks(block) {
                check_interrupted(context.progress)?;
                let outputs = Outputs::of(set, of_fold, rows, &offsets);
                for (at, &row) in rows.iter().enumerate() {
                    let (i, h) = outputs.point(at, set.y[row] as usize, &log_prior);
                    all.values[row] = plan.decompose(&i, &h)?;
                    all.values[row].extend(i.last());
                    all.points[row] = SinglePoint::of(modalities, &i, &h);
                    if let Some(expected) = all.expected.get_mut(row) {
                        *expected = outputs.expectation(at, &log_prior, &plan)?;
                    }
                }
            }
        }
        Ok(all)
    }

    /// Whether a row's values are numbers.
    pub(super) fn is_finite(&self, row: usize) -> bool {
        self.values[row].split_last().is_some_and(|(_, parts)| parts.iter().all(|part| part.is_finite()))
    }

    /// The rows whose values are numbers.
    pub(super) fn rows(&self) -> impl Iterator<Item = usize> {
        (0..self.values.len()).filter(|&row| self.is_finite(row))
    }
}

/// The models' outputs for some rows.
struct Outputs {
    /// Of every set of modalities but the full one.
    h: Vec<Vec<f64>>,
    /// `[n, C]` of every set.
    log_prob: Vec<Vec<f64>>,
    classes: usize,
}

impl Outputs {
    fn of(set: &TrainingSet<'_>, models: &ModelSet, rows: &[usize], offsets: &[f64]) -> Self {
        let x: Vec<Vec<f32>> = set.x.iter().map(|x| gather(x, rows)).collect();
        let y: Vec<u32> = rows.iter().map(|&row| set.y[row]).collect();
        let matrices = set.x.iter().zip(&x).map(|(x, values)| EmbeddingMatrix { values, ..*x });
        let part = TrainingSet {
            place: set.place.clone(),
            x: matrices.collect(),
            y: &y,
            classes: set.classes,
            groups: None,
            keys: None,
        };
        let sets = Subset::all(x.len());
        let densities = sets.iter().zip(&models.densities).zip(offsets);
        let h = densities.map(|((&modalities, density), offset)| {
            let mut h = density.specificity(part.joined(modalities).matrix().values);
            h.iter_mut().for_each(|h| *h -= offset);
            h
        });
        let log_prob = sets.iter().zip(&models.classifiers).map(|(&modalities, classifier)| {
            let inputs: Vec<&[f32]> = part.matrices(modalities).iter().map(|x| x.values).collect();
            classifier.log_prob(&inputs)
        });
        Self { h: h.collect(), log_prob: log_prob.collect(), classes: set.classes }
    }

    /// i of all sets and h of the proper ones, of a row with the label `y`.
    fn point(&self, at: usize, y: usize, log_prior: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let i = self.log_prob.iter().map(|log_prob| log_prob[at * self.classes + y] - log_prior[y]);
        (i.collect(), self.h.iter().map(|h| h[at]).collect())
    }

    fn expectation(&self, at: usize, log_prior: &[f64], plan: &AtomPlan) -> Result<Expectation> {
        let mut sum = Expectation { parts: vec![0.0; plan.columns()], entropy: 0.0 };
        let mut weight = 0.0;
        let of_all = self.log_prob.last().map_or(&[][..], |log_prob| &log_prob[at * self.classes..]);
        for (y, &log_p) in of_all.iter().enumerate().take(self.classes) {
            let p = log_p.exp();
            // A class of probability zero adds nothing, however far its values are.
            if p > 0.0 {
                let (i, h) = self.point(at, y, log_prior);
                let values = plan.decompose(&i, &h)?;
                sum.parts.iter_mut().zip(values).for_each(|(sum, value)| *sum += p * value);
                sum.entropy -= p * log_p;
                weight += p;
            }
        }
        sum.parts.iter_mut().for_each(|part| *part /= weight);
        Ok(Expectation { parts: sum.parts, entropy: sum.entropy / weight })
    }
}
