//! Multinomial logistic regression with an L2 penalty, by L-BFGS on all rows.
//!
//! The objective is Σ −ln p(y|x) + ½·strength·d·|W|² with a free bias: on standardised
//! inputs that is a Gaussian prior under which a logit has variance 1/strength, whatever
//! the number d of inputs, so that one grid of strengths serves 10 inputs and 8 000.

use std::collections::VecDeque;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::bundle::Affine;
use crate::error::Result;

use super::inference::log_softmax;
use super::metrics::cross_entropy;

/// Regularisation path, from the strongest: the prior variance of a logit is 1/strength.
pub(crate) const STRENGTHS: [f64; 7] = [3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003];
const ITERATIONS: usize = 200;
const MEMORY: usize = 10;
/// Convergence threshold of the largest gradient entry of the mean loss.
const TOLERANCE: f64 = 1e-6;

/// Standardised rows with their labels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LabelledRows<'a> {
    /// `[n, width]` row-major.
    pub x: &'a [f32],
    /// d.
    pub width: usize,
    /// Class of each row.
    pub y: &'a [u32],
    /// C.
    pub classes: usize,
}

/// A regression with its L2 strength and held-out cross-entropy.
#[derive(Debug, Clone)]
pub(crate) struct RegressionFit {
    /// `[C, d]`.
    pub map: Affine,
    /// The L2 strength.
    pub strength: f64,
    /// Nats, on the held-out rows.
    pub held_out_nats: f64,
}

/// Fits along the regularisation path with warm starts, and returns the regression of the
/// least held-out cross-entropy. Stops after two consecutive fits without improvement.
pub(crate) fn search(
    train: LabelledRows<'_>,
    held_out: LabelledRows<'_>,
    on_step: &mut dyn FnMut(f64, f64) -> Result<()>,
) -> Result<Option<RegressionFit>> {
    let mut best: Option<RegressionFit> = None;
    let mut solution = start(train);
    let mut worse = 0;
    for strength in STRENGTHS {
        solution = minimise(train, strength, solution);
        let map = affine(train, &solution);
        let logits: Vec<f64> = map.apply(held_out.x).into_iter().map(f64::from).collect();
        let held_out_nats = cross_entropy(&logits, held_out.y, held_out.classes);
        on_step(strength, held_out_nats)?;
        worse += 1;
        if best.as_ref().is_none_or(|best| held_out_nats < best.held_out_nats) {
            best = Some(RegressionFit { map, strength, held_out_nats });
            worse = 0;
        }
        if worse == 2 {
            break;
        }
    }
    Ok(best)
}

/// Refits at the selected strength on more rows, with a warm start.
pub(crate) fn refit(chosen: &RegressionFit, rows: LabelledRows<'_>) -> Affine {
    let mut w = start(rows);
    let (weight, width) = (&chosen.map.weight, rows.width);
    for (class, row) in w.chunks_exact_mut(width + 1).enumerate() {
        row.iter_mut().zip(&weight[class * width..][..width]).for_each(|(w, &v)| *w = f64::from(v));
        row[width] = f64::from(chosen.map.bias[class]);
    }
    affine(rows, &minimise(rows, chosen.strength, w))
}

/// Zero weights and the classes' log-frequencies: `[C, d + 1]`, the bias last.
fn start(data: LabelledRows<'_>) -> Vec<f64> {
    let mut counts = vec![0.5f64; data.classes];
    data.y.iter().for_each(|&class| counts[class as usize] += 1.0);
    let mut w = vec![0.0; data.classes * (data.width + 1)];
    for (row, count) in w.chunks_exact_mut(data.width + 1).zip(counts) {
        row[data.width] = count.ln();
    }
    w
}

fn affine(data: LabelledRows<'_>, w: &[f64]) -> Affine {
    let rows = || w.chunks_exact(data.width + 1);
    Affine {
        inputs: data.width,
        outputs: data.classes,
        weight: rows().flat_map(|row| &row[..data.width]).map(|&v| v as f32).collect(),
        bias: rows().map(|row| row[data.width] as f32).collect(),
    }
}

/// The mean objective and its gradient at w.
fn objective(data: LabelledRows<'_>, strength: f64, w: &[f64]) -> (f64, Vec<f64>) {
    // Fixed blocks, summed in order: the result is independent of the number of threads.
    const BLOCK: usize = 512;
    let (d, c, n) = (data.width, data.classes, data.y.len());
    let map = affine(data, w);
    let blocks_a_lane = n.div_ceil(BLOCK).div_ceil(16).max(1);
    let lane = BLOCK * blocks_a_lane;
    let parts: Vec<(f64, Vec<f32>, Vec<f64>)> = data
        .x
        .par_chunks(lane * d)
        .zip(data.y.par_chunks(lane))
        .map(|(x, y)| {
            let (mut loss, mut weight, mut bias) = (0.0, vec![0f32; c * d], vec![0.0; c]);
            let mut logits = vec![0f32; BLOCK * c];
            let mut row64 = vec![0.0; c];
            for (x, y) in x.chunks(BLOCK * d).zip(y.chunks(BLOCK)) {
                let rows = y.len();
                let logits = &mut logits[..rows * c];
                logits.chunks_exact_mut(c).for_each(|row| row.copy_from_slice(&map.bias));
                let x = MatRef::from_column_major_slice(x, d, rows);
                let w = MatRef::from_row_major_slice(&map.weight, c, d);
                matmul(
                    MatMut::from_column_major_slice_mut(&mut *logits, c, rows),
                    Accum::Add,
                    w,
                    x,
                    1.0,
                    Par::Seq,
                );
                for (row, &class) in logits.chunks_exact_mut(c).zip(y) {
                    row64.iter_mut().zip(row.iter()).for_each(|(a, &b)| *a = f64::from(b));
                    log_softmax(&mut row64);
                    loss -= row64[class as usize];
                    for (k, (residual, log_p)) in row.iter_mut().zip(&row64).enumerate() {
                        let value = log_p.exp() - if k == class as usize { 1.0 } else { 0.0 };
                        bias[k] += value;
                        *residual = value as f32;
                    }
                }
                matmul(
                    MatMut::from_row_major_slice_mut(&mut weight, c, d),
                    Accum::Add,
                    MatRef::from_column_major_slice(&*logits, c, rows),
                    x.transpose(),
                    1.0,
                    Par::Seq,
                );
            }
            (loss, weight, bias)
        })
        .collect();
    let scale = 1.0 / n as f64;
    let penalty = strength * d as f64 * scale;
    let mut loss = 0.0;
    let mut gradient = vec![0.0; w.len()];
    for (part, weight, bias) in parts {
        loss += part * scale;
        for (class, row) in gradient.chunks_exact_mut(d + 1).enumerate() {
            row.iter_mut().zip(&weight[class * d..][..d]).for_each(|(g, &v)| *g += scale * f64::from(v));
            row[d] += scale * bias[class];
        }
    }
    for (row, w) in gradient.chunks_exact_mut(d + 1).zip(w.chunks_exact(d + 1)) {
        for (g, w) in row.iter_mut().zip(&w[..d]) {
            *g += penalty * w;
            loss += 0.5 * penalty * w * w;
        }
    }
    (loss, gradient)
}

/// L-BFGS (Nocedal and Wright, algorithm 7.4) with backtracking line search.
fn minimise(data: LabelledRows<'_>, strength: f64, mut w: Vec<f64>) -> Vec<f64> {
    let (mut loss, mut gradient) = objective(data, strength, &w);
    let mut memory: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::new();
    for _ in 0..ITERATIONS {
        if gradient.iter().all(|g| g.abs() < TOLERANCE) {
            break;
        }
        let direction = descent(&memory, &gradient);
        let slope = dot(&direction, &gradient);
        let mut step = if memory.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt().max(1.0) } else { 1.0 };
        let next = loop {
            let trial: Vec<f64> = w.iter().zip(&direction).map(|(w, d)| w + step * d).collect();
            let (value, slopes) = objective(data, strength, &trial);
            if value <= loss + 1e-4 * step * slope {
                break Some((trial, value, slopes));
            }
            step *= 0.5;
            if step < 1e-6 {
                break None;
            }
        };
        // No step decreases the loss: the precision limit of f32 products.
        let Some((trial, value, slopes)) = next else { break };
        let moved: Vec<f64> = trial.iter().zip(&w).map(|(a, b)| a - b).collect();
        let curvature: Vec<f64> = slopes.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        if dot(&moved, &curvature) > 1e-10 * dot(&curvature, &curvature) {
            if memory.len() == MEMORY {
                memory.pop_front();
            }
            memory.push_back((moved, curvature));
        }
        let done = loss - value < 1e-8;
        (w, loss, gradient) = (trial, value, slopes);
        if done {
            break;
        }
    }
    w
}

/// −H·g by the two-loop recursion.
fn descent(memory: &VecDeque<(Vec<f64>, Vec<f64>)>, gradient: &[f64]) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let add = |q: &mut [f64], scale: f64, v: &[f64]| q.iter_mut().zip(v).for_each(|(q, v)| *q += scale * v);
    let mut alphas = Vec::with_capacity(memory.len());
    for (s, y) in memory.iter().rev() {
        let alpha = dot(s, &q) / dot(s, y);
        add(&mut q, -alpha, y);
        alphas.push(alpha);
    }
    if let Some((s, y)) = memory.back() {
        let scale = dot(s, y) / dot(y, y);
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for ((s, y), alpha) in memory.iter().zip(alphas.into_iter().rev()) {
        let beta = dot(y, &q) / dot(s, y);
        add(&mut q, alpha - beta, s);
    }
    q
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_the_slope_and_vanishes_at_the_minimum() {
        let x: Vec<f32> = (0..600).map(|i| ((i * 37 % 101) as f32 - 50.0) / 29.0).collect();
        let y: Vec<u32> =
            (0..200)
                .map(|i| {
                    if x[i * 3] + 0.3 * x[i * 3 + 1] > 0.2 * ((i % 7) as f32 - 3.0) {
                        2
                    } else {
                        i as u32 % 2
                    }
                })
                .collect();
        let data = LabelledRows { x: &x, width: 3, y: &y, classes: 3 };
        let w: Vec<f64> = (0..12).map(|i| 0.1 * i as f64 - 0.5).collect();
        let (_, gradient) = objective(data, 0.1, &w);
        for j in 0..12 {
            let at = |h: f64| {
                let mut w = w.clone();
                w[j] += h;
                objective(data, 0.1, &w).0
            };
            let slope = (at(1e-3) - at(-1e-3)) / 2e-3;
            assert!((gradient[j] - slope).abs() < 2e-4, "{j}: {} {slope}", gradient[j]);
        }
        let solution = minimise(data, 0.1, start(data));
        let (_, gradient) = objective(data, 0.1, &solution);
        assert!(gradient.iter().all(|g| g.abs() < 1e-4), "{gradient:?}");
    }
}
