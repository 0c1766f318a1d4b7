//! Random rows of a generator. Row n of a seed is drawn from the n-th stream of one ChaCha
//! generator, so it does not depend on batches, row groups, threads or the number of rows.

use std::ops::Range;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::interaction::Pointwise;
use crate::interaction::truth::Generator;

/// The rows of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct SyntheticRows {
    /// `[n, d1]` row-major.
    pub x1: Vec<f32>,
    /// `[n, d2]` row-major.
    pub x2: Vec<f32>,
    /// Length n.
    pub y: Vec<i64>,
    /// The exact values of each row, if requested; otherwise empty.
    pub exact: Vec<Pointwise>,
}

impl SyntheticRows {
    /// Draws the rows of a range, on all threads of rayon.
    pub fn draw(generator: &Generator, seed: u64, range: Range<u64>, with_exact: bool) -> Self {
        let [d1, d2] = generator.dims();
        let n = (range.end - range.start) as usize;
        let mut x1 = vec![0f32; n * d1];
        let mut x2 = vec![0f32; n * d2];
        let seeded = ChaCha8Rng::seed_from_u64(seed);
        let draw = |row: u64, x1: &mut [f32], x2: &mut [f32]| {
            let mut rng = seeded.clone();
            rng.set_stream(row);
            let y = generator.sample(&mut rng, x1, x2);
            (y as i64, with_exact.then(|| generator.exact(x1, x2, y)))
        };
        let (y, exact): (Vec<i64>, Vec<Option<Pointwise>>) = x1
            .par_chunks_mut(d1)
            .zip(x2.par_chunks_mut(d2))
            .enumerate()
            .with_min_len(64)
            .map(|(at, (x1, x2))| draw(range.start + at as u64, x1, x2))
            .unzip();
        Self { x1, x2, y, exact: exact.into_iter().flatten().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interaction::truth::{Gaussian, Prior};

    #[test]
    fn rows_do_not_depend_on_batches_or_threads() {
        let prior = Prior::uniform(3).unwrap();
        let generator = Generator::Gaussian(Gaussian::new(prior, 0.5, 0.5).unwrap());
        let whole = SyntheticRows::draw(&generator, 9, 0..1000, true);
        assert_eq!((whole.x1.len(), whole.y.len(), whole.exact.len()), (3000, 1000, 1000));

        let late = SyntheticRows::draw(&generator, 9, 700..1000, true);
        assert_eq!(late.x1, whole.x1[2100..]);
        assert_eq!(late.x2, whole.x2[2100..]);
        assert_eq!(late.y, whole.y[700..]);
        assert_eq!(late.exact, whole.exact[700..]);

        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(|| SyntheticRows::draw(&generator, 9, 0..1000, true)), whole);
        assert_ne!(SyntheticRows::draw(&generator, 10, 0..1000, true), whole);
        assert_ne!(whole.x1[..3], whole.x1[3..6]);
        assert!(SyntheticRows::draw(&generator, 9, 0..10, false).exact.is_empty());
    }
}
