//! The two steps of expectation and maximisation: each row's shares in the components,
//! and the components of given shares. All the work is in matrix products.

use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::triangular_inverse::invert_lower_triangular;
use faer::{Accum, Mat, MatRef, Par, Side};
use rayon::prelude::*;

use crate::bundle::Mixture;
use crate::error::{Error, Result};

use super::covariance::shrink;
use super::evaluate::log_softmax;

/// Dimensions up to which several copies of all covariances fit in memory.
const CHEAP_COPIES: usize = 512;

/// Rows of standardised, varying columns, row-major.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// `[n, d]`.
    pub values: &'a [f64],
    /// d, at least 1.
    pub dim: usize,
}

impl Rows<'_> {
    /// n.
    pub fn len(&self) -> usize {
        self.values.len() / self.dim
    }
}

/// What a maximisation step needs of one component.
pub(crate) struct Component {
    /// N_k, the sum of its shares.
    pub count: f64,
    /// μ_k.
    pub mean: Vec<f64>,
    /// S_k = Σ γ (x − μ)(x − μ)ᵀ, lower half.
    pub scatter: Mat<f64>,
}

/// Each row's share in each component, `[n, K]`.
pub(crate) fn shares(mixture: &Mixture, rows: &[f64]) -> Vec<f64> {
    let mut shares = mixture.log_joint(rows);
    shares.chunks_exact_mut(mixture.components()).for_each(|row| {
        log_softmax(row);
        row.iter_mut().for_each(|share| *share = share.exp());
    });
    shares
}

/// [`shares`] where all factors are the same A: the quadratic terms cancel, and what is
/// left is linear in x, so that no product with A is needed.
pub(crate) fn shares_of_shared(mixture: &Mixture, rows: Rows<'_>) -> Vec<f64> {
    let (d, k) = (rows.dim, mixture.components());
    let factor = mixture.factor(0);
    let z = factor * MatRef::from_column_major_slice(&mixture.means, d, k);
    let slopes = factor.transpose() * &z;
    let offsets: Vec<f64> =
        (0..k).map(|c| mixture.log_weights[c] - 0.5 * z.col(c).squared_norm_l2()).collect();
    let slopes: Vec<f64> = (0..k).flat_map(|c| slopes.col(c).iter().copied()).collect();
    let mut shares = vec![0.0; rows.len() * k];
    shares.par_chunks_exact_mut(k).zip(rows.values.par_chunks_exact(d)).for_each(|(shares, x)| {
        for ((share, slope), offset) in shares.iter_mut().zip(slopes.chunks_exact(d)).zip(&offsets) {
            *share = offset + x.iter().zip(slope).map(|(x, slope)| x * slope).sum::<f64>();
        }
        log_softmax(shares);
        shares.iter_mut().for_each(|share| *share = share.exp());
    });
    shares
}

/// What [`statistics`] gives, without the components' own scatters: the pooled one is the
/// whole scatter less that between the means.
pub(crate) fn between(
    whole: &Component,
    rows: Rows<'_>,
    shares: &[f64],
    k: usize,
) -> (Vec<Component>, Mat<f64>) {
    let d = rows.dim;
    let (counts, means) = counts_and_means(rows, shares, k);
    let offsets = Mat::from_fn(d, k, |j, c| counts[c].sqrt() * (means[c * d + j] - whole.mean[j]));
    let mut pooled = whole.scatter.clone();
    triangular::matmul(
        &mut pooled,
        BlockStructure::TriangularLower,
        Accum::Add,
        &offsets,
        BlockStructure::Rectangular,
        offsets.transpose(),
        BlockStructure::Rectangular,
        -1.0,
        Par::Seq,
    );
    let components = counts.into_iter().zip(means.chunks_exact(d));
    let components = components
        .map(|(count, mean)| Component { count, mean: mean.to_vec(), scatter: Mat::zeros(0, 0) })
        .collect();
    (components, pooled)
}

/// N_k and μ_k, `[K, d]`.
fn counts_and_means(rows: Rows<'_>, shares: &[f64], k: usize) -> (Vec<f64>, Vec<f64>) {
    let d = rows.dim;
    let mut counts = vec![0.0; k];
    let mut means = vec![0.0; k * d];
    for (row, shares) in rows.values.chunks_exact(d).zip(shares.chunks_exact(k)) {
        for (component, &share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            counts[component] += share;
            means[component * d..][..d].iter_mut().zip(row).for_each(|(mean, x)| *mean += share * x);
        }
    }
    for (mean, count) in means.chunks_exact_mut(d).zip(&counts) {
        mean.iter_mut().for_each(|mean| *mean /= count.max(1e-12));
    }
    (counts, means)
}

/// Counts, means and scatters of all components, and the sum of the scatters.
pub(crate) fn statistics(rows: Rows<'_>, shares: &[f64], k: usize) -> (Vec<Component>, Mat<f64>) {
    let d = rows.dim;
    let (counts, means) = counts_and_means(rows, shares, k);
    // A fixed number of lanes, so that sums don't depend on the number of threads.
    let (lanes, par) = if d <= CHEAP_COPIES { (8, Par::Seq) } else { (1, Par::rayon(0)) };
    let lane_rows = rows.len().div_ceil(lanes).max(1);
    let jobs: Vec<(usize, usize)> = (0..k).flat_map(|c| (0..lanes).map(move |lane| (c, lane))).collect();
    let parts: Vec<Mat<f64>> = jobs
        .into_par_iter()
        .map(|(component, lane)| {
            let from = (lane * lane_rows).min(rows.len());
            let to = (from + lane_rows).min(rows.len());
            let part = Rows { values: &rows.values[from * d..to * d], dim: d };
            let shares = shares[from * k..to * k].iter().skip(component).step_by(k);
            scatter(part, shares.copied(), &means[component * d..][..d], par)
        })
        .collect();
    let mut pooled = Mat::zeros(d, d);
    let mut parts = parts.into_iter();
    let components = counts
        .into_iter()
        .zip(means.chunks_exact(d))
        .map(|(count, mean)| {
            let mut scatter = Mat::zeros(d, d);
            parts.by_ref().take(lanes).for_each(|part| scatter += part);
            pooled += &scatter;
            Component { count, mean: mean.to_vec(), scatter }
        })
        .collect();
    (components, pooled)
}

/// Σ γ (x − μ)(x − μ)ᵀ, lower half, over the rows that have a share.
fn scatter(rows: Rows<'_>, shares: impl Iterator<Item = f64>, mean: &[f64], par: Par) -> Mat<f64> {
    const BLOCK: usize = 512;
    let d = rows.dim;
    let mut out = Mat::zeros(d, d);
    let mut block: Vec<f64> = Vec::with_capacity(BLOCK * d);
    let mut add = |block: &mut Vec<f64>| {
        let columns = MatRef::from_column_major_slice(block.as_slice(), d, block.len() / d);
        triangular::matmul(
            &mut out,
            BlockStructure::TriangularLower,
            Accum::Add,
            columns,
            BlockStructure::Rectangular,
            columns.transpose(),
            BlockStructure::Rectangular,
            1.0,
            par,
        );
        block.clear();
    };
    for (row, share) in rows.values.chunks_exact(d).zip(shares) {
        // Rows far from a component add nothing to it: most, in many dimensions.
        if share > 1e-10 {
            let root = share.sqrt();
            block.extend(row.iter().zip(mean).map(|(x, mean)| root * (x - mean)));
            if block.len() == BLOCK * d {
                add(&mut block);
            }
        }
    }
    add(&mut block);
    out
}

/// P: the pooled within-component covariance, shrunk.
pub(crate) fn shrink_pooled(scatter: &Mat<f64>, rows: usize, k: usize) -> Result<Mat<f64>> {
    let covariance = scatter * faer::Scale(1.0 / rows as f64);
    shrink(covariance.as_ref(), rows.saturating_sub(k).max(1) as f64)
}

/// The mixture of Σ_k = (S_k + νP)/(N_k + ν); P for every component where ν is infinite.
pub(crate) fn maximise(components: &[Component], pooled: &Mat<f64>, shrinkage: f64) -> Result<Mixture> {
    let d = pooled.nrows();
    let k = components.len() as f64;
    let rows: f64 = components.iter().map(|component| component.count).sum();
    let shared = if shrinkage.is_infinite() { Some(inverse_factor(pooled)?) } else { None };
    let factors: Vec<Vec<f64>> = components
        .par_iter()
        .map(|component| match &shared {
            Some(factor) => Ok(factor.clone()),
            None => {
                let weight = 1.0 / (component.count + shrinkage);
                inverse_factor(&Mat::from_fn(d, d, |i, j| {
                    if i >= j {
                        weight * (component.scatter[(i, j)] + shrinkage * pooled[(i, j)])
                    } else {
                        0.0
                    }
                }))
            }
        })
        .collect::<Result<_>>()?;
    Ok(Mixture {
        dim: d,
        // One row more for each, so that a component that lost its rows has a weight.
        log_weights: components.iter().map(|c| ((c.count + 1.0) / (rows + k)).ln()).collect(),
        means: components.iter().flat_map(|c| c.mean.iter().copied()).collect(),
        factors: factors.concat(),
        center: vec![0.0; d],
    })
}

/// The inverse of the lower Cholesky factor, `[d, d]` row-major.
fn inverse_factor(covariance: &Mat<f64>) -> Result<Vec<f64>> {
    let d = covariance.nrows();
    let llt = covariance
        .llt(Side::Lower)
        .map_err(|why| Error::Internal(format!("a shrunk covariance is not positive: {why:?}")))?;
    let mut inverse = Mat::zeros(d, d);
    let par = if d < 128 { Par::Seq } else { Par::rayon(0) };
    invert_lower_triangular(inverse.as_mut(), llt.L(), par);
    Ok((0..d).flat_map(|i| (0..d).map(move |j| (i, j))).map(|at| inverse[at]).collect())
}
