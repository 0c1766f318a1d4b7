//! Random orthonormal vectors.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::error::{Error, Result};

/// a·b.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `count` orthonormal vectors of length `dim ≥ count`, by Gram-Schmidt applied twice, which
/// makes them orthogonal to rounding.
pub(super) fn orthonormal(rng: &mut ChaCha8Rng, dim: usize, count: usize) -> Vec<Vec<f64>> {
    let mut columns: Vec<Vec<f64>> = Vec::with_capacity(count);
    for _ in 0..count {
        let mut column: Vec<f64> = (0..dim).map(|_| rng.sample(StandardNormal)).collect();
        for _ in 0..2 {
            for earlier in &columns {
                let along = dot(earlier, &column);
                column.iter_mut().zip(earlier).for_each(|(value, axis)| *value -= along * axis);
            }
            let norm = dot(&column, &column).sqrt();
            column.iter_mut().for_each(|value| *value /= norm);
        }
        columns.push(column);
    }
    columns
}

/// Refuses modalities without a dimension.
///
/// # Errors
/// [`Error::Usage`] with the modality.
pub(super) fn require_positive(dims: &[usize]) -> Result<()> {
    match dims.iter().position(|&dim| dim == 0) {
        None => Ok(()),
        Some(m) => Err(Error::Usage(format!("the dimension of x{} must be positive", m + 1))),
    }
}
