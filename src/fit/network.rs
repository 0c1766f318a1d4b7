//! Network of a classifier: hidden layers with ReLU, trained by AdamW with a cosine schedule, no
//! weight decay on biases, early stopping on held-out cross-entropy.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::bundle::Affine;
use crate::error::Result;
use crate::vectors::vectorised;

use super::adamw::{Parameters, Schedule};
use super::inference::network;
use super::labelled_rows::LabelledRows;
use super::metrics::cross_entropy;
use super::softmax::residual_rows;

/// Candidate weight decays: no single value suits all data.
pub(crate) const DECAYS: [f64; 3] = [0.3, 1.0, 3.0];
/// Widths of the hidden layers, unless the search tries others.
pub(crate) const HIDDEN: [usize; 2] = [64, 64];
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

/// Trains one network with hidden layers of these widths ([`HIDDEN`]). Weights of constant columns, which are zero on every training row,
/// start at zero and stay there. `on_step` receives each epoch and its held-out
/// cross-entropy.
pub(crate) fn train(
    data: LabelledRows<'_>,
    held_out: LabelledRows<'_>,
    constant: &[bool],
    hidden: &[usize],
    decay: f64,
    mut rng: ChaCha8Rng,
    on_step: &dyn Fn(usize, f64) -> Result<()>,
) -> Result<NetworkFit> {
    let rows = data.y.len();
    let layers = initial([&[data.width], hidden, &[data.classes]].concat(), constant, &mut rng);
    let mut training = Training::new(&layers, decay, LEARNING_RATE, EPOCHS * rows.div_ceil(BATCH));

    let held_out_loss =
        |layers: &[Affine]| cross_entropy(&network(layers, held_out.x), held_out.y, held_out.classes);
    let held_out_nats = held_out_loss(&layers);
    let mut best = NetworkFit { layers, decay, epochs: 0, held_out_nats };
    let mut order: Vec<usize> = (0..rows).collect();
    for epoch in 1..=EPOCHS {
        order.shuffle(&mut rng);
        order.chunks(BATCH).for_each(|batch| training.step(data, batch));
        let layers = training.affines();
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

/// A network in training, with the buffers of a step; a regression where it has one layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Training {
    schedule: Schedule,
    /// The batch, `[BATCH, width]`.
    input: Vec<f32>,
    labels: Vec<u32>,
    layers: Vec<Layer>,
}

/// One layer in training.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Layer {
    inputs: usize,
    outputs: usize,
    /// W, `[outputs, inputs]`.
    weight: Parameters,
    bias: Parameters,
    /// Its values for the batch, `[BATCH, outputs]`: after ReLU, or the logits.
    values: Vec<f32>,
    /// Derivatives of the loss by what ReLU is given, `[BATCH, outputs]`.
    slopes: Vec<f32>,
}

impl Training {
    /// Starts from some layers; the learning rate falls from `rate` to zero in `steps` steps.
    pub(crate) fn new(layers: &[Affine], decay: f64, rate: f64, steps: usize) -> Self {
        let input = vec![0.0; BATCH * layers.first().map_or(0, |layer| layer.inputs)];
        let layers = layers.iter().map(|layer| Layer::new(layer, decay)).collect();
        Self { schedule: Schedule::new(rate, steps), input, labels: Vec::with_capacity(BATCH), layers }
    }

    /// The layers as they are.
    pub(crate) fn affines(&self) -> Vec<Affine> {
        self.layers.iter().map(Layer::affine).collect()
    }

    /// One step along the gradient of the mean cross-entropy of a batch of at most [`BATCH`] rows.
    pub(crate) fn step(&mut self, data: LabelledRows<'_>, batch: &[usize]) {
        for (to, &row) in self.input.chunks_exact_mut(data.width).zip(batch) {
            to.copy_from_slice(&data.x[row * data.width..][..data.width]);
        }
        let rows = batch.len();
        let hidden = self.layers.len().saturating_sub(1);
        let mut input = &self.input;
        for (depth, layer) in self.layers.iter_mut().enumerate() {
            layer.forward(input, rows, depth < hidden);
            input = &layer.values;
        }
        if let Some(last) = self.layers.last_mut() {
            self.labels.clear();
            self.labels.extend(batch.iter().map(|&row| data.y[row]));
            last.residuals(&self.labels);
        }
        let step = self.schedule.next();
        for depth in (0..self.layers.len()).rev() {
            let (before, rest) = self.layers.split_at_mut(depth);
            let Some(layer) = rest.first_mut() else { break };
            match before.last_mut() {
                Some(below) => {
                    layer.gradients(&below.values, rows);
                    layer.backward(below, rows);
                }
                None => layer.gradients(&self.input, rows),
            }
            layer.weight.update(step);
            layer.bias.update(step);
        }
    }
}

impl Layer {
    fn new(affine: &Affine, decay: f64) -> Self {
        Self {
            inputs: affine.inputs,
            outputs: affine.outputs,
            weight: Parameters::new(affine.weight.clone(), decay),
            bias: Parameters::new(affine.bias.clone(), 0.0),
            values: vec![0.0; BATCH * affine.outputs],
            slopes: vec![0.0; BATCH * affine.outputs],
        }
    }

    fn affine(&self) -> Affine {
        let (weight, bias) = (self.weight.values.clone(), self.bias.values.clone());
        Affine { inputs: self.inputs, outputs: self.outputs, weight, bias }
    }

    /// values = W·input + b, and its positive part where ReLU follows.
    fn forward(&mut self, input: &[f32], rows: usize, relu: bool) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let values = &mut self.values[..rows * outputs];
        matmul(
            MatMut::from_column_major_slice_mut(&mut *values, outputs, rows),
            Accum::Replace,
            MatRef::from_row_major_slice(&self.weight.values, outputs, inputs),
            MatRef::from_column_major_slice(&input[..rows * inputs], inputs, rows),
            1.0,
            Par::Seq,
        );
        let (bias, floor) = (&self.bias.values, if relu { 0.0 } else { f32::NEG_INFINITY });
        vectorised(
            #[inline(always)]
            || {
                for row in values.chunks_exact_mut(outputs) {
                    row.iter_mut().zip(bias).for_each(|(value, bias)| *value = (*value + bias).max(floor));
                }
            },
        );
    }

    /// slopes = (softmax(values) − one-hot label) / rows, of the last layer.
    fn residuals(&mut self, labels: &[u32]) {
        let slopes = &mut self.slopes[..labels.len() * self.outputs];
        slopes.copy_from_slice(&self.values[..labels.len() * self.outputs]);
        residual_rows(slopes, labels, self.outputs, 1.0 / labels.len() as f32);
    }

    /// Gradients of W and b from the slopes and the input.
    fn gradients(&mut self, input: &[f32], rows: usize) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let slopes = &self.slopes[..rows * outputs];
        matmul(
            MatMut::from_row_major_slice_mut(&mut self.weight.gradient, outputs, inputs),
            Accum::Replace,
            MatRef::from_column_major_slice(slopes, outputs, rows),
            MatRef::from_row_major_slice(&input[..rows * inputs], rows, inputs),
            1.0,
            Par::Seq,
        );
        let sums = &mut self.bias.gradient;
        sums.fill(0.0);
        vectorised(
            #[inline(always)]
            || {
                for row in slopes.chunks_exact(outputs) {
                    sums.iter_mut().zip(row).for_each(|(sum, slope)| *sum += slope);
                }
            },
        );
    }

    /// Slopes of the layer below: Wᵀ·slopes where its ReLU passed.
    fn backward(&self, below: &mut Layer, rows: usize) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let slopes = &mut below.slopes[..rows * inputs];
        matmul(
            MatMut::from_column_major_slice_mut(&mut *slopes, inputs, rows),
            Accum::Replace,
            MatRef::from_row_major_slice(&self.weight.values, outputs, inputs).transpose(),
            MatRef::from_column_major_slice(&self.slopes[..rows * outputs], outputs, rows),
            1.0,
            Par::Seq,
        );
        vectorised(
            #[inline(always)]
            || {
                let passed = slopes.iter_mut().zip(&below.values);
                passed.for_each(|(slope, value)| *slope = if *value > 0.0 { *slope } else { 0.0 });
            },
        );
    }
}

/// Weights and biases uniform in ±1/√inputs (PyTorch's default for linear layers).
fn initial(sizes: Vec<usize>, constant: &[bool], rng: &mut ChaCha8Rng) -> Vec<Affine> {
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
        for row in first.weight.chunks_exact_mut(first.inputs.max(1)) {
            row.iter_mut().zip(constant).filter(|(_, constant)| **constant).for_each(|(w, _)| *w = 0.0);
        }
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
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
            let rng = random_stream(1, RandomStream::Network("1".parse().unwrap(), 0));
            train(data, held_out, &[false, false, true], &HIDDEN, 0.3, rng, &|_, _| Ok(())).unwrap()
        };
        let trained = run();
        assert!(trained.held_out_nats < 0.15, "{}", trained.held_out_nats);
        assert!(trained.layers[0].weight.chunks_exact(3).all(|row| row[2] == 0.0));
        assert_eq!(trained.layers, run().layers);
    }

    #[test]
    fn gradients_are_the_slopes_of_the_mean_cross_entropy() {
        let (x, y) = ring(5);
        let data = LabelledRows { x: &x, width: 3, y: &y, classes: 2 };
        let layers = initial(
            vec![3, 64, 64, 2],
            &[false; 3],
            &mut random_stream(2, RandomStream::Network("1".parse().unwrap(), 0)),
        );
        let mut training = Training::new(&layers, 0.0, LEARNING_RATE, 1);
        training.step(data, &[4, 0, 1, 3]);
        let picked = [4usize, 0, 1, 3];
        let x: Vec<f32> = picked.iter().flat_map(|row| &x[row * 3..][..3]).copied().collect();
        let y = picked.map(|row| y[row]);
        let loss = |layers: &[Affine]| {
            let logits: Vec<f64> = network(layers, &x).into_iter().map(f64::from).collect();
            cross_entropy(&logits, &y, 2)
        };
        for depth in 0..layers.len() {
            for (of_bias, at) in [(false, 0), (false, 7), (false, 100), (true, 0), (true, 1)] {
                let found = &training.layers[depth];
                let found = if of_bias { &found.bias.gradient } else { &found.weight.gradient };
                let shifted = |by: f32| {
                    let mut layers = layers.clone();
                    let layer = &mut layers[depth];
                    let values = if of_bias { &mut layer.bias } else { &mut layer.weight };
                    values[at] += by;
                    loss(&layers)
                };
                let slope = (shifted(4e-3) - shifted(-4e-3)) / 8e-3;
                assert!((f64::from(found[at]) - slope).abs() < 2e-4, "{depth} {of_bias} {at}: {slope}");
            }
        }
    }

    #[test]
    fn an_interruption_ends_training() {
        let (x, y) = ring(200);
        let data = LabelledRows { x: &x, width: 3, y: &y, classes: 2 };
        let rng = random_stream(1, RandomStream::Network("1".parse().unwrap(), 0));
        let stop = |epoch, _| if epoch == 2 { Err(Error::Interrupted) } else { Ok(()) };
        let ended = train(data, data, &[false; 3], &HIDDEN, 0.3, rng, &stop);
        assert!(matches!(ended, Err(Error::Interrupted)));
    }
}
