//! The training rows' decomposition by the models that have not seen them, in memory.

use crate::bundle::{ModelSet, Units};
use crate::error::Result;
use crate::fit::density::gather;
use crate::fit::member::FoldContext;
use crate::fit::progress::check_interrupted;
use crate::fit::training::FittedModels;
use crate::fit::training_set::TrainingSet;
use crate::interaction::{Interaction, Pointwise, Subset, decompose};

/// Probabilities in memory at a time, for each classifier.
const BLOCK_VALUES: usize = 1 << 21;
/// Maximum number of rows in memory at a time.
const BLOCK_ROWS: usize = 1 << 14;

/// The decomposition of each training row.
#[derive(Debug, Clone, Default)]
pub(super) struct OutOfFold {
    /// Information and specificity of each row, by the models of its fold.
    pub points: Vec<Pointwise>,
    /// Their decomposition.
    pub parts: Vec<Interaction>,
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
        let nan = Pointwise { i1: f64::NAN, i2: f64::NAN, i12: f64::NAN, h1: f64::NAN, h2: f64::NAN };
        let rows = set.y.len();
        let mut all = Self {
            points: vec![nan; rows],
            parts: vec![Interaction::default(); rows],
            folds: models.fold_of_row.clone(),
            expected: vec![Expectation::default(); if with_expectations { rows } else { 0 }],
        };
        let log_prior: Vec<f64> = models.prior.iter().map(|p| p.ln()).collect();
        let offsets = match units {
            Units::Raw => [0.0; 2],
            Units::Centred => [0, 1].map(|m| models.figures.densities[m].mean_nats),
        };
        let block = (BLOCK_VALUES / set.classes.max(1)).clamp(1, BLOCK_ROWS);
        for (fold, of_fold) in models.folds.iter().enumerate() {
            let held_out: Vec<usize> =
                (0..rows).filter(|&row| usize::from(models.fold_of_row[row]) == fold).collect();
            for rows in held_out.chunks(block) {
                check_interrupted(context.progress)?;
                let outputs = Outputs::of(set, of_fold, rows, offsets);
                for (at, &row) in rows.iter().enumerate() {
                    let point = outputs.point(at, set.y[row] as usize, &log_prior);
                    (all.points[row], all.parts[row]) = (point, decompose(point));
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
        let Interaction { r, u1, u2, s } = self.parts[row];
        [r, u1, u2, s].iter().all(|value| value.is_finite())
    }

    /// The rows whose values are numbers.
    pub(super) fn rows(&self) -> impl Iterator<Item = usize> {
        (0..self.parts.len()).filter(|&row| self.is_finite(row))
    }
}

/// The models' outputs for some rows.
struct Outputs {
    h: [Vec<f64>; 2],
    /// `[n, C]` each, of x1, x2 and both.
    log_prob: Vec<Vec<f64>>,
    classes: usize,
}

impl Outputs {
    fn of(set: &TrainingSet<'_>, models: &ModelSet, rows: &[usize], offsets: [f64; 2]) -> Self {
        let x: Vec<Vec<f32>> = set.x.iter().map(|x| gather(x, rows)).collect();
        let h = [0, 1].map(|m| {
            let mut h = models.densities[m].specificity(&x[m]);
            h.iter_mut().for_each(|h| *h -= offsets[m]);
            h
        });
        let classifiers = Subset::all(x.len()).into_iter().zip(&models.classifiers);
        let log_prob = classifiers.map(|(modalities, classifier)| {
            let inputs: Vec<&[f32]> = modalities.members().map(|m| x[m].as_slice()).collect();
            classifier.log_prob(&inputs)
        });
        Self { h, log_prob: log_prob.collect(), classes: set.classes }
    }

    /// The point of a row with the label `y`.
    fn point(&self, at: usize, y: usize, log_prior: &[f64]) -> Pointwise {
        let [i1, i2, i12] = [0, 1, 2].map(|which| self.log_prob[which][at * self.classes + y] - log_prior[y]);
        Pointwise { i1, i2, i12, h1: self.h[0][at], h2: self.h[1][at] }
    }

    fn expectation(&self, at: usize, log_prior: &[f64]) -> Expectation {
        let mut sum = Expectation::default();
        let mut weight = 0.0;
        for y in 0..self.classes {
            let log_p = self.log_prob[2][at * self.classes + y];
            let p = log_p.exp();
            // A class of probability zero adds nothing, however far its values are.
            if p > 0.0 {
                let Interaction { r, u1, u2, s } = decompose(self.point(at, y, log_prior));
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
