//! Training of the classifiers of all sets of modalities on one split: regressions, networks in
//! parallel, selection of the weight decay, stacking, validation.

use rayon::prelude::*;

use crate::bundle::{ClassifierFigures, Stack};
use crate::error::{Error, Result};
use crate::interaction::Subset;

use super::classifier_data::{ClassifierData, StandardRows};
use super::inference::network;
use super::linear;
use super::metrics::classifier_figures;
use super::network::{self as mlp, DECAYS, EPOCHS, NetworkFit};
use super::progress::{FitProgress, check_interrupted};
use super::random::{RandomStream, random_stream};
use super::recipe::Recipe;
use super::split::RowSplit;
use super::stack::fit_weights;
use super::training_set::TrainingSet;

/// Standardised rows of one classifier.
struct SplitRows {
    modalities: Subset,
    data: ClassifierData,
    train: StandardRows,
    held_out: StandardRows,
    measure: StandardRows,
}

/// Fits p(y|x_A) of every set A of modalities.
pub(super) fn fit_all(
    set: &TrainingSet<'_>,
    parts: &RowSplit,
    recipe: &Recipe,
    progress: &dyn FitProgress,
) -> Result<Vec<(Stack, ClassifierFigures)>> {
    let sets = Subset::all(set.x.len()).into_iter();
    let inputs: Vec<SplitRows> = sets.map(|modalities| SplitRows::new(set, modalities, parts)).collect();

    let check = || check_interrupted(progress);
    let mut regressions = Vec::with_capacity(inputs.len());
    for input in &inputs {
        let mut tried = 0;
        regressions.push(linear::search(
            input.train.labelled(),
            input.held_out.labelled(),
            &check,
            &mut |_, nats| {
                tried += 1;
                let name = format!("classifier {}, regression", input.modalities);
                progress.epoch(&name, tried, linear::STRENGTHS.len(), nats);
            },
        )?);
    }

    // The widest first: a short job last balances the load of the threads.
    let widest_first = (0..inputs.len()).rev();
    let jobs: Vec<(usize, usize)> =
        widest_first.flat_map(|which| (0..DECAYS.len()).map(move |decay| (which, decay))).collect();
    let trained: Vec<(usize, NetworkFit)> = jobs
        .into_par_iter()
        .with_max_len(1)
        .map(|(which, decay)| {
            let input = &inputs[which];
            let name = format!("classifier {}, decay {}", input.modalities, DECAYS[decay]);
            let trained = mlp::train(
                input.train.labelled(),
                input.held_out.labelled(),
                &input.data.constant,
                &mlp::HIDDEN,
                DECAYS[decay],
                random_stream(recipe.seed, RandomStream::Network(input.modalities, decay)),
                &|epoch, nats| {
                    progress.epoch(&name, epoch, EPOCHS, nats);
                    check_interrupted(progress)
                },
            )?;
            Ok((which, trained))
        })
        .collect::<Result<_>>()?;

    let mut fitted = Vec::with_capacity(inputs.len());
    for (which, (input, regression)) in inputs.iter().zip(regressions).enumerate() {
        let network = trained
            .iter()
            .filter(|(of, trained)| *of == which && trained.held_out_nats.is_finite())
            .map(|(_, trained)| trained)
            .min_by(|a, b| a.held_out_nats.total_cmp(&b.held_out_nats));
        let (Some(regression), Some(network)) = (regression, network) else {
            let what = format!("classifier {} has no finite loss; scale the columns down", input.modalities);
            return Err(Error::bad_data(set.place.clone(), what));
        };
        fitted.push(input.stack(regression, network, &check)?);
    }
    Ok(fitted)
}

impl SplitRows {
    fn new(set: &TrainingSet<'_>, modalities: Subset, parts: &RowSplit) -> Self {
        let mut learned = [parts.fit.train.as_slice(), &parts.fit.held_out].concat();
        learned.sort_unstable();
        let data = ClassifierData::measure(set, modalities, &learned);
        Self {
            modalities,
            train: data.rows(set, &parts.fit.train),
            held_out: data.rows(set, &parts.fit.held_out),
            measure: data.rows(set, &parts.measure),
            data,
        }
    }

    /// Fits the stack weights on the held-out rows, refits the regression with these rows
    /// included (the network needs them for early stopping), and validates the result.
    fn stack(
        &self,
        regression: linear::RegressionFit,
        trained: &NetworkFit,
        check: &dyn Fn() -> Result<()>,
    ) -> Result<(Stack, ClassifierFigures)> {
        let classes = regression.map.outputs;
        let linear = regression.map.apply(&self.held_out.x);
        let hidden = network(&trained.layers, &self.held_out.x);
        let betas = fit_weights([&linear, &hidden, &[]], &self.held_out.y, classes);
        let learned = self.train.with(&self.held_out);
        let stack = Stack {
            dims: self.data.dims.clone(),
            mean: self.data.mean.clone(),
            scale: self.data.scale.clone(),
            linear: Some(linear::refit(&regression, learned.labelled(), check)?),
            mlp: trained.layers.clone(),
            discriminant: None,
            betas,
        };
        let log_prob = stack.log_prob_standardised(&self.measure.x);
        let figures = ClassifierFigures {
            l2: regression.strength,
            weight_decay: trained.decay,
            epochs: trained.epochs,
            betas: [betas[0], betas[1]],
            hidden_units: trained.layers.first().map(|layer| layer.outputs),
            ..classifier_figures(&log_prob, &self.measure.y, classes)
        };
        Ok((stack, figures))
    }
}
