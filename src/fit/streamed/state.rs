//! The state of a streamed fit after each pass.

use serde::{Deserialize, Serialize};

use crate::bundle::Stack;
use crate::fit::classifier_data::ClassifierData;
use crate::fit::training::CrossFittedModels;

use super::common_scale;
use super::density_pass::DensityState;
use super::descent::DescentState;
use super::discriminant_pass::DiscriminantState;

/// What an interrupted fit continues from.
#[derive(Serialize, Deserialize)]
pub(super) struct State {
    /// The models of the sample, with stacks of common standardisations.
    pub models: CrossFittedModels,
    /// The densities after the last pass.
    pub densities: Vec<Option<DensityState>>,
    /// The discriminant analyses after the last pass.
    pub analyses: Vec<Option<DiscriminantState>>,
    /// The regressions and networks after the last epoch.
    pub descent: Option<DescentState>,
}

impl State {
    /// Before the first pass.
    pub(super) fn new(mut models: CrossFittedModels, data: &[ClassifierData]) -> Self {
        for (classifier, data) in models.classifiers.iter_mut().zip(data) {
            classifier.stacks.iter_mut().for_each(|stack| common_scale::bring_to(stack, data));
        }
        let densities = models.densities.iter().map(|_| None).collect();
        let analyses = models.classifiers.iter().map(|_| None).collect();
        Self { models, densities, analyses, descent: None }
    }

    /// The stacks of each classifier.
    pub(super) fn stacks(&self) -> Vec<&[Stack]> {
        self.models.classifiers.iter().map(|classifier| classifier.stacks.as_slice()).collect()
    }
}
