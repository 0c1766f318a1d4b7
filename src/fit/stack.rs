//! Stacking of regression and network: two weights, fitted on held-out rows, which include
//! the temperature scaling (Guo et al. 2017).

use super::inference::combine;
use super::metrics::cross_entropy;

/// (β_lin, β_mlp) ≥ 0 of least cross-entropy under β_lin·z_lin + β_mlp·z_mlp.
///
/// The logits `[n, C]` are of held-out rows. The problem is convex: projected Newton on the
/// non-negative quadrant.
pub(crate) fn fit_weights(linear: &[f32], mlp: &[f32], y: &[u32], classes: usize) -> [f32; 2] {
    let loss = |betas: [f64; 2]| cross_entropy(&combine(betas.map(|b| b as f32), linear, mlp), y, classes);
    let mut betas = [0.5, 0.5];
    let mut best = loss(betas);
    for _ in 0..100 {
        let (gradient, hessian) = slopes(betas, linear, mlp, y, classes);
        let direction = newton_direction(betas, gradient, hessian);
        let mut step = 1.0;
        let moved = loop {
            let trial = [0, 1].map(|i| (betas[i] + step * direction[i]).max(0.0));
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
        if gain < 1e-10 {
            break;
        }
    }
    betas.map(|beta| beta as f32)
}

/// The gradient and the Hessian (its three entries) of the mean cross-entropy.
fn slopes(betas: [f64; 2], linear: &[f32], mlp: &[f32], y: &[u32], classes: usize) -> ([f64; 2], [f64; 3]) {
    let (mut gradient, mut hessian) = ([0.0; 2], [0.0; 3]);
    let mut log_p = combine(betas.map(|b| b as f32), linear, mlp);
    let rows = linear.chunks_exact(classes).zip(mlp.chunks_exact(classes)).zip(y);
    for (log_p, ((linear, mlp), &y)) in log_p.chunks_exact_mut(classes).zip(rows) {
        super::inference::log_softmax(log_p);
        let mut mean = [0.0; 2];
        let mut square = [0.0; 3];
        for ((log_p, &a), &b) in log_p.iter().zip(linear).zip(mlp) {
            let (p, a, b) = (log_p.exp(), f64::from(a), f64::from(b));
            mean[0] += p * a;
            mean[1] += p * b;
            square[0] += p * a * a;
            square[1] += p * a * b;
            square[2] += p * b * b;
        }
        gradient[0] += mean[0] - f64::from(linear[y as usize]);
        gradient[1] += mean[1] - f64::from(mlp[y as usize]);
        hessian[0] += square[0] - mean[0] * mean[0];
        hessian[1] += square[1] - mean[0] * mean[1];
        hessian[2] += square[2] - mean[1] * mean[1];
    }
    let scale = 1.0 / y.len().max(1) as f64;
    (gradient.map(|g| g * scale), hessian.map(|h| h * scale))
}

/// Newton's direction, restricted to the weights that are not fixed at zero.
fn newton_direction(betas: [f64; 2], gradient: [f64; 2], hessian: [f64; 3]) -> [f64; 2] {
    // A ridge: the Hessian is singular where both models predict the same.
    let ridge = 1e-9 * (hessian[0] + hessian[2]) + 1e-12;
    let (aa, ab, bb) = (hessian[0] + ridge, hessian[1], hessian[2] + ridge);
    let held = [0, 1].map(|i| betas[i] <= 0.0 && gradient[i] > 0.0);
    match held {
        [true, true] => [0.0, 0.0],
        [true, false] => [0.0, -gradient[1] / bb],
        [false, true] => [-gradient[0] / aa, 0.0],
        [false, false] => {
            let determinant = aa * bb - ab * ab;
            [
                (ab * gradient[1] - bb * gradient[0]) / determinant,
                (ab * gradient[0] - aa * gradient[1]) / determinant,
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;
    use crate::fit::inference::log_softmax;
    use crate::fit::random::{RandomStream, random_stream};

    /// Labels drawn from softmax(z/2), and z itself.
    fn drawn(n: usize) -> (Vec<f32>, Vec<u32>) {
        let mut rng = random_stream(5, RandomStream::Split);
        let z: Vec<f32> = (0..n * 3).map(|_| 4.0 * rng.random::<f32>()).collect();
        let y = z.chunks_exact(3).map(|z| {
            let mut log_p: Vec<f64> = z.iter().map(|&z| f64::from(z) / 2.0).collect();
            log_softmax(&mut log_p);
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
        let [linear, mlp] = fit_weights(&z, &noise, &y, 3);
        assert!((linear - 0.5).abs() < 0.04 && mlp.abs() < 0.04, "{linear} {mlp}");
    }

    #[test]
    fn weights_do_not_turn_negative() {
        let (z, y) = drawn(5_000);
        let against: Vec<f32> = z.iter().map(|z| -z).collect();
        let betas = fit_weights(&z, &against, &y, 3);
        assert!(betas.iter().all(|&beta| beta >= 0.0), "{betas:?}");
        // An uninformative second model: the first alone is as good.
        let only = fit_weights(&against, &against, &y, 3);
        assert_eq!(only, [0.0, 0.0]);
    }
}
