//! A generator of classes in several clusters, which no linear classifier tells apart: each class
//! is a mixture of Gaussians, and the cluster is common to both modalities.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::error::{Error, Result};
use crate::interaction::Pointwise;

use super::frame::{dot, orthonormal};
use super::gaussian::check_noise;
use super::mixture::{evidence, isotropic, log_sum_exp, square};
use super::prior::Prior;

/// Given the class y and a cluster k of [`CLUSTERS`], each equally probable, x_m is
/// N(μ_m(y, k), σ²I), and the two modalities are independent. The μ are random unit vectors, so
///
/// ```text
/// ln p(x_m|y)    = ln Σ_k exp((x_m·μ_m(y, k) − ½)/σ²) + terms common to all classes
/// ln p(x1, x2|y) = ln Σ_k exp((x1·μ_1(y, k) + x2·μ_2(y, k) − 1)/σ²) + terms common to all classes
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Clusters {
    prior: Prior,
    sigma: f64,
    /// μ_m(y, k) at `[y · CLUSTERS + k]`.
    centres: [Vec<Vec<f64>>; 2],
}

/// Clusters of a class.
const CLUSTERS: usize = 2;

/// Parameters of a clustered distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct ClustersShape {
    /// Lengths of x1 and x2.
    pub dims: [usize; 2],
    /// p(y).
    pub prior: Prior,
    /// Standard deviation of the noise.
    pub sigma: f64,
    /// Draws the centres. Apart from the seed of the rows.
    pub distribution_seed: u64,
}

impl Clusters {
    /// Draws the centres.
    ///
    /// # Errors
    /// [`Error::Usage`] where a dimension is zero or the noise impossible.
    pub fn new(shape: ClustersShape) -> Result<Self> {
        let ClustersShape { dims, prior, sigma, distribution_seed } = shape;
        check_noise(0.0, sigma)?;
        if dims.contains(&0) {
            return Err(Error::Usage("--d1 and --d2 must be positive".into()));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(distribution_seed);
        let count = prior.classes() * CLUSTERS;
        let centres =
            dims.map(|dim| (0..count).flat_map(|_| orthonormal(&mut rng, dim, 1)).collect::<Vec<_>>());
        Ok(Self { prior, sigma, centres })
    }

    pub(super) fn dims(&self) -> [usize; 2] {
        [0, 1].map(|m| self.centres[m].first().map_or(0, Vec::len))
    }

    pub(super) fn prior(&self) -> &Prior {
        &self.prior
    }

    pub(super) fn sample(&self, rng: &mut ChaCha8Rng, x1: &mut [f32], x2: &mut [f32]) -> usize {
        let y = self.prior.sample(rng);
        let at = y * CLUSTERS + rng.random_range(0..CLUSTERS);
        for (x, centres) in [x1, x2].into_iter().zip(&self.centres) {
            for (x, mean) in x.iter_mut().zip(&centres[at]) {
                let noise: f64 = rng.sample(StandardNormal);
                *x = (mean + self.sigma * noise) as f32;
            }
        }
        y
    }

    pub(super) fn exact<T: Copy + Into<f64>>(&self, x1: &[T], x2: &[T], y: usize) -> Pointwise {
        let variance = self.sigma * self.sigma;
        let scores = |m: usize, x: &[T]| -> Vec<f64> {
            let x: Vec<f64> = x.iter().map(|&x| x.into()).collect();
            self.centres[m].iter().map(|mean| dot(mean, &x) / variance).collect()
        };
        let (first, second) = (scores(0, x1), scores(1, x2));
        let of_class = |scores: &[f64], class: usize| {
            let terms = scores[class * CLUSTERS..][..CLUSTERS].iter().copied();
            log_sum_exp(terms) - (CLUSTERS as f64).ln()
        };
        let single = |scores: &[f64], x: &[T]| {
            let (i, mixture) = evidence(&self.prior, y, |class| of_class(scores, class));
            (i, isotropic(x.len(), square(x) + 1.0, variance) - mixture)
        };
        let (i1, h1) = single(&first, x1);
        let (i2, h2) = single(&second, x2);
        let both: Vec<f64> = first.iter().zip(&second).map(|(a, b)| a + b).collect();
        let (i12, _) = evidence(&self.prior, y, |class| of_class(&both, class));
        Pointwise { i1, i2, i12, h1, h2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_densities_are_sums_over_classes_and_clusters() {
        let prior = Prior::new(vec![0.6, 0.3, 0.1]).unwrap();
        let shape = ClustersShape { dims: [3, 5], prior, sigma: 0.7, distribution_seed: 4 };
        let clusters = Clusters::new(shape).unwrap();
        let (x1, x2, y) = ([0.3, -0.2, 0.9], [0.1, 0.4, -0.6, 0.2, 0.0], 1);
        let normal = |x: &[f64], mean: &[f64]| -> f64 {
            let terms = x.iter().zip(mean).map(|(x, m)| {
                (-((x - m) / 0.7f64).powi(2) / 2.0).exp() / (0.7 * (2.0 * std::f64::consts::PI).sqrt())
            });
            terms.product()
        };
        let given = |class: usize, of: &dyn Fn(usize) -> f64| -> f64 {
            (0..CLUSTERS).map(|k| of(class * CLUSTERS + k)).sum::<f64>() / CLUSTERS as f64
        };
        let total = |of: &dyn Fn(usize) -> f64| -> f64 {
            clusters.prior.probabilities().iter().enumerate().map(|(class, p)| p * given(class, of)).sum()
        };
        let first = |at: usize| normal(&x1, &clusters.centres[0][at]);
        let second = |at: usize| normal(&x2, &clusters.centres[1][at]);
        let both = |at: usize| first(at) * second(at);
        let i = |of: &dyn Fn(usize) -> f64| (given(y, of) / total(of)).ln();
        let exact = clusters.exact(&x1, &x2, y);
        let truth = [i(&first), i(&second), i(&both), -total(&first).ln(), -total(&second).ln()];
        for (found, truth) in [exact.i1, exact.i2, exact.i12, exact.h1, exact.h2].into_iter().zip(truth) {
            assert!((found - truth).abs() < 1e-12, "{exact:?} {truth}");
        }
    }
}
