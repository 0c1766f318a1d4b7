//! Training of the classifiers of x1, of x2 and of both on one split: regressions, networks in
//! parallel, selection of the weight decay, stacking, validation.

use rayon::prelude::*;

use crate::bundle::{ClassifierFigures, Stack};
use crate::error::{Error, Result};

use super::classifier_data::{ClassifierData, NAMES, StandardRows};
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
    data: ClassifierData,
    train: StandardRows,
    held_out: StandardRows,
    measure: StandardRows,
}

/// Fits p(y|x1), p(y|x2) and p(y|x1, x2).
pub(super) fn fit_all(
    set: &TrainingSet<'_>,
    parts: &RowSplit,
    recipe: &Recipe,
    progress: &dyn FitProgress,
) -> Result<[(Stack, ClassifierFigures); 3]> {
    let inputs = [0, 1, 2].map(|which| SplitRows::new(set, which, parts));

    let check = || check_interrupted(progress);
    let mut regressions = Vec::with_capacity(3);
    for (which, input) in inputs.iter().enumerate() {
        let mut tried = 0;
        regressions.push(linear::search(
            input.train.labelled(),
            input.held_out.labelled(),
            &check,
            &mut |_, nats| {
                tried += 1;
                let name = format!("{}, regression", NAMES[which]);
                progress.epoch(&name, tried, linear::STRENGTHS.len(), nats);
            },
        )?);
    }

    // The widest first: a short job last balances the load of the threads.
    let jobs: Vec<(usize, usize)> =
        [2, 1, 0].into_iter().flat_map(|which| (0..DECAYS.len()).map(move |decay| (which, decay))).collect();
    let trained: Vec<(usize, NetworkFit)> = jobs
        .into_par_iter()
        .with_max_len(1)
        .map(|(which, decay)| {
            let input = &inputs[which];
            let name = format!("{}, decay {}", NAMES[which], DECAYS[decay]);
            let trained = mlp::train(
                input.train.labelled(),
                input.held_out.labelled(),
                &input.data.constant,
                &mlp::HIDDEN,
                DECAYS[decay],
                random_stream(recipe.seed, RandomStream::Network(which, decay)),
                &|epoch, nats| {
                    progress.epoch(&name, epoch, EPOCHS, nats);
                    check_interrupted(progress)
                },
            )?;
            Ok((which, trained))
        })
        .collect::<Result<_>>()?;

    let mut fitted = Vec::with_capacity(3);
    for (which, (input, regression)) in inputs.iter().zip(regressions).enumerate() {
        let network = trained
            .iter()
            .filter(|(of, trained)| *of == which && trained.held_out_nats.is_finite())
            .map(|(_, trained)| trained)
            .min_by(|a, b| a.held_out_nats.total_cmp(&b.held_out_nats));
        let (Some(regression), Some(network)) = (regression, network) else {
            let what = format!("{} has no finite loss; scale the columns down", NAMES[which]);
            return Err(Error::bad_data(set.place.clone(), what));
        };
        fitted.push(input.stack(regression, network, &check)?);
    }
    fitted.try_into().map_err(|_| Error::Internal("expected three classifiers".into()))
}

impl SplitRows {
    fn new(set: &TrainingSet<'_>, which: usize, parts: &RowSplit) -> Self {
        let mut learned = [parts.fit.train.as_slice(), &parts.fit.held_out].concat();
        learned.sort_unstable();
        let data = ClassifierData::measure(set, which, &learned);
        Self {
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
