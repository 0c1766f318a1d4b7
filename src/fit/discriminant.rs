//! Mixture discriminant analysis (Hastie and Tibshirani, *Discriminant analysis by Gaussian
//! mixtures*, Journal of the Royal Statistical Society B 58, 1996): every class is a mixture of R
//! Gaussians, all with one covariance, so that ln p(x|y) is a log-sum-exp of linear functions of x.
//!
//! Expectation-maximisation with responsibilities within a row's own class, from a k-means start
//! of each class. The covariance of the residuals gets the nonlinear shrinkage of [`shrink`].
//! A step costs 4·n·d·R operations on the rows, C·R·d² and a few d³.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::solvers::Solve;
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::bundle::Discriminant;
use crate::error::{Error, Result};

use super::class_rows::{ClassRows, ClassTotals};
use super::covariance::shrink;
use super::kmeans;
use super::labelled_rows::LabelledRows;
use super::mean_shrinkage::shrink_means;
use super::metrics::cross_entropy;
use super::softmax::softmax_rows;
use super::stack::fit_weights;

/// Candidate numbers of centres of a class, ascending.
pub(crate) const CENTRES: [usize; 4] = [1, 2, 3, 5];
/// Minimum number of rows for each centre of a class.
const ROWS_PER_CENTRE: usize = 10;
const ITERATIONS: usize = 60;
const PATIENCE: usize = 4;
/// Minimum improvement of the held-out cross-entropy, in nats.
const PROGRESS: f64 = 1e-5;
/// Maximum dimension for a new shrinkage in every iteration; above, where the eigenvalues cost more
/// than the iteration, in iterations 0, 1, 3, 7, 15, ….
const CHEAP_EIGENVALUES: usize = 128;

/// The hyper-parameters of an analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shape {
    /// R.
    pub centres: usize,
    /// Whether the centres are shrunk ([`shrink_means`]). It gains where they lie in few of many
    /// dimensions, or are many, and loses a little where every dimension matters.
    pub shrunk: bool,
}

/// A fitted analysis with its selection criterion.
#[derive(Debug, Clone)]
pub(crate) struct DiscriminantFit {
    /// The analysis of standardised rows.
    pub part: Discriminant,
    /// Nats on the held-out rows, with the temperature that suits them best.
    pub held_out_nats: f64,
}

/// Centres of all classes and their rows' shares.
#[derive(Clone)]
pub(crate) struct Centres {
    /// Number of each class's centres, at least 1.
    of_class: Vec<usize>,
    /// N_cr, class by class.
    counts: Vec<f64>,
    /// μ_cr, `[Σ of_class, d]`.
    means: Vec<f64>,
}

impl Centres {
    /// Adds those of other rows, as many of each class.
    pub(crate) fn merge(&mut self, other: &Self) {
        let d = self.means.len() / self.counts.len().max(1);
        let centres = self.counts.iter_mut().zip(&other.counts);
        let means = self.means.chunks_exact_mut(d).zip(other.means.chunks_exact(d));
        for ((count, other_count), (mean, other_mean)) in centres.zip(means) {
            *count += other_count;
            if *count > 0.0 {
                let share = other_count / *count;
                mean.iter_mut().zip(other_mean).for_each(|(own, other)| *own += share * (other - *own));
            }
        }
    }
}

/// Fits an analysis. A class with few rows gets fewer centres than the others. The iteration of
/// the least held-out loss is returned.
pub(crate) fn fit(
    rows: &ClassRows,
    totals: &ClassTotals,
    held_out: LabelledRows<'_>,
    shape: Shape,
    rng: &mut ChaCha8Rng,
    check: &dyn Fn() -> Result<()>,
) -> Result<DiscriminantFit> {
    let mut of_class: Vec<usize> =
        rows.counts.iter().map(|&count| (count / ROWS_PER_CENTRE).clamp(1, shape.centres)).collect();
    let mut gamma = start(rows, &of_class, rng);
    let mut best: Option<DiscriminantFit> = None;
    let mut covariance = None;
    let (mut beta, mut since_best) = (None, 0);
    for iteration in 0..ITERATIONS {
        check()?;
        let estimated = estimate(rows, &of_class, &gamma);
        let shrunk = match covariance.take() {
            Some(kept) if rows.dim > CHEAP_EIGENVALUES && !(iteration + 1).is_power_of_two() => kept,
            _ => residual_covariance(totals, &estimated)?,
        };
        let (part, filled) = linear_functions(totals, &estimated, &shrunk, shape)?;
        of_class = filled;
        covariance = Some(shrunk);
        let z = part.apply(held_out.x);
        let [.., fitted] = match beta {
            Some(beta) => beta,
            None => *beta.insert(fit_weights([&[], &[], &z], held_out.y, held_out.classes)),
        };
        let scaled: Vec<f32> = z.iter().map(|&z| z * fitted).collect();
        let held_out_nats = cross_entropy(&scaled, held_out.y, held_out.classes);
        let gain = best.as_ref().map_or(f64::INFINITY, |best| best.held_out_nats - held_out_nats);
        since_best = if gain > PROGRESS { 0 } else { since_best + 1 };
        // One centre of each class is its mean, whatever the responsibilities.
        let done = since_best >= PATIENCE || of_class.iter().all(|&centres| centres == 1);
        if !done {
            gamma = responsibilities(rows, &of_class, &part);
        }
        if gain > 0.0 {
            best = Some(DiscriminantFit { part, held_out_nats });
        }
        if done {
            break;
        }
    }
    best.ok_or_else(|| Error::Internal("a discriminant analysis has no finite loss".into()))
}

/// Responsibilities of each class's k-means clusters: for each class `[n_c, R_c]`.
fn start(rows: &ClassRows, of_class: &[usize], rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    of_class
        .iter()
        .enumerate()
        .map(|(class, &centres)| {
            if centres == 1 {
                return vec![1.0; rows.counts[class]];
            }
            let x: Vec<f64> = rows.of(class).iter().map(|&value| f64::from(value)).collect();
            let clusters = kmeans::cluster(&x, rows.dim, centres, rng);
            let mut gamma = vec![0.0; clusters.len() * centres];
            clusters.iter().enumerate().for_each(|(row, &cluster)| gamma[row * centres + cluster] = 1.0);
            gamma
        })
        .collect()
}

/// N_cr and μ_cr from the responsibilities.
pub(crate) fn estimate(rows: &ClassRows, of_class: &[usize], gamma: &[Vec<f64>]) -> Centres {
    const BLOCK: usize = 512;
    let d = rows.dim;
    let sums: Vec<(Vec<f64>, Vec<f64>)> = (0..of_class.len())
        .into_par_iter()
        .map(|class| {
            let centres = of_class[class];
            let (mut counts, mut means) = (vec![0.0; centres], vec![0.0; centres * d]);
            let mut product = vec![0f32; centres * d];
            let blocks = rows.of(class).chunks(BLOCK * d).zip(gamma[class].chunks(BLOCK * centres));
            for (x, gamma) in blocks {
                for gamma in gamma.chunks_exact(centres) {
                    counts.iter_mut().zip(gamma).for_each(|(count, gamma)| *count += gamma);
                }
                let weights: Vec<f32> = gamma.iter().map(|&gamma| gamma as f32).collect();
                let block = x.len() / d;
                matmul(
                    MatMut::from_column_major_slice_mut(&mut product, d, centres),
                    Accum::Replace,
                    MatRef::from_column_major_slice(x, d, block),
                    MatRef::from_row_major_slice(&weights, block, centres),
                    1.0,
                    Par::Seq,
                );
                means.iter_mut().zip(&product).for_each(|(mean, &sum)| *mean += f64::from(sum));
            }
            for (mean, count) in means.chunks_exact_mut(d).zip(&counts) {
                mean.iter_mut().for_each(|mean| *mean /= count.max(f64::MIN_POSITIVE));
            }
            (counts, means)
        })
        .collect();
    let (counts, means): (Vec<_>, Vec<_>) = sums.into_iter().unzip();
    Centres { of_class: of_class.to_vec(), counts: counts.concat(), means: means.concat() }
}

/// The shrunk covariance of the rows around their centres: the total scatter minus that between
/// the centres.
pub(crate) fn residual_covariance(totals: &ClassTotals, centres: &Centres) -> Result<Mat<f64>> {
    let (d, n, k) = (totals.scatter.nrows(), totals.rows(), centres.counts.len());
    let scaled = Mat::from_fn(d, k, |j, c| centres.counts[c].sqrt() * centres.means[c * d + j]);
    let mut scatter = totals.scatter.clone();
    triangular::matmul(
        &mut scatter,
        BlockStructure::TriangularLower,
        Accum::Add,
        &scaled,
        BlockStructure::Rectangular,
        scaled.transpose(),
        BlockStructure::Rectangular,
        -1.0,
        Par::Seq,
    );
    let filled = centres.counts.iter().filter(|&&count| count > 0.0).count();
    let covariance = scatter * faer::Scale(1.0 / n as f64);
    shrink(covariance.as_ref(), n.saturating_sub(filled).max(1) as f64)
}

/// The linear functions w_cr = Σ⁻¹μ_cr and b_cr = ln π_cr − ½ μ_cr·w_cr, and how many of each class
/// are centres of their own. The largest centre comes first, and fills the places that are left.
pub(crate) fn linear_functions(
    totals: &ClassTotals,
    centres: &Centres,
    covariance: &Mat<f64>,
    Shape { centres: repeated, shrunk }: Shape,
) -> Result<(Discriminant, Vec<usize>)> {
    let (d, k, classes) = (totals.scatter.nrows(), centres.counts.len(), totals.counts.len());
    let llt = covariance
        .llt(Side::Lower)
        .map_err(|why| Error::Internal(format!("a shrunk covariance is not positive: {why:?}")))?;
    let mut means = centres.means.clone();
    if shrunk {
        shrink_means(&mut means, &centres.counts, llt.L())?;
    }
    let slopes = llt.solve(MatRef::from_column_major_slice(&means, d, k));
    let mut part = Discriminant {
        inputs: d,
        classes,
        centres: repeated,
        weight: Vec::with_capacity(classes * repeated * d),
        bias: Vec::with_capacity(classes * repeated),
    };
    let total = totals.rows() as f64 + 0.5 * classes as f64;
    let (mut first, mut filled) = (0, Vec::with_capacity(classes));
    for (class, &own) in centres.of_class.iter().enumerate() {
        let range = first..first + own;
        first += own;
        let count: f64 = centres.counts[range.clone()].iter().sum();
        let prior = (totals.counts[class] as f64 + 0.5) / total;
        let largest = range
            .clone()
            .fold(range.start, |best, at| if centres.counts[at] > centres.counts[best] { at } else { best });
        // Centres that have lost their rows are left out.
        let others: Vec<usize> = range.filter(|&at| at != largest && centres.counts[at] >= 0.5).collect();
        let copies = repeated - others.len();
        filled.push(1 + others.len());
        let places = std::iter::once(largest).chain(others).chain(std::iter::repeat_n(largest, copies - 1));
        for at in places {
            let share = if count > 0.0 { centres.counts[at] / count } else { 1.0 };
            let share = if at == largest { share / copies as f64 } else { share };
            let mean = &means[at * d..][..d];
            let slope = slopes.col(at);
            let half: f64 = mean.iter().zip(slope.iter()).map(|(m, w)| 0.5 * m * w).sum();
            part.weight.extend(slope.iter().map(|&w| w as f32));
            part.bias.push(((prior * share).ln() - half) as f32);
        }
    }
    Ok((part, filled))
}

/// Responsibilities of a class's own centres for its rows.
pub(crate) fn responsibilities(rows: &ClassRows, of_class: &[usize], part: &Discriminant) -> Vec<Vec<f64>> {
    let (d, r) = (rows.dim, part.centres);
    (0..of_class.len())
        .into_par_iter()
        .map(|class| {
            let (centres, n) = (of_class[class], rows.counts[class]);
            if centres == 1 {
                return vec![1.0; n];
            }
            let mut scores = vec![0f32; n * r];
            matmul(
                MatMut::from_row_major_slice_mut(&mut scores, n, r),
                Accum::Replace,
                MatRef::from_row_major_slice(rows.of(class), n, d),
                MatRef::from_column_major_slice(&part.weight[class * r * d..][..r * d], d, r),
                1.0,
                Par::Seq,
            );
            let biases = &part.bias[class * r..][..r];
            for scores in scores.chunks_exact_mut(r) {
                scores.iter_mut().zip(biases).for_each(|(score, b)| *score += b);
            }
            softmax_rows(&mut scores, r);
            let mut gamma = Vec::with_capacity(n * centres);
            for shares in scores.chunks_exact(r) {
                // Those after the own centres are copies of the first.
                let copies: f32 = shares[centres..].iter().sum();
                gamma.push(f64::from(shares[0] + copies));
                gamma.extend(shares[1..centres].iter().map(|&share| f64::from(share)));
            }
            gamma
        })
        .collect()
}
