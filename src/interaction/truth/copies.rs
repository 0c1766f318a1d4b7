//! Two extreme generators with the same x1: in `rdn` x2 repeats it, in `unq` x2 is
//! independent of y. In both, x1 holds all information of the pair, so i12 = i1 exactly.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::error::Result;
use crate::interaction::Pointwise;

use super::mixture::{corners, isotropic, square};
use super::prior::Prior;

pub(super) const DIMS: [usize; 2] = [8, 8];
const CLASSES: usize = 4;
const SIGMA: f64 = 0.5;
const COPY_NOISE: f64 = 0.02;

/// x1 = e_y + 0.5U, x2 = x1 + 0.02V: four classes in eight dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct Rdn {
    prior: Prior,
}

/// x1 = e_y + 0.5U, x2 = 0.5V: four classes in eight dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct Unq {
    prior: Prior,
}

impl Rdn {
    /// The parameters of the published figures; there are no others.
    ///
    /// # Errors
    /// None that can occur: the prior is uniform over four classes.
    pub fn new() -> Result<Self> {
        Ok(Self { prior: Prior::uniform(CLASSES)? })
    }

    pub(super) fn prior(&self) -> &Prior {
        &self.prior
    }

    pub(super) fn sample(&self, rng: &mut ChaCha8Rng, x: &mut [&mut [f32]]) -> usize {
        let y = self.prior.sample(rng);
        (0..DIMS[0]).for_each(|k| {
            let u: f64 = rng.sample(StandardNormal);
            let v: f64 = rng.sample(StandardNormal);
            let value = corner(k, y) + SIGMA * u;
            x[0][k] = value as f32;
            x[1][k] = (value + COPY_NOISE * v) as f32;
        });
        y
    }

    pub(super) fn exact<T: Copy + Into<f64>>(&self, x: &[&[T]], y: usize) -> Pointwise {
        let (i1, h1) = corners(&self.prior, x[0], y, SIGMA * SIGMA);
        let (i2, h2) = corners(&self.prior, x[1], y, SIGMA * SIGMA + COPY_NOISE * COPY_NOISE);
        Pointwise { i1, i2, i12: i1, h1, h2 }
    }
}

impl Unq {
    /// The parameters of the published figures; there are no others.
    ///
    /// # Errors
    /// None that can occur: the prior is uniform over four classes.
    pub fn new() -> Result<Self> {
        Ok(Self { prior: Prior::uniform(CLASSES)? })
    }

    pub(super) fn prior(&self) -> &Prior {
        &self.prior
    }

    pub(super) fn sample(&self, rng: &mut ChaCha8Rng, x: &mut [&mut [f32]]) -> usize {
        let y = self.prior.sample(rng);
        (0..DIMS[0]).for_each(|k| {
            let u: f64 = rng.sample(StandardNormal);
            let v: f64 = rng.sample(StandardNormal);
            x[0][k] = (corner(k, y) + SIGMA * u) as f32;
            x[1][k] = (SIGMA * v) as f32;
        });
        y
    }

    pub(super) fn exact<T: Copy + Into<f64>>(&self, x: &[&[T]], y: usize) -> Pointwise {
        let (i1, h1) = corners(&self.prior, x[0], y, SIGMA * SIGMA);
        let h2 = isotropic(x[1].len(), square(x[1]), SIGMA * SIGMA);
        Pointwise { i1, i2: 0.0, i12: i1, h1, h2 }
    }
}

/// Coordinate k of e_y.
fn corner(k: usize, y: usize) -> f64 {
    if k == y { 1.0 } else { 0.0 }
}
