//! What a fit takes over from the models of all rows: each that is no worse than the sample's, out of
//! fold on the sample. They seldom are worse; a descent may.

use crate::bundle::{Affine, Mixture, Stack};
use crate::error::Result;
use crate::fit::classifier_data::ClassifierData;
use crate::fit::cross_density::CrossFittedDensity;
use crate::fit::cross_fit::{CrossFitted, stacked};
use crate::fit::density::gather;
use crate::fit::inference::{combine, network};
use crate::fit::metrics::{cross_entropy, mean_and_error};
use crate::fit::scales;
use crate::fit::split::Fold;
use crate::fit::stack::fit_weights;
use crate::fit::training_set::TrainingSet;
use crate::interaction::Subset;

/// The rows in memory and their folds.
pub(super) struct Sample<'a> {
    pub set: &'a TrainingSet<'a>,
    pub folds: &'a [Fold],
}

impl Sample<'_> {
    /// Takes over a density.
    pub(super) fn adopt_density(
        &self,
        density: &mut CrossFittedDensity,
        modalities: Subset,
        mut main: Mixture,
        mut folds: Vec<Mixture>,
    ) {
        let joined = self.set.joined(modalities);
        let x = &joined.matrix();
        let scales = scales::fit(x, self.folds, &mut main, &mut folds);
        let held_out = |mixtures: &[Mixture]| {
            let rows = mixtures.iter().zip(self.folds);
            let nats: Vec<f64> =
                rows.flat_map(|(mixture, fold)| mixture.specificity(&gather(x, &fold.held_out))).collect();
            mean_and_error(&nats)
        };
        let (before, (after, error)) = (density.figures.mean_nats, held_out(&folds));
        tracing::debug!("density {modalities}: {before:.5} nats on the sample, {after:.5} on all rows");
        if after <= before || !before.is_finite() {
            let all: Vec<usize> = (0..self.set.y.len()).collect();
            density.figures.mean_nats = after;
            density.figures.scales = scales;
            density.figures.standard_error_nats = Some(error);
            density.figures.in_sample_nats = Some(mean_and_error(&main.specificity(&gather(x, &all))).0);
            (density.main, density.folds) = (main, folds);
        }
    }

    /// Takes over the parts of a classifier, with new stack weights.
    ///
    /// # Errors
    /// Where the stack has no finite loss.
    pub(super) fn adopt_parts(
        &self,
        classifier: &mut CrossFitted,
        modalities: Subset,
        data: &ClassifierData,
        refined: Vec<Stack>,
    ) -> Result<()> {
        let y: Vec<u32> =
            self.folds.iter().flat_map(|fold| &fold.held_out).map(|&row| self.set.y[row]).collect();
        let before = self.logits(&classifier.stacks, data);
        let after = self.logits(&refined, data);
        let mut logits = [const { Vec::new() }; 3];
        for (part, (before, after)) in before.into_iter().zip(after).enumerate() {
            let [of_sample, of_all] = [&before, &after].map(|logits| part_nats(logits, &y, self.set.classes));
            tracing::debug!(
                "classifier {modalities}, part {part}: {of_sample:?} nats, {of_all:?} on all rows"
            );
            if of_all <= of_sample {
                for (stack, refined) in classifier.stacks.iter_mut().zip(&refined) {
                    match part {
                        0 => stack.linear.clone_from(&refined.linear),
                        1 => stack.mlp.clone_from(&refined.mlp),
                        _ => stack.discriminant.clone_from(&refined.discriminant),
                    }
                }
                logits[part] = after;
            } else {
                logits[part] = before;
            }
        }
        let (betas, figures) = stacked(self.set, modalities, logits.each_ref().map(Vec::as_slice), &y)?;
        classifier.adopt(betas, figures);
        Ok(())
    }

    /// Logits of the held-out rows of all folds, one after the other; empty for an absent part.
    fn logits(&self, stacks: &[Stack], data: &ClassifierData) -> [Vec<f32>; 3] {
        let mut logits = [const { Vec::new() }; 3];
        for (stack, fold) in stacks.iter().zip(self.folds) {
            let x = data.rows(self.set, &fold.held_out).x;
            let linear = |map: &Affine| map.apply(&x);
            logits[0].extend(stack.linear.as_ref().map(linear).unwrap_or_default());
            logits[1].extend(network(&stack.mlp, &x));
            logits[2].extend(stack.discriminant.as_ref().map(|part| part.apply(&x)).unwrap_or_default());
        }
        logits
    }
}

/// Cross-entropy of one part with the temperature that suits it best; 0 for an absent part.
fn part_nats(logits: &[f32], y: &[u32], classes: usize) -> f64 {
    if logits.is_empty() {
        return 0.0;
    }
    let parts = [logits, &[], &[]];
    cross_entropy(&combine(fit_weights(parts, y, classes), parts), y, classes)
}
