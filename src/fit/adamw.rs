//! AdamW (Loshchilov and Hutter, *Decoupled weight decay regularization*, 2019) on flat
//! parameters, with a learning rate that falls along half a cosine.

use serde::{Deserialize, Serialize};

use crate::vectors::vectorised;

const FIRST_MOMENT: f64 = 0.9;
const SECOND_MOMENT: f64 = 0.999;
const EPSILON: f32 = 1e-8;

/// The state of a descent: how many steps it has taken of how many.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Schedule {
    peak: f64,
    steps: usize,
    taken: usize,
}

/// What one step applies to every parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    rate: f64,
    /// Corrections of the moments' bias towards their start at zero.
    first_correction: f32,
    second_correction: f32,
}

/// Parameters that share one weight decay, with the moments of their gradients.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Parameters {
    /// The parameters.
    pub values: Vec<f32>,
    /// The gradient of the current step, to be written before [`Parameters::update`].
    pub gradient: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    decay: f64,
}

impl Schedule {
    /// A descent of `steps` steps whose learning rate starts at `peak`.
    pub fn new(peak: f64, steps: usize) -> Self {
        Self { peak, steps, taken: 0 }
    }

    /// The next step.
    pub fn next(&mut self) -> Step {
        let rate = cosine(self.peak, self.taken, self.steps);
        self.taken += 1;
        let correction = |moment: f64| (1.0 / (1.0 - moment.powf(self.taken as f64))) as f32;
        Step {
            rate,
            first_correction: correction(FIRST_MOMENT),
            second_correction: correction(SECOND_MOMENT),
        }
    }
}

impl Parameters {
    /// Parameters at their initial values.
    pub fn new(values: Vec<f32>, decay: f64) -> Self {
        let zeros = vec![0.0; values.len()];
        Self { gradient: zeros.clone(), first: zeros.clone(), second: zeros, values, decay }
    }

    /// Applies one step along the gradient.
    pub fn update(&mut self, step: Step) {
        let keep = (1.0 - step.rate * self.decay) as f32;
        let (b1, b2) = (FIRST_MOMENT as f32, SECOND_MOMENT as f32);
        // Both corrections leave the loop: √(second·c₂) + ε = √c₂·(√second + ε/√c₂).
        let root = step.second_correction.sqrt();
        let rate = step.rate as f32 * step.first_correction / root;
        let epsilon = EPSILON / root;
        vectorised(
            #[inline(always)]
            || {
                let moments = self.first.iter_mut().zip(&mut self.second);
                let all = self.values.iter_mut().zip(&self.gradient).zip(moments);
                for ((value, &slope), (first, second)) in all {
                    *first = b1 * *first + (1.0 - b1) * slope;
                    *second = b2 * *second + (1.0 - b2) * slope * slope;
                    *value = *value * keep - rate * *first / (second.sqrt() + epsilon);
                }
            },
        );
    }
}

/// The learning rate of a step: from `peak` down to zero along half a cosine.
fn cosine(peak: f64, step: usize, steps: usize) -> f64 {
    peak * 0.5 * (1.0 + (std::f64::consts::PI * step as f64 / steps.max(1) as f64).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_steps_by_hand() {
        let mut schedule = Schedule::new(0.1, 2);
        let mut parameters = Parameters::new(vec![1.0, -2.0], 0.5);
        // The first step moves by the rate against the gradient's sign, whatever its size.
        parameters.gradient.copy_from_slice(&[4.0, -0.25]);
        parameters.update(schedule.next());
        let expected: [f64; 2] = [1.0 * 0.95 - 0.1, -2.0 * 0.95 + 0.1];
        for (&found, expected) in parameters.values.iter().zip(expected) {
            assert!((f64::from(found) - expected).abs() < 1e-6, "{:?}", parameters.values);
        }
        // The second at half the rate: m = 0.36 + 0.2, v = 0.015984 + 0.004.
        parameters.gradient.copy_from_slice(&[2.0, 0.0]);
        parameters.update(schedule.next());
        let (m, v): (f64, f64) = ((0.36 + 0.2) / 0.19, (0.015984 + 0.004) / 0.001999);
        let expected = expected[0] * 0.975 - 0.05 * m / v.sqrt();
        assert!((f64::from(parameters.values[0]) - expected).abs() < 1e-5, "{:?}", parameters.values);
    }
}
