//! The affine maps of an ensemble of stacked classifiers, with standardisation and stack weights
//! folded in: one centre for all members, regression and discriminant analysis as one map.

use super::{Affine, Ensemble, Stack};

/// The folded maps of an ensemble. All read x minus [`FoldedEnsemble::centre`].
pub(super) struct FoldedEnsemble {
    /// Length of x.
    pub width: usize,
    /// C.
    pub classes: usize,
    /// The mean of the members' means.
    pub centre: Vec<f32>,
    /// Regressions and discriminant analyses of all members; `None` where they have none.
    pub scores: Option<FoldedScores>,
    /// Each member's network, with β_mlp in its last map; empty where the members have none.
    pub networks: Vec<Vec<Affine>>,
}

/// One map for the regressions and discriminant analyses of all members.
///
/// β_lin·z_lin + β_mda·ln Σ_r exp(w_r·x + b_r) = β_mda·ln Σ_r exp(w_r·x + b_r + (β_lin/β_mda)·z_lin), so
/// that a regression beside a discriminant analysis costs nothing.
pub(super) struct FoldedScores {
    /// R, the terms of each log-sum-exp: output r·M·C + m·C + c is term r of class c of member m.
    pub terms: usize,
    /// The map to `[R·M·C]`.
    pub map: Affine,
    /// The factor of each log-sum-exp, length M·C; `None` where it is in the map.
    pub factors: Option<Vec<f32>>,
}

/// Folds an ensemble.
pub(super) fn fold(ensemble: &Ensemble) -> FoldedEnsemble {
    let members = &ensemble.members;
    let width = members.first().map_or(0, |member| member.mean.len());
    let classes = members.iter().map(Stack::classes).max().unwrap_or(0);
    let centre: Vec<f32> = (0..width)
        .map(|j| {
            let sum: f64 = members.iter().map(|member| f64::from(member.mean[j])).sum();
            (sum / members.len() as f64) as f32
        })
        .collect();
    let has_network = |member: &Stack| !member.mlp.is_empty() && member.betas[1] != 0.0;
    let networks = if members.iter().any(has_network) {
        members.iter().map(|member| network(member, classes, &centre)).collect()
    } else {
        Vec::new()
    };
    let scores = scores(members, classes, &centre);
    FoldedEnsemble { width, classes, centre, scores, networks }
}

/// A member's network on x minus the centre; a map to zero where it has none.
fn network(member: &Stack, classes: usize, centre: &[f32]) -> Vec<Affine> {
    let mut layers = member.mlp.clone();
    if layers.is_empty() {
        layers.push(zero(member.mean.len(), classes));
    }
    if let Some(first) = layers.first_mut() {
        *first = recentred(first, member, centre);
    }
    if let Some(last) = layers.last_mut() {
        last.weight.iter_mut().chain(&mut last.bias).for_each(|value| *value *= member.betas[1]);
    }
    layers
}

fn scores(members: &[Stack], classes: usize, centre: &[f32]) -> Option<FoldedScores> {
    let has_linear = |member: &Stack| member.linear.is_some() && member.betas[0] != 0.0;
    let centres_of = |member: &Stack| match &member.discriminant {
        Some(part) if member.betas[2] != 0.0 => part.centres,
        _ => 0,
    };
    if !members.iter().any(|member| has_linear(member) || centres_of(member) > 0) {
        return None;
    }
    let terms = members.iter().map(centres_of).max().unwrap_or(0).max(1);
    let width = centre.len();
    let outputs = terms * members.len() * classes;
    let mut map =
        Affine { inputs: width, outputs, weight: vec![0.0; outputs * width], bias: vec![0.0; outputs] };
    let mut factors = vec![1.0; members.len() * classes];
    for (m, member) in members.iter().enumerate() {
        let part = Terms::of(member, classes);
        let maps = recentred(&part.map, member, centre);
        // One term is its own log-sum-exp, so that the factor goes into the map.
        let scale = if terms == 1 { part.factor } else { 1.0 };
        for c in 0..classes {
            factors[m * classes + c] = part.factor;
            for r in 0..terms {
                let (from, repeats) = part.source(c, r, terms);
                let to = (r * members.len() + m) * classes + c;
                let weight = &maps.weight[from * width..][..width];
                let row = &mut map.weight[to * width..][..width];
                row.iter_mut().zip(weight).for_each(|(to, &w)| *to = scale * w);
                map.bias[to] = scale * (maps.bias[from] - (repeats as f32).ln());
            }
        }
    }
    let factors = (terms > 1 && factors.iter().any(|&factor| factor != 1.0)).then_some(factors);
    Some(FoldedScores { terms, map, factors })
}

/// factor·ln Σ_r exp of a member's maps: its regression and discriminant analysis.
struct Terms {
    /// Terms of each class.
    centres: usize,
    /// To `[C·centres]`.
    map: Affine,
    factor: f32,
}

impl Terms {
    fn of(member: &Stack, classes: usize) -> Self {
        let [linear_beta, _, beta] = member.betas;
        let linear = member.linear.as_ref().filter(|_| linear_beta != 0.0);
        match member.discriminant.as_ref().filter(|_| beta != 0.0) {
            None => {
                let map = linear.cloned().unwrap_or_else(|| zero(member.mean.len(), classes));
                Self { centres: 1, map, factor: linear_beta }
            }
            Some(part) => {
                let (inputs, outputs) = (part.inputs, classes * part.centres);
                let (weight, bias) = (part.weight.clone(), part.bias.clone());
                let mut map = Affine { inputs, outputs, weight, bias };
                if let Some(linear) = linear {
                    let ratio = linear_beta / beta;
                    for row in 0..outputs {
                        let class = row / part.centres;
                        let from = &linear.weight[class * inputs..][..inputs];
                        let to = &mut map.weight[row * inputs..][..inputs];
                        to.iter_mut().zip(from).for_each(|(to, w)| *to += ratio * w);
                        map.bias[row] += ratio * linear.bias[class];
                    }
                }
                Self { centres: part.centres, map, factor: beta }
            }
        }
    }

    /// Of `terms` terms of class c, the output of the map that term r is, and how many terms are
    /// this output: the first is repeated where the member has fewer.
    fn source(&self, c: usize, r: usize, terms: usize) -> (usize, usize) {
        let place = if r < self.centres { r } else { 0 };
        (c * self.centres + place, if place == 0 { 1 + terms - self.centres } else { 1 })
    }
}

/// W diag(1/scale)(x − mean) + b as a map of x − centre.
fn recentred(map: &Affine, member: &Stack, centre: &[f32]) -> Affine {
    let mut map = map.clone();
    for (row, bias) in map.weight.chunks_exact_mut(map.inputs.max(1)).zip(&mut map.bias) {
        let mut shift = 0.0;
        for (column, w) in row.iter_mut().enumerate() {
            *w /= member.scale[column];
            shift += f64::from(*w) * (f64::from(centre[column]) - f64::from(member.mean[column]));
        }
        *bias = (f64::from(*bias) + shift) as f32;
    }
    map
}

fn zero(inputs: usize, outputs: usize) -> Affine {
    Affine { inputs, outputs, weight: vec![0.0; inputs * outputs], bias: vec![0.0; outputs] }
}
