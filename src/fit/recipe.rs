//! Training parameters: the seed, the method of the density fit and the number of folds.

/// Method of the density fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DensityFit {
    /// Expectation-maximisation with covariance shrinkage.
    #[default]
    Em,
    /// Gradient descent, as in the paper: slower, seldom better.
    Sgd,
}

/// Training parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipe {
    /// Seed of all random streams.
    pub seed: u64,
    /// Method of the density fit.
    pub density_fit: DensityFit,
    /// Number of folds of the cross-fitting; 1 for none, with one held-out split.
    pub folds: usize,
}

impl Default for Recipe {
    fn default() -> Self {
        Self { seed: 0, density_fit: DensityFit::default(), folds: 5 }
    }
}
