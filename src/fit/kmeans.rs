//! Initialisation of a mixture: k-means with k-means++ seeding (Arthur and Vassilvitskii
//! 2007), the best of several restarts.

use rand::Rng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Maximum number of rows for k-means, sufficient for an initialisation.
const SAMPLE: usize = 16_384;
const RESTARTS: usize = 4;
const ITERATIONS: usize = 30;

/// Divides n rows of d values (`x`, row-major) into k clusters and returns each row's
/// cluster. Deterministic for the state of `rng`.
pub(crate) fn cluster(x: &[f64], d: usize, k: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let n = x.len() / d;
    if k <= 1 || n <= k {
        return (0..n).map(|row| row % k.max(1)).collect();
    }
    let mut best: Option<(f64, Vec<f64>)> = None;
    for _ in 0..RESTARTS {
        let (inertia, centres) = if n > SAMPLE {
            let rows = sample(rng, n, SAMPLE);
            let part: Vec<f64> = rows.iter().flat_map(|row| &x[row * d..][..d]).copied().collect();
            lloyd(&part, d, k, rng)
        } else {
            lloyd(x, d, k, rng)
        };
        if best.as_ref().is_none_or(|(least, _)| inertia < *least) {
            best = Some((inertia, centres));
        }
    }
    let centres = best.map(|(_, centres)| centres).unwrap_or_default();
    assign(x, d, &centres).into_iter().map(|(cluster, _)| cluster).collect()
}

/// One run from a fresh seeding: the sum of squared distances and the centres `[k, d]`.
fn lloyd(x: &[f64], d: usize, k: usize, rng: &mut ChaCha8Rng) -> (f64, Vec<f64>) {
    let mut centres = seed(x, d, k, rng);
    let mut inertia = f64::INFINITY;
    for _ in 0..ITERATIONS {
        let assigned = assign(x, d, &centres);
        let total: f64 = assigned.iter().map(|(_, distance)| distance).sum();
        let mut counts = vec![0.0; k];
        let mut sums = vec![0.0; k * d];
        for (row, (cluster, _)) in x.chunks_exact(d).zip(&assigned) {
            counts[*cluster] += 1.0;
            sums[cluster * d..][..d].iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        for (cluster, &count) in counts.iter().enumerate() {
            // An empty cluster keeps its centre.
            if count > 0.0 {
                let centre = &mut centres[cluster * d..][..d];
                centre.iter_mut().zip(&sums[cluster * d..]).for_each(|(c, sum)| *c = sum / count);
            }
        }
        if total >= inertia * (1.0 - 1e-4) {
            return (total, centres);
        }
        inertia = total;
    }
    (inertia, centres)
}

/// Draws k rows as centres, each with probability proportional to its squared distance from
/// the nearest earlier centre.
fn seed(x: &[f64], d: usize, k: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let n = x.len() / d;
    let mut centres = x[rng.random_range(0..n) * d..][..d].to_vec();
    let mut nearest = vec![f64::INFINITY; n];
    for _ in 1..k {
        let last = &centres[centres.len() - d..];
        nearest
            .par_iter_mut()
            .zip(x.par_chunks_exact(d))
            .for_each(|(nearest, row)| *nearest = nearest.min(distance(row, last)));
        let mut left = rng.random::<f64>() * nearest.iter().sum::<f64>();
        let drawn = nearest.iter().position(|&share| {
            left -= share;
            left < 0.0
        });
        let row = drawn.unwrap_or_else(|| rng.random_range(0..n));
        centres.extend_from_slice(&x[row * d..][..d]);
    }
    centres
}

/// The nearest centre of each row, and the squared distance to it.
fn assign(x: &[f64], d: usize, centres: &[f64]) -> Vec<(usize, f64)> {
    x.par_chunks_exact(d)
        .map(|row| {
            let mut best = (0, f64::INFINITY);
            for (cluster, centre) in centres.chunks_exact(d).enumerate() {
                let distance = distance(row, centre);
                if distance < best.1 {
                    best = (cluster, distance);
                }
            }
            best
        })
        .collect()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, StandardNormal};

    use super::*;
    use crate::fit::random::{RandomStream, random_stream};

    #[test]
    fn separate_clusters_are_found() {
        let mut rng = random_stream(1, RandomStream::Density(0));
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
        let clusters = cluster(&vec![1.0; 200], 2, 5, &mut random_stream(1, RandomStream::Density(0)));
        assert_eq!(clusters.len(), 100);
    }
}
