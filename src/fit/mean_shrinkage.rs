//! Shrinkage of the means of many clusters with one covariance: the matrix of whitened means is a
//! signal of low rank plus noise of unit variance, and its singular values get the optimal
//! shrinkage for the squared error (Gavish and Donoho, *Optimal shrinkage of singular values*, IEEE
//! Transactions on Information Theory 63, 2017). Directions in which the means differ no more than
//! chance would have it vanish: in many dimensions, or with many clusters of few rows, most of them.

use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{Mat, MatRef, Par, Side};

use crate::error::{Error, Result};

/// Shrinks `means` (`[k, d]` row-major), each the mean of `counts` rows with covariance L·Lᵀ,
/// towards their common mean, which is zero.
pub(crate) fn shrink_means(means: &mut [f64], counts: &[f64], factor: MatRef<'_, f64>) -> Result<()> {
    let (d, k) = (factor.nrows(), counts.len());
    if k < 2 {
        return Ok(());
    }
    // √N_k·L⁻¹μ_k: the noise of every entry has variance one.
    let mut whitened = Mat::from_fn(d, k, |j, c| counts[c].sqrt() * means[c * d + j]);
    let par = if d < 128 { Par::Seq } else { Par::rayon(0) };
    solve_lower_triangular_in_place(factor, whitened.as_mut(), par);
    let gram = whitened.transpose() * &whitened;
    let eigen = gram
        .self_adjoint_eigen(Side::Lower)
        .map_err(|why| Error::Internal(format!("no eigenvalues of {k} means: {why:?}")))?;
    let kept: Vec<f64> =
        eigen.S().column_vector().iter().map(|&square| kept_share(square, d, k - 1)).collect();
    let vectors = eigen.U();
    let scaled = Mat::from_fn(k, k, |i, j| vectors[(i, j)] * kept[j]);
    let mut mix = &scaled * vectors.transpose();
    for c in 0..k {
        for (from, &count) in counts.iter().enumerate() {
            mix[(from, c)] *= if counts[c] > 0.0 { (count / counts[c]).sqrt() } else { 0.0 };
        }
    }
    let shrunk = MatRef::from_column_major_slice(&*means, d, k) * &mix;
    means.chunks_exact_mut(d).enumerate().for_each(|(c, mean)| {
        mean.iter_mut().zip(shrunk.col(c).iter()).for_each(|(mean, &value)| *mean = value);
    });
    Ok(())
}

/// What is kept of a singular value, given its square, in a matrix of these sizes whose noise has
/// variance one.
fn kept_share(square: f64, rows: usize, columns: usize) -> f64 {
    let (small, large) = (rows.min(columns) as f64, rows.max(columns) as f64);
    let (y, ratio) = (square.max(0.0) / large, small / large);
    if y <= (1.0 + ratio.sqrt()).powi(2) { 0.0 } else { ((y - ratio - 1.0).powi(2) - 4.0 * ratio).sqrt() / y }
}

#[cfg(test)]
mod tests {
    use rand::Rng;
    use rand_distr::StandardNormal;

    use super::*;
    use crate::fit::random::{RandomStream, random_stream};

    /// Squared errors of 40 noisy means in 60 dimensions before and after, where the true means are
    /// of rank two and of this size.
    fn errors(size: f64) -> [f64; 2] {
        let (d, k, count) = (60, 40, 25.0f64);
        let mut rng = random_stream(1, RandomStream::Split);
        let mut normal = || rng.sample::<f64, _>(StandardNormal);
        let frame: Vec<f64> = (0..2 * d).map(|_| normal() / (d as f64).sqrt()).collect();
        let mut truth = vec![0.0; k * d];
        for mean in truth.chunks_exact_mut(d) {
            for axis in frame.chunks_exact(d) {
                let along = size * normal();
                mean.iter_mut().zip(axis).for_each(|(mean, axis)| *mean += along * axis);
            }
        }
        // A factor with a correlation, and noise of its covariance.
        let factor = Mat::from_fn(d, d, |i, j| match i.checked_sub(j) {
            Some(0) => 1.0,
            Some(1) => 0.5,
            _ => 0.0,
        });
        let noise = Mat::from_fn(d, k, |_, _| normal() / count.sqrt());
        let noise = &factor * &noise;
        let mut means: Vec<f64> = (0..k * d).map(|at| truth[at] + noise[(at % d, at / d)]).collect();
        let error = |means: &[f64]| means.iter().zip(&truth).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        let before = error(&means);
        shrink_means(&mut means, &vec![count; k], factor.as_ref()).unwrap();
        [before, error(&means)]
    }

    #[test]
    fn noise_vanishes_and_strong_signals_stay() {
        let [before, after] = errors(0.0);
        assert!(after == 0.0 && before > 50.0, "{before} {after}");
        for size in [1.0, 3.0, 30.0] {
            let [before, after] = errors(size);
            assert!(after < 0.3 * before, "{size}: {before} {after}");
        }
    }
}
