//! Covariance shrinkage: the analytical nonlinear shrinkage of Ledoit and Wolf
//! (*Analytical nonlinear shrinkage of large-dimensional covariance matrices*,
//! Annals of Statistics 48, 2020), for fewer and for more dimensions than rows.

use std::f64::consts::PI;

use faer::{Mat, MatRef, Par, Side};

use crate::error::{Error, Result};

/// Variance floor, relative to the mean variance. Directions below it count as constant and
/// get this variance: f32 graphs keep their precision, and the log-density stays finite for
/// duplicate columns.
const FLOOR: f64 = 1e-6;
/// The same in units of the columns' own variance, which is 1: components may be points.
pub(crate) const LEAST_VARIANCE: f64 = 1e-10;

/// Shrinks a covariance matrix.
///
/// `sample` is the `[d, d]` covariance, of which the lower half is read, with `rows` degrees
/// of freedom (rows minus fitted means). The result is symmetric and positive definite.
///
/// # Errors
/// [`Error::Internal`] where the eigenvalues can't be found.
pub(crate) fn shrink(sample: MatRef<'_, f64>, rows: f64) -> Result<Mat<f64>> {
    let d = sample.nrows();
    let eigen = sample
        .self_adjoint_eigen(Side::Lower)
        .map_err(|why| Error::Internal(format!("no eigenvalues of a {d} x {d} covariance: {why:?}")))?;
    let values: Vec<f64> = eigen.S().column_vector().iter().copied().collect();
    let shrunk = shrink_eigenvalues(&values, rows);
    let vectors = eigen.U();
    let scaled = Mat::from_fn(d, d, |i, j| vectors[(i, j)] * shrunk[j].sqrt());
    let mut out = Mat::zeros(d, d);
    let par = if d < 128 { Par::Seq } else { Par::rayon(0) };
    faer::linalg::matmul::matmul(&mut out, faer::Accum::Replace, &scaled, scaled.transpose(), 1.0, par);
    Ok(out)
}

/// The shrunk eigenvalues for sample eigenvalues λ in ascending order.
///
/// Directions of (nearly) zero variance have two causes. With fewer rows than dimensions the
/// sample covariance is rank-deficient: the paper's formula for p > n gives their value.
/// Otherwise columns are linearly dependent: these directions get the floor, and the others
/// are shrunk separately.
fn shrink_eigenvalues(values: &[f64], rows: f64) -> Vec<f64> {
    let p = values.len();
    let mean = values.iter().map(|v| v.max(0.0)).sum::<f64>() / p as f64;
    let floor = (FLOOR * mean).max(LEAST_VARIANCE);
    let null = values.iter().filter(|&&v| v <= floor).count();
    let lambda = &values[null..];
    // Below 12 rows (the paper's bound) the spectrum can't be estimated.
    if lambda.is_empty() || rows < 12.0 {
        return vec![mean.max(floor); p];
    }
    let rank_deficient = null > 0 && lambda.len() as f64 >= 0.99 * (rows - 1.0);
    let g = rows.powf(-1.0 / 3.0);
    let kernels = lambda.iter().map(|&value| kernel(value, lambda, g));
    let mut out = vec![floor; null];
    if rank_deficient {
        let extra = p as f64 / rows - 1.0;
        let root = 5f64.sqrt();
        // g < 1/√5 for at least 12 rows.
        let log = ((1.0 + root * g) / (1.0 - root * g)).ln();
        let inverse = lambda.iter().map(|v| 1.0 / v).sum::<f64>() / lambda.len() as f64;
        let h0 = (0.3 / (g * g) + 0.75 / root / g * (1.0 - 0.2 / (g * g)) * log) * inverse / PI;
        let null_value = 1.0 / (PI * extra.max(1.0 / rows) * h0);
        out.fill(null_value);
        out.extend(kernels.zip(lambda).map(|((f, h), v)| v / (PI * PI * v * v * (f * f + h * h))));
    } else {
        let c = lambda.len() as f64 / rows;
        out.extend(
            kernels
                .zip(lambda)
                .map(|((f, h), v)| v / ((PI * c * v * f).powi(2) + (1.0 - c - PI * c * v * h).powi(2))),
        );
    }
    // Clamp the estimates to the range of the sample spectrum, and to finite values.
    let top = values[p - 1].max(floor);
    out.iter().map(|v| if v.is_finite() { v.clamp(floor, top) } else { mean.max(floor) }).collect()
}

/// The kernel estimates at λ_i of the limiting spectral density f and of its Hilbert
/// transform H (the paper's equations 4.7 and 4.8).
fn kernel(value: f64, lambda: &[f64], g: f64) -> (f64, f64) {
    let root = 5f64.sqrt();
    let (mut density, mut hilbert) = (0.0, 0.0);
    for &other in lambda {
        let width = g * other;
        let x = (value - other) / width;
        let bump = 1.0 - x * x / 5.0;
        density += 0.75 / root * bump.max(0.0) / width;
        let gap = ((root - x) / (root + x)).abs();
        // At |x| = √5 the product is zero in the limit.
        let tail = if gap > 0.0 && gap.is_finite() { 0.75 / (root * PI) * bump * gap.ln() } else { 0.0 };
        hilbert += (-0.3 * x / PI + tail) / width;
    }
    (density / lambda.len() as f64, hilbert / lambda.len() as f64)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    /// A sample covariance of n rows whose true covariance is diagonal with ten
    /// variances from 0.1 to 10 in equal shares.
    fn sample(n: usize, d: usize, seed: u64) -> (Mat<f64>, Vec<f64>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let truth: Vec<f64> = (0..d).map(|j| 10f64.powf(2.0 * (j % 10) as f64 / 9.0 - 1.0)).collect();
        let x = Mat::from_fn(n, d, |_, j| {
            let z: f64 = StandardNormal.sample(&mut rng);
            z * truth[j].sqrt()
        });
        (x.transpose() * &x * faer::Scale(1.0 / n as f64), truth)
    }

    /// Stein's loss over d of an estimate of a diagonal covariance, in nats times two:
    /// the cost of the estimation error in −ln p.
    fn loss(estimate: &Mat<f64>, truth: &[f64]) -> f64 {
        let d = truth.len();
        let llt = estimate.llt(Side::Lower).unwrap();
        let inverse = faer::linalg::solvers::DenseSolveCore::inverse(&llt);
        let log_det: f64 = (0..d).map(|j| 2.0 * llt.L()[(j, j)].ln()).sum();
        let quadratic: f64 = (0..d).map(|j| inverse[(j, j)] * truth[j]).sum();
        let truth_log_det: f64 = truth.iter().map(|v| v.ln()).sum();
        (quadratic + log_det - truth_log_det) / d as f64 - 1.0
    }

    #[test]
    fn fewer_dimensions_than_rows_gain_over_the_sample() {
        let (s, truth) = sample(400, 200, 1);
        let (before, after) = (loss(&s, &truth), loss(&shrink(s.as_ref(), 400.0).unwrap(), &truth));
        assert!(after < 0.5 * before && after < 0.35, "{before} {after}");
    }

    #[test]
    fn more_dimensions_than_rows_give_a_usable_covariance() {
        let (s, truth) = sample(100, 200, 2);
        let shrunk = shrink(s.as_ref(), 100.0).unwrap();
        let identity = Mat::from_fn(200, 200, |i, j| {
            if i == j { s.as_ref().diagonal().column_vector().sum() / 200.0 } else { 0.0 }
        });
        assert!(loss(&shrunk, &truth) < loss(&identity, &truth), "{}", loss(&shrunk, &truth));
    }

    #[test]
    fn many_rows_leave_the_sample_alone() {
        let (s, _) = sample(20_000, 10, 3);
        let shrunk = shrink(s.as_ref(), 20_000.0).unwrap();
        for j in 0..10 {
            assert!((shrunk[(j, j)] / s[(j, j)] - 1.0).abs() < 0.02, "{j}: {} {}", shrunk[(j, j)], s[(j, j)]);
        }
    }

    #[test]
    fn copies_of_columns_stay_finite_and_positive() {
        let (s, _) = sample(500, 10, 4);
        let twice = Mat::from_fn(20, 20, |i, j| s[(i % 10, j % 10)]);
        for rows in [500.0, 15.0, 5.0] {
            let shrunk = shrink(twice.as_ref(), rows).unwrap();
            assert!(shrunk.llt(Side::Lower).is_ok(), "{rows} rows");
        }
        let nothing = shrink(Mat::<f64>::zeros(3, 3).as_ref(), 100.0).unwrap();
        assert!((0..3).all(|j| nothing[(j, j)] > 0.0));
    }
}
