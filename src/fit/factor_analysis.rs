//! Factor analysis of a covariance matrix: Σ = L Lᵀ + Ψ with q columns of L and a diagonal Ψ, by
//! maximum likelihood (Jöreskog, *Some contributions to maximum likelihood factor analysis*, 1967).
//! With fewer rows than dimensions it has far fewer parameters than a full covariance, and unlike
//! a shrinkage of the eigenvalues it lets every column have a noise of its own.

use faer::linalg::matmul::matmul;
use faer::reborrow::{Reborrow, ReborrowMut};
use faer::{Accum, Mat, MatRef, Par, Side};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::error::{Error, Result};

use super::covariance::LEAST_VARIANCE;

const ITERATIONS: usize = 30;
/// Relative change of Ψ that ends the iterations.
const SETTLED: f64 = 3e-3;
/// Minimum of a column's own variance, as a share of all of it: likelihoods are greatest at zero
/// where a column is a sum of others (Heywood cases).
const LEAST_NOISE: f64 = 1e-3;
/// Vectors beyond q in the iteration of the subspace, for its convergence.
const SPARE: usize = 5;

/// The covariance of `factors` factors.
///
/// `sample` is the `[d, d]` covariance, of which the lower half is read. The result is symmetric and
/// positive definite where the diagonal is positive.
///
/// # Errors
/// [`Error::Internal`] where eigenvalues can't be found.
pub(crate) fn covariance(sample: MatRef<'_, f64>, factors: usize) -> Result<Mat<f64>> {
    let d = sample.nrows();
    let sample = Mat::from_fn(d, d, |i, j| if i >= j { sample[(i, j)] } else { sample[(j, i)] });
    let mean = sample.diagonal().column_vector().iter().sum::<f64>() / d.max(1) as f64;
    let variances: Vec<f64> = (0..d).map(|j| sample[(j, j)].max(1e-6 * mean).max(LEAST_VARIANCE)).collect();
    let mut noise: Vec<f64> = variances.iter().map(|variance| 0.5 * variance).collect();
    let mut loadings = Mat::zeros(d, factors);
    let mut basis = start(d, (factors + SPARE).min(d));
    for _ in 0..ITERATIONS {
        let root: Vec<f64> = noise.iter().map(|noise| noise.sqrt()).collect();
        let (values, vectors) = leading(&sample, &root, basis)?;
        loadings =
            Mat::from_fn(d, factors, |i, j| vectors[(i, j)] * (values[j] - 1.0).max(0.0).sqrt() * root[i]);
        basis = vectors;
        let own = |j: usize| {
            let common: f64 = (0..factors).map(|factor| loadings[(j, factor)] * loadings[(j, factor)]).sum();
            (variances[j] - common).max(LEAST_NOISE * variances[j])
        };
        let next: Vec<f64> = (0..d).map(own).collect();
        let settled = next.iter().zip(&noise).all(|(new, old)| (new / old - 1.0).abs() < SETTLED);
        noise = next;
        if settled {
            break;
        }
    }
    let mut out = Mat::from_fn(d, d, |i, j| if i == j { noise[i] } else { 0.0 });
    matmul(&mut out, Accum::Add, &loadings, loadings.transpose(), 1.0, Par::Seq);
    Ok(out)
}

/// Vectors to start the iteration from.
fn start(d: usize, columns: usize) -> Mat<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    Mat::from_fn(d, columns, |_, _| StandardNormal.sample(&mut rng))
}

/// The leading eigenvalues of Ψ^−½ S Ψ^−½, descending, and their vectors, by two steps of subspace
/// iteration from those of the call before (Golub and Van Loan, *Matrix Computations*, section 8.2.4).
/// `root` is the diagonal of Ψ^½.
fn leading(sample: &Mat<f64>, root: &[f64], mut basis: Mat<f64>) -> Result<(Vec<f64>, Mat<f64>)> {
    let (d, columns) = (basis.nrows(), basis.ncols());
    let image = |basis: &Mat<f64>| {
        let scaled = Mat::from_fn(d, columns, |i, j| basis[(i, j)] / root[i]);
        let mut image = Mat::zeros(d, columns);
        matmul(&mut image, Accum::Replace, sample, &scaled, 1.0, Par::Seq);
        Mat::from_fn(d, columns, |i, j| image[(i, j)] / root[i])
    };
    for _ in 0..2 {
        basis = orthonormal(image(&basis));
    }
    let small = basis.transpose() * image(&basis);
    let eigen = small
        .self_adjoint_eigen(Side::Lower)
        .map_err(|why| Error::Internal(format!("no eigenvalues for {columns} factors: {why:?}")))?;
    let values = eigen.S().column_vector().iter().rev().copied().collect();
    let ascending = eigen.U();
    let turned = Mat::from_fn(columns, columns, |i, j| ascending[(i, columns - 1 - j)]);
    Ok((values, basis * turned))
}

/// An orthonormal basis of the columns, by the modified Gram-Schmidt process: in one thread, so that
/// the bits do not depend on the number of processors. A column that depends on others becomes zero.
fn orthonormal(mut columns: Mat<f64>) -> Mat<f64> {
    for at in 0..columns.ncols() {
        let before = columns.col(at).norm_l2();
        for known in 0..at {
            let (left, mut right) = columns.as_mut().split_at_col_mut(at);
            let (known, own) = (left.rb().col(known), right.rb_mut().col_mut(0));
            let share: f64 = known.iter().zip(own.rb().iter()).map(|(a, b)| a * b).sum();
            own.iter_mut().zip(known.iter()).for_each(|(own, known)| *own -= share * known);
        }
        let norm = columns.col(at).norm_l2();
        let factor = if norm > 1e-12 * before { 1.0 / norm } else { 0.0 };
        columns.col_mut(at).iter_mut().for_each(|value| *value *= factor);
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::super::covariance::shrink;
    use super::*;

    /// Stein's loss of an estimate over d: its cost in −ln p, in nats times two.
    fn loss(estimate: &Mat<f64>, truth: &Mat<f64>) -> f64 {
        let d = truth.nrows();
        let [own, of_truth] = [estimate, truth].map(|matrix| matrix.llt(Side::Lower).unwrap());
        let log_det = |llt: &faer::linalg::solvers::Llt<f64>| -> f64 {
            (0..d).map(|j| 2.0 * llt.L()[(j, j)].ln()).sum()
        };
        let inverse = faer::linalg::solvers::DenseSolveCore::inverse(&own);
        let trace: f64 = (0..d).map(|i| (0..d).map(|j| inverse[(i, j)] * truth[(j, i)]).sum::<f64>()).sum();
        (trace + log_det(&own) - log_det(&of_truth)) / d as f64 - 1.0
    }

    /// The sample covariance of `n` rows with `q` factors and noises of their own in `d` columns, and
    /// the true one.
    fn sample(n: usize, d: usize, q: usize) -> (Mat<f64>, Mat<f64>) {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut normal = move || -> f64 { StandardNormal.sample(&mut rng) };
        let loadings = Mat::from_fn(d, q, |_, _| normal());
        let noise: Vec<f64> = (0..d).map(|_| normal().exp()).collect();
        let common = Mat::from_fn(q, n, |_, _| normal());
        let rows = &loadings * &common + Mat::from_fn(d, n, |j, _| noise[j].sqrt() * normal());
        let truth =
            &loadings * loadings.transpose() + Mat::from_fn(d, d, |i, j| if i == j { noise[i] } else { 0.0 });
        (&rows * rows.transpose() * faer::Scale(1.0 / n as f64), truth)
    }

    #[test]
    fn few_rows_with_factors_lose_a_third_of_what_shrinkage_loses() {
        let (sample, truth) = sample(100, 200, 3);
        let by_factors = loss(&covariance(sample.as_ref(), 3).unwrap(), &truth);
        let by_shrinkage = loss(&shrink(sample.as_ref(), 100.0).unwrap(), &truth);
        assert!(by_factors < by_shrinkage / 3.0 && by_factors < 0.1, "{by_factors} {by_shrinkage}");
    }

    #[test]
    fn many_rows_give_the_true_covariance() {
        let (sample, truth) = sample(20_000, 10, 2);
        let found = covariance(sample.as_ref(), 2).unwrap();
        assert!(loss(&found, &truth) < 1e-3, "{}", loss(&found, &truth));
    }

    #[test]
    fn columns_that_repeat_stay_positive() {
        let (sample, _) = sample(50, 10, 1);
        let twice = Mat::from_fn(20, 20, |i, j| sample[(i % 10, j % 10)]);
        for factors in [1, 5, 12] {
            assert!(covariance(twice.as_ref(), factors).unwrap().llt(Side::Lower).is_ok(), "{factors}");
        }
    }
}
