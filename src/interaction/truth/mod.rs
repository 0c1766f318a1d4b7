//! Generators of synthetic data with closed-form densities: every row comes with its exact
//! pointwise information and specificity.
//!
//! In each generator (x1, …, xM) is Gaussian given the class (and a hidden bit or cluster), so the
//! density of every set of modalities is a mixture of blocks of one Gaussian, or an invertible map of it.
//! Terms common to all classes cancel in i, which leaves one score per class.

mod clusters;
mod copies;
mod frame;
mod gaussian;
mod mixture;
mod noise;
mod prior;
mod subset_values;
mod warp;
mod wide;
mod xor;

use rand_chacha::ChaCha8Rng;

use super::lattice::Subset;

pub use clusters::{Clusters, ClustersShape};
pub use copies::{Rdn, Unq};
pub use gaussian::Gaussian;
pub use prior::Prior;
pub use subset_values::SubsetValues;
pub use warp::Warp;
pub use wide::{Wide, WideShape};
pub use xor::Xor;

/// A distribution of (x1, …, xM, y) with exact densities. Those without a number of modalities have two.
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
    /// Lengths of x1 … xM.
    pub fn dims(&self) -> Vec<usize> {
        match self {
            Self::Gaussian(g) => g.dims(),
            Self::Xor(_) => Xor::DIMS.to_vec(),
            Self::Rdn(_) | Self::Unq(_) => copies::DIMS.to_vec(),
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

    /// Draws one row into x1 … xM, whose lengths are [`Self::dims`], and returns y.
    pub fn sample(&self, rng: &mut ChaCha8Rng, x: &mut [&mut [f32]]) -> usize {
        match self {
            Self::Gaussian(g) => g.sample(rng, x),
            Self::Xor(g) => g.sample(rng, x),
            Self::Rdn(g) => g.sample(rng, x),
            Self::Unq(g) => g.sample(rng, x),
            Self::Wide(g) => g.sample(rng, x),
            Self::Clusters(g) => g.sample(rng, x),
            Self::Warped(inner, warp) => {
                let y = inner.sample(rng, x);
                warp.apply(x);
                y
            }
        }
    }

    /// The exact i and h of a row of x1 … xM, evaluated in f64 at the very numbers given: for rows of
    /// [`Self::sample`], at the f32 that were drawn.
    pub fn exact<T: Copy + Into<f64>>(&self, x: &[&[T]], y: usize) -> SubsetValues {
        match self {
            Self::Gaussian(g) => g.exact(x, y),
            Self::Xor(g) => g.exact(x, y).into(),
            Self::Rdn(g) => g.exact(x, y).into(),
            Self::Unq(g) => g.exact(x, y).into(),
            Self::Wide(g) => g.exact(x, y),
            Self::Clusters(g) => g.exact(x, y),
            Self::Warped(inner, warp) => {
                let (z, log_dets): (Vec<Vec<f64>>, Vec<f64>) = warp.invert(x).unzip();
                let rows: Vec<&[f64]> = z.iter().map(Vec::as_slice).collect();
                let mut exact = inner.exact(&rows, y);
                for (h, set) in exact.h.iter_mut().zip(Subset::proper(x.len())) {
                    *h += set.members().map(|m| log_dets[m]).sum::<f64>();
                }
                exact
            }
        }
    }
}

#[cfg(test)]
mod dense_normal;
#[cfg(test)]
mod set_tests;
#[cfg(test)]
mod tests;
