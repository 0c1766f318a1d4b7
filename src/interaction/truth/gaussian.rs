//! The reference implementation's generator: class y sits at the unit vector e_y in
//! both modalities, and their noise is correlated coordinate by coordinate.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::error::{Error, Result};
use crate::interaction::Pointwise;

use super::mixture::{corners, evidence};
use super::prior::Prior;

/// x1 = e_y + σU, x2 = e_y + σ(ρU + √(1−ρ²)V), with U, V standard normal in C
/// dimensions. x1 + x2 is a sufficient statistic of the pair for y, so
///
/// ```text
/// ln p(y|x_m)     = ln softmax(x_m/σ² + ln p)[y]
/// ln p(y|x1, x2)  = ln softmax((x1 + x2)/(σ²(1 + ρ)) + ln p)[y]
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Gaussian {
    prior: Prior,
    rho: f64,
    sigma: f64,
}

impl Gaussian {
    /// As many dimensions as classes; `rho` is the noise's correlation between the
    /// modalities and `sigma` its standard deviation.
    ///
    /// # Errors
    /// [`Error::Usage`] where `rho` is not inside (−1, 1) or `sigma` not positive.
    pub fn new(prior: Prior, rho: f64, sigma: f64) -> Result<Self> {
        check_noise(rho, sigma)?;
        Ok(Self { prior, rho, sigma })
    }

    pub(super) fn dims(&self) -> [usize; 2] {
        [self.prior.classes(); 2]
    }

    pub(super) fn prior(&self) -> &Prior {
        &self.prior
    }

    pub(super) fn sample(&self, rng: &mut ChaCha8Rng, x1: &mut [f32], x2: &mut [f32]) -> usize {
        let y = self.prior.sample(rng);
        let own = (1.0 - self.rho * self.rho).sqrt();
        for (k, (x1, x2)) in x1.iter_mut().zip(x2).enumerate() {
            let corner = if k == y { 1.0 } else { 0.0 };
            let u: f64 = rng.sample(StandardNormal);
            let v: f64 = rng.sample(StandardNormal);
            *x1 = (corner + self.sigma * u) as f32;
            *x2 = (corner + self.sigma * (self.rho * u + own * v)) as f32;
        }
        y
    }

    pub(super) fn exact<T: Copy + Into<f64>>(&self, x1: &[T], x2: &[T], y: usize) -> Pointwise {
        let variance = self.sigma * self.sigma;
        let (i1, h1) = corners(&self.prior, x1, y, variance);
        let (i2, h2) = corners(&self.prior, x2, y, variance);
        let pair = variance * (1.0 + self.rho);
        let (i12, _) = evidence(&self.prior, y, |k| (x1[k].into() + x2[k].into()) / pair);
        Pointwise { i1, i2, i12, h1, h2 }
    }
}

/// Checks the two parameters of the noise.
pub(super) fn check_noise(rho: f64, sigma: f64) -> Result<()> {
    if !(rho > -1.0 && rho < 1.0) {
        return Err(Error::Usage(format!("--rho {rho}: a correlation strictly between -1 and 1 is needed")));
    }
    if !(sigma > 0.0 && sigma.is_finite()) {
        return Err(Error::Usage(format!("--sigma {sigma}: a positive standard deviation is needed")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_noise_is_refused() {
        for (rho, sigma) in [(1.0, 0.5), (-1.0, 0.5), (f64::NAN, 0.5), (0.5, 0.0), (0.5, f64::INFINITY)] {
            let error = Gaussian::new(Prior::uniform(3).unwrap(), rho, sigma).unwrap_err();
            assert_eq!(error.exit_code(), 64, "{error}");
        }
    }
}
