//! The training rows' decomposition by the models that have not seen them, in memory.

use crate::bundle::{DensityFigures, ModelSet, Units};
use crate::error::Result;
use crate::fit::density::gather;
use crate::fit::member::FoldContext;
use crate::fit::progress::check_interrupted;
use crate::fit::training::FittedModels;
use crate::fit::training_set::{EmbeddingMatrix, TrainingSet};
use crate::interaction::lattice::{AtomPlan, Lattice};
use crate::interaction::{Interaction, Pointwise, Subset, decompose};

/// Probabilities in memory at a time, for each classifier.
const BLOCK_VALUES: usize = 1 << 21;
/// Maximum number of rows in memory at a time.
const BLOCK_ROWS: usize = 1 << 14;

/// The decomposition of each training row.
#[derive(Debug, Clone, Default)]
pub(super) struct OutOfFold {
    /// r, u1 … uM, s, and the information of all modalities, of each row by the models of its fold.
    pub values: Vec<Vec<f64>>,
    /// Information and specificity of each row; empty of more than two modalities.
    pub points: Vec<Pointwise>,
    /// The fold of each row.
    pub folds: Vec<u8>,
    /// Expectations over the label; empty where they were not asked for.
    pub expected: Vec<Expectation>,
}

/// A row's expectation over the label.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Expectation {
    /// Σ_y p(y|x1, x2) of the decomposition with the label y.
    pub parts: Interaction,
    /// The entropy of p(y|x1, x2) in nats.
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
        let nan = Pointwise { i1: f64::NAN, i2: f64::NAN, i12: f64::NAN, h1: f64::NAN, h2: f64::NAN };
        let mut all = Self {
            values: vec![Vec::new(); rows],
            points: vec![nan; if modalities == 2 { rows } else { 0 }],
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
                    if let Some(point) = all.points.get_mut(row) {
                        *point = pair(&i, &h);
                    }
                    if let Some(expected) = all.expected.get_mut(row) {
                        *expected = outputs.expectation(at, &log_prior);
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

    /// The decomposition of a row of two modalities.
    pub(super) fn interaction(&self, row: usize) -> Interaction {
        let part = |at: usize| self.values[row].get(at).copied().unwrap_or(f64::NAN);
        Interaction { r: part(0), u1: part(1), u2: part(2), s: part(3) }
    }

    /// The information of all modalities of a row.
    pub(super) fn information(&self, row: usize) -> f64 {
        self.values[row].last().copied().unwrap_or(f64::NAN)
    }

    /// The rows whose values are numbers.
    pub(super) fn rows(&self) -> impl Iterator<Item = usize> {
        (0..self.values.len()).filter(|&row| self.is_finite(row))
    }
}

/// The point of a row of two modalities.
fn pair(i: &[f64], h: &[f64]) -> Pointwise {
    let of = |values: &[f64], at: usize| values.get(at).copied().unwrap_or(f64::NAN);
    Pointwise { i1: of(i, 0), i2: of(i, 1), i12: of(i, 2), h1: of(h, 0), h2: of(h, 1) }
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

    fn expectation(&self, at: usize, log_prior: &[f64]) -> Expectation {
        let mut sum = Expectation::default();
        let mut weight = 0.0;
        let of_both = self.log_prob.last().map_or(&[][..], |log_prob| &log_prob[at * self.classes..]);
        for (y, &log_p) in of_both.iter().enumerate().take(self.classes) {
            let p = log_p.exp();
            // A class of probability zero adds nothing, however far its values are.
            if p > 0.0 {
                let (i, h) = self.point(at, y, log_prior);
                let Interaction { r, u1, u2, s } = decompose(pair(&i, &h));
                let parts = &mut sum.parts;
                for (sum, value) in
                    [(&mut parts.r, r), (&mut parts.u1, u1), (&mut parts.u2, u2), (&mut parts.s, s)]
                {
                    *sum += p * value;
                }
                sum.entropy -= p * log_p;
                weight += p;
            }
        }
        let Interaction { r, u1, u2, s } = sum.parts;
        let parts = Interaction { r: r / weight, u1: u1 / weight, u2: u2 / weight, s: s / weight };
        Expectation { parts, entropy: sum.entropy / weight }
    }
}
