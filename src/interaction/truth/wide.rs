//! A generator of embeddings of any width, with exact densities in time linear in the
//! width: the Gaussian generator's scheme in a few dimensions, embedded in many.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::error::Result;

use super::super::lattice::Subset;
use super::frame::{dot, orthonormal, require_positive};
use super::mixture::{evidence, ln_2pi, square};
use super::noise::Noise;
use super::prior::Prior;
use super::subset_values::SubsetValues;

/// Axes that carry the classes, in all modalities.
const RANK: usize = 8;
/// Further axes of each modality with stronger noise and no information on the class.
const NUISANCE: usize = 4;
const AXES: usize = RANK + NUISANCE;

/// Each modality m has an orthonormal frame (B_m, G_m), eight axes and four, and
///
/// ```text
/// x_m = B_m (c_y + σ n_m) + G_m (τ w_m + σ n'_m) + σ (noise orthogonal to both)
/// ```
///
/// with unit vectors c_k as class codes, any two of the n_m correlated by ρ axis by axis, the
/// others independent, and τ_j = 4σ, 2σ, 4σ/3, σ. So the class means have rank eight, the
/// noise is correlated across the modalities where the classes are, and within each
/// where they are not. With t_m = B_mᵀx_m, for a set A of a modalities and up to terms common to all
/// classes,
///
/// ```text
/// ln p(x_A|k) = (c_k·Σ_m∈A t_m − a|c_k|²/2)/(σ²(1 + (a−1)ρ))
/// Σ_m         = σ²I + G_m diag(τ²) G_mᵀ
/// ```
///
/// so a row costs twelve products per dimension. Narrow modalities have fewer axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Wide {
    prior: Prior,
    noise: Noise,
    /// Axes of the classes, [`RANK`] or fewer.
    rank: usize,
    /// c_k, `[C]`.
    codes: Vec<[f64; RANK]>,
    modalities: Vec<Modality>,
}

/// Parameters of a wide distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct WideShape {
    /// Lengths of x1 … xM.
    pub dims: Vec<usize>,
    /// p(y).
    pub prior: Prior,
    /// Correlation of any two modalities' noise on the class axes.
    pub rho: f64,
    /// Standard deviation of the noise.
    pub sigma: f64,
    /// Draws the frames and codes. Apart from the seed of the rows, so that files made
    /// with different row seeds are samples of one distribution.
    pub distribution_seed: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct Modality {
    /// (B, G), one row per dimension; axes that do not fit are zero.
    frame: Vec<[f64; AXES]>,
    /// τ_j, zero where the axis is.
    tau: [f64; NUISANCE],
}

impl Wide {
    /// Draws the distribution's frames and codes.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::error::Error::Usage) where a dimension is zero or the noise impossible.
    pub fn new(shape: WideShape) -> Result<Self> {
        let WideShape { dims, prior, rho, sigma, distribution_seed } = shape;
        let noise = Noise::new(dims.len(), rho, sigma)?;
        require_positive(&dims)?;
        let mut rng = ChaCha8Rng::seed_from_u64(distribution_seed);
        let rank = dims.iter().fold(RANK.min(prior.classes()), |rank, &dim| rank.min(dim));
        let codes = (0..prior.classes()).map(|_| code(&mut rng, rank)).collect();
        let modalities = dims.iter().map(|&dim| Modality::draw(&mut rng, dim, rank, sigma)).collect();
        Ok(Self { prior, noise, rank, codes, modalities })
    }

    pub(super) fn dims(&self) -> Vec<usize> {
        self.modalities.iter().map(|modality| modality.frame.len()).collect()
    }

    pub(super) fn prior(&self) -> &Prior {
        &self.prior
    }

    pub(super) fn sample(&self, rng: &mut ChaCha8Rng, x: &mut [&mut [f32]]) -> usize {
        let y = self.prior.sample(rng);
        let sigma = self.noise.sigma();
        let noises: Vec<_> =
            x.iter_mut().zip(&self.modalities).map(|(x, modality)| modality.noise(rng, sigma, x)).collect();
        let mut moves: Vec<_> = self.modalities.iter().map(|modality| modality.nuisance(rng)).collect();
        for (m, (moves, factor)) in moves.iter_mut().zip(self.noise.factor()).enumerate() {
            for (axis, code) in self.codes[y].iter().enumerate() {
                // The noise of x_m on this axis becomes Σ_j l_mj·n_j; it is n_m so far.
                let earlier = factor[..m].iter().zip(&noises).map(|(l, noise)| l * noise[axis]);
                moves[axis] =
                    earlier.fold(*code, |sum, term| sum + term) + (factor[m] - 1.0) * noises[m][axis];
            }
        }
        for ((modality, moves), x) in self.modalities.iter().zip(&moves).zip(x) {
            modality.add(moves, x);
        }
        y
    }

    pub(super) fn exact<T: Copy + Into<f64>>(&self, x: &[&[T]], y: usize) -> SubsetValues {
        let variance = self.noise.variance();
        let parts: Vec<([f64; AXES], f64)> = x
            .iter()
            .zip(&self.modalities)
            .map(|(x, modality)| {
                let on_axes = modality.project(x);
                (on_axes, modality.base(square(x), &on_axes, variance))
            })
            .collect();
        let of_set = |set: Subset| {
            let along = variance * self.noise.along(set.len());
            let mut sum = [0.0; RANK];
            for m in set.members() {
                sum.iter_mut().zip(&parts[m].0).for_each(|(a, b)| *a += b);
            }
            evidence(&self.prior, y, |k| {
                let code = &self.codes[k];
                (dot(code, &sum) - 0.5 * set.len() as f64 * dot(code, code)) / along
            })
        };
        SubsetValues::new(x.len(), of_set, |set| {
            let members: Vec<_> = set.members().map(|m| &parts[m]).collect();
            // As if the modalities were independent, and what their correlation changes.
            members.iter().map(|(_, base)| base).sum::<f64>() + self.correlation(&members)
        })
    }

    /// What the correlation of these modalities adds to the sum of their [`Modality::base`]: on each class
    /// axis another determinant, and another square.
    fn correlation(&self, members: &[&([f64; AXES], f64)]) -> f64 {
        let variance = self.noise.variance();
        let mut twice = self.rank as f64 * self.noise.log_det(members.len());
        for axis in 0..self.rank {
            let values = members.iter().map(|(on_axes, _)| on_axes[axis]);
            let independent: f64 = values.clone().map(|value| value * value).sum();
            twice += (self.noise.square(values) - independent) / variance;
        }
        0.5 * twice
    }
}

impl Modality {
    fn draw(rng: &mut ChaCha8Rng, dim: usize, rank: usize, sigma: f64) -> Self {
        let nuisance = NUISANCE.min(dim - rank);
        let columns = orthonormal(rng, dim, rank + nuisance);
        let mut frame = vec![[0.0; AXES]; dim];
        for (at, column) in columns.iter().enumerate() {
            let axis = if at < rank { at } else { RANK + at - rank };
            frame.iter_mut().zip(column).for_each(|(row, value)| row[axis] = *value);
        }
        let tau = std::array::from_fn(|j| if j < nuisance { 4.0 * sigma / (j + 1) as f64 } else { 0.0 });
        Self { frame, tau }
    }

    /// Fills x with isotropic noise and returns its projection on the axes.
    fn noise(&self, rng: &mut ChaCha8Rng, sigma: f64, x: &mut [f32]) -> [f64; AXES] {
        for x in x.iter_mut() {
            let n: f64 = rng.sample(StandardNormal);
            *x = (sigma * n) as f32;
        }
        self.project(x)
    }

    /// τ_j w_j on the nuisance axes, nothing on the others.
    fn nuisance(&self, rng: &mut ChaCha8Rng) -> [f64; AXES] {
        let mut on_axes = [0.0; AXES];
        for (value, tau) in on_axes[RANK..].iter_mut().zip(self.tau) {
            let w: f64 = rng.sample(StandardNormal);
            *value = tau * w;
        }
        on_axes
    }

    fn add(&self, on_axes: &[f64; AXES], x: &mut [f32]) {
        for (x, row) in x.iter_mut().zip(&self.frame) {
            *x = (f64::from(*x) + dot(row, on_axes)) as f32;
        }
    }

    /// (B, G)ᵀx.
    fn project<T: Copy + Into<f64>>(&self, x: &[T]) -> [f64; AXES] {
        let mut on_axes = [0.0; AXES];
        for (&x, row) in x.iter().zip(&self.frame) {
            let x: f64 = x.into();
            on_axes.iter_mut().zip(row).for_each(|(sum, axis)| *sum += x * axis);
        }
        on_axes
    }

    /// −ln N(x; 0, Σ_m).
    fn base(&self, square: f64, on_axes: &[f64; AXES], variance: f64) -> f64 {
        let mut twice = self.frame.len() as f64 * (ln_2pi() + variance.ln()) + square / variance;
        for (g, tau) in on_axes[RANK..].iter().zip(self.tau) {
            let louder = variance + tau * tau;
            twice += (louder / variance).ln() + g * g * (1.0 / louder - 1.0 / variance);
        }
        0.5 * twice
    }
}

/// A unit vector in the first `rank` coordinates.
fn code(rng: &mut ChaCha8Rng, rank: usize) -> [f64; RANK] {
    let mut code = [0.0; RANK];
    code[..rank].iter_mut().for_each(|value| *value = rng.sample(StandardNormal));
    let norm = dot(&code, &code).sqrt();
    code.map(|value| value / norm)
}

#[cfg(test)]
mod dense;
