//! Refinement of the sample's models on all rows on disk: densities and discriminant analyses by
//! passes of sufficient statistics, then regressions and networks by a descent.

use crate::bundle::Stack;
use crate::error::Result;
use crate::fit::classifier_data::ClassifierData;
use crate::fit::cross_fit::CrossFitted;
use crate::fit::progress::FitProgress;
use crate::fit::training_set::TrainingSet;
use crate::interaction::Subset;

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
    let sets = Subset::all(sample.set.x.len());
    let states = state.models.densities.iter().zip(&state.densities);
    let mut densities: Vec<Option<DensityPass>> = sets
        .iter()
        .zip(states)
        .map(|(&modalities, (density, kept))| {
            let mut pass = DensityPass::new(sample.set, modalities, density)?;
            kept.clone().into_iter().for_each(|kept| pass.resume(kept));
            Some(pass)
        })
        .collect();
    let states = state.models.classifiers.iter().zip(&state.analyses).zip(rows.data);
    let mut analyses: Vec<Option<DiscriminantPass<'_>>> = sets
        .iter()
        .zip(states)
        .map(|(&modalities, ((classifier, kept), data))| {
            let mut pass = analysis(sample.set, classifier, modalities, data)?;
            kept.clone().into_iter().for_each(|kept| pass.resume(kept));
            Some(pass)
        })
        .collect();
    loop {
        let of_densities = densities.iter_mut().flatten().map(|pass| pass as &mut dyn Pass);
        let of_analyses = analyses.iter_mut().flatten().map(|pass| pass as &mut dyn Pass);
        let mut unfinished: Vec<&mut dyn Pass> =
            of_densities.chain(of_analyses).filter(|pass| !pass.progress().is_finished()).collect();
        if unfinished.is_empty() {
            break;
        }
        statistics::pass(rows.store, rows.classes, &mut unfinished, progress)?;
        state.densities = densities.iter().map(|pass| Some(pass.as_ref()?.state().clone())).collect();
        state.analyses = analyses.iter().map(|pass| Some(pass.as_ref()?.state().clone())).collect();
        keep(state)?;
    }
    for ((density, &modalities), pass) in state.models.densities.iter_mut().zip(&sets).zip(densities) {
        if let Some(pass) = pass {
            let (main, folds) = pass.densities();
            sample.adopt_density(density, modalities, main, folds);
        }
    }

    progress.stage("classifiers on all rows");
    let mut descent = match state.descent.take() {
        Some(descent) => descent,
        None => {
            // A decay is a prior, which more rows outweigh.
            let share = sample.set.y.len() as f64 / rows.store.rows().max(1) as f64;
            let decay = |classifier: &CrossFitted| classifier.figures.weight_decay * share;
            let decays: Vec<f64> = state.models.classifiers.iter().map(decay).collect();
            DescentState::new(rows, &state.stacks(), &decays)
        }
    };
    descent.run(rows, progress, &mut |descent| {
        state.descent = Some(descent.clone());
        keep(state)
    })?;
    let refined = refined_stacks(state, &descent);
    let classifiers = state.models.classifiers.iter_mut().zip(refined);
    for ((&modalities, data), (classifier, stacks)) in sets.iter().zip(rows.data).zip(classifiers) {
        sample.adopt_parts(classifier, modalities, data, stacks)?;
    }
    Ok(())
}

fn analysis<'a>(
    sample: &TrainingSet<'_>,
    classifier: &CrossFitted,
    modalities: Subset,
    data: &'a ClassifierData,
) -> Option<DiscriminantPass<'a>> {
    let (start, folds) = (classifier.stacks.first()?.discriminant.clone()?, classifier.stacks.len());
    Some(DiscriminantPass::new(sample, modalities, data, classifier.analysis?, start, folds))
}

/// The stacks of each classifier with the parts that were refined.
fn refined_stacks(state: &State, descent: &DescentState) -> Vec<Vec<Stack>> {
    let mut stacks: Vec<Vec<Stack>> = state.stacks().into_iter().map(<[Stack]>::to_vec).collect();
    for (stacks, analysis) in stacks.iter_mut().zip(&state.analyses) {
        let parts = analysis.iter().flat_map(|analysis| &analysis.folds);
        stacks.iter_mut().zip(parts).for_each(|(stack, part)| stack.discriminant = Some(part.clone()));
    }
    descent.write_to(&mut stacks);
    stacks
}
