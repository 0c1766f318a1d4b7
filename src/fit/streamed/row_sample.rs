//! A uniform sample of the rows on disk, in memory, with their folds.

use rand::Rng;

use crate::error::{Place, Result};
use crate::fit::progress::{FitProgress, check_interrupted};
use crate::fit::random::{RandomStream, random_stream};
use crate::fit::reservoir::retain;
use crate::fit::training_set::{EmbeddingMatrix, TrainingSet};

use super::row_store::{RowBlock, RowStore};

/// The sample.
pub(super) struct RowSample {
    dims: [usize; 2],
    x: [Vec<f32>; 2],
    y: Vec<u32>,
    hashes: Vec<u64>,
    /// The fold of each row.
    pub folds: Vec<u8>,
}

impl RowSample {
    /// Draws about `rows` rows: each is taken with the same probability.
    ///
    /// # Errors
    /// Those of reading; [`Interrupted`](crate::Error::Interrupted).
    pub(super) fn draw(store: &RowStore, rows: usize, seed: u64, progress: &dyn FitProgress) -> Result<Self> {
        let dims = store.dims();
        let share = (rows as f64 / store.rows().max(1) as f64).min(1.0);
        let mut rng = random_stream(seed, RandomStream::Sample);
        let mut sample =
            Self { dims, x: [Vec::new(), Vec::new()], y: Vec::new(), hashes: Vec::new(), folds: Vec::new() };
        let mut block = RowBlock::default();
        for fold in 0..store.folds() {
            for at in 0..store.blocks(fold) {
                check_interrupted(progress)?;
                block.clear();
                store.read(fold, at, &mut block)?;
                for row in (0..block.len()).filter(|_| rng.random_bool(share)) {
                    for ((to, from), dim) in sample.x.iter_mut().zip(&block.x).zip(dims) {
                        to.extend_from_slice(&from[row * dim..][..dim]);
                    }
                    sample.y.push(block.y[row]);
                    sample.hashes.push(block.hashes[row]);
                    sample.folds.push(u8::try_from(fold).unwrap_or(u8::MAX));
                }
            }
        }
        Ok(sample)
    }

    /// Leaves rows out, given in ascending order.
    pub(super) fn remove(&mut self, rows: &[usize]) {
        let keeps = |row: usize| rows.binary_search(&row).is_err();
        for (values, dim) in self.x.iter_mut().zip(self.dims) {
            retain(values, |at| keeps(at / dim));
        }
        retain(&mut self.y, keeps);
        retain(&mut self.hashes, keeps);
        retain(&mut self.folds, keeps);
    }

    /// The sample as a training set. With `is_keyed` the hashes are those of keys.
    pub(super) fn training_set<'a>(
        &'a self,
        place: Place,
        columns: [&'a str; 2],
        classes: usize,
        is_keyed: bool,
    ) -> TrainingSet<'a> {
        let modality =
            |m: usize| EmbeddingMatrix { column: columns[m], dim: self.dims[m], values: &self.x[m] };
        let keys = is_keyed.then_some(self.hashes.as_slice());
        TrainingSet { place, x: [modality(0), modality(1)], y: &self.y, classes, groups: None, keys }
    }
}
