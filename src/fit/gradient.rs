//! Density fit by gradient descent, as in the paper: the mean −ln p of batches, with the same
//! initialisation as EM and early stopping on held-out rows.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::bundle::{Mixture, Scales};
use crate::error::Result;
use crate::vectors::vectorised;

use super::adamw::{Parameters, Schedule};
use super::em_steps::RowMatrix;
use super::lanes::dot;
use super::mixture::{MixtureFit, mean_nats};
use super::network::{BATCH, EPOCHS, PATIENCE};
use super::softmax::{log_softmax_rows, softmax_rows};

const LEARNING_RATE: f64 = 3e-3;

/// Descends from `start` and returns the mixture of the best epoch. `on_step` receives each
/// epoch, the maximum number of epochs, and the held-out −ln p.
pub(crate) fn descend(
    start: MixtureFit,
    train: RowMatrix<'_>,
    held_out: RowMatrix<'_>,
    mut rng: ChaCha8Rng,
    on_step: &dyn Fn(usize, usize, f64) -> Result<()>,
) -> Result<MixtureFit> {
    let rows = train.values.len() / train.dim;
    let mut training = Training::new(&start.mixture, EPOCHS * rows.div_ceil(BATCH));
    let mut best = start;
    let mut order: Vec<usize> = (0..rows).collect();
    for epoch in 1..=EPOCHS {
        order.shuffle(&mut rng);
        order.chunks(BATCH).for_each(|batch| training.step(train, batch));
        let mixture = training.mixture();
        let held_out_nats = mean_nats(&mixture, held_out);
        on_step(epoch, EPOCHS, held_out_nats)?;
        if held_out_nats < best.held_out_nats {
            best = MixtureFit { mixture, iterations: epoch, held_out_nats, ..best };
        } else if epoch >= best.iterations + PATIENCE {
            break;
        }
    }
    Ok(best)
}

/// A mixture in training, with the buffers of a step.
struct Training {
    dim: usize,
    components: usize,
    schedule: Schedule,
    /// Logits of the weights, `[K]`.
    weights: Parameters,
    /// μ, `[K, d]`.
    means: Parameters,
    /// The factors below their diagonals, `[K, d, d]`; zero elsewhere.
    lower: Parameters,
    /// ln of the factors' diagonals, `[K, d]`.
    log_diagonal: Parameters,
    /// A, `[K, d, d]`.
    factors: Vec<f32>,
    /// The batch, `[BATCH, d]`.
    x: Vec<f32>,
    /// A_k (x − μ_k), then the derivatives of the loss by it, `[BATCH, K, d]`.
    z: Vec<f32>,
    /// Responsibility of each component, `[BATCH, K]`.
    gamma: Vec<f32>,
}

impl Training {
    fn new(mixture: &Mixture, steps: usize) -> Self {
        let (k, d) = (mixture.components(), mixture.dim);
        let narrow = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<_>>();
        let mut lower = narrow(&mixture.factors);
        let mut log_diagonal = Vec::with_capacity(k * d);
        for factor in lower.chunks_exact_mut(d * d) {
            for (j, row) in factor.chunks_exact_mut(d).enumerate() {
                log_diagonal.push(row[j].ln());
                row[j..].fill(0.0);
            }
        }
        let parameters = |values| Parameters::new(values, 0.0);
        Self {
            dim: d,
            components: k,
            schedule: Schedule::new(LEARNING_RATE, steps),
            weights: parameters(narrow(&mixture.log_weights)),
            means: parameters(narrow(&mixture.means)),
            lower: parameters(lower),
            log_diagonal: parameters(log_diagonal),
            factors: vec![0.0; k * d * d],
            x: vec![0.0; BATCH * d],
            z: vec![0.0; BATCH * k * d],
            gamma: vec![0.0; BATCH * k],
        }
    }

    /// One step along the gradient of the mean −ln p of a batch.
    fn step(&mut self, rows: RowMatrix<'_>, batch: &[usize]) {
        for (to, &row) in self.x.chunks_exact_mut(self.dim).zip(batch) {
            let values = &rows.values[row * self.dim..][..self.dim];
            to.iter_mut().zip(values).for_each(|(to, &value)| *to = value as f32);
        }
        self.standardise(batch.len());
        self.responsibilities(batch.len());
        self.gradients(batch.len());
        let step = self.schedule.next();
        for parameters in [&mut self.weights, &mut self.means, &mut self.lower, &mut self.log_diagonal] {
            parameters.update(step);
        }
    }

    /// Sets A, and z = A_k (x − μ_k) as one product for all components.
    fn standardise(&mut self, rows: usize) {
        let (k, d) = (self.components, self.dim);
        self.factors = factors(&self.lower.values, &self.log_diagonal.values, d);
        let mut offset = vec![0f32; k * d];
        for (at, row) in self.factors.chunks_exact(d).enumerate() {
            offset[at] = -dot(row, &self.means.values[at / d * d..][..d]);
        }
        let z = &mut self.z[..rows * k * d];
        z.chunks_exact_mut(k * d).for_each(|row| row.copy_from_slice(&offset));
        matmul(
            MatMut::from_column_major_slice_mut(z, k * d, rows),
            Accum::Add,
            MatRef::from_row_major_slice(&self.factors, k * d, d),
            MatRef::from_column_major_slice(&self.x[..rows * d], d, rows),
            1.0,
            Par::Seq,
        );
    }

    /// Sets γ from z: softmax of ln w_k + ln |A_k| − ½ |z_k|².
    fn responsibilities(&mut self, rows: usize) {
        let (k, d) = (self.components, self.dim);
        let log_determinants = self.log_diagonal.values.chunks_exact(d).map(|row| row.iter().sum::<f32>());
        let mut constants = self.weights.values.clone();
        log_softmax_rows(&mut constants, k);
        constants.iter_mut().zip(log_determinants).for_each(|(constant, det)| *constant += det);
        let z = &self.z[..rows * k * d];
        let gamma = &mut self.gamma[..rows * k];
        vectorised(
            #[inline(always)]
            || {
                for (gamma, z) in gamma.chunks_exact_mut(k).zip(z.chunks_exact(k * d)) {
                    for ((gamma, z), constant) in gamma.iter_mut().zip(z.chunks_exact(d)).zip(&constants) {
                        *gamma = constant - 0.5 * dot(z, z);
                    }
                }
            },
        );
        softmax_rows(gamma, k);
    }

    /// Sets the gradients of all parameters from z and γ. With g = γ_k z_k / n:
    /// ∂A_k = Σ g (x − μ_k)ᵀ, ∂μ_k = −A_kᵀ Σ g.
    fn gradients(&mut self, rows: usize) {
        let (k, d) = (self.components, self.dim);
        let scale = 1.0 / rows as f32;
        let mut shares = vec![0f32; k];
        let mut sums = vec![0f32; k * d];
        let gamma = self.gamma[..rows * k].chunks_exact(k);
        for (z, gamma) in self.z.chunks_exact_mut(k * d).zip(gamma) {
            for (component, &gamma) in gamma.iter().enumerate() {
                shares[component] += scale * gamma;
                let sums = &mut sums[component * d..][..d];
                for (z, sum) in z[component * d..][..d].iter_mut().zip(sums) {
                    *z *= scale * gamma;
                    *sum += *z;
                }
            }
        }
        let of_factors = &mut self.lower.gradient;
        matmul(
            MatMut::from_row_major_slice_mut(&mut *of_factors, k * d, d),
            Accum::Replace,
            MatRef::from_column_major_slice(&self.z[..rows * k * d], k * d, rows),
            MatRef::from_row_major_slice(&self.x[..rows * d], rows, d),
            1.0,
            Par::Seq,
        );
        self.means.gradient.fill(0.0);
        for (at, row) in of_factors.chunks_exact_mut(d).enumerate() {
            let (component, j) = (at / d, at % d);
            let mean = &self.means.values[component * d..][..d];
            row.iter_mut().zip(mean).for_each(|(slope, mean)| *slope -= sums[at] * mean);
            self.log_diagonal.gradient[at] = row[j] * self.factors[at * d + j] - shares[component];
            row[j..].fill(0.0);
            let of_mean = &mut self.means.gradient[component * d..][..d];
            let factor = &self.factors[at * d..][..d];
            of_mean.iter_mut().zip(factor).for_each(|(slope, a)| *slope -= a * sums[at]);
        }
        let mut weights = self.weights.values.clone();
        softmax_rows(&mut weights, k);
        for ((slope, weight), share) in self.weights.gradient.iter_mut().zip(weights).zip(shares) {
            *slope = weight - share;
        }
    }

    fn mixture(&self) -> Mixture {
        let mut log_weights = self.weights.values.clone();
        log_softmax_rows(&mut log_weights, self.components);
        let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect();
        Mixture {
            dim: self.dim,
            log_weights: wide(&log_weights),
            means: wide(&self.means.values),
            factors: wide(&factors(&self.lower.values, &self.log_diagonal.values, self.dim)),
            center: vec![0.0; self.dim],
            scales: Scales::default(),
        }
    }
}

/// A from its entries below the diagonal and the logarithms of those on it.
fn factors(lower: &[f32], log_diagonal: &[f32], dim: usize) -> Vec<f32> {
    let mut factors = lower.to_vec();
    for (at, (row, log)) in factors.chunks_exact_mut(dim).zip(log_diagonal).enumerate() {
        row[at % dim] = log.exp();
    }
    factors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_the_slopes_of_the_mean_of_minus_ln_p() {
        let mixture = Mixture {
            dim: 2,
            log_weights: vec![0.3f64.ln(), 0.7f64.ln()],
            means: vec![-1.0, 0.5, 0.8, -0.2],
            factors: vec![1.5, 0.0, -0.4, 0.8, 0.9, 0.0, 0.6, 1.2],
            center: vec![0.0; 2],
            scales: Scales::default(),
        };
        let x = [0.3, -1.1, -0.9, 0.4, 1.4, 0.2, -2.0, 1.5];
        let rows = RowMatrix { values: &x, dim: 2 };
        let mut training = Training::new(&mixture, 1);
        training.step(rows, &[2, 0, 3]);
        let values = |training: &Training| -> Vec<f32> {
            [&training.weights, &training.means, &training.lower, &training.log_diagonal]
                .iter()
                .flat_map(|parameters| parameters.gradient.clone())
                .collect()
        };
        let found = values(&training);
        let picked = [1.4, 0.2, 0.3, -1.1, -2.0, 1.5];
        let picked = RowMatrix { values: &picked, dim: 2 };
        let shifted = |at: usize, by: f32| {
            let mut training = Training::new(&mixture, 1);
            let groups =
                [&mut training.weights, &mut training.means, &mut training.lower, &mut training.log_diagonal];
            *groups.into_iter().flat_map(|group| &mut group.values).nth(at).unwrap() += by;
            mean_nats(&training.mixture(), picked)
        };
        let upper = [6, 7, 9, 10, 11, 13];
        for at in (0..found.len()).filter(|at| !upper.contains(at)) {
            let slope = (shifted(at, 1e-2) - shifted(at, -1e-2)) / 2e-2;
            assert!((f64::from(found[at]) - slope).abs() < 1e-3, "{at}: {} {slope}", found[at]);
        }
        assert!(upper.iter().all(|&at| found[at] == 0.0), "{found:?}");
    }
}
