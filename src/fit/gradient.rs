//! Density fit by gradient descent, as in the paper: the mean −ln p of batches, with the same
//! initialisation as EM and early stopping on held-out rows.

use candle_core::{D, DType, Device, Tensor, Var};
use candle_nn::optim::{AdamW, Optimizer, ParamsAdamW};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::bundle::Mixture;
use crate::error::Result;

use super::em_steps::RowMatrix;
use super::mixture::{MixtureFit, mean_nats};
use super::network::{BATCH, EPOCHS, PATIENCE, cosine, tensor};
use super::product::product;

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
    let vars = Variables::new(&start.mixture).map_err(tensor)?;
    let settings = ParamsAdamW { lr: LEARNING_RATE, weight_decay: 0.0, ..Default::default() };
    let mut optimiser = AdamW::new(vars.all(), settings).map_err(tensor)?;
    let steps = EPOCHS * rows.div_ceil(BATCH);
    let mut step = 0;
    let mut best = start;
    let mut order: Vec<usize> = (0..rows).collect();
    for epoch in 1..=EPOCHS {
        order.shuffle(&mut rng);
        for batch in order.chunks(BATCH) {
            let x = batch.iter().flat_map(|&row| &train.values[row * train.dim..][..train.dim]);
            let x: Vec<f32> = x.map(|&value| value as f32).collect();
            optimiser.set_learning_rate(cosine(LEARNING_RATE, step, steps));
            let loss = vars.mean_nats(x, batch.len());
            loss.and_then(|loss| optimiser.backward_step(&loss)).map_err(tensor)?;
            step += 1;
        }
        let mixture = vars.mixture().map_err(tensor)?;
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

/// The mixture's parameters as optimiser variables.
struct Variables {
    dim: usize,
    components: usize,
    /// Logits of the weights, `[K]`.
    weights: Var,
    /// μ, `[K, d]`.
    means: Var,
    /// The factors without their diagonals, `[K, d, d]`; the upper half is masked.
    lower: Var,
    /// ln of the factors' diagonals, `[K, d]`.
    log_diagonal: Var,
    /// 1 below the diagonal, `[d, d]`.
    mask: Tensor,
    /// The identity, `[d, d]`.
    eye: Tensor,
}

impl Variables {
    fn new(mixture: &Mixture) -> candle_core::Result<Self> {
        let (k, d) = (mixture.components(), mixture.dim);
        let device = Device::Cpu;
        let eye = Tensor::eye(d, DType::F32, &device)?;
        let mask = (Tensor::tril2(d, DType::F32, &device)? - &eye)?;
        let factors = Tensor::new(mixture.factors.as_slice(), &device)?.to_dtype(DType::F32)?;
        let factors = factors.reshape((k, d, d))?;
        let diagonal: Vec<f64> = (0..k)
            .flat_map(|component| (0..d).map(move |j| (component, j)))
            .map(|(component, j)| mixture.factor(component)[(j, j)].ln())
            .collect();
        let var = |values: &[f64]| -> candle_core::Result<Tensor> {
            Tensor::new(values, &device)?.to_dtype(DType::F32)
        };
        Ok(Self {
            dim: d,
            components: k,
            weights: Var::from_tensor(&var(&mixture.log_weights)?)?,
            means: Var::from_tensor(&var(&mixture.means)?.reshape((k, d))?)?,
            lower: Var::from_tensor(&factors.broadcast_mul(&mask)?)?,
            log_diagonal: Var::from_tensor(&var(&diagonal)?.reshape((k, d))?)?,
            mask,
            eye,
        })
    }

    fn all(&self) -> Vec<Var> {
        [&self.weights, &self.means, &self.lower, &self.log_diagonal].into_iter().cloned().collect()
    }

    /// A, `[K, d, d]`.
    fn factors(&self) -> candle_core::Result<Tensor> {
        let diagonal = self.log_diagonal.exp()?.unsqueeze(2)?.broadcast_mul(&self.eye)?;
        self.lower.broadcast_mul(&self.mask)? + diagonal
    }

    fn log_weights(&self) -> candle_core::Result<Tensor> {
        candle_nn::ops::log_softmax(self.weights.as_tensor(), 0)
    }

    /// Mean −ln p of a batch `[n, d]`, as one matrix product for all components.
    fn mean_nats(&self, x: Vec<f32>, rows: usize) -> candle_core::Result<Tensor> {
        let (k, d) = (self.components, self.dim);
        let x = Tensor::from_vec(x, (rows, d), &Device::Cpu)?;
        let factors = self.factors()?;
        let offset = factors.broadcast_mul(&self.means.unsqueeze(1)?)?.sum(2)?.reshape((1, k * d))?;
        let z = product(&x, &factors.reshape((k * d, d))?.t()?)?.broadcast_sub(&offset)?;
        let square = z.reshape((rows, k, d))?.sqr()?.sum(D::Minus1)?;
        let constant = (self.log_weights()? + self.log_diagonal.sum(1)?)?.unsqueeze(0)?;
        let joint = (square * -0.5)?.broadcast_add(&constant)?;
        let top = joint.max_keepdim(1)?.detach();
        let log_p = (joint.broadcast_sub(&top)?.exp()?.sum_keepdim(1)?.log()? + top)?;
        log_p.mean_all()?.affine(-1.0, 0.5 * d as f64 * (2.0 * std::f64::consts::PI).ln())
    }

    fn mixture(&self) -> candle_core::Result<Mixture> {
        let values = |tensor: &Tensor| tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1();
        Ok(Mixture {
            dim: self.dim,
            log_weights: values(&self.log_weights()?)?,
            means: values(self.means.as_tensor())?,
            factors: values(&self.factors()?)?,
            center: vec![0.0; self.dim],
        })
    }
}
