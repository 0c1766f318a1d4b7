//! Data that are not Gaussian, with exact truth: an invertible map of each modality leaves i as it
//! is and adds ln|det J| to h.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::frame::{dot, orthonormal};

/// Shape of the elementwise map sinh(δ·asinh(t) + ε): tails heavier than those of a Gaussian, and
/// skewed.
const DELTA: f64 = 1.4;
const EPSILON: f64 = 0.4;

/// Maps x_m = B_m w(A_m z_m), with random rotations A_m and B_m and
/// w(t) = sinh(δ·asinh(t) + ε) elementwise. With t = A_m z_m,
///
/// ```text
/// h(x_m) = h(z_m) + Σ_j ln w'(t_j),   w'(t) = δ cosh(δ·asinh(t) + ε)/√(1 + t²)
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Warp(Vec<ModalityMap>);

/// The map of one modality.
#[derive(Debug, Clone, PartialEq)]
struct ModalityMap {
    /// Rows of A.
    before: Vec<Vec<f64>>,
    /// Columns of B.
    after: Vec<Vec<f64>>,
}

impl Warp {
    /// Draws the rotations of modalities with these dimensions; a row costs 2·d² products in each.
    pub fn new(dims: &[usize], distribution_seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(distribution_seed);
        // Apart from what a generator draws with the same seed.
        rng.set_stream(1);
        let mut map = |&dim: &usize| ModalityMap {
            before: orthonormal(&mut rng, dim, dim),
            after: orthonormal(&mut rng, dim, dim),
        };
        Self(dims.iter().map(&mut map).collect())
    }

    /// Maps a row in place.
    pub(super) fn apply(&self, x: &mut [&mut [f32]]) {
        for (x, map) in x.iter_mut().zip(&self.0) {
            let z: Vec<f64> = x.iter().map(|&z| f64::from(z)).collect();
            x.iter_mut().zip(map.forward(&z)).for_each(|(x, value)| *x = value as f32);
        }
    }

    /// z_m and ln|det ∂x_m/∂z_m| of each modality of a row.
    pub(super) fn invert<T: Copy + Into<f64>>(&self, x: &[&[T]]) -> impl Iterator<Item = (Vec<f64>, f64)> {
        x.iter().zip(&self.0).map(|(x, map)| {
            let x: Vec<f64> = x.iter().map(|&x| x.into()).collect();
            map.inverse(&x)
        })
    }
}

impl ModalityMap {
    fn forward(&self, z: &[f64]) -> Vec<f64> {
        let mut x = vec![0.0; z.len()];
        for (row, column) in self.before.iter().zip(&self.after) {
            let value = (DELTA * dot(row, z).asinh() + EPSILON).sinh();
            x.iter_mut().zip(column).for_each(|(x, axis)| *x += value * axis);
        }
        x
    }

    /// z and ln|det ∂x/∂z|.
    fn inverse(&self, x: &[f64]) -> (Vec<f64>, f64) {
        let (mut z, mut log_det) = (vec![0.0; x.len()], 0.0);
        for (row, column) in self.before.iter().zip(&self.after) {
            let angle = dot(column, x).asinh();
            let t = ((angle - EPSILON) / DELTA).sinh();
            log_det += (DELTA * angle.cosh()).ln() - 0.5 * (t * t).ln_1p();
            z.iter_mut().zip(row).for_each(|(z, axis)| *z += t * axis);
        }
        (z, log_det)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_takes_back_the_map() {
        let map = &Warp::new(&[8, 2], 3).0[0];
        let z = [0.3, -1.2, 4.0, 0.0, 2.5, -0.7, 0.1, -3.0];
        let (back, _) = map.inverse(&map.forward(&z));
        assert!(z.iter().zip(back).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn the_determinant_is_that_of_differences() {
        let map = &Warp::new(&[2, 3], 5).0[1];
        let z = [0.4, -1.1, 0.9];
        let (_, log_det) = map.inverse(&map.forward(&z));
        let step = 1e-5;
        let column = |j: usize| -> Vec<f64> {
            let shifted = |by: f64| {
                let mut z = z;
                z[j] += by;
                map.forward(&z)
            };
            shifted(step).iter().zip(shifted(-step)).map(|(a, b)| (a - b) / (2.0 * step)).collect()
        };
        let [a, b, c] = [column(0), column(1), column(2)];
        let determinant = a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0])
            + a[2] * (b[0] * c[1] - b[1] * c[0]);
        assert!((determinant.abs().ln() - log_det).abs() < 1e-8, "{determinant} {log_det}");
    }
}
