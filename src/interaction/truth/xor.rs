//! A generator of pure synergy in continuous data: each modality holds a noisy sign, the
//! label is whether the signs differ, and neither modality alone is informative.

use std::f64::consts::LN_2;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::error::Result;
use crate::interaction::Pointwise;

use super::mixture::{evidence, isotropic, log_sum_exp, square};
use super::prior::Prior;

/// x_m = (2b_m − 1)·a·e_1 + σN in eight dimensions, b1 and b2 fair bits, y = b1 ⊕ b2;
/// a = 1.5, σ = 0.6.
#[derive(Debug, Clone, PartialEq)]
pub struct Xor {
    prior: Prior,
}

const A: f64 = 1.5;
const SIGMA: f64 = 0.6;
const VARIANCE: f64 = SIGMA * SIGMA;

impl Xor {
    pub(super) const DIMS: [usize; 2] = [8, 8];

    /// The parameters of the published figures; there are no others.
    ///
    /// # Errors
    /// None that can occur: the prior is uniform over two classes.
    pub fn new() -> Result<Self> {
        Ok(Self { prior: Prior::uniform(2)? })
    }

    pub(super) fn prior(&self) -> &Prior {
        &self.prior
    }

    pub(super) fn sample(&self, rng: &mut ChaCha8Rng, x: &mut [&mut [f32]]) -> usize {
        let bits: [bool; 2] = [rng.random(), rng.random()];
        for (x, bit) in x.iter_mut().zip(bits) {
            for (axis, x) in x.iter_mut().enumerate() {
                let noise: f64 = rng.sample(StandardNormal);
                let mean = match (axis, bit) {
                    (0, true) => A,
                    (0, false) => -A,
                    _ => 0.0,
                };
                *x = (mean + SIGMA * noise) as f32;
            }
        }
        usize::from(bits[0] ^ bits[1])
    }

    pub(super) fn exact<T: Copy + Into<f64>>(&self, x: &[&[T]], y: usize) -> Pointwise {
        // A sign ±1 adds ± tilt_m to ln p(x_m), over a base that both signs share.
        let [tilt1, tilt2] = [0, 1].map(|m| A * x[m][0].into() / VARIANCE);
        let either = |tilt: f64| log_sum_exp([tilt - LN_2, -tilt - LN_2].into_iter());
        let specificity = |x: &[T], tilt| isotropic(x.len(), square(x) + A * A, VARIANCE) - either(tilt);
        // Class 0 has equal signs, class 1 different ones.
        let (i12, _) =
            evidence(&self.prior, y, |k| either(if k == 0 { tilt1 + tilt2 } else { tilt1 - tilt2 }));
        Pointwise { i1: 0.0, i2: 0.0, i12, h1: specificity(x[0], tilt1), h2: specificity(x[1], tilt2) }
    }
}
