//! A generator of classes in several clusters, which no linear classifier tells apart: each class
//! is a mixture of Gaussians, and the cluster is common to all modalities.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::error::Result;

use super::super::lattice::Subset;
use super::frame::{dot, orthonormal, require_positive};
use super::mixture::{evidence, isotropic, log_sum_exp, square};
use super::noise::Noise;
use super::prior::Prior;
use super::subset_values::SubsetValues;

/// Given the class y and a cluster k of [`CLUSTERS`], each equally probable, x_m is
/// N(μ_m(y, k), σ²I), and the modalities are independent. The μ are random unit vectors, so for a set
/// A of modalities
///
/// ```text
/// ln p(x_A|y) = ln Σ_k exp(Σ_m∈A (x_m·μ_m(y, k) − ½)/σ²) + terms common to all classes
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Clusters {
    prior: Prior,
    noise: Noise,
    /// μ_m(y, k) at `[m][y · CLUSTERS + k]`.
    centres: Vec<Vec<Vec<f64>>>,
}

/// Clusters of a class.
const CLUSTERS: usize = 2;

/// Parameters of a clustered distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct ClustersShape {
    /// Lengths of x1 … xM.
    pub dims: Vec<usize>,
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
    /// [`Error::Usage`](crate::error::Error::Usage) where a dimension is zero or the noise impossible.
    pub fn new(shape: ClustersShape) -> Result<Self> {
        let ClustersShape { dims, prior, sigma, distribution_seed } = shape;
        let noise = Noise::new(dims.len(), 0.0, sigma)?;
        require_positive(&dims)?;
        let mut rng = ChaCha8Rng::seed_from_u64(distribution_seed);
        let count = prior.classes() * CLUSTERS;
        let mut centres_of =
            |dim: usize| (0..count).flat_map(|_| orthonormal(&mut rng, dim, 1)).collect::<Vec<_>>();
        let centres = dims.into_iter().map(&mut centres_of).collect();
        Ok(Self { prior, noise, centres })
    }

    pub(super) fn dims(&self) -> Vec<usize> {
        self.centres.iter().map(|centres| centres.first().map_or(0, Vec::len)).collect()
    }

    pub(super) fn prior(&self) -> &Prior {
        &self.prior
    }

    pub(super) fn sample(&self, rng: &mut ChaCha8Rng, x: &mut [&mut [f32]]) -> usize {
        let y = self.prior.sample(rng);
        let at = y * CLUSTERS + rng.random_range(0..CLUSTERS);
        for (x, centres) in x.iter_mut().zip(&self.centres) {
            for (x, mean) in x.iter_mut().zip(&centres[at]) {
                let noise: f64 = rng.sample(StandardNormal);
                *x = (mean + self.noise.sigma() * noise) as f32;
            }
        }
        y
    }

    pub(super) fn exact<T: Copy + Into<f64>>(&self, x: &[&[T]], y: usize) -> SubsetValues {
        let variance = self.noise.variance();
        let scores: Vec<Vec<f64>> = x
            .iter()
            .zip(&self.centres)
            .map(|(x, centres)| {
                let x: Vec<f64> = x.iter().map(|&x| x.into()).collect();
                centres.iter().map(|mean| dot(mean, &x) / variance).collect()
            })
            .collect();
        let bases: Vec<f64> = x.iter().map(|x| isotropic(x.len(), square(x) + 1.0, variance)).collect();
        let of_set = |set: Subset| {
            let score = |at: usize| set.members().map(|m| scores[m][at]).sum::<f64>();
            evidence(&self.prior, y, |class| {
                let of_clusters: [f64; CLUSTERS] = std::array::from_fn(|k| score(class * CLUSTERS + k));
                log_sum_exp(of_clusters.into_iter()) - (CLUSTERS as f64).ln()
            })
        };
        SubsetValues::new(x.len(), of_set, |set| set.members().map(|m| bases[m]).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_densities_are_sums_over_classes_and_clusters() {
        let prior = Prior::new(vec![0.6, 0.3, 0.1]).unwrap();
        let shape = ClustersShape { dims: vec![3, 5, 2], prior, sigma: 0.7, distribution_seed: 4 };
        let clusters = Clusters::new(shape).unwrap();
        let x: [&[f64]; 3] = [&[0.3, -0.2, 0.9], &[0.1, 0.4, -0.6, 0.2, 0.0], &[0.8, -0.1]];
        let y = 1;
        let normal = |x: &[f64], mean: &[f64]| -> f64 {
            let terms = x.iter().zip(mean).map(|(x, m)| {
                (-((x - m) / 0.7f64).powi(2) / 2.0).exp() / (0.7 * (2.0 * std::f64::consts::PI).sqrt())
            });
            terms.product()
        };
        let exact = clusters.exact(&x, y);
        for (at, set) in Subset::all(3).into_iter().enumerate() {
            let given = |class: usize| -> f64 {
                let of_cluster = |k: usize| {
                    let factor = |m: usize| normal(x[m], &clusters.centres[m][class * CLUSTERS + k]);
                    set.members().map(factor).product::<f64>()
                };
                (0..CLUSTERS).map(of_cluster).sum::<f64>() / CLUSTERS as f64
            };
            let total: f64 =
                clusters.prior.probabilities().iter().enumerate().map(|(class, p)| p * given(class)).sum();
            assert!((exact.i[at] - (given(y) / total).ln()).abs() < 1e-12, "{set}: {exact:?}");
            assert!(exact.h.get(at).is_none_or(|h| (h + total.ln()).abs() < 1e-12), "{set}: {exact:?}");
        }
        assert_eq!((exact.i.len(), exact.h.len()), (7, 6));
    }
}
