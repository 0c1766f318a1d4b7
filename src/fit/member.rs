//! One fold's classifier: its rows, the candidates of each part, and the parts that were chosen.

use crate::bundle::{Affine, Discriminant, Stack};
use crate::error::Result;
use crate::interaction::Subset;

use super::class_rows::{ClassRows, ClassTotals};
use super::classifier_data::{ClassifierData, StandardRows};
use super::discriminant::{self, CENTRES, DiscriminantFit, Shape};
use super::inference::{combine, network};
use super::linear::{self, RegressionFit};
use super::metrics::{cross_entropy, losses};
use super::network::{self as mlp, EPOCHS, NetworkFit};
use super::progress::{FitProgress, check_interrupted};
use super::random::{RandomStream, random_stream};
use super::recipe::Recipe;
use super::split::{Fold, grouped_folds};
use super::stack::{Parts, fit_weights};
use super::training_set::TrainingSet;

/// Folds of the training rows of which one stops the network early.
const INNER: usize = 10;
/// The search over numbers of centres ends where the loss is so many nats above the least.
const MUCH_WORSE: f64 = 0.002;

/// Values of large data, whose folds are not all in memory at a time.
const LARGE: usize = 1 << 24;

/// What all folds of a fit share.
pub(super) struct FoldContext<'a> {
    pub set: &'a TrainingSet<'a>,
    /// The group of each row.
    pub groups: &'a [usize],
    pub recipe: &'a Recipe,
    pub progress: &'a dyn FitProgress,
}

impl FoldContext<'_> {
    /// Minimum number of folds of one task: of large data at most two are in memory at a time, and
    /// their products have threads of their own.
    pub fn folds_of_a_task(&self) -> usize {
        let values: usize = self.set.x.iter().map(|x| x.values.len()).sum();
        if values > LARGE { 2 } else { 1 }
    }
}

/// The rows of one fold for one classifier.
pub(super) struct FoldRows<'a> {
    context: &'a FoldContext<'a>,
    modalities: Subset,
    fold: usize,
    data: ClassifierData,
    train: StandardRows,
    pub held_out: StandardRows,
    class_rows: ClassRows,
    totals: ClassTotals,
    /// Early stopping needs rows of its own: those of the fold must stay unseen.
    inner: Fold,
}

/// The chosen hyper-parameters of a classifier.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    /// The regression's strength, with a solution to start from.
    pub regression: Option<RegressionFit>,
    /// The discriminant analysis.
    pub analysis: Option<Shape>,
    /// The network.
    pub network: Option<NetworkShape>,
}

/// The hyper-parameters of a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct NetworkShape {
    /// Units of each of two hidden layers.
    pub hidden: usize,
    pub decay: f64,
}

/// The candidates of one fold.
pub(super) struct Candidates {
    /// Strengths with their held-out loss.
    pub strengths: Vec<(f64, f64)>,
    pub regression: Option<RegressionFit>,
    /// Analyses with their fits.
    pub discriminants: Vec<(Shape, DiscriminantFit)>,
}

/// The parts of one fold with their logits of the held-out rows.
pub(super) struct Member {
    data: ClassifierData,
    linear: Option<Affine>,
    discriminant: Option<Discriminant>,
    network: Vec<Affine>,
    pub epochs: usize,
    /// Of regression, network and discriminant analysis, `[held-out, C]`; empty for an absent part.
    pub logits: [Vec<f32>; 3],
}

impl<'a> FoldRows<'a> {
    pub fn new(context: &'a FoldContext<'a>, modalities: Subset, fold: usize, rows: &Fold) -> Self {
        let set = context.set;
        let data = ClassifierData::measure(set, modalities, &rows.train);
        let train = data.rows(set, &rows.train);
        // Positions among the training rows.
        let positions: Vec<usize> = (0..rows.train.len()).collect();
        let groups: Vec<usize> = rows.train.iter().map(|&row| context.groups[row]).collect();
        let class_rows = ClassRows::new(train.labelled());
        let mut rng = random_stream(context.recipe.seed, RandomStream::Inner(fold));
        let mut inner = grouped_folds(&positions, &train.y, &groups, INNER, &mut rng);
        Self {
            held_out: data.rows(set, &rows.held_out),
            totals: class_rows.totals(),
            class_rows,
            inner: inner.swap_remove(0),
            context,
            modalities,
            fold,
            data,
            train,
        }
    }

    /// Fits the candidates of regression and discriminant analysis.
    pub fn search(&self) -> Result<Candidates> {
        let mut strengths = Vec::new();
        let name = self.name("regression");
        let progress = self.context.progress;
        let check = || check_interrupted(progress);
        let regression = linear::search(
            self.train.labelled(),
            self.held_out.labelled(),
            &check,
            &mut |strength, nats| {
                strengths.push((strength, nats));
                progress.epoch(&name, strengths.len(), linear::STRENGTHS.len(), nats);
            },
        )?;
        let mut discriminants: Vec<(Shape, DiscriminantFit)> = Vec::new();
        let name = self.name("discriminant analysis");
        let mut least = f64::INFINITY;
        for centres in CENTRES {
            let mut own = f64::INFINITY;
            for shrunk in [false, true] {
                let shape = Shape { centres, shrunk };
                let fitted = self.discriminant(shape)?;
                own = own.min(fitted.held_out_nats);
                discriminants.push((shape, fitted));
                progress.epoch(&name, discriminants.len(), 2 * CENTRES.len(), own);
            }
            // Two centres may say little where three say much, but not less than one.
            if own > least + MUCH_WORSE {
                break;
            }
            least = least.min(own);
        }
        Ok(Candidates { strengths, regression, discriminants })
    }

    /// Fits a discriminant analysis.
    pub fn discriminant(&self, shape: Shape) -> Result<DiscriminantFit> {
        let mut rng = random_stream(
            self.context.recipe.seed,
            RandomStream::Discriminant(self.modalities, self.fold, shape.centres),
        );
        let check = || check_interrupted(self.context.progress);
        discriminant::fit(&self.class_rows, &self.totals, self.held_out.labelled(), shape, &mut rng, &check)
    }

    /// Trains a network, stopped early on rows that are not the fold's.
    pub fn network(&self, NetworkShape { hidden, decay }: NetworkShape) -> Result<NetworkFit> {
        let part = |positions: &[usize]| self.train.part(positions);
        let (train, stop) = (part(&self.inner.train), part(&self.inner.held_out));
        let name = self.name(&format!("{hidden} units, decay {decay}"));
        let progress = self.context.progress;
        mlp::train(
            train.labelled(),
            stop.labelled(),
            &self.data.constant,
            &[hidden; 2],
            decay,
            random_stream(self.context.recipe.seed, RandomStream::FoldNetwork(self.modalities, self.fold)),
            &|epoch, nats| {
                progress.epoch(&name, epoch, EPOCHS, nats);
                check_interrupted(progress)
            },
        )
    }

    /// The loss of each of the fold's rows under a candidate, with the temperature that suits them
    /// best; `None` where there is no such candidate.
    pub fn discriminant_losses(&self, candidates: &Candidates, shape: Shape) -> Option<Vec<f64>> {
        let (_, fit) = candidates.discriminants.iter().find(|(own, _)| *own == shape)?;
        let rows = self.held_out.labelled();
        let logits = fit.part.apply(rows.x);
        let parts: Parts<'_> = [&[], &[], &logits];
        let scaled = combine(fit_weights(parts, rows.y, rows.classes), parts);
        Some(losses(&scaled, rows.y, rows.classes).collect())
    }

    /// A network's loss on the fold's rows, with the temperature that suits them best.
    pub fn network_nats(&self, fit: &NetworkFit) -> f64 {
        let rows = self.held_out.labelled();
        let logits = network(&fit.layers, rows.x);
        let parts: Parts<'_> = [&[], &logits, &[]];
        cross_entropy(&combine(fit_weights(parts, rows.y, rows.classes), parts), rows.y, rows.classes)
    }

    /// The chosen parts, of which those that the search has fitted are taken from it.
    pub fn member(
        &self,
        choice: &Choice,
        candidates: Option<&Candidates>,
        network_fit: Option<NetworkFit>,
    ) -> Result<Member> {
        let check = || check_interrupted(self.context.progress);
        let refitted = choice.regression.as_ref().map(|chosen| {
            let own = candidates.and_then(|candidates| candidates.regression.as_ref());
            match own.filter(|own| own.strength == chosen.strength) {
                Some(own) => Ok(own.map.clone()),
                None => linear::refit(chosen, self.train.labelled(), &check),
            }
        });
        let linear = refitted.transpose()?;
        let own = |shape: Shape| {
            let mut all = candidates.iter().flat_map(|candidates| &candidates.discriminants);
            all.find(|(own, _)| *own == shape).map(|(_, fit)| fit.clone())
        };
        let discriminant = match choice.analysis {
            None => None,
            Some(shape) => Some(own(shape).map_or_else(|| self.discriminant(shape), Ok)?.part),
        };
        let trained = match (network_fit, choice.network) {
            (Some(fit), _) => Some(fit),
            (None, Some(shape)) => Some(self.network(shape)?),
            (None, None) => None,
        };
        let (layers, epochs) = trained.map(|fit| (fit.layers, fit.epochs)).unwrap_or_default();
        let x = &self.held_out.x;
        let logits = [
            linear.as_ref().map(|map| map.apply(x)).unwrap_or_default(),
            network(&layers, x),
            discriminant.as_ref().map(|part| part.apply(x)).unwrap_or_default(),
        ];
        Ok(Member { data: self.data.clone(), linear, discriminant, network: layers, epochs, logits })
    }

    fn name(&self, part: &str) -> String {
        format!("classifier {}, fold {}, {part}", self.modalities, self.fold + 1)
    }
}

impl Member {
    /// Takes the network out.
    pub fn drop_network(&mut self) {
        self.network.clear();
        self.logits[1].clear();
        self.epochs = 0;
    }

    /// Units of the network's first layer.
    pub fn hidden_units(&self) -> Option<usize> {
        self.network.first().map(|layer| layer.outputs)
    }

    /// The stack of the parts with a weight.
    pub fn stack(self, betas: [f32; 3]) -> Stack {
        let ClassifierData { dims, mean, scale, .. } = self.data;
        let [has_linear, has_network, has_discriminant] = betas.map(|beta| beta > 0.0);
        Stack {
            dims,
            mean,
            scale,
            // Without any weight the classifier is uniform; a part has to say of how many classes.
            linear: self.linear.filter(|_| has_linear || betas == [0.0; 3]),
            mlp: if has_network { self.network } else { Vec::new() },
            discriminant: self.discriminant.filter(|_| has_discriminant),
            betas,
        }
    }
}
