//! A uniform sample of the rows on disk, in memory, with their folds.

use rand::Rng;

use crate::error::{Place, Result};
use crate::fit::outlying_rows::OutlyingRows;
use crate::fit::progress::{FitProgress, check_interrupted};
use crate::fit::random::{RandomStream, random_stream};
use crate::fit::reservoir::retain;
use crate::fit::training_set::{EmbeddingMatrix, TrainingSet};

use super::row_store::{RowBlock, RowStore};

/// The sample.
pub(super) struct RowSample {
    dims: Vec<usize>,
    rows: RowBlock,
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
        let block = || RowBlock::new(dims.len());
        let share = (rows as f64 / store.rows().max(1) as f64).min(1.0);
        let mut rng = random_stream(seed, RandomStream::Sample);
        let mut sample = Self { dims: dims.to_vec(), rows: block(), folds: Vec::new() };
        let mut block = block();
        for fold in 0..store.folds() {
            for at in 0..store.blocks(fold) {
                check_interrupted(progress)?;
                block.clear();
                store.read(fold, at, &mut block)?;
                for row in (0..block.len()).filter(|_| rng.random_bool(share)) {
                    for ((to, from), dim) in sample.rows.x.iter_mut().zip(&block.x).zip(dims) {
                        to.extend_from_slice(&from[row * dim..][..*dim]);
                    }
                    sample.rows.y.push(block.y[row]);
                    sample.rows.hashes.push(block.hashes[row]);
                    sample.folds.push(u8::try_from(fold).unwrap_or(u8::MAX));
                }
            }
        }
        Ok(sample)
    }

    /// Leaves outlying rows out.
    pub(super) fn remove(&mut self, outlying: &OutlyingRows) {
        let kept = self.rows.remove(0, &self.dims, outlying);
        retain(&mut self.folds, |row| kept[row]);
    }

    /// The sample as a training set. With `is_keyed` the hashes are those of keys.
    pub(super) fn training_set<'a>(
        &'a self,
        place: Place,
        columns: &[&'a str],
        classes: usize,
        is_keyed: bool,
    ) -> TrainingSet<'a> {
        let x = columns.iter().zip(&self.dims).zip(&self.rows.x);
        let x = x.map(|((column, dim), values)| EmbeddingMatrix { column, dim: *dim, values }).collect();
        let keys = is_keyed.then_some(self.rows.hashes.as_slice());
        TrainingSet { place, x, y: &self.rows.y, classes, groups: None, keys }
    }
}
