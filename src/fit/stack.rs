//! Stacking of regression, network and discriminant analysis: a weight for each, fitted on held-out
//! rows, which include the temperature scaling (Guo et al. 2017).

use super::inference::combine;
use super::metrics::cross_entropy;
use super::softmax::softmax_rows;

/// Logits `[n, C]` of regression, network and discriminant analysis; empty for an absent part.
pub(crate) type Parts<'a> = [&'a [f32]; 3];

/// Least sum of losses of the held-out rows, in nats. Where none of them is predicted wrongly the loss falls without end
/// as the weights grow, and the first fresh row that is wrong would have thousands of nats against it. Of two Gaussian
/// classes (60 to 1 000 rows, an error in 15 to 750) the i of fresh rows has the least errors with one to two nats.
const LEAST_NATS: f64 = 2.0;

/// β ≥ 0 of least cross-entropy under β_lin·z_lin + β_mlp·z_mlp + β_mda·z_mda; 0 for an absent part. Of rows whose
/// losses would sum to less than [`LEAST_NATS`], the weights that give that sum.
///
/// The logits are of held-out rows. The problem is convex: projected Newton on the non-negative
/// orthant.
pub(crate) fn fit_weights(parts: Parts<'_>, y: &[u32], classes: usize) -> [f32; 3] {
    let loss = |betas: [f64; 3]| cross_entropy(&combine(betas.map(|b| b as f32), parts), y, classes);
    let present = parts.map(|part| !part.is_empty());
    let share = 1.0 / present.iter().filter(|present| **present).count().max(1) as f64;
    let mut betas = present.map(|present| if present { share } else { 0.0 });
    let mut best = loss(betas);
    let least = LEAST_NATS / y.len().max(1) as f64;
    for _ in 0..100 {
        let (gradient, hessian) = slopes(betas, parts, y, classes);
        let direction = newton_direction(present, betas, gradient, hessian);
        let mut step = 1.0;
        let moved = loop {
            let trial = [0, 1, 2].map(|i| (betas[i] + step * direction[i]).max(0.0));
            let value = loss(trial);
            if value < best {
                break Some((trial, value));
            }
            step *= 0.5;
            if step < 1e-8 {
                break None;
            }
        };
        let Some((trial, value)) = moved else { break };
        let gain = best - value;
        (betas, best) = (trial, value);
        if gain < 1e-10 || best < least {
            break;
        }
    }
    if best < least {
        betas = scaled_down(betas, least, loss);
    }
    betas.map(|beta| beta as f32)
}

/// Weights in the same proportion that have a loss of `nats`, which is more than theirs; of two or three rows zeros, where
/// no weights have so much.
fn scaled_down(betas: [f64; 3], nats: f64, loss: impl Fn([f64; 3]) -> f64) -> [f64; 3] {
    let scaled = |scale: f64| betas.map(|beta| scale * beta);
    let (mut low, mut high) = (0.0, 1.0);
    // Logits may be thousands of times too large. Below one, the loss falls all the way.
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if loss(scaled(middle)) > nats { low = middle } else { high = middle }
    }
    scaled(high)
}

/// The gradient and the Hessian of the mean cross-entropy.
fn slopes(betas: [f64; 3], parts: Parts<'_>, y: &[u32], classes: usize) -> ([f64; 3], [[f64; 3]; 3]) {
    let (mut gradient, mut hessian) = ([0.0; 3], [[0.0; 3]; 3]);
    let mut probabilities = combine(betas.map(|b| b as f32), parts);
    softmax_rows(&mut probabilities, classes);
    for (row, (probabilities, &y)) in probabilities.chunks_exact(classes).zip(y).enumerate() {
        let z = parts.map(|part| part.get(row * classes..(row + 1) * classes).unwrap_or(&[]));
        let mut mean = [0.0; 3];
        let mut square = [[0.0; 3]; 3];
        for (class, p) in probabilities.iter().enumerate() {
            let z = z.map(|z| z.get(class).map_or(0.0, |&z| f64::from(z)));
            for i in 0..3 {
                mean[i] += p * z[i];
                for j in 0..=i {
                    square[i][j] += p * z[i] * z[j];
                }
            }
        }
        for i in 0..3 {
            gradient[i] += mean[i] - z[i].get(y as usize).map_or(0.0, |&z| f64::from(z));
            for j in 0..=i {
                hessian[i][j] += square[i][j] - mean[i] * mean[j];
            }
        }
    }
    let scale = 1.0 / y.len().max(1) as f64;
    let symmetric = |i: usize| [0, 1, 2].map(|j| scale * hessian[i.max(j)][i.min(j)]);
    (gradient.map(|g| g * scale), [0, 1, 2].map(symmetric))
}

/// Newton's direction, restricted to the weights that are present and not fixed at zero.
fn newton_direction(
    present: [bool; 3],
    betas: [f64; 3],
    gradient: [f64; 3],
    hessian: [[f64; 3]; 3],
) -> [f64; 3] {
    // A ridge: the Hessian is singular where two parts predict the same.
    let ridge = 1e-9 * (0..3).map(|i| hessian[i][i]).sum::<f64>() + 1e-12;
    let free = [0, 1, 2].map(|i| present[i] && !(betas[i] <= 0.0 && gradient[i] > 0.0));
    // An identity in the rows and columns of the fixed weights.
    let mut matrix = hessian;
    let mut right = [0.0; 3];
    for i in 0..3 {
        for j in 0..3 {
            if !(free[i] && free[j]) {
                matrix[i][j] = 0.0;
            }
        }
        matrix[i][i] = if free[i] { matrix[i][i] + ridge } else { 1.0 };
        right[i] = if free[i] { -gradient[i] } else { 0.0 };
    }
    solve(matrix, right)
}

/// The solution of a positive definite system, by elimination.
fn solve(mut matrix: [[f64; 3]; 3], mut right: [f64; 3]) -> [f64; 3] {
    for pivot in 0..3 {
        for row in pivot + 1..3 {
            let factor = matrix[row][pivot] / matrix[pivot][pivot];
            let eliminated = matrix[pivot];
            matrix[row].iter_mut().zip(eliminated).for_each(|(value, above)| *value -= factor * above);
            right[row] -= factor * right[pivot];
        }
    }
    for row in (0..3).rev() {
        let known: f64 = (row + 1..3).map(|column| matrix[row][column] * right[column]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    right
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;
    use crate::fit::random::{RandomStream, random_stream};
    use crate::fit::softmax::log_softmax_rows;

    /// Labels drawn from softmax(z/2), and z itself.
    fn drawn(n: usize) -> (Vec<f32>, Vec<u32>) {
        let mut rng = random_stream(5, RandomStream::Split);
        let z: Vec<f32> = (0..n * 3).map(|_| 4.0 * rng.random::<f32>()).collect();
        let y = z.chunks_exact(3).map(|z| {
            let mut log_p: Vec<f64> = z.iter().map(|&z| f64::from(z) / 2.0).collect();
            log_softmax_rows(&mut log_p, 3);
            let mut left = rng.random::<f64>();
            log_p
                .iter()
                .take(2)
                .take_while(|log_p| {
                    left -= log_p.exp();
                    left > 0.0
                })
                .count() as u32
        });
        let y = y.collect();
        (z, y)
    }

    #[test]
    fn the_temperature_is_found() {
        let (z, y) = drawn(20_000);
        let noise: Vec<f32> = z.iter().rev().copied().collect();
        let [linear, mlp, absent] = fit_weights([&z, &noise, &[]], &y, 3);
        assert!((linear - 0.5).abs() < 0.04 && mlp.abs() < 0.04 && absent == 0.0, "{linear} {mlp} {absent}");
    }

    #[test]
    fn rows_without_an_error_do_not_make_certain() {
        let (z, _) = drawn(500);
        // Each row's label is its largest logit, by one at least.
        let (z, y): (Vec<Vec<f32>>, Vec<u32>) = z
            .chunks_exact(3)
            .map(|z| {
                let top = (0..3).max_by(|&a, &b| z[a].total_cmp(&z[b])).unwrap();
                let mut z = z.to_vec();
                z[top] += 1.0;
                (z, top as u32)
            })
            .unzip();
        let z = z.concat();
        for scale in [1e-3, 1.0, 1e3] {
            let scaled: Vec<f32> = z.iter().map(|z| scale * z).collect();
            for parts in [[&scaled[..], &[], &[]], [&[], &scaled, &scaled]] {
                let betas = fit_weights(parts, &y, 3);
                let nats = 500.0 * cross_entropy(&combine(betas, parts), &y, 3);
                assert!((nats - LEAST_NATS).abs() < 1e-3, "{scale}: {betas:?} {nats}");
            }
        }
    }

    #[test]
    fn weights_do_not_turn_negative() {
        let (z, y) = drawn(5_000);
        let against: Vec<f32> = z.iter().map(|z| -z).collect();
        let betas = fit_weights([&z, &against, &z], &y, 3);
        assert!(betas.iter().all(|&beta| beta >= 0.0), "{betas:?}");
        // An uninformative second model: the first alone is as good.
        let only = fit_weights([&against, &[], &against], &y, 3);
        assert_eq!(only, [0.0; 3]);
    }
}
