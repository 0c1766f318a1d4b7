//! Cross-fitting of a classifier: every fold is predicted by parts that have not seen it. The
//! hyper-parameters are chosen on the first folds, the stack weights and the parts themselves on all
//! rows; the folds share them.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::bundle::{ClassifierFigures, Ensemble, Stack};
use crate::error::{Error, Result};
use crate::interaction::Subset;

use super::discriminant::{CENTRES, Shape};
use super::inference::combine;
use super::linear::RegressionFit;
use super::linear_ensemble;
use super::member::{Candidates, Choice, FoldContext, FoldRows, Member, NetworkShape};
use super::metrics::{classifier_figures, losses, mean_and_error};
use super::network::{DECAYS, HIDDEN, NetworkFit};
use super::part_selection::{network_is_promising, select};
use super::softmax::log_softmax_rows;
use super::split::Fold;
use super::stack::Parts;
use super::training_set::TrainingSet;

/// Held-out rows of the search for hyper-parameters, where the folds have so many.
const SEARCH_ROWS: usize = 1_000;

/// With more classes, networks of more than 64 units are tried.
const MANY_CLASSES: usize = 64;
const MOST_HIDDEN: usize = 512;

/// A fold of the search.
type Search<'a> = (FoldRows<'a>, Candidates);

/// A cross-fitted classifier.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CrossFitted {
    /// The stack of each fold.
    pub stacks: Vec<Stack>,
    /// The shape of the stacks' discriminant analyses.
    pub analysis: Option<Shape>,
    /// Out-of-fold figures.
    pub figures: ClassifierFigures,
}

/// Fits the classifier of some modalities on every fold.
pub(super) fn fit(context: &FoldContext<'_>, modalities: Subset, folds: &[Fold]) -> Result<CrossFitted> {
    let rows = |fold: usize| FoldRows::new(context, modalities, fold, &folds[fold]);
    let held_out: usize = folds.iter().map(|fold| fold.held_out.len()).sum();
    let searched = (SEARCH_ROWS * folds.len()).div_ceil(held_out.max(1)).clamp(1, folds.len());

    let searches: Vec<Search<'_>> = (0..searched)
        .into_par_iter()
        .with_min_len(context.folds_of_a_task())
        .map(|fold| {
            let rows = rows(fold);
            let candidates = rows.search()?;
            Ok((rows, candidates))
        })
        .collect::<Result<_>>()?;
    let mut choice = choose(&searches);
    let (shape, networks) = search_networks(&searches, context.set.classes)?;
    let mut members: Vec<Member> = searches
        .par_iter()
        .zip(networks)
        .map(|((rows, candidates), network)| rows.member(&choice, Some(candidates), network))
        .collect::<Result<_>>()?;

    let y: Vec<u32> = searches.iter().flat_map(|(rows, _)| rows.held_out.y.iter().copied()).collect();
    let logits = pooled(&members);
    let classes = context.set.classes;
    if network_is_promising(logits.each_ref().map(Vec::as_slice), &y, classes) {
        choice.network = Some(shape);
    } else {
        members.iter_mut().for_each(Member::drop_network);
    }
    drop(searches);
    let others: Vec<Member> = (searched..folds.len())
        .into_par_iter()
        .with_min_len(context.folds_of_a_task())
        .map(|fold| rows(fold).member(&choice, None, None))
        .collect::<Result<_>>()?;
    members.extend(others);
    finish(context, modalities, folds, &choice, members)
}

/// The strength of least pooled held-out loss, and the number of centres: further centres cost as much
/// as the first, so that their loss must be lower by more than noise.
fn choose(searches: &[Search<'_>]) -> Choice {
    let weight = |rows: &FoldRows<'_>| rows.held_out.y.len() as f64;
    // Candidates that a fold did not reach count as worse than those that it did.
    let mut strengths: Vec<(f64, usize, f64)> = Vec::new();
    for (rows, candidates) in searches {
        for &(strength, nats) in &candidates.strengths {
            add(&mut strengths, strength, weight(rows) * nats);
        }
    }
    let strength = least(&strengths, searches.len());
    let regression = searches.iter().find_map(|(_, candidates)| candidates.regression.clone());
    let mut chosen: Option<(Shape, Vec<f64>)> = None;
    for centres in CENTRES {
        let of_shapes = [false, true].map(|shrunk| {
            let shape = Shape { centres, shrunk };
            let losses: Option<Vec<Vec<f64>>> = searches
                .iter()
                .map(|(rows, candidates)| rows.discriminant_losses(candidates, shape))
                .collect();
            losses.map(|losses| (shape, losses.concat()))
        });
        let sum = |losses: &[f64]| losses.iter().sum::<f64>();
        let best = of_shapes.into_iter().flatten().min_by(|(_, a), (_, b)| sum(a).total_cmp(&sum(b)));
        let Some((shape, losses)) = best else { break };
        let better = chosen.as_ref().is_none_or(|(_, least)| {
            let gains: Vec<f64> = least.iter().zip(&losses).map(|(least, own)| least - own).collect();
            let (gain, error) = mean_and_error(&gains);
            gain > error
        });
        if better {
            chosen = Some((shape, losses));
        }
    }
    Choice {
        regression: regression.zip(strength).map(|(fit, strength)| RegressionFit { strength, ..fit }),
        analysis: chosen.map(|(shape, _)| shape),
        network: None,
    }
}

fn add<T: PartialEq>(sums: &mut Vec<(T, usize, f64)>, key: T, nats: f64) {
    match sums.iter_mut().find(|(known, ..)| *known == key) {
        Some((_, folds, sum)) => {
            *folds += 1;
            *sum += nats;
        }
        None => sums.push((key, 1, nats)),
    }
}

/// The first candidate of least sum among those of all folds.
fn least<T: Copy>(sums: &[(T, usize, f64)], folds: usize) -> Option<T> {
    let finite = sums.iter().filter(|(_, reached, sum)| *reached == folds && sum.is_finite());
    finite.min_by(|a, b| a.2.total_cmp(&b.2)).map(|(key, ..)| *key)
}

/// The network of least pooled loss, of each fold of the search. The weight decay is chosen first; with
/// many classes, a wider network is tried.
fn search_networks(
    searches: &[Search<'_>],
    classes: usize,
) -> Result<(NetworkShape, Vec<Option<NetworkFit>>)> {
    let narrow = HIDDEN[0];
    let mut tried = DECAYS.map(|decay| NetworkShape { hidden: narrow, decay }).to_vec();
    let mut best = train_networks(searches, &tried)?;
    let wide = classes.next_power_of_two().clamp(narrow, MOST_HIDDEN);
    if classes > MANY_CLASSES && wide > narrow {
        tried = vec![NetworkShape { hidden: wide, ..best.shape }];
        let wider = train_networks(searches, &tried)?;
        if wider.nats < best.nats {
            best = wider;
        }
    }
    let finite = best.nats.is_finite();
    Ok((best.shape, best.fits.into_iter().map(|fit| Some(fit).filter(|_| finite)).collect()))
}

/// Networks of one shape, of each fold of the search.
struct TrainedNetworks {
    shape: NetworkShape,
    fits: Vec<NetworkFit>,
    /// The sum of their losses.
    nats: f64,
}

/// The best of some shapes.
fn train_networks(searches: &[Search<'_>], shapes: &[NetworkShape]) -> Result<TrainedNetworks> {
    let folds = 0..searches.len();
    let jobs: Vec<(NetworkShape, usize)> =
        shapes.iter().flat_map(|&shape| folds.clone().map(move |fold| (shape, fold))).collect();
    let trained: Vec<(NetworkFit, f64)> = jobs
        .into_par_iter()
        .with_max_len(1)
        .map(|(shape, fold)| {
            let rows = &searches[fold].0;
            let fit = rows.network(shape)?;
            let nats = rows.network_nats(&fit) * rows.held_out.y.len() as f64;
            Ok((fit, nats))
        })
        .collect::<Result<_>>()?;
    let by_shape = shapes.iter().zip(trained.chunks(searches.len()));
    let sums = by_shape.map(|(&shape, fits)| (shape, fits, fits.iter().map(|(_, nats)| nats).sum::<f64>()));
    let best = sums.min_by(|a, b| a.2.total_cmp(&b.2));
    let (shape, fits, nats) = best.ok_or_else(|| Error::Internal("no network was trained".into()))?;
    Ok(TrainedNetworks { shape, fits: fits.iter().map(|(fit, _)| fit.clone()).collect(), nats })
}

/// The members' logits, one after the other; empty for a part that not all have.
fn pooled(members: &[Member]) -> [Vec<f32>; 3] {
    [0, 1, 2].map(|part| {
        if members.iter().any(|member| member.logits[part].is_empty()) {
            return Vec::new();
        }
        members.iter().flat_map(|member| member.logits[part].iter().copied()).collect()
    })
}

/// Stack weights and figures from all rows.
fn finish(
    context: &FoldContext<'_>,
    modalities: Subset,
    folds: &[Fold],
    choice: &Choice,
    members: Vec<Member>,
) -> Result<CrossFitted> {
    let set = context.set;
    let logits = pooled(&members);
    let y: Vec<u32> = folds.iter().flat_map(|fold| &fold.held_out).map(|&row| set.y[row]).collect();
    let (betas, figures) = stacked(set, modalities, logits.each_ref().map(Vec::as_slice), &y)?;
    let [has_linear, has_network, has_discriminant] = betas.map(|beta| beta > 0.0);
    let mut epochs: Vec<usize> = members.iter().map(|member| member.epochs).collect();
    epochs.sort_unstable();
    let strength = choice.regression.as_ref().map_or(0.0, |fit| fit.strength);
    let figures = ClassifierFigures {
        l2: if has_linear { strength } else { 0.0 },
        weight_decay: choice.network.filter(|_| has_network).map_or(0.0, |shape| shape.decay),
        epochs: if has_network { epochs[epochs.len() / 2] } else { 0 },
        centres: choice.analysis.filter(|_| has_discriminant).map(|shape| shape.centres),
        hidden_units: members.first().and_then(Member::hidden_units).filter(|_| has_network),
        ..figures
    };
    let stacks = members.into_iter().map(|member| member.stack(betas)).collect();
    Ok(CrossFitted { stacks, analysis: choice.analysis, figures })
}

/// Stack weights and their out-of-fold figures from all parts' logits of the same rows.
pub(super) fn stacked(
    set: &TrainingSet<'_>,
    modalities: Subset,
    parts: Parts<'_>,
    y: &[u32],
) -> Result<([f32; 3], ClassifierFigures)> {
    let betas = select(parts, y, set.classes);
    let mut log_prob = combine(betas, parts);
    log_softmax_rows(&mut log_prob, set.classes);
    if losses(&log_prob, y, set.classes).any(|nats| nats.is_nan()) || log_prob.is_empty() {
        let what = format!("classifier {modalities} has no finite loss; scale the columns down");
        return Err(Error::bad_data(set.place.clone(), what));
    }
    let figures = ClassifierFigures {
        betas: [betas[0], betas[1]],
        discriminant_beta: (betas[2] > 0.0).then_some(betas[2]),
        ..classifier_figures(&log_prob, y, set.classes)
    };
    Ok((betas, figures))
}

impl CrossFitted {
    /// Gives all stacks other weights, with their figures, and leaves out what has none.
    pub fn adopt(&mut self, betas: [f32; 3], figures: ClassifierFigures) {
        let [has_linear, has_network, has_discriminant] = betas.map(|beta| beta > 0.0);
        for stack in &mut self.stacks {
            stack.betas = betas;
            // Without any weight the classifier is uniform; a part has to say of how many classes.
            if has_network || has_discriminant {
                stack.linear = stack.linear.take().filter(|_| has_linear);
            }
            stack.discriminant = stack.discriminant.take().filter(|_| has_discriminant);
            if !has_network {
                stack.mlp.clear();
            }
        }
        let ClassifierFigures { l2, weight_decay, epochs, centres, hidden_units, .. } = self.figures;
        self.figures = ClassifierFigures {
            l2: if has_linear { l2 } else { 0.0 },
            weight_decay: if has_network { weight_decay } else { 0.0 },
            epochs: if has_network { epochs } else { 0 },
            centres: centres.filter(|_| has_discriminant),
            hidden_units: hidden_units.filter(|_| has_network),
            ..figures
        };
    }

    /// The main classifier: the mean of the folds'.
    pub fn ensemble(&self) -> Ensemble {
        match linear_ensemble::merge(&self.stacks) {
            Some(one) => one.into(),
            None => Ensemble { members: self.stacks.clone() },
        }
    }
}
