//! Generators of synthetic data with closed-form densities: every row comes with its exact
//! pointwise information and specificity.
//!
//! In each generator (x1, x2) is Gaussian given the class (and a hidden bit or cluster), so p(x1),
//! p(x2) and p(x1, x2) are mixtures of blocks of one Gaussian, or an invertible map of them.
//! Terms common to all classes cancel in i, which leaves one score per class.

mod clusters;
mod copies;
mod frame;
mod gaussian;
mod mixture;
mod prior;
mod warp;
mod wide;
mod xor;

use rand_chacha::ChaCha8Rng;

pub use clusters::{Clusters, ClustersShape};
pub use copies::{Rdn, Unq};
pub use gaussian::Gaussian;
pub use prior::Prior;
pub use warp::Warp;
pub use wide::{Wide, WideShape};
pub use xor::Xor;

use super::Pointwise;

/// A distribution of (x1, x2, y) with exact densities.
#[derive(Debug, Clone, PartialEq)]
pub enum Generator {
    /// The reference implementation's data: correlated noise around class corners.
    Gaussian(Gaussian),
    /// Synergy only: the label is the parity of two hidden bits.
    Xor(Xor),
    /// Redundancy only, nearly: x2 is a slightly noisy copy of x1.
    Rdn(Rdn),
    /// Uniqueness only: x1 determines the label, x2 is noise.
    Unq(Unq),
    /// Any dimensions: low-rank class means and correlated noise, for benches.
    Wide(Wide),
    /// Classes in several clusters.
    Clusters(Clusters),
    /// Another generator through an invertible map: data that are not Gaussian.
    Warped(Box<Generator>, Warp),
}

impl Generator {
    /// Lengths of x1 and x2.
    pub fn dims(&self) -> [usize; 2] {
        match self {
            Self::Gaussian(g) => g.dims(),
            Self::Xor(_) => Xor::DIMS,
            Self::Rdn(_) | Self::Unq(_) => copies::DIMS,
            Self::Wide(g) => g.dims(),
            Self::Clusters(g) => g.dims(),
            Self::Warped(inner, _) => inner.dims(),
        }
    }

    /// p(y), a probability for each class.
    pub fn prior(&self) -> &Prior {
        match self {
            Self::Gaussian(g) => g.prior(),
            Self::Xor(g) => g.prior(),
            Self::Rdn(g) => g.prior(),
            Self::Unq(g) => g.prior(),
            Self::Wide(g) => g.prior(),
            Self::Clusters(g) => g.prior(),
            Self::Warped(inner, _) => inner.prior(),
        }
    }

    /// Number of classes; y is 0 .. classes.
    pub fn classes(&self) -> usize {
        self.prior().classes()
    }

    /// Draws one row into x1 and x2, whose lengths are [`Self::dims`], and returns y.
    pub fn sample(&self, rng: &mut ChaCha8Rng, x1: &mut [f32], x2: &mut [f32]) -> usize {
        match self {
            Self::Gaussian(g) => g.sample(rng, x1, x2),
            Self::Xor(g) => g.sample(rng, x1, x2),
            Self::Rdn(g) => g.sample(rng, x1, x2),
            Self::Unq(g) => g.sample(rng, x1, x2),
            Self::Wide(g) => g.sample(rng, x1, x2),
            Self::Clusters(g) => g.sample(rng, x1, x2),
            Self::Warped(inner, warp) => {
                let y = inner.sample(rng, x1, x2);
                warp.apply(x1, x2);
                y
            }
        }
    }

    /// The exact i1, i2, i12, h1 and h2 of a row, evaluated in f64 at the very numbers
    /// given: for rows of [`Self::sample`], at the f32 that were drawn.
    pub fn exact<T: Copy + Into<f64>>(&self, x1: &[T], x2: &[T], y: usize) -> Pointwise {
        match self {
            Self::Gaussian(g) => g.exact(x1, x2, y),
            Self::Xor(g) => g.exact(x1, x2, y),
            Self::Rdn(g) => g.exact(x1, x2, y),
            Self::Unq(g) => g.exact(x1, x2, y),
            Self::Wide(g) => g.exact(x1, x2, y),
            Self::Clusters(g) => g.exact(x1, x2, y),
            Self::Warped(inner, warp) => {
                let [(z1, log_det1), (z2, log_det2)] = warp.invert(x1, x2);
                let exact = inner.exact(&z1, &z2, y);
                Pointwise { h1: exact.h1 + log_det1, h2: exact.h2 + log_det2, ..exact }
            }
        }
    }
}

#[cfg(test)]
mod tests;
