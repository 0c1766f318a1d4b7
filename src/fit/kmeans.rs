//! Initialisation of a mixture: k-means with k-means++ seeding (Arthur and Vassilvitskii
//! 2007), the best of several restarts, in f32.

use std::borrow::Cow;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rand::Rng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::vectors::vectorised;

use super::lanes::{dot, squared_distance};

/// Maximum number of rows of each restart, and of the refinement of the best: sufficient for an
/// initialisation.
const SAMPLES: [usize; 2] = [4_096, 16_384];
const RESTARTS: usize = 4;
const ITERATIONS: usize = 30;
/// Rows per product and per partial sum: fixed, so that sums do not depend on the number of
/// threads.
const BLOCK: usize = 1024;

/// Divides n rows of d values (`x`, row-major) into k clusters and returns each row's
/// cluster. Deterministic for the state of `rng`.
pub(crate) fn cluster(x: &[f64], d: usize, k: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let n = x.len() / d;
    if k <= 1 || n <= k {
        return (0..n).map(|row| row % k.max(1)).collect();
    }
    let x: Vec<f32> = x.iter().map(|&value| value as f32).collect();
    let mut best: Option<(f64, Vec<f32>)> = None;
    for _ in 0..RESTARTS {
        let part = part(&x, d, SAMPLES[0], rng);
        let centres = seed(&part, d, k, rng);
        let (inertia, centres) = lloyd(&part, d, centres);
        if best.as_ref().is_none_or(|(least, _)| inertia < *least) {
            best = Some((inertia, centres));
        }
    }
    let centres = best.map(|(_, centres)| centres).unwrap_or_default();
    let (_, centres) =
        if n > SAMPLES[0] { lloyd(&part(&x, d, SAMPLES[1], rng), d, centres) } else { (0.0, centres) };
    let blocks = x.par_chunks(BLOCK * d).map(|block| assign(block, d, &centres));
    blocks.collect::<Vec<_>>().into_iter().flatten().map(|(cluster, _)| cluster).collect()
}

/// A sample of at most `rows` rows.
fn part<'a>(x: &'a [f32], d: usize, rows: usize, rng: &mut ChaCha8Rng) -> Cow<'a, [f32]> {
    let n = x.len() / d;
    if n <= rows {
        return Cow::Borrowed(x);
    }
    let mut picked = Vec::with_capacity(rows * d);
    sample(rng, n, rows).iter().for_each(|row| picked.extend_from_slice(&x[row * d..][..d]));
    Cow::Owned(picked)
}

/// One run from initial centres `[k, d]`: the sum of squared distances and the final centres.
fn lloyd(x: &[f32], d: usize, mut centres: Vec<f32>) -> (f64, Vec<f32>) {
    let k = centres.len() / d;
    let mut inertia = f64::INFINITY;
    for _ in 0..ITERATIONS {
        let blocks: Vec<_> = x.par_chunks(BLOCK * d).map(|block| partial_sums(block, d, &centres)).collect();
        let (mut total, mut counts, mut sums) = (0.0, vec![0.0; k], vec![0.0; k * d]);
        for (distance, count, sum) in blocks {
            total += distance;
            counts.iter_mut().zip(count).for_each(|(all, part)| *all += part);
            sums.iter_mut().zip(sum).for_each(|(all, part)| *all += f64::from(part));
        }
        for (cluster, &count) in counts.iter().enumerate() {
            // An empty cluster keeps its centre.
            if count > 0.0 {
                let centre = &mut centres[cluster * d..][..d];
                centre.iter_mut().zip(&sums[cluster * d..]).for_each(|(c, sum)| *c = (sum / count) as f32);
            }
        }
        if total >= inertia * (1.0 - 1e-4) {
            return (total, centres);
        }
        inertia = total;
    }
    (inertia, centres)
}

/// The sum of squared distances to the nearest centres, and each cluster's rows and sum of rows.
fn partial_sums(x: &[f32], d: usize, centres: &[f32]) -> (f64, Vec<f64>, Vec<f32>) {
    let (mut total, mut counts) = (0.0, vec![0.0; centres.len() / d]);
    let mut sums = vec![0f32; centres.len()];
    let nearest = assign(x, d, centres);
    vectorised(
        #[inline(always)]
        || {
            for (row, (cluster, distance)) in x.chunks_exact(d).zip(&nearest) {
                total += f64::from(*distance);
                counts[*cluster] += 1.0;
                sums[*cluster * d..][..d].iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
        },
    );
    (total, counts, sums)
}

/// Draws k rows as centres, each with probability proportional to its squared distance from
/// the nearest earlier centre.
fn seed(x: &[f32], d: usize, k: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let n = x.len() / d;
    let mut centres = x[rng.random_range(0..n) * d..][..d].to_vec();
    let mut nearest = vec![f32::INFINITY; n];
    for _ in 1..k {
        let last = &centres[centres.len() - d..];
        nearest.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK * d)).for_each(|(nearest, x)| {
            vectorised(
                #[inline(always)]
                || {
                    for (nearest, row) in nearest.iter_mut().zip(x.chunks_exact(d)) {
                        *nearest = nearest.min(squared_distance(row, last));
                    }
                },
            );
        });
        let mut left = rng.random::<f64>() * nearest.iter().map(|&share| f64::from(share)).sum::<f64>();
        let drawn = nearest.iter().position(|&share| {
            left -= f64::from(share);
            left < 0.0
        });
        let row = drawn.unwrap_or_else(|| rng.random_range(0..n));
        centres.extend_from_slice(&x[row * d..][..d]);
    }
    centres
}

/// The nearest centre of each row, and the squared distance to it: |x|² − 2 x·c + |c|².
fn assign(x: &[f32], d: usize, centres: &[f32]) -> Vec<(usize, f32)> {
    let (rows, k) = (x.len() / d, centres.len() / d);
    let half_squares: Vec<f32> = centres.chunks_exact(d).map(|centre| 0.5 * dot(centre, centre)).collect();
    let mut scores = vec![0f32; rows * k];
    matmul(
        MatMut::from_column_major_slice_mut(&mut scores, k, rows),
        Accum::Replace,
        MatRef::from_row_major_slice(centres, k, d),
        MatRef::from_column_major_slice(x, d, rows),
        1.0,
        Par::Seq,
    );
    let mut nearest = Vec::with_capacity(rows);
    vectorised(
        #[inline(always)]
        || {
            for (row, scores) in x.chunks_exact(d).zip(scores.chunks_exact(k)) {
                let mut best = (0, f32::NEG_INFINITY);
                for (cluster, (score, half_square)) in scores.iter().zip(&half_squares).enumerate() {
                    if score - half_square > best.1 {
                        best = (cluster, score - half_square);
                    }
                }
                nearest.push((best.0, (dot(row, row) - 2.0 * best.1).max(0.0)));
            }
        },
    );
    nearest
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, StandardNormal};

    use super::*;
    use crate::fit::random::{RandomStream, random_stream};

    #[test]
    fn separate_clusters_are_found() {
        let mut rng = random_stream(1, RandomStream::Density("1".parse().unwrap()));
        let x: Vec<f64> = (0..3000)
            .flat_map(|row| {
                let centre = 10.0 * (row % 3) as f64;
                let noise: [f64; 2] = std::array::from_fn(|_| StandardNormal.sample(&mut rng));
                [centre + noise[0], noise[1] - centre]
            })
            .collect();
        let clusters = cluster(&x, 2, 3, &mut rng);
        for row in 3..3000 {
            assert_eq!(clusters[row], clusters[row % 3], "row {row}");
        }
        assert!(clusters[0] != clusters[1] && clusters[1] != clusters[2] && clusters[0] != clusters[2]);
    }

    #[test]
    fn copies_of_one_row_do_not_hang() {
        let clusters = cluster(
            &vec![1.0; 200],
            2,
            5,
            &mut random_stream(1, RandomStream::Density("1".parse().unwrap())),
        );
        assert_eq!(clusters.len(), 100);
    }
}
