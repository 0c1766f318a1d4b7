//! Random rows of a generator. Row n of a seed is drawn from the n-th stream of one ChaCha
//! generator, so it does not depend on batches, row groups, threads or the number of rows.

use std::ops::Range;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::interaction::truth::{Generator, SubsetValues};

/// The rows of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct SyntheticRows {
    /// The embeddings of each modality m, `[M]` of `[n, d_m]` row-major.
    pub x: Vec<Vec<f32>>,
    /// Length n.
    pub y: Vec<i64>,
    /// The exact values of each row, if requested; otherwise empty.
    pub exact: Vec<SubsetValues>,
}

impl SyntheticRows {
    /// Draws the rows of a range, on all threads of rayon.
    pub fn draw(generator: &Generator, seed: u64, range: Range<u64>, with_exact: bool) -> Self {
        let dims = generator.dims();
        let n = (range.end - range.start) as usize;
        let mut x: Vec<Vec<f32>> = dims.iter().map(|d| vec![0f32; n * d]).collect();
        let seeded = ChaCha8Rng::seed_from_u64(seed);
        let draw = |row: u64, x: &mut [&mut [f32]]| {
            let mut rng = seeded.clone();
            rng.set_stream(row);
            let y = generator.sample(&mut rng, x);
            let exact = with_exact.then(|| {
                let x: Vec<&[f32]> = x.iter().map(|x| &**x).collect();
                generator.exact(&x, y)
            });
            (y as i64, exact)
        };
        // The place of each row in every modality.
        let mut rows: Vec<Vec<&mut [f32]>> = (0..n).map(|_| Vec::with_capacity(dims.len())).collect();
        for (x, &d) in x.iter_mut().zip(&dims) {
            rows.iter_mut().zip(x.chunks_mut(d)).for_each(|(row, x)| row.push(x));
        }
        let (y, exact): (Vec<i64>, Vec<Option<SubsetValues>>) = rows
            .par_iter_mut()
            .enumerate()
            .with_min_len(64)
            .map(|(at, x)| draw(range.start + at as u64, x))
            .unzip();
        Self { x, y, exact: exact.into_iter().flatten().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interaction::truth::{Gaussian, Prior};

    #[test]
    fn rows_do_not_depend_on_batches_or_threads() {
        let prior = Prior::uniform(3).unwrap();
        let generator = Generator::Gaussian(Gaussian::new(2, prior, 0.5, 0.5).unwrap());
        let whole = SyntheticRows::draw(&generator, 9, 0..1000, true);
        assert_eq!((whole.x[0].len(), whole.y.len(), whole.exact.len()), (3000, 1000, 1000));

        let late = SyntheticRows::draw(&generator, 9, 700..1000, true);
        assert_eq!(late.x[0], whole.x[0][2100..]);
        assert_eq!(late.x[1], whole.x[1][2100..]);
        assert_eq!(late.y, whole.y[700..]);
        assert_eq!(late.exact, whole.exact[700..]);

        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(|| SyntheticRows::draw(&generator, 9, 0..1000, true)), whole);
        assert_ne!(SyntheticRows::draw(&generator, 10, 0..1000, true), whole);
        assert_ne!(whole.x[0][..3], whole.x[0][3..6]);
        assert!(SyntheticRows::draw(&generator, 9, 0..10, false).exact.is_empty());
    }
}
