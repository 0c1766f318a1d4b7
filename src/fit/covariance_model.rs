//! How the covariances of a mixture's components are estimated.

use faer::Mat;

use crate::bundle::DensityFigures;
use crate::error::Result;

use super::covariance::shrink;
use super::factor_analysis;

/// A way to estimate the covariances, one of the choices that are made on held-out rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum CovarianceModel {
    /// One for all components, by nonlinear shrinkage.
    Shared,
    /// One for all components, by a factor analysis of so many factors.
    Factors(usize),
    /// One for each component, shrunk towards the shared one by the weight of so many rows.
    Separate(f64),
}

impl CovarianceModel {
    /// That of a fitted density.
    pub(crate) fn of_figures(figures: &DensityFigures) -> Self {
        match (figures.shrinkage_rows, figures.factors) {
            (Some(rows), _) => Self::Separate(rows),
            (None, Some(factors)) => Self::Factors(factors),
            (None, None) => Self::Shared,
        }
    }

    /// Whether all components have one covariance.
    pub(crate) fn is_shared(self) -> bool {
        !matches!(self, Self::Separate(_))
    }

    /// ν: the weight of the shared covariance in rows, infinite where there is no other.
    pub(crate) fn shrinkage(self) -> f64 {
        self.shrinkage_rows().unwrap_or(f64::INFINITY)
    }

    /// ν, for the figures.
    pub(crate) fn shrinkage_rows(self) -> Option<f64> {
        if let Self::Separate(rows) = self { Some(rows) } else { None }
    }

    /// The number of factors, for the figures.
    pub(crate) fn factors(self) -> Option<usize> {
        if let Self::Factors(factors) = self { Some(factors) } else { None }
    }

    /// P: the covariance within the components, from the sum of their scatters over `rows` rows.
    ///
    /// # Errors
    /// Where eigenvalues can't be found.
    pub(crate) fn pooled(self, scatter: &Mat<f64>, rows: usize, components: usize) -> Result<Mat<f64>> {
        let sample = scatter * faer::Scale(1.0 / rows as f64);
        match self {
            Self::Factors(factors) => factor_analysis::covariance(sample.as_ref(), factors),
            Self::Shared | Self::Separate(_) => {
                shrink(sample.as_ref(), rows.saturating_sub(components).max(1) as f64)
            }
        }
    }
}
