//! Network of a classifier: two hidden layers of 64 with ReLU, trained by AdamW with a cosine
//! schedule, no weight decay on biases, early stopping on held-out cross-entropy.

use candle_core::{Device, Tensor, Var};
use candle_nn::optim::{AdamW, Optimizer, ParamsAdamW};
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::bundle::Affine;
use crate::error::{Error, Result};

use super::inference::network;
use super::linear::LabelledRows;
use super::metrics::cross_entropy;
use super::product::product;

/// Candidate weight decays: no single value suits all data.
pub(crate) const DECAYS: [f64; 3] = [0.3, 1.0, 3.0];
const HIDDEN: [usize; 2] = [64, 64];
/// Rows per step.
pub(crate) const BATCH: usize = 128;
/// Maximum number of epochs.
pub(crate) const EPOCHS: usize = 40;
/// Early stopping: maximum number of epochs without improvement.
pub(crate) const PATIENCE: usize = 10;
const LEARNING_RATE: f64 = 3e-3;

/// A trained network and the held-out cross-entropy of its best epoch.
#[derive(Debug, Clone)]
pub(crate) struct NetworkFit {
    /// The layers of the best epoch.
    pub layers: Vec<Affine>,
    /// The weight decay.
    pub decay: f64,
    /// The best epoch, counted from 1; 0 for the initial weights.
    pub epochs: usize,
    /// Nats, on the held-out rows.
    pub held_out_nats: f64,
}

/// Trains one network. Weights of constant columns, which are zero on every training row,
/// start at zero and stay there. `on_step` receives each epoch and its held-out
/// cross-entropy.
pub(crate) fn train(
    data: LabelledRows<'_>,
    held_out: LabelledRows<'_>,
    constant: &[bool],
    decay: f64,
    mut rng: ChaCha8Rng,
    on_step: &dyn Fn(usize, f64) -> Result<()>,
) -> Result<NetworkFit> {
    let device = Device::Cpu;
    let rows = data.y.len();
    let x = Tensor::from_slice(data.x, (rows, data.width), &device).map_err(tensor)?;
    let y = Tensor::from_slice(data.y, rows, &device).map_err(tensor)?;
    let layers = initial(data.width, data.classes, constant, &mut rng);
    let vars = layers.iter().map(Layer::new).collect::<candle_core::Result<Vec<_>>>().map_err(tensor)?;
    let mut optimisers = Optimisers::new(&vars, decay, EPOCHS * rows.div_ceil(BATCH)).map_err(tensor)?;

    let held_out_loss = |layers: &[Affine]| {
        let logits: Vec<f64> = network(layers, held_out.x).into_iter().map(f64::from).collect();
        cross_entropy(&logits, held_out.y, held_out.classes)
    };
    let held_out_nats = held_out_loss(&layers);
    let mut best = NetworkFit { layers, decay, epochs: 0, held_out_nats };
    let mut order: Vec<u32> = (0..rows as u32).collect();
    for epoch in 1..=EPOCHS {
        order.shuffle(&mut rng);
        let layers = pass(&vars, &mut optimisers, &x, &y, &order).map_err(tensor)?;
        let nats = held_out_loss(&layers);
        on_step(epoch, nats)?;
        if nats < best.held_out_nats {
            best = NetworkFit { layers, decay, epochs: epoch, held_out_nats: nats };
        } else if epoch >= best.epochs + PATIENCE {
            break;
        }
    }
    Ok(best)
}

/// An error of the tensor library: always an internal error.
pub(crate) fn tensor(why: candle_core::Error) -> Error {
    Error::Internal(format!("training failed: {why}"))
}

/// One epoch over the rows in `order`; returns the layers after it.
fn pass(
    vars: &[Layer],
    optimisers: &mut Optimisers,
    x: &Tensor,
    y: &Tensor,
    order: &[u32],
) -> candle_core::Result<Vec<Affine>> {
    let order = Tensor::from_slice(order, order.len(), x.device())?;
    let (x, y) = (x.index_select(&order, 0)?, y.index_select(&order, 0)?);
    let rows = order.elem_count();
    for from in (0..rows).step_by(BATCH) {
        let size = BATCH.min(rows - from);
        let mut values = x.narrow(0, from, size)?;
        for (depth, layer) in vars.iter().enumerate() {
            if depth > 0 {
                values = values.relu()?;
            }
            values = product(&values, layer.weight.as_tensor())?.broadcast_add(layer.bias.as_tensor())?;
        }
        let loss = candle_nn::loss::cross_entropy(&values, &y.narrow(0, from, size)?)?;
        optimisers.step(&loss)?;
    }
    vars.iter().map(Layer::affine).collect()
}

/// Variables of one layer; the weight is `[inputs, outputs]`.
struct Layer {
    weight: Var,
    bias: Var,
}

impl Layer {
    fn new(affine: &Affine) -> candle_core::Result<Self> {
        let shape = (affine.outputs, affine.inputs);
        let weight = Tensor::from_slice(&affine.weight, shape, &Device::Cpu)?.t()?.contiguous()?;
        let bias = Tensor::from_slice(&affine.bias, affine.outputs, &Device::Cpu)?;
        Ok(Self { weight: Var::from_tensor(&weight)?, bias: Var::from_tensor(&bias)? })
    }

    fn affine(&self) -> candle_core::Result<Affine> {
        let (inputs, outputs) = self.weight.dims2()?;
        let weight = self.weight.t()?.contiguous()?.flatten_all()?.to_vec1()?;
        Ok(Affine { inputs, outputs, weight, bias: self.bias.to_vec1()? })
    }
}

/// AdamW for weights and, without decay, for biases, on one cosine schedule.
struct Optimisers {
    weights: AdamW,
    biases: AdamW,
    step: usize,
    steps: usize,
}

impl Optimisers {
    fn new(layers: &[Layer], decay: f64, steps: usize) -> candle_core::Result<Self> {
        let settings = |weight_decay| ParamsAdamW { lr: LEARNING_RATE, weight_decay, ..Default::default() };
        let weights = layers.iter().map(|layer| layer.weight.clone()).collect();
        let biases = layers.iter().map(|layer| layer.bias.clone()).collect();
        let weights = AdamW::new(weights, settings(decay))?;
        Ok(Self { weights, biases: AdamW::new(biases, settings(0.0))?, step: 0, steps })
    }

    fn step(&mut self, loss: &Tensor) -> candle_core::Result<()> {
        let rate = cosine(LEARNING_RATE, self.step, self.steps);
        self.weights.set_learning_rate(rate);
        self.biases.set_learning_rate(rate);
        let gradients = loss.backward()?;
        self.weights.step(&gradients)?;
        self.biases.step(&gradients)?;
        self.step += 1;
        Ok(())
    }
}

/// The learning rate of a step: from `peak` down to zero along half a cosine.
pub(crate) fn cosine(peak: f64, step: usize, steps: usize) -> f64 {
    peak * 0.5 * (1.0 + (std::f64::consts::PI * step as f64 / steps.max(1) as f64).cos())
}

/// Weights and biases uniform in ±1/√inputs (PyTorch's default for linear layers).
fn initial(width: usize, classes: usize, constant: &[bool], rng: &mut ChaCha8Rng) -> Vec<Affine> {
    let sizes = [width, HIDDEN[0], HIDDEN[1], classes];
    let mut layers: Vec<Affine> = sizes
        .windows(2)
        .map(|size| {
            let (inputs, outputs) = (size[0], size[1]);
            let bound = 1.0 / (inputs.max(1) as f32).sqrt();
            let mut draw = |n: usize| (0..n).map(|_| rng.random_range(-bound..=bound)).collect();
            let weight = draw(inputs * outputs);
            Affine { inputs, outputs, weight, bias: draw(outputs) }
        })
        .collect();
    if let Some(first) = layers.first_mut() {
        for row in first.weight.chunks_exact_mut(width.max(1)) {
            row.iter_mut().zip(constant).filter(|(_, constant)| **constant).for_each(|(w, _)| *w = 0.0);
        }
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::random::{RandomStream, random_stream};

    /// A ring: class 1 outside, class 0 inside, not linearly separable. The third column is
    /// constant.
    fn ring(n: usize) -> (Vec<f32>, Vec<u32>) {
        let mut rng = random_stream(9, RandomStream::Split);
        let mut x = Vec::new();
        let mut y = Vec::new();
        for _ in 0..n {
            let point: [f32; 2] = std::array::from_fn(|_| rng.random_range(-1.5..1.5));
            y.push(u32::from(point[0] * point[0] + point[1] * point[1] > 1.0));
            x.extend([point[0], point[1], 0.0]);
        }
        (x, y)
    }

    #[test]
    fn a_ring_is_learned_and_a_seed_fixes_the_weights() {
        let (x, y) = ring(2_000);
        let (fresh_x, fresh_y) = ring(2_500);
        let data = LabelledRows { x: &x, width: 3, y: &y, classes: 2 };
        let held_out = LabelledRows { x: &fresh_x[6_000..], width: 3, y: &fresh_y[2_000..], classes: 2 };
        let run = || {
            let rng = random_stream(1, RandomStream::Network(0, 0));
            train(data, held_out, &[false, false, true], 0.3, rng, &|_, _| Ok(())).unwrap()
        };
        let trained = run();
        assert!(trained.held_out_nats < 0.15, "{}", trained.held_out_nats);
        assert!(trained.layers[0].weight.chunks_exact(3).all(|row| row[2] == 0.0));
        assert_eq!(trained.layers, run().layers);
    }

    #[test]
    fn an_interruption_ends_training() {
        let (x, y) = ring(200);
        let data = LabelledRows { x: &x, width: 3, y: &y, classes: 2 };
        let rng = random_stream(1, RandomStream::Network(0, 0));
        let stop = |epoch, _| if epoch == 2 { Err(Error::Interrupted) } else { Ok(()) };
        let ended = train(data, data, &[false; 3], 0.3, rng, &stop);
        assert!(matches!(ended, Err(Error::Interrupted)));
    }
}
