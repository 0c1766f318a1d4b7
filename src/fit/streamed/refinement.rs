//! Refinement of the sample's models on all rows on disk: densities and discriminant analyses by
//! passes of sufficient statistics, then regressions and networks by a descent.

use crate::bundle::Stack;
use crate::error::Result;
use crate::fit::classifier_data::ClassifierData;
use crate::fit::progress::FitProgress;
use crate::fit::training_set::TrainingSet;

use super::adoption::Sample;
use super::density_pass::DensityPass;
use super::descent::{DescentState, ShuffledRows};
use super::discriminant_pass::DiscriminantPass;
use super::state::State;
use super::statistics::{self, Pass};

/// Makes all passes that the state lacks. `keep` saves it after each.
pub(super) fn refine(
    sample: &Sample<'_>,
    state: &mut State,
    rows: &ShuffledRows<'_>,
    progress: &dyn FitProgress,
    keep: &dyn Fn(&State) -> Result<()>,
) -> Result<()> {
    progress.stage("densities on all rows");
    let mut densities = [0, 1].map(|modality| {
        let mut pass = DensityPass::new(sample.set, modality, &state.models.densities[modality])?;
        state.densities[modality].clone().into_iter().for_each(|kept| pass.resume(kept));
        Some(pass)
    });
    let mut analyses = [0, 1, 2].map(|which| {
        let mut pass = analysis(sample.set, state, which, &rows.data[which])?;
        state.analyses[which].clone().into_iter().for_each(|kept| pass.resume(kept));
        Some(pass)
    });
    loop {
        let of_densities = densities.iter_mut().flatten().map(|pass| pass as &mut dyn Pass);
        let of_analyses = analyses.iter_mut().flatten().map(|pass| pass as &mut dyn Pass);
        let mut unfinished: Vec<&mut dyn Pass> =
            of_densities.chain(of_analyses).filter(|pass| !pass.progress().is_finished()).collect();
        if unfinished.is_empty() {
            break;
        }
        statistics::pass(rows.store, rows.classes, &mut unfinished, progress)?;
        state.densities = densities.each_ref().map(|pass| Some(pass.as_ref()?.state().clone()));
        state.analyses = analyses.each_ref().map(|pass| Some(pass.as_ref()?.state().clone()));
        keep(state)?;
    }
    for (density, pass) in state.models.densities.iter_mut().zip(densities) {
        if let Some(pass) = pass {
            let (main, folds) = pass.densities();
            sample.adopt_density(density, pass.modality(), main, folds);
        }
    }

    progress.stage("classifiers on all rows");
    let mut descent = match state.descent.take() {
        Some(descent) => descent,
        None => {
            let decays =
                state.models.classifiers.each_ref().map(|classifier| classifier.figures.weight_decay);
            // A decay is a prior, which more rows outweigh.
            let share = sample.set.y.len() as f64 / rows.store.rows().max(1) as f64;
            DescentState::new(rows, state.stacks(), decays.map(|decay| decay * share))
        }
    };
    descent.run(rows, progress, &mut |descent| {
        state.descent = Some(descent.clone());
        keep(state)
    })?;
    let refined = refined_stacks(state, &descent);
    for (which, (classifier, stacks)) in state.models.classifiers.iter_mut().zip(refined).enumerate() {
        sample.adopt_parts(classifier, which, &rows.data[which], stacks)?;
    }
    Ok(())
}

fn analysis<'a>(
    sample: &TrainingSet<'_>,
    state: &State,
    which: usize,
    data: &'a ClassifierData,
) -> Option<DiscriminantPass<'a>> {
    let classifier = &state.models.classifiers[which];
    let start = classifier.stacks.first()?.discriminant.clone()?;
    Some(DiscriminantPass::new(sample, which, data, classifier.analysis?, start, classifier.stacks.len()))
}

/// The stacks of each classifier with the parts that were refined.
fn refined_stacks(state: &State, descent: &DescentState) -> [Vec<Stack>; 3] {
    let mut stacks = state.stacks().map(<[Stack]>::to_vec);
    for (stacks, analysis) in stacks.iter_mut().zip(&state.analyses) {
        let parts = analysis.iter().flat_map(|analysis| &analysis.folds);
        stacks.iter_mut().zip(parts).for_each(|(stack, part)| stack.discriminant = Some(part.clone()));
    }
    let [one, two, both] = &mut stacks;
    descent.write_to([one, two, both]);
    stacks
}
