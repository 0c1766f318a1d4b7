//! A search for near duplicates among rows in memory, by locality-sensitive hashing (SimHash, Charikar
//! 2002): the signs of random projections of the centred rows. Near rows have nearly equal signatures; in
//! the order of the signatures, rotated four times, they are neighbours once. Neighbours are compared.

use crate::fit::EmbeddingMatrix;

use super::summary::NearDuplicates;

/// Part of the usual distance of two rows below which they are near duplicates.
const NEAR: f64 = 0.01;
/// Values of a row below which rows come so near by chance.
const LEAST_VALUES: usize = 16;
/// Bits of a signature, and how often it is rotated.
const BITS: usize = 64;
const ROTATIONS: u32 = 4;
/// Neighbours in the order of the signatures that a row is compared with.
const NEIGHBOURS: usize = 16;

/// Counts the near duplicates among the rows of modalities, each of a file; `None` without two rows.
pub(super) fn find(x: &[EmbeddingMatrix<'_>], files: &[u32]) -> Option<NearDuplicates> {
    let values: usize = x.iter().map(|x| x.dim).sum();
    if files.len() < 2 || values == 0 {
        return None;
    }
    let near = if values < LEAST_VALUES { 0.0 } else { NEAR };
    let scales: Vec<Scale> = x.iter().map(|x| Scale::of(x, files.len(), near)).collect();
    let signatures = signatures(x, &scales, files.len());
    let mut of_rows = vec![Found::default(); files.len()];
    for rotation in 0..ROTATIONS {
        let turned = |row: &usize| {
            signatures.get(*row).map(|bits| bits.rotate_left(rotation * BITS as u32 / ROTATIONS))
        };
        let mut order: Vec<usize> = (0..files.len()).collect();
        order.sort_by_key(turned);
        for (at, &row) in order.iter().enumerate() {
            for &other in order.iter().skip(at + 1).take(NEIGHBOURS) {
                let Some(identical) = compare(x, &scales, row, other) else { continue };
                let across = files.get(row) != files.get(other);
                for row in [row, other] {
                    let Some(found) = of_rows.get_mut(row) else { continue };
                    found.near = true;
                    found.identical |= identical;
                    found.across |= across;
                }
            }
        }
    }
    let count = |is: fn(&Found) -> bool| of_rows.iter().filter(|found| is(found)).count();
    Some(NearDuplicates {
        compared_rows: files.len(),
        rows: count(|found| found.near),
        identical_rows: count(|found| found.identical),
        rows_across_files: count(|found| found.across),
    })
}

/// What is known of a row.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    near: bool,
    identical: bool,
    across: bool,
}

/// The centre of a modality's rows, and how far they are apart.
struct Scale {
    mean: Vec<f64>,
    /// The square of the usual distance of two rows.
    usual: f64,
    /// The square of the distance of near duplicates.
    limit: f64,
}

impl Scale {
    fn of(x: &EmbeddingMatrix<'_>, rows: usize, near: f64) -> Self {
        let (mut mean, mut squares) = (vec![0.0; x.dim], vec![0.0; x.dim]);
        for row in x.values.chunks_exact(x.dim.max(1)) {
            for ((mean, square), x) in mean.iter_mut().zip(&mut squares).zip(row) {
                *mean += f64::from(*x);
                *square += f64::from(*x) * f64::from(*x);
            }
        }
        mean.iter_mut().for_each(|mean| *mean /= rows as f64);
        let variances = squares.iter().zip(&mean).map(|(square, mean)| square / rows as f64 - mean * mean);
        let usual = 2.0 * variances.map(|variance| variance.max(0.0)).sum::<f64>();
        Self { mean, usual, limit: near * near * usual }
    }
}

/// The signs of random projections of each row.
fn signatures(x: &[EmbeddingMatrix<'_>], scales: &[Scale], rows: usize) -> Vec<u64> {
    let mut signatures = vec![0_u64; rows];
    let mut signs = 0x6c73_6d69_u64;
    for bit in 0..BITS {
        let mut projections = vec![0.0_f32; rows];
        for (x, scale) in x.iter().zip(scales) {
            let weight = if scale.usual > 0.0 { (1.0 / scale.usual.sqrt()) as f32 } else { 0.0 };
            let direction: Vec<f32> = (0..x.dim).map(|_| weight * random_sign(&mut signs)).collect();
            let centre: f64 = direction.iter().zip(&scale.mean).map(|(w, mean)| f64::from(*w) * mean).sum();
            for (projection, row) in projections.iter_mut().zip(x.values.chunks_exact(x.dim.max(1))) {
                *projection += dot(&direction, row) - centre as f32;
            }
        }
        for (signature, projection) in signatures.iter_mut().zip(&projections) {
            *signature |= u64::from(*projection > 0.0) << bit;
        }
    }
    signatures
}

/// The next of a sequence of random signs (SplitMix64).
fn random_sign(state: &mut u64) -> f32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    if mixed >> 63 == 0 { 1.0 } else { -1.0 }
}

/// A scalar product in eight partial sums, for the vector unit.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0_f32; 8];
    for (a, b) in a.iter().zip(b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

/// Whether two rows are near in every modality, and then whether they are identical.
fn compare(x: &[EmbeddingMatrix<'_>], scales: &[Scale], row: usize, other: usize) -> Option<bool> {
    let mut identical = true;
    for (x, scale) in x.iter().zip(scales) {
        let mut distance = 0.0;
        for (a, b) in x.row(row).chunks(32).zip(x.row(other).chunks(32)) {
            distance += a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>();
            if distance > scale.limit {
                return None;
            }
        }
        identical &= distance == 0.0;
    }
    Some(identical)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_distr::StandardNormal;

    use super::*;

    fn normal(rows: usize, dim: usize) -> Vec<f32> {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        (0..rows * dim).map(|_| rng.sample::<f32, _>(StandardNormal) * 3.0 + 40.0).collect()
    }

    fn matrix(dim: usize, values: &[f32]) -> EmbeddingMatrix<'_> {
        EmbeddingMatrix { column: "x", dim, values }
    }

    #[test]
    fn copies_and_nearly_equal_rows_are_found() {
        let (mut a, mut b) = (normal(2000, 24), normal(2000, 10));
        let files: Vec<u32> = (0..2000).map(|row| u32::from(row >= 1000)).collect();
        let clean = find(&[matrix(24, &a), matrix(10, &b)], &files).unwrap();
        assert_eq!((clean.compared_rows, clean.rows), (2000, 0));
        // Rows 100 to 149 once more in the other file, exactly and nearly; in one modality alone they are no copies.
        for row in 100..150 {
            let (from, to) = (row, row + 1500);
            a.copy_within(from * 24..from * 24 + 24, to * 24);
            b.copy_within(from * 10..from * 10 + 10, to * 10);
            if row % 2 == 1 {
                a[to * 24..to * 24 + 24].iter_mut().for_each(|x| *x += 0.01);
            }
        }
        b.copy_within(0..200, 900 * 10);
        let found = find(&[matrix(24, &a), matrix(10, &b)], &files).unwrap();
        assert_eq!((found.rows, found.identical_rows, found.rows_across_files), (100, 50, 100));
    }

    #[test]
    fn few_values_are_near_by_chance() {
        let a = normal(4000, 2);
        let found = find(&[matrix(2, &a)], &[0; 4000]).unwrap();
        assert_eq!(found.rows, found.identical_rows);
        assert!(find(&[matrix(2, &a[..2])], &[0]).is_none());
        let constant = [1.0; 64];
        let found = find(&[matrix(32, &constant)], &[0, 1]).unwrap();
        assert_eq!((found.rows, found.identical_rows, found.rows_across_files), (2, 2, 2));
    }
}
