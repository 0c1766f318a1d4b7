//! Rows for a check of models, the same in every run: embeddings of several scales, then points
//! far from any data.

use std::ops::Range;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Rows of each group.
const GROUP_ROWS: usize = 8;
/// The groups near the data.
const GROUPS: [&str; 5] = [
    "of length 1",
    "of standard deviation 0.1",
    "of standard deviation 1",
    "of standard deviation 10",
    "of non-negative values",
];
/// Distances from the origin of the points far away, ascending.
pub(super) const DISTANCES: [f32; 3] = [1e3, 1e4, 1e5];
/// Opposite pairs of points at each distance.
pub(super) const PAIRS: usize = 4;

/// Rows of all modalities.
pub(super) struct ProbeRows {
    dims: Vec<usize>,
    x: Vec<Vec<f32>>,
}

impl ProbeRows {
    pub(super) fn new(dims: &[usize]) -> Self {
        let x = dims.iter().enumerate().map(|(m, dim)| modality(m as u64, *dim)).collect();
        Self { dims: dims.to_vec(), x }
    }

    /// Dimensions of the modalities.
    pub(super) fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.near() + DISTANCES.len() * 2 * PAIRS
    }

    /// Number of rows near the data, which come first.
    pub(super) fn near(&self) -> usize {
        GROUPS.len() * GROUP_ROWS
    }

    /// The groups near the data: a description and the rows.
    pub(super) fn groups() -> impl Iterator<Item = (&'static str, Range<usize>)> {
        let group = |(index, name)| (name, index * GROUP_ROWS..(index + 1) * GROUP_ROWS);
        GROUPS.into_iter().enumerate().map(group)
    }

    /// The values of some rows, row-major, by modality.
    pub(super) fn values(&self, rows: impl Iterator<Item = usize> + Clone) -> Vec<Vec<f32>> {
        let modality = |(x, &dim): (&Vec<f32>, &usize)| {
            let row = |row: usize| x.get(row * dim..(row + 1) * dim).unwrap_or_default().iter().copied();
            rows.clone().flat_map(row).collect()
        };
        self.x.iter().zip(&self.dims).map(modality).collect()
    }
}

fn modality(seed: u64, dim: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || -> Vec<f32> {
        (0..dim).map(|_| <StandardNormal as Distribution<f32>>::sample(&StandardNormal, &mut rng)).collect()
    };
    let mut x = Vec::new();
    for group in 0..GROUPS.len() {
        for _ in 0..GROUP_ROWS {
            let row = normal();
            let scale = [1.0 / length(&row), 0.1, 1.0, 10.0, 1.0].get(group).copied().unwrap_or(1.0);
            let is_positive = group + 1 == GROUPS.len();
            x.extend(row.into_iter().map(|v| if is_positive { v.abs() } else { scale * v }));
        }
    }
    let directions: Vec<Vec<f32>> = (0..PAIRS).map(|_| normal()).collect();
    for distance in DISTANCES {
        for direction in &directions {
            let scale = distance / length(direction);
            for sign in [scale, -scale] {
                x.extend(direction.iter().map(|v| sign * v));
            }
        }
    }
    x
}

fn length(row: &[f32]) -> f32 {
    row.iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_the_same_in_every_run_and_of_their_scales() {
        let rows = ProbeRows::new(&[64, 3]);
        let again = ProbeRows::new(&[64, 3]);
        let [x1, x2] = <[_; 2]>::try_from(rows.values(0..rows.len())).unwrap();
        assert_eq!([x1.clone(), x2.clone()][..], again.values(0..rows.len()));
        assert_eq!([x1.len(), x2.len()], [64 * rows.len(), 3 * rows.len()]);
        let lengths: Vec<f32> = x1.chunks(64).map(length).collect();
        assert!(lengths[..8].iter().all(|length| (length - 1.0).abs() < 1e-5), "{lengths:?}");
        assert!(lengths[24..32].iter().all(|length| (60.0..100.0).contains(length)), "{lengths:?}");
        assert!(x1[32 * 64..40 * 64].iter().all(|v| *v >= 0.0));
        let far = rows.near();
        assert!((lengths[far] - 1e3).abs() < 1.0 && (lengths[rows.len() - 1] - 1e5).abs() < 100.0);
        assert_eq!(x1[far * 64], -x1[(far + 1) * 64], "opposite");
        assert_eq!(rows.values([2].into_iter())[1], x2[6..9]);
    }
}
