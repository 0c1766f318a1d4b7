//! The two steps of expectation-maximisation: responsibilities of the components for each
//! row, and components from responsibilities. Matrix products dominate the cost.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::triangular_inverse::invert_lower_triangular;
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};
use rayon::prelude::*;

use crate::bundle::{Mixture, Scales};
use crate::error::{Error, Result};
use crate::vectors::vectorised;

use super::covariance::LEAST_VARIANCE;
use super::softmax::softmax_rows;

/// Maximum dimension for one copy of all covariances per lane, by memory.
const CHEAP_COPIES: usize = 512;
/// Rows per product, and lanes of a sum over rows: fixed, so that sums do not depend on the number
/// of threads.
const BLOCK: usize = 512;
const LANES: usize = 8;

/// Standardised varying columns, row-major.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowMatrix<'a> {
    /// `[n, d]`.
    pub values: &'a [f64],
    /// d, at least 1.
    pub dim: usize,
}

impl RowMatrix<'_> {
    /// n.
    pub fn len(&self) -> usize {
        self.values.len() / self.dim
    }
}

/// Sufficient statistics of one component.
#[derive(Debug, Clone)]
pub(crate) struct ComponentStatistics {
    /// N_k, the sum of its responsibilities.
    pub count: f64,
    /// μ_k.
    pub mean: Vec<f64>,
    /// S_k = Σ γ (x − μ)(x − μ)ᵀ, lower half.
    pub scatter: Mat<f64>,
}

/// Responsibility of each component for each row, `[n, K]`.
pub(crate) fn responsibilities(mixture: &Mixture, rows: &[f64]) -> Vec<f64> {
    let mut responsibilities = mixture.log_joint(rows);
    responsibilities
        .par_chunks_mut(BLOCK * mixture.components())
        .for_each(|block| softmax_rows(block, mixture.components()));
    responsibilities
}

/// [`responsibilities`] with one common factor A: the quadratic terms cancel, and the scores
/// are linear in x, so that no product with A is needed.
pub(crate) fn shared_factor_responsibilities(mixture: &Mixture, rows: RowMatrix<'_>) -> Vec<f64> {
    let (d, k) = (rows.dim, mixture.components());
    let factor = mixture.factor(0);
    let z = factor * MatRef::from_column_major_slice(&mixture.means, d, k);
    let slopes = factor.transpose() * &z;
    let offsets: Vec<f64> =
        (0..k).map(|c| mixture.log_weights[c] - 0.5 * z.col(c).squared_norm_l2()).collect();
    let slopes: Vec<f64> = (0..k).flat_map(|c| slopes.col(c).iter().copied()).collect();
    let mut responsibilities = vec![0.0; rows.len() * k];
    responsibilities.par_chunks_mut(BLOCK * k).zip(rows.values.par_chunks(BLOCK * d)).for_each(
        |(responsibilities, x)| {
            let rows = x.len() / d;
            responsibilities.chunks_exact_mut(k).for_each(|row| row.copy_from_slice(&offsets));
            matmul(
                MatMut::from_column_major_slice_mut(&mut *responsibilities, k, rows),
                Accum::Add,
                MatRef::from_row_major_slice(&slopes, k, d),
                MatRef::from_column_major_slice(x, d, rows),
                1.0,
                Par::Seq,
            );
            softmax_rows(responsibilities, k);
        },
    );
    responsibilities
}

impl ComponentStatistics {
    /// Adds the statistics of other rows (Chan, Golub and LeVeque 1983). A scatter without entries is
    /// none in both.
    pub(crate) fn merge(&mut self, other: &Self) {
        let total = self.count + other.count;
        if other.count <= 0.0 {
            return;
        }
        let share = other.count / total;
        let offset: Vec<f64> = other.mean.iter().zip(&self.mean).map(|(other, own)| other - own).collect();
        let between = self.count * share;
        for column in 0..self.scatter.ncols() {
            let from = other.scatter.col(column).iter().zip(&offset);
            let factor = between * offset[column];
            self.scatter
                .col_mut(column)
                .iter_mut()
                .zip(from)
                .for_each(|(to, (from, row))| *to += from + factor * row);
        }
        self.mean.iter_mut().zip(&offset).for_each(|(mean, offset)| *mean += share * offset);
        self.count = total;
    }
}

/// [`statistics`] without the scatters of the components, and their [`pooled_scatter`].
pub(crate) fn pooled_statistics(
    whole: &ComponentStatistics,
    rows: RowMatrix<'_>,
    responsibilities: &[f64],
    k: usize,
) -> (Vec<ComponentStatistics>, Mat<f64>) {
    let components = means(rows, responsibilities, k);
    let pooled = pooled_scatter(whole, &components);
    (components, pooled)
}

/// The sum of the components' scatters: the total scatter minus the scatter between the means.
pub(crate) fn pooled_scatter(whole: &ComponentStatistics, components: &[ComponentStatistics]) -> Mat<f64> {
    let offsets = Mat::from_fn(whole.mean.len(), components.len(), |j, c| {
        components[c].count.sqrt() * (components[c].mean[j] - whole.mean[j])
    });
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
    pooled
}

/// Counts and means of all components, without scatters.
pub(crate) fn means(rows: RowMatrix<'_>, responsibilities: &[f64], k: usize) -> Vec<ComponentStatistics> {
    let (counts, means) = counts_and_means(rows, responsibilities, k);
    let components = counts.into_iter().zip(means.chunks_exact(rows.dim));
    components
        .map(|(count, mean)| ComponentStatistics { count, mean: mean.to_vec(), scatter: Mat::zeros(0, 0) })
        .collect()
}

/// N_k and μ_k, `[K, d]`.
fn counts_and_means(rows: RowMatrix<'_>, responsibilities: &[f64], k: usize) -> (Vec<f64>, Vec<f64>) {
    let d = rows.dim;
    let lane_rows = rows.len().div_ceil(LANES).max(1);
    let lanes = responsibilities.par_chunks(lane_rows * k).zip(rows.values.par_chunks(lane_rows * d));
    let lanes: Vec<(Vec<f64>, Vec<f64>)> = lanes
        .map(|(responsibilities, x)| {
            let (mut counts, mut sums) = (vec![0.0; k], vec![0.0; k * d]);
            for row in responsibilities.chunks_exact(k) {
                counts.iter_mut().zip(row).for_each(|(count, gamma)| *count += gamma);
            }
            let rows = x.len() / d;
            matmul(
                MatMut::from_column_major_slice_mut(&mut sums, d, k),
                Accum::Replace,
                MatRef::from_column_major_slice(x, d, rows),
                MatRef::from_row_major_slice(responsibilities, rows, k),
                1.0,
                Par::Seq,
            );
            (counts, sums)
        })
        .collect();
    let (mut counts, mut means) = (vec![0.0; k], vec![0.0; k * d]);
    for (lane_counts, sums) in lanes {
        counts.iter_mut().zip(lane_counts).for_each(|(count, part)| *count += part);
        means.iter_mut().zip(sums).for_each(|(mean, part)| *mean += part);
    }
    for (mean, count) in means.chunks_exact_mut(d).zip(&counts) {
        mean.iter_mut().for_each(|mean| *mean /= count.max(1e-12));
    }
    (counts, means)
}

/// Counts, means and scatters of all components, and the sum of the scatters.
pub(crate) fn statistics(
    rows: RowMatrix<'_>,
    responsibilities: &[f64],
    k: usize,
) -> (Vec<ComponentStatistics>, Mat<f64>) {
    let d = rows.dim;
    let (counts, means) = counts_and_means(rows, responsibilities, k);
    let (lanes, par) = if d <= CHEAP_COPIES { (LANES, Par::Seq) } else { (1, Par::rayon(0)) };
    let lane_rows = rows.len().div_ceil(lanes).max(1);
    let jobs: Vec<(usize, usize)> = (0..k).flat_map(|c| (0..lanes).map(move |lane| (c, lane))).collect();
    let parts: Vec<Mat<f64>> = jobs
        .into_par_iter()
        .map(|(component, lane)| {
            let from = (lane * lane_rows).min(rows.len());
            let to = (from + lane_rows).min(rows.len());
            let part = RowMatrix { values: &rows.values[from * d..to * d], dim: d };
            let gamma = responsibilities[from * k..to * k].iter().skip(component).step_by(k);
            scatter(part, gamma, &means[component * d..][..d], par)
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
            ComponentStatistics { count, mean: mean.to_vec(), scatter }
        })
        .collect();
    (components, pooled)
}

/// Σ γ (x − μ)(x − μ)ᵀ, lower half, over the rows with γ above 1e-10.
fn scatter<'a>(
    rows: RowMatrix<'_>,
    mut responsibilities: impl Iterator<Item = &'a f64>,
    mean: &[f64],
    par: Par,
) -> Mat<f64> {
    const CHUNK: usize = 128;
    let d = rows.dim;
    let mut out = Mat::zeros(d, d);
    let mut block = vec![0.0; BLOCK * d];
    let mut filled = 0;
    let mut chunks = rows.values.chunks(CHUNK * d).peekable();
    while let Some(x) = chunks.next() {
        vectorised(
            #[inline(always)]
            || {
                for (row, &gamma) in x.chunks_exact(d).zip(&mut responsibilities) {
                    // Rows far from a component are skipped: in many dimensions most of them.
                    if gamma > 1e-10 {
                        let root = gamma.sqrt();
                        let to = &mut block[filled * d..][..d];
                        to.iter_mut().zip(row.iter().zip(mean)).for_each(|(to, (x, m))| *to = root * (x - m));
                        filled += 1;
                    }
                }
            },
        );
        if chunks.peek().is_some() && filled <= BLOCK - CHUNK {
            continue;
        }
        let columns = MatRef::from_column_major_slice(&block[..filled * d], d, filled);
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
        filled = 0;
    }
    out
}

/// The mixture of Σ_k = (S_k + νP)/(N_k + ν); P for every component where ν is infinite.
pub(crate) fn maximise(
    components: &[ComponentStatistics],
    pooled: &Mat<f64>,
    shrinkage: f64,
) -> Result<Mixture> {
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
        // Additive smoothing by one row, so that an empty component keeps a weight.
        log_weights: components.iter().map(|c| ((c.count + 1.0) / (rows + k)).ln()).collect(),
        means: components.iter().flat_map(|c| c.mean.iter().copied()).collect(),
        factors: factors.concat(),
        center: vec![0.0; d],
        scales: Scales::default(),
    })
}

/// The inverse of the lower Cholesky factor, `[d, d]` row-major.
fn inverse_factor(covariance: &Mat<f64>) -> Result<Vec<f64>> {
    let d = covariance.nrows();
    let mean = covariance.diagonal().column_vector().iter().sum::<f64>() / d.max(1) as f64;
    // Rounding can make the least eigenvalues negative where the greatest are a million times larger.
    let ridges = [0.0, 1e-6, 1e-3].map(|ridge| ridge * (mean + LEAST_VARIANCE));
    let llt = ridges.into_iter().find_map(|ridge| {
        let raised = Mat::from_fn(d, d, |i, j| covariance[(i, j)] + if i == j { ridge } else { 0.0 });
        raised.llt(Side::Lower).ok()
    });
    let llt = llt.ok_or_else(|| Error::Internal("a shrunk covariance is not positive".into()))?;
    let mut inverse = vec![0.0; d * d];
    let par = if d < 128 { Par::Seq } else { Par::rayon(0) };
    invert_lower_triangular(MatMut::from_row_major_slice_mut(&mut inverse, d, d), llt.L(), par);
    Ok(inverse)
}
