//! Inference of the trained models on slices, for model selection and validation figures, and
//! as the reference in tests of their ONNX graphs.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::bundle::{Affine, Discriminant, Ensemble, Mixture, Scales, Stack};
use crate::vectors::vectorised;

use super::lanes::{Real, maximum, squared_distance};
use super::softmax::{log_softmax_rows, log_sum_exp_rows};

/// Rows per matrix product: enough for its peak rate, few enough to stay in the cache.
const BLOCK: usize = 256;
/// Maximum dimension for one product with the factors of all components: above, the half of it that
/// a triangular product saves counts for more.
const NARROW: usize = 64;

impl Mixture {
    /// Specificity h(x) = −ln p(x) in nats, in f64.
    ///
    /// `x` is `[n, d]` row-major; the result has length n.
    pub fn specificity(&self, x: &[f32]) -> Vec<f64> {
        let x: Vec<f64> = x.iter().map(|&value| f64::from(value)).collect();
        self.specificity_f64(&x)
    }

    /// [`Mixture::specificity`] of rows in f64.
    pub(crate) fn specificity_f64(&self, x: &[f64]) -> Vec<f64> {
        let mut h = vec![0.0; x.len() / self.dim];
        let terms = self.scaled(self.log_joint(x));
        log_sum_exp_rows(&terms, self.components() * self.scales.precisions.len(), &mut h);
        h.iter_mut().for_each(|value| *value = -*value);
        h
    }

    /// The terms of p(x) at all scales, `[n, K·J]`, from those of [`Mixture::log_joint`].
    fn scaled(&self, log_joint: Vec<f64>) -> Vec<f64> {
        if self.scales == Scales::default() {
            return log_joint;
        }
        let constants = self.log_constants();
        let components = log_joint.chunks_exact(constants.len()).flat_map(|row| row.iter().zip(&constants));
        // −|z_k|²/2 = joint − constant.
        components
            .flat_map(|(joint, constant)| {
                self.scales
                    .iter()
                    .map(move |(amplitude, precision)| constant + amplitude + precision * (joint - constant))
            })
            .collect()
    }

    /// ln w_k + ln|det A_k| − d/2 ln 2π for every component: the term of p(x) at μ_k.
    pub(crate) fn log_constants(&self) -> Vec<f64> {
        let d = self.dim;
        let constant = |component: usize| {
            let factor = self.factor(component);
            let log_det: f64 = (0..d).map(|j| factor[(j, j)].ln()).sum();
            self.log_weights[component] + log_det - 0.5 * d as f64 * (2.0 * std::f64::consts::PI).ln()
        };
        (0..self.components()).map(constant).collect()
    }

    /// K, the number of components.
    pub fn components(&self) -> usize {
        self.log_weights.len()
    }

    /// ln w_k + ln N(x; μ_k, Σ_k) for every row and component, at a scale of 1: `[n, K]` row-major.
    pub(crate) fn log_joint(&self, x: &[f64]) -> Vec<f64> {
        let (d, k) = (self.dim, self.components());
        let constants = self.log_constants();
        // z = A_k (x − c) − A_k (μ_k − c): of components that share a factor the first product serves
        // all, and few dimensions are one product for all components.
        let shared = k > 1 && self.factors.chunks_exact(d * d).all(|factor| factor == &self.factors[..d * d]);
        let stacked = !shared && d <= NARROW;
        let width = if stacked { k * d } else { d };
        let offsets = self.offsets();
        let mut out = vec![0.0; x.len() / d * k];
        out.par_chunks_mut(BLOCK * k).zip(x.par_chunks(BLOCK * d)).for_each(|(out, x)| {
            let rows = x.len() / d;
            let (mut centred, mut z) = (vec![0.0; rows * d], vec![0.0; rows * width]);
            centre(x, &self.center, &mut centred);
            if stacked {
                matmul(
                    MatMut::from_column_major_slice_mut(&mut z, width, rows),
                    Accum::Replace,
                    MatRef::from_row_major_slice(&self.factors, width, d),
                    MatRef::from_column_major_slice(&centred, d, rows),
                    1.0,
                    Par::Seq,
                );
            }
            for (component, (constant, offset)) in constants.iter().zip(offsets.chunks_exact(d)).enumerate() {
                if !(stacked || shared && component > 0) {
                    self.whiten(component, &centred, &mut z);
                }
                let from = if stacked { component * d } else { 0 };
                vectorised(
                    #[inline(always)]
                    || {
                        for (z, out) in z.chunks_exact(width).zip(out.chunks_exact_mut(k)) {
                            out[component] = constant - 0.5 * squared_distance(&z[from..from + d], offset);
                        }
                    },
                );
            }
        });
        out
    }

    /// A_k (μ_k − c), `[K, d]`.
    fn offsets(&self) -> Vec<f64> {
        let mut centred = vec![0.0; self.means.len()];
        centre(&self.means, &self.center, &mut centred);
        let mut offsets = vec![0.0; self.means.len()];
        let rows = centred.chunks_exact(self.dim).zip(offsets.chunks_exact_mut(self.dim));
        rows.enumerate().for_each(|(component, (mean, offset))| self.whiten(component, mean, offset));
        offsets
    }

    /// z = A_k x for rows of x.
    fn whiten(&self, component: usize, x: &[f64], z: &mut [f64]) {
        let (d, rows) = (self.dim, x.len() / self.dim);
        triangular::matmul(
            MatMut::from_column_major_slice_mut(z, d, rows),
            BlockStructure::Rectangular,
            Accum::Replace,
            self.factor(component),
            BlockStructure::TriangularLower,
            MatRef::from_column_major_slice(x, d, rows),
            BlockStructure::Rectangular,
            1.0,
            Par::Seq,
        );
    }

    /// A_k.
    pub(crate) fn factor(&self, component: usize) -> MatRef<'_, f64> {
        let size = self.dim * self.dim;
        MatRef::from_row_major_slice(&self.factors[component * size..][..size], self.dim, self.dim)
    }
}

impl Stack {
    /// ln p(y|x) in nats for every class: `[n, C]` row-major.
    ///
    /// `inputs` are the modalities of this classifier, each `[n, d]` row-major.
    pub fn log_prob(&self, inputs: &[&[f32]]) -> Vec<f64> {
        let width: usize = self.dims.iter().sum();
        let rows = match (inputs.first(), self.dims.first()) {
            (Some(values), Some(dim)) => values.len() / dim,
            _ => 0,
        };
        let mut x = Vec::with_capacity(rows * width);
        for row in 0..rows {
            let parts = inputs.iter().zip(&self.dims).flat_map(|(values, &dim)| &values[row * dim..][..dim]);
            x.extend(parts.zip(self.mean.iter().zip(&self.scale)).map(|(x, (m, s))| (x - m) / s));
        }
        self.log_prob_standardised(&x)
    }

    /// ln p(y|x) of standardised and concatenated rows.
    pub(crate) fn log_prob_standardised(&self, x: &[f32]) -> Vec<f64> {
        let linear = self.linear.as_ref().map(|map| map.apply(x)).unwrap_or_default();
        let discriminant = self.discriminant.as_ref().map(|part| part.apply(x)).unwrap_or_default();
        let mut log_prob = combine(self.betas, [&linear, &network(&self.mlp, x), &discriminant]);
        log_softmax_rows(&mut log_prob, self.classes().max(1));
        log_prob
    }
}

impl Ensemble {
    /// ln of the members' mean probability in nats for every class: `[n, C]` row-major.
    ///
    /// `inputs` are the modalities of this classifier, each `[n, d]` row-major.
    pub fn log_prob(&self, inputs: &[&[f32]]) -> Vec<f64> {
        let members: Vec<Vec<f64>> = self.members.iter().map(|member| member.log_prob(inputs)).collect();
        log_mean_exp(&members)
    }
}

/// ln of the mean of exp(v), entry by entry.
pub(crate) fn log_mean_exp(members: &[Vec<f64>]) -> Vec<f64> {
    let [rest @ .., last] = members else { return Vec::new() };
    let count = (members.len() as f64).ln();
    let mut terms = vec![0.0; members.len()];
    let mean = |at: usize| {
        terms.iter_mut().zip(members).for_each(|(term, member)| *term = member[at]);
        log_sum_exp(&terms) - count
    };
    if rest.is_empty() { last.clone() } else { (0..last.len()).map(mean).collect() }
}

impl Discriminant {
    /// z `[n, C]` of standardised rows `[n, inputs]`, both row-major.
    pub(crate) fn apply(&self, x: &[f32]) -> Vec<f32> {
        let (inputs, outputs) = (self.inputs, self.classes * self.centres);
        let map = Affine { inputs, outputs, weight: self.weight.clone(), bias: self.bias.clone() };
        let terms = map.apply(x);
        let centres = self.centres.max(1);
        let mut z = vec![0.0; terms.len() / centres];
        z.par_chunks_mut(BLOCK)
            .zip(terms.par_chunks(BLOCK * centres))
            .for_each(|(z, terms)| log_sum_exp_rows(terms, centres, z));
        z
    }
}

impl Affine {
    /// W x + b for every row of x (`[n, inputs]` row-major): `[n, outputs]` row-major.
    pub(crate) fn apply(&self, x: &[f32]) -> Vec<f32> {
        let rows = x.len() / self.inputs.max(1);
        let mut out = vec![0.0; rows * self.outputs];
        let weight = MatRef::from_row_major_slice(&self.weight, self.outputs, self.inputs);
        out.par_chunks_mut(BLOCK * self.outputs).zip(x.par_chunks(BLOCK * self.inputs)).for_each(
            |(out, x)| {
                let rows = x.len() / self.inputs;
                out.chunks_exact_mut(self.outputs).for_each(|row| row.copy_from_slice(&self.bias));
                matmul(
                    MatMut::from_column_major_slice_mut(out, self.outputs, rows),
                    Accum::Add,
                    weight,
                    MatRef::from_column_major_slice(x, self.inputs, rows),
                    1.0,
                    Par::Seq,
                );
            },
        );
        out
    }
}

/// The layers of a network: affine maps with ReLU between them.
pub(crate) fn network(layers: &[Affine], x: &[f32]) -> Vec<f32> {
    let mut values = Vec::new();
    for (depth, layer) in layers.iter().enumerate() {
        if depth > 0 {
            values.iter_mut().for_each(|value: &mut f32| *value = value.max(0.0));
        }
        values = layer.apply(if depth == 0 { x } else { &values });
    }
    values
}

/// β_lin·z_lin + β_mlp·z_mlp + β_mda·z_mda; the logits of an absent part are empty.
pub(crate) fn combine(betas: [f32; 3], parts: [&[f32]; 3]) -> Vec<f64> {
    let entries = parts.iter().map(|part| part.len()).max().unwrap_or(0);
    let mut sum = vec![0.0; entries];
    for (beta, part) in betas.map(f64::from).into_iter().zip(parts) {
        if beta != 0.0 {
            sum.iter_mut().zip(part).for_each(|(sum, &z)| *sum += beta * f64::from(z));
        }
    }
    sum
}

/// x − mean, row by row.
fn centre(x: &[f64], mean: &[f64], out: &mut [f64]) {
    for (out, x) in out.chunks_exact_mut(mean.len()).zip(x.chunks_exact(mean.len())) {
        out.iter_mut().zip(x.iter().zip(mean)).for_each(|(out, (x, m))| *out = x - m);
    }
}

/// ln Σ exp(v) of one row, with the maximum subtracted; see [`log_sum_exp_rows`] for many rows.
pub(crate) fn log_sum_exp(values: &[f64]) -> f64 {
    let top = maximum(values);
    if top == f64::NEG_INFINITY {
        return values.iter().fold(top, |top, value| if value.is_nan() { *value } else { top });
    }
    top + values.iter().map(|&value| Real::exp(value - top)).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mixture_in_one_dimension_by_hand() {
        let mixture = Mixture {
            dim: 1,
            log_weights: vec![0.25f64.ln(), 0.75f64.ln()],
            means: vec![-1.0, 2.0],
            factors: vec![2.0, 0.5],
            center: vec![0.0],
            scales: Scales::default(),
        };
        let normal = |x: f64, mean: f64, sd: f64| {
            (-((x - mean) / sd).powi(2) / 2.0).exp() / (sd * (2.0 * std::f64::consts::PI).sqrt())
        };
        for x in [-3.0f32, 0.0, 1.5, 40.0] {
            let v = f64::from(x);
            let truth = -(0.25 * normal(v, -1.0, 0.5) + 0.75 * normal(v, 2.0, 2.0)).ln();
            assert!((mixture.specificity(&[x])[0] - truth).abs() < 1e-12 * truth.abs().max(1.0));
        }
    }

    #[test]
    fn a_stack_by_hand() {
        let stack = Stack {
            dims: vec![1, 2],
            mean: vec![1.0, 0.0, -1.0],
            scale: vec![2.0, 1.0, 0.5],
            linear: Some(Affine {
                inputs: 3,
                outputs: 2,
                weight: vec![1., 0., 0., 0., 1., 1.],
                bias: vec![0.5, 0.],
            }),
            mlp: vec![
                Affine { inputs: 3, outputs: 1, weight: vec![1., 1., 1.], bias: vec![-1.] },
                Affine { inputs: 1, outputs: 2, weight: vec![2., -1.], bias: vec![0., 1.] },
            ],
            discriminant: None,
            betas: [0.5, 2.0, 0.0],
        };
        // Standardised: row 0 is (1, 2, 4), row 1 is (−1, −1, 0).
        let log_prob = stack.log_prob(&[&[3., -1.], &[2., 1., -1., -1.]]);
        let softmax = |a: f64, b: f64| [a - (a.exp() + b.exp()).ln(), b - (a.exp() + b.exp()).ln()];
        let truth = [softmax(0.5 * 1.5 + 2. * 12., 0.5 * 6. + 2. * -5.), softmax(0.5 * -0.5, 2. - 0.5)];
        for (found, truth) in log_prob.iter().zip(truth.iter().flatten()) {
            assert!((found - truth).abs() < 1e-6, "{log_prob:?} {truth:?}");
        }
    }
}
