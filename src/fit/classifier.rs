//! Training of the classifiers of x1, of x2 and of both: regressions, networks in parallel,
//! selection of the weight decay, stacking, validation.

use rayon::prelude::*;

use crate::bundle::{ClassifierFigures, Stack};
use crate::error::{Error, Result};

use super::inference::network;
use super::linear::{self, LabelledRows};
use super::metrics::{accuracy, calibration_error, cross_entropy};
use super::network::{self as mlp, DECAYS, EPOCHS, NetworkFit};
use super::progress::{FitProgress, check_interrupted};
use super::random::{RandomStream, random_stream};
use super::recipe::Recipe;
use super::scaling::Scaling;
use super::split::RowSplit;
use super::stack::fit_weights;
use super::training_set::{EmbeddingMatrix, TrainingSet};

/// Input modalities of each classifier.
const MODALITIES: [&[usize]; 3] = [&[0], &[1], &[0, 1]];
/// Names of the classifiers, for progress and messages.
const NAMES: [&str; 3] = ["classifier 1", "classifier 2", "classifier 12"];

/// Standardised inputs of one classifier.
struct ClassifierData {
    dims: Vec<usize>,
    mean: Vec<f32>,
    scale: Vec<f32>,
    constant: Vec<bool>,
    train: Vec<f32>,
    held_out: Vec<f32>,
    measure: Vec<f32>,
}

/// Fits p(y|x1), p(y|x2) and p(y|x1, x2).
pub(super) fn fit_all(
    set: &TrainingSet<'_>,
    parts: &RowSplit,
    recipe: &Recipe,
    progress: &dyn FitProgress,
) -> Result<[(Stack, ClassifierFigures); 3]> {
    let inputs = MODALITIES.map(|modalities| ClassifierData::new(set, modalities, parts));
    let labels = |rows: &[usize]| rows.iter().map(|&row| set.y[row]).collect::<Vec<u32>>();
    let (train, held_out) = (labels(&parts.fit.train), labels(&parts.fit.held_out));

    let regressions = [0, 1, 2].map(|which| {
        let input = &inputs[which];
        let mut tried = 0;
        linear::search(
            input.labelled(&input.train, &train, set.classes),
            input.labelled(&input.held_out, &held_out, set.classes),
            &mut |_, nats| {
                tried += 1;
                progress.epoch(
                    &format!("{}, regression", NAMES[which]),
                    tried,
                    linear::STRENGTHS.len(),
                    nats,
                );
                check_interrupted(progress)
            },
        )
    });

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
                input.labelled(&input.train, &train, set.classes),
                input.labelled(&input.held_out, &held_out, set.classes),
                &input.constant,
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

    let measured = labels(&parts.measure);
    let mut fitted = Vec::with_capacity(3);
    for (which, (input, regression)) in inputs.iter().zip(regressions).enumerate() {
        let regression = regression?;
        let network = trained
            .iter()
            .filter(|(of, trained)| *of == which && trained.held_out_nats.is_finite())
            .map(|(_, trained)| trained)
            .min_by(|a, b| a.held_out_nats.total_cmp(&b.held_out_nats));
        let (Some(regression), Some(network)) = (regression, network) else {
            let what = format!("{} has no finite loss; scale the columns down", NAMES[which]);
            return Err(Error::bad_data(set.place.clone(), what));
        };
        fitted.push(input.stack(regression, network, [&train, &held_out, &measured]));
    }
    fitted.try_into().map_err(|_| Error::Internal("expected three classifiers".into()))
}

impl ClassifierData {
    fn new(set: &TrainingSet<'_>, modalities: &[usize], parts: &RowSplit) -> Self {
        let mut learned = [parts.fit.train.as_slice(), &parts.fit.held_out].concat();
        learned.sort_unstable();
        let x: Vec<&EmbeddingMatrix<'_>> = modalities.iter().map(|&modality| &set.x[modality]).collect();
        let scalings: Vec<Scaling> = x.iter().map(|x| Scaling::measure(x, &learned)).collect();
        let joined = |of: fn(&Scaling) -> &[f64]| -> Vec<f32> {
            scalings.iter().flat_map(of).map(|&value| value as f32).collect()
        };
        let (mean, scale) = (joined(|scaling| &scaling.mean), joined(|scaling| &scaling.scale));
        let standardise = |rows: &[usize]| -> Vec<f32> {
            let mut out = Vec::with_capacity(rows.len() * mean.len());
            for &row in rows {
                let values = x.iter().flat_map(|x| x.row(row));
                out.extend(values.zip(mean.iter().zip(&scale)).map(|(x, (m, s))| (x - m) / s));
            }
            out
        };
        Self {
            dims: x.iter().map(|x| x.dim).collect(),
            train: standardise(&parts.fit.train),
            held_out: standardise(&parts.fit.held_out),
            measure: standardise(&parts.measure),
            constant: scalings.iter().flat_map(|scaling| scaling.constant.iter().copied()).collect(),
            mean,
            scale,
        }
    }

    fn labelled<'a>(&self, x: &'a [f32], y: &'a [u32], classes: usize) -> LabelledRows<'a> {
        LabelledRows { x, width: self.mean.len(), y, classes }
    }

    /// Fits the stack weights on the held-out rows, refits the regression with these rows
    /// included (the network needs them for early stopping), and validates the result.
    fn stack(
        &self,
        regression: linear::RegressionFit,
        trained: &NetworkFit,
        [train, held_out, measured]: [&[u32]; 3],
    ) -> (Stack, ClassifierFigures) {
        let classes = regression.map.outputs;
        let linear = regression.map.apply(&self.held_out);
        let hidden = network(&trained.layers, &self.held_out);
        let betas = fit_weights([&linear, &hidden, &[]], held_out, classes);
        let (x, y) = ([self.train.as_slice(), &self.held_out].concat(), [train, held_out].concat());
        let stack = Stack {
            dims: self.dims.clone(),
            mean: self.mean.clone(),
            scale: self.scale.clone(),
            linear: Some(linear::refit(&regression, self.labelled(&x, &y, classes))),
            mlp: trained.layers.clone(),
            discriminant: None,
            betas,
        };
        let log_prob = stack.log_prob_standardised(&self.measure);
        let figures = ClassifierFigures {
            cross_entropy_nats: cross_entropy(&log_prob, measured, classes),
            accuracy: accuracy(&log_prob, measured, classes),
            calibration_error: calibration_error(&log_prob, measured, classes),
            l2: regression.strength,
            weight_decay: trained.decay,
            epochs: trained.epochs,
            betas: [betas[0], betas[1]],
            ..ClassifierFigures::default()
        };
        (stack, figures)
    }
}
