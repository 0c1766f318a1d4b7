//! The density that tests compare closed forms with: a multivariate normal by its dense covariance.

use super::frame::dot;
use super::mixture::ln_2pi;

/// ln N(x; mean, covariance).
pub(super) fn log_density(x: &[f64], mean: &[f64], covariance: &[Vec<f64>]) -> f64 {
    let n = x.len();
    let mut l = vec![vec![0.0; n]; n];
    let mut z = vec![0.0; n];
    let mut result = -0.5 * n as f64 * ln_2pi();
    for i in 0..n {
        for j in 0..=i {
            let rest = covariance[i][j] - dot(&l[i][..j], &l[j][..j]);
            l[i][j] = if i == j { rest.sqrt() } else { rest / l[j][j] };
        }
        z[i] = (x[i] - mean[i] - dot(&l[i][..i], &z[..i])) / l[i][i];
        result -= 0.5 * z[i] * z[i] + l[i][i].ln();
    }
    result
}
