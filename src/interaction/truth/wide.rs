//! A generator of embeddings of any width, with exact densities in time linear in the
//! width: the Gaussian generator's scheme in a few dimensions, embedded in d1 and d2.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::error::{Error, Result};
use crate::interaction::Pointwise;

use super::frame::{dot, orthonormal};
use super::gaussian::check_noise;
use super::mixture::{evidence, ln_2pi, square};
use super::prior::Prior;

/// Axes that carry the classes, in both modalities.
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
/// with unit vectors c_k as class codes, n_1 and n_2 correlated by ρ axis by axis, the
/// others independent, and τ_j = 4σ, 2σ, 4σ/3, σ. So the class means have rank eight, the
/// noise is correlated across the modalities where the classes are, and within each
/// where they are not. With t_m = B_mᵀx_m, g_m = G_mᵀx_m, up to terms common to all
/// classes,
///
/// ```text
/// ln p(x_m|k)    = (c_k·t_m − |c_k|²/2)/σ²
/// ln p(x1, x2|k) = (c_k·(t_1 + t_2) − |c_k|²)/(σ²(1 + ρ))
/// Σ_m            = σ²I + G_m diag(τ²) G_mᵀ
/// ```
///
/// so a row costs twelve products per dimension. Narrow modalities have fewer axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Wide {
    prior: Prior,
    rho: f64,
    sigma: f64,
    /// c_k, `[C]`.
    codes: Vec<[f64; RANK]>,
    modalities: [Modality; 2],
}

/// Parameters of a wide distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct WideShape {
    /// Lengths of x1 and x2.
    pub dims: [usize; 2],
    /// p(y).
    pub prior: Prior,
    /// Correlation of the two modalities' noise on the class axes.
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
    /// [`Error::Usage`] where a dimension is zero or the noise impossible.
    pub fn new(shape: WideShape) -> Result<Self> {
        let WideShape { dims, prior, rho, sigma, distribution_seed } = shape;
        check_noise(rho, sigma)?;
        if dims.contains(&0) {
            return Err(Error::Usage("--d1 and --d2 must be positive".into()));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(distribution_seed);
        let rank = RANK.min(prior.classes()).min(dims[0]).min(dims[1]);
        let codes = (0..prior.classes()).map(|_| code(&mut rng, rank)).collect();
        let modalities = dims.map(|dim| Modality::draw(&mut rng, dim, rank, sigma));
        Ok(Self { prior, rho, sigma, codes, modalities })
    }

    pub(super) fn dims(&self) -> [usize; 2] {
        [self.modalities[0].frame.len(), self.modalities[1].frame.len()]
    }

    pub(super) fn prior(&self) -> &Prior {
        &self.prior
    }

    pub(super) fn sample(&self, rng: &mut ChaCha8Rng, x1: &mut [f32], x2: &mut [f32]) -> usize {
        let y = self.prior.sample(rng);
        let [first, second] = &self.modalities;
        let noise1 = first.noise(rng, self.sigma, x1);
        let noise2 = second.noise(rng, self.sigma, x2);
        let own = (1.0 - self.rho * self.rho).sqrt();
        let mut move1 = first.nuisance(rng);
        let mut move2 = second.nuisance(rng);
        for (axis, code) in self.codes[y].iter().enumerate() {
            move1[axis] = *code;
            // The noise of x2 on this axis becomes ρ·n_1 + √(1−ρ²)·n_2.
            move2[axis] = code + self.rho * noise1[axis] + (own - 1.0) * noise2[axis];
        }
        first.add(&move1, x1);
        second.add(&move2, x2);
        y
    }

    pub(super) fn exact<T: Copy + Into<f64>>(&self, x1: &[T], x2: &[T], y: usize) -> Pointwise {
        let variance = self.sigma * self.sigma;
        let single = |modality: &Modality, x: &[T]| {
            let on_axes = modality.project(x);
            let (i, mixture) = evidence(&self.prior, y, |k| {
                let code = &self.codes[k];
                (dot(code, &on_axes) - 0.5 * dot(code, code)) / variance
            });
            (i, modality.base(square(x), &on_axes, variance) - mixture, on_axes)
        };
        let (i1, h1, mut sum) = single(&self.modalities[0], x1);
        let (i2, h2, second) = single(&self.modalities[1], x2);
        sum.iter_mut().zip(second).for_each(|(a, b)| *a += b);
        let pair = variance * (1.0 + self.rho);
        let (i12, _) = evidence(&self.prior, y, |k| {
            let code = &self.codes[k];
            (dot(code, &sum) - dot(code, code)) / pair
        });
        Pointwise { i1, i2, i12, h1, h2 }
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
