//! The reference implementation's generator: class y sits at the unit vector e_y in
//! all modalities, and their noise is correlated coordinate by coordinate.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::error::Result;

use super::super::lattice::Subset;
use super::frame::dot;
use super::mixture::{evidence, ln_2pi};
use super::noise::Noise;
use super::prior::Prior;
use super::subset_values::SubsetValues;

/// x_m = e_y + σ n_m in C dimensions, with standard normal noise that is correlated by ρ between any
/// two modalities: n_1 = U, n_2 = ρU + √(1−ρ²)V, and so on by the Cholesky factor. The sum over k
/// modalities A is a sufficient statistic of them for y, so
///
/// ```text
/// ln p(y|x_A) = ln softmax(Σ_m∈A x_m/(σ²(1 + (k−1)ρ)) + ln p)[y]
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Gaussian {
    prior: Prior,
    noise: Noise,
}

impl Gaussian {
    /// M modalities of as many dimensions as classes; `rho` is the noise's correlation between any two
    /// modalities and `sigma` its standard deviation.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::error::Error::Usage) where `rho` is not inside (−1/(M−1), 1) or `sigma`
    /// not positive.
    pub fn new(modalities: usize, prior: Prior, rho: f64, sigma: f64) -> Result<Self> {
        Ok(Self { prior, noise: Noise::new(modalities, rho, sigma)? })
    }

    pub(super) fn dims(&self) -> Vec<usize> {
        vec![self.prior.classes(); self.noise.modalities()]
    }

    pub(super) fn prior(&self) -> &Prior {
        &self.prior
    }

    pub(super) fn sample(&self, rng: &mut ChaCha8Rng, x: &mut [&mut [f32]]) -> usize {
        let y = self.prior.sample(rng);
        let mut independent = vec![0.0; x.len()];
        for k in 0..self.prior.classes() {
            let corner = if k == y { 1.0 } else { 0.0 };
            independent.iter_mut().for_each(|n: &mut f64| *n = rng.sample(StandardNormal));
            for (x, factor) in x.iter_mut().zip(self.noise.factor()) {
                x[k] = (corner + self.noise.sigma() * dot(factor, &independent)) as f32;
            }
        }
        y
    }

    pub(super) fn exact<T: Copy + Into<f64>>(&self, x: &[&[T]], y: usize) -> SubsetValues {
        let variance = self.noise.variance();
        let classes = self.prior.classes();
        let members = |set: Subset| set.members().map(|m| x[m]).collect::<Vec<&[T]>>();
        let of_set = |set: Subset| {
            let (members, along) = (members(set), variance * self.noise.along(set.len()));
            // The −|e_c|²k/(2·along) is the same for all classes c, so it goes into the base.
            let score = |class: usize| members.iter().map(|x| x[class].into()).sum::<f64>() / along;
            evidence(&self.prior, y, score)
        };
        SubsetValues::new(x.len(), of_set, |set| {
            let (members, k) = (members(set), set.len());
            let on_axis = |axis: usize| members.iter().map(move |x| x[axis].into());
            let square: f64 = (0..classes).map(|axis| self.noise.square(on_axis(axis))).sum();
            let spread = k as f64 * (ln_2pi() + variance.ln()) + self.noise.log_det(k);
            let corner = k as f64 / self.noise.along(k);
            0.5 * (classes as f64 * spread + (square + corner) / variance)
        })
    }
}
