//! Training parameters: the seed and the method of the density fit.

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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recipe {
    /// Seed of all random streams.
    pub seed: u64,
    /// Method of the density fit.
    pub density_fit: DensityFit,
}
