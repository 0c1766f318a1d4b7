//! Minimiser of a smooth convex function: L-BFGS (Nocedal and Wright, algorithm 7.4) from a
//! preconditioner, with backtracking.

use std::collections::VecDeque;

use crate::vectors::vectorised;

use super::lanes::dot;

/// Pairs of moves and changes of the gradient.
const MEMORY: usize = 10;
const ITERATIONS: usize = 200;
/// Convergence threshold of the largest entry of the gradient.
const TOLERANCE: f64 = 1e-6;

/// A smooth convex function of many variables.
pub(crate) trait Objective {
    /// The value at w, with its gradient.
    fn evaluate(&mut self, w: &[f64], gradient: &mut [f64]) -> f64;
    /// Multiplies a vector by an approximate inverse of the Hessian, in place.
    fn precondition(&self, vector: &mut [f64]);
}

/// A move, and the change of the gradient along it.
struct Pair {
    moved: Vec<f64>,
    change: Vec<f64>,
    /// moved·change.
    product: f64,
    /// moved·change / change·P⁻¹·change: the scale of the preconditioner.
    scale: f64,
}

/// Descends from `w` until an iteration gains less than `least_gain`, or `go_on`, called after
/// every iteration, returns false.
pub(crate) fn minimise(
    objective: &mut dyn Objective,
    mut w: Vec<f64>,
    least_gain: f64,
    go_on: &mut dyn FnMut(&[f64]) -> bool,
) -> Vec<f64> {
    let (mut gradient, mut slopes) = (vec![0.0; w.len()], vec![0.0; w.len()]);
    let mut trial = w.clone();
    let mut loss = objective.evaluate(&w, &mut gradient);
    let mut memory: VecDeque<Pair> = VecDeque::with_capacity(MEMORY);
    for _ in 0..ITERATIONS {
        if gradient.iter().all(|g| g.abs() < TOLERANCE) {
            break;
        }
        let direction = descent(objective, &memory, &gradient);
        let slope = product(&direction, &gradient);
        let mut step = 1.0;
        let value = loop {
            trial.iter_mut().zip(w.iter().zip(&direction)).for_each(|(to, (w, d))| *to = w + step * d);
            let value = objective.evaluate(&trial, &mut slopes);
            if value <= loss + 1e-4 * step * slope {
                break Some(value);
            }
            // The minimum of the parabola through both values and the slope.
            let parabola = -0.5 * slope * step / (value - loss - slope * step);
            step *= if parabola.is_finite() { parabola.clamp(0.1, 0.5) } else { 0.1 };
            if step < 1e-6 {
                break None;
            }
        };
        // No step decreases the loss: the precision limit of f32 products.
        let Some(value) = value else { break };
        let moved: Vec<f64> = trial.iter().zip(&w).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = slopes.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let gain = loss - value;
        std::mem::swap(&mut w, &mut trial);
        std::mem::swap(&mut gradient, &mut slopes);
        loss = value;
        if gain < least_gain || !go_on(&w) {
            break;
        }
        remember(objective, &mut memory, moved, change);
    }
    w
}

/// Keeps a pair where the curvature along it is positive.
fn remember(objective: &dyn Objective, memory: &mut VecDeque<Pair>, moved: Vec<f64>, change: Vec<f64>) {
    let along = product(&moved, &change);
    if along > 1e-10 * product(&change, &change) {
        let mut solved = change.clone();
        objective.precondition(&mut solved);
        let scale = along / product(&change, &solved);
        if memory.len() == MEMORY {
            memory.pop_front();
        }
        memory.push_back(Pair { moved, change, product: along, scale });
    }
}

/// −H·g by the two-loop recursion.
fn descent(objective: &dyn Objective, memory: &VecDeque<Pair>, gradient: &[f64]) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut alphas = Vec::with_capacity(memory.len());
    for pair in memory.iter().rev() {
        let alpha = product(&pair.moved, &q) / pair.product;
        add(&mut q, -alpha, &pair.change);
        alphas.push(alpha);
    }
    objective.precondition(&mut q);
    if let Some(pair) = memory.back() {
        q.iter_mut().for_each(|q| *q *= pair.scale);
    }
    for (pair, alpha) in memory.iter().zip(alphas.into_iter().rev()) {
        let beta = product(&pair.change, &q) / pair.product;
        add(&mut q, alpha - beta, &pair.moved);
    }
    q
}

fn add(to: &mut [f64], scale: f64, v: &[f64]) {
    vectorised(
        #[inline(always)]
        || to.iter_mut().zip(v).for_each(|(to, v)| *to += scale * v),
    );
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    vectorised(
        #[inline(always)]
        || dot(a, b),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's valley with a preconditioner that is far from its Hessian.
    struct Valley {
        evaluations: usize,
    }

    impl Objective for Valley {
        fn evaluate(&mut self, w: &[f64], gradient: &mut [f64]) -> f64 {
            self.evaluations += 1;
            let (a, b) = (1.0 - w[0], w[1] - w[0] * w[0]);
            gradient.copy_from_slice(&[-2.0 * a - 40.0 * b * w[0], 20.0 * b]);
            a * a + 10.0 * b * b
        }

        fn precondition(&self, vector: &mut [f64]) {
            vector[0] *= 3.0;
        }
    }

    #[test]
    fn the_minimum_of_a_valley_is_found() {
        let mut valley = Valley { evaluations: 0 };
        let w = minimise(&mut valley, vec![-1.2, 1.0], 0.0, &mut |_| true);
        assert!(w.iter().all(|w| (w - 1.0).abs() < 1e-5) && valley.evaluations < 100, "{w:?}");
    }

    #[test]
    fn the_caller_can_end_a_descent() {
        let mut iterations = 0;
        let mut twice = |_: &[f64]| {
            iterations += 1;
            iterations < 2
        };
        let w = minimise(&mut Valley { evaluations: 0 }, vec![-1.2, 1.0], 0.0, &mut twice);
        assert!(iterations == 2 && w != [-1.2, 1.0]);
    }
}
