//! Multinomial logistic regression with an L2 penalty, by preconditioned L-BFGS on all rows.
//!
//! The objective is Σ −ln p(y|x) + ½·strength·d·|W|² with a free bias: on standardised
//! inputs that is a Gaussian prior under which a logit has variance 1/strength, whatever
//! the number d of inputs, so that one grid of strengths serves 10 inputs and 8 000.

use crate::bundle::Affine;
use crate::error::Result;

pub(crate) use super::labelled_rows::LabelledRows;
use super::lbfgs::minimise;
use super::logistic_loss::LogisticLoss;
use super::metrics::cross_entropy;

/// Regularisation path, from the strongest: the prior variance of a logit is 1/strength.
pub(crate) const STRENGTHS: [f64; 7] = [3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003];
/// The search looks at the held-out loss every few iterations, and leaves a strength where it moves
/// by less than this, in nats.
const LOOK: usize = 3;
const SETTLED: f64 = 1e-4;
/// Held-out nats above the best beyond which a strength, and all weaker ones, are hopeless.
const HOPELESS: f64 = 0.02;
/// Least gain of an iteration, in nats: in the search, and in the refit.
const GAINS: [f64; 2] = [1e-6, 1e-8];

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
/// least held-out cross-entropy. Stops after two consecutive fits without improvement, or one that
/// is far from the best. `check` is called in every iteration, and its error ends the search.
///
/// # Errors
/// Of `check`.
pub(crate) fn search(
    train: LabelledRows<'_>,
    held_out: LabelledRows<'_>,
    check: &dyn Fn() -> Result<()>,
    on_step: &mut dyn FnMut(f64, f64),
) -> Result<Option<RegressionFit>> {
    let mut best: Option<RegressionFit> = None;
    let mut loss = LogisticLoss::new(train);
    let held_out_nats = |w: &[f64]| {
        let logits = affine(train, w).apply(held_out.x);
        cross_entropy(&logits, held_out.y, held_out.classes)
    };
    let mut solution = start(train);
    let mut worse = 0;
    for strength in STRENGTHS {
        loss.penalise(strength, &solution);
        let bar = best.as_ref().map_or(f64::INFINITY, |best| best.held_out_nats + HOPELESS);
        let (mut iterations, mut last) = (0, f64::INFINITY);
        let mut unsettled = |w: &[f64]| {
            iterations += 1;
            if check().is_err() {
                return false;
            }
            if iterations % LOOK != 0 {
                return true;
            }
            let nats = held_out_nats(w);
            let move_on = (nats - last).abs() < SETTLED || nats > bar && nats > last;
            last = nats;
            !move_on
        };
        solution = minimise(&mut loss, solution, GAINS[0], &mut unsettled);
        check()?;
        let nats = held_out_nats(&solution);
        on_step(strength, nats);
        worse += 1;
        if best.as_ref().is_none_or(|best| nats < best.held_out_nats) {
            best = Some(RegressionFit { map: affine(train, &solution), strength, held_out_nats: nats });
            worse = 0;
        }
        if worse == 2 || nats > bar {
            break;
        }
    }
    Ok(best)
}

/// Refits at the selected strength on more rows, with a warm start.
///
/// # Errors
/// Of `check`, which is called in every iteration.
pub(crate) fn refit(
    chosen: &RegressionFit,
    rows: LabelledRows<'_>,
    check: &dyn Fn() -> Result<()>,
) -> Result<Affine> {
    let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
    let w = [wide(&chosen.map.weight), wide(&chosen.map.bias)].concat();
    let mut loss = LogisticLoss::new(rows);
    loss.penalise(chosen.strength, &w);
    let w = minimise(&mut loss, w, GAINS[1], &mut |_| check().is_ok());
    check()?;
    Ok(affine(rows, &w))
}

/// Zero weights `[C, d]`, and the classes' log-frequencies as biases.
fn start(data: LabelledRows<'_>) -> Vec<f64> {
    let mut counts = vec![0.5f64; data.classes];
    data.y.iter().for_each(|&class| counts[class as usize] += 1.0);
    let mut w = vec![0.0; data.classes * data.width];
    w.extend(counts.into_iter().map(f64::ln));
    w
}

fn affine(data: LabelledRows<'_>, w: &[f64]) -> Affine {
    let (weight, bias) = w.split_at(data.classes * data.width);
    let narrow = |values: &[f64]| values.iter().map(|&value| value as f32).collect();
    Affine { inputs: data.width, outputs: data.classes, weight: narrow(weight), bias: narrow(bias) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::lbfgs::Objective;

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
        let mut loss = LogisticLoss::new(data);
        loss.penalise(0.1, &w);
        let mut gradient = [0.0; 12];
        loss.evaluate(&w, &mut gradient);
        for j in 0..12 {
            let mut at = |h: f64| {
                let mut w = w.clone();
                w[j] += h;
                loss.evaluate(&w, &mut [0.0; 12])
            };
            let slope = (at(1e-3) - at(-1e-3)) / 2e-3;
            assert!((gradient[j] - slope).abs() < 2e-4, "{j}: {} {slope}", gradient[j]);
        }
        let solution = minimise(&mut loss, start(data), GAINS[1], &mut |_| true);
        loss.evaluate(&solution, &mut gradient);
        assert!(gradient.iter().all(|g| g.abs() < 1e-4), "{gradient:?}");
    }

    #[test]
    fn dependent_inputs_take_few_iterations() {
        // Six inputs that are nearly one, and a seventh: eigenvalues from 6 to 1e-4.
        let at = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 29.0;
        let x: Vec<f32> =
            (0..7 * 400).map(|i| if i % 7 == 6 { at(i) } else { at(i / 7 * 5) + 0.01 * at(i * 3) }).collect();
        let y: Vec<u32> =
            x.chunks_exact(7).map(|x| u32::from(x[0] + 20.0 * (x[1] - x[2]) > 0.3 * x[6])).collect();
        let data = LabelledRows { x: &x, width: 7, y: &y, classes: 2 };
        let mut loss = LogisticLoss::new(data);
        loss.penalise(1e-4, &start(data));
        let mut iterations = 0;
        let solution = minimise(&mut loss, start(data), GAINS[1], &mut |_| {
            iterations += 1;
            true
        });
        let mut gradient = [0.0; 16];
        loss.evaluate(&solution, &mut gradient);
        assert!(iterations < 40 && gradient.iter().all(|g| g.abs() < 1e-3), "{iterations} {gradient:?}");
    }
}
