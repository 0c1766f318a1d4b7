//! Gradient descent of regressions and networks over a shuffled stream of the rows on disk: all
//! classifiers and folds learn from the same rows in memory, each from those outside its fold.

use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::bundle::{Affine, Stack};
use crate::error::Result;
use crate::fit::classifier_data::ClassifierData;
use crate::fit::network::{BATCH, Training};
use crate::fit::progress::{FitProgress, check_interrupted};
use crate::fit::random::{RandomStream, random_stream};

use super::row_store::{BLOCK_ROWS, RowBlock, RowStore};
use super::statistics::training_set;

/// Times that every row is seen, from the sample's solution.
pub(super) const EPOCHS: usize = 2;
/// The first learning rate: a third of that of a network from its initial weights.
const LEARNING_RATE: f64 = 1e-3;

/// A regression or a network in training.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Learner {
    /// The classifier's place among all.
    which: usize,
    fold: usize,
    training: Training,
}

/// All of them after some epochs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DescentState {
    learners: Vec<Learner>,
    epochs: usize,
}

/// What the descent reads.
pub(super) struct ShuffledRows<'a> {
    pub store: &'a RowStore,
    pub classes: usize,
    /// The standardisation of each classifier's inputs.
    pub data: &'a [ClassifierData],
    pub seed: u64,
    /// Blocks in memory at a time.
    pub pool_blocks: usize,
}

impl DescentState {
    /// Before the first epoch: a regression and a network of each stack that has them. `decays` are
    /// the weight decays of the classifiers' networks.
    pub(super) fn new(rows: &ShuffledRows<'_>, stacks: &[&[Stack]], decays: &[f64]) -> Self {
        let steps = EPOCHS * (rows.store.rows() / BATCH + rows.pools().len() + 1);
        let mut learners = Vec::new();
        for (which, (stacks, &decay)) in stacks.iter().zip(decays).enumerate() {
            for (fold, stack) in stacks.iter().enumerate() {
                if let Some(map) = &stack.linear {
                    let training = Training::new(std::slice::from_ref(map), 0.0, LEARNING_RATE, steps);
                    learners.push(Learner { which, fold, training });
                }
                if !stack.mlp.is_empty() {
                    let training = Training::new(&stack.mlp, decay, LEARNING_RATE, steps);
                    learners.push(Learner { which, fold, training });
                }
            }
        }
        Self { learners, epochs: 0 }
    }

    /// Trains until all epochs have ended. `keep` is called after each.
    pub(super) fn run(
        &mut self,
        rows: &ShuffledRows<'_>,
        progress: &dyn FitProgress,
        keep: &mut dyn FnMut(&Self) -> Result<()>,
    ) -> Result<()> {
        while self.epochs < EPOCHS && !self.learners.is_empty() {
            let name = format!("epoch {} of {EPOCHS}", self.epochs + 1);
            self.epoch(rows, &name, progress)?;
            self.epochs += 1;
            keep(self)?;
        }
        Ok(())
    }

    fn epoch(&mut self, rows: &ShuffledRows<'_>, name: &str, progress: &dyn FitProgress) -> Result<()> {
        let mut order: Vec<Vec<(usize, usize)>> = rows.pools();
        let mut rng = random_stream(rows.seed, RandomStream::Pools(self.epochs));
        // The j-th pool has one block of each part of the store, whichever: where rows are sorted,
        // each pool is still like all of them.
        let mut parts = transposed(&order);
        parts.iter_mut().for_each(|part| part.shuffle(&mut rng));
        order = transposed(&parts);
        let (mut current, mut next) = (Pool::of(rows.store), Pool::of(rows.store));
        current.read(rows.store, order.first().map(Vec::as_slice).unwrap_or_default())?;
        let mut done = 0;
        for at in 0..order.len() {
            check_interrupted(progress)?;
            let following = order.get(at + 1).map(Vec::as_slice).unwrap_or_default();
            let learn = || self.learn(rows, &current, at);
            let (read, ()) = rayon::join(|| next.read(rows.store, following), learn);
            read?;
            done += current.rows.len();
            progress.rows(name, done as u64, rows.store.rows() as u64);
            std::mem::swap(&mut current, &mut next);
        }
        Ok(())
    }

    /// All learners learn from one pool.
    fn learn(&mut self, rows: &ShuffledRows<'_>, pool: &Pool, at: usize) {
        let set = training_set(&pool.rows, rows.store.dims(), rows.classes);
        let all: Vec<usize> = (0..set.y.len()).collect();
        let standard: Vec<_> = rows.data.par_iter().map(|data| data.rows(&set, &all)).collect();
        let (seed, epoch) = (rows.seed, self.epochs);
        self.learners.par_iter_mut().with_max_len(1).enumerate().for_each(|(learner, own)| {
            let mut order: Vec<usize> =
                all.iter().copied().filter(|&row| usize::from(pool.folds[row]) != own.fold).collect();
            order.shuffle(&mut random_stream(seed, RandomStream::Pool { epoch, pool: at, learner }));
            let data = standard[own.which].labelled();
            order.chunks(BATCH).for_each(|batch| own.training.step(data, batch));
        });
    }

    /// Puts what was learned into the stacks.
    pub(super) fn write_to(&self, stacks: &mut [Vec<Stack>]) {
        for learner in &self.learners {
            let stack = &mut stacks[learner.which][learner.fold];
            let layers: Vec<Affine> = learner.training.affines();
            match <[Affine; 1]>::try_from(layers) {
                Ok([map]) => stack.linear = Some(map),
                Err(layers) => stack.mlp = layers,
            }
        }
    }
}

/// Rows in memory.
struct Pool {
    rows: RowBlock,
    /// The fold of each row.
    folds: Vec<u8>,
}

impl Pool {
    fn of(store: &RowStore) -> Self {
        Self { rows: RowBlock::new(store.dims().len()), folds: Vec::new() }
    }

    fn read(&mut self, store: &RowStore, blocks: &[(usize, usize)]) -> Result<()> {
        self.rows.clear();
        self.folds.clear();
        for &(fold, block) in blocks {
            store.read(fold, block, &mut self.rows)?;
            self.folds.resize(self.rows.len(), u8::try_from(fold).unwrap_or(u8::MAX));
        }
        Ok(())
    }
}

impl ShuffledRows<'_> {
    /// All blocks, evenly divided: the blocks of a pool lie as far apart as they can.
    fn pools(&self) -> Vec<Vec<(usize, usize)>> {
        let blocks: Vec<(usize, usize)> = (0..self.store.folds())
            .flat_map(|fold| (0..self.store.blocks(fold)).map(move |block| (fold, block)))
            .collect();
        let pools = blocks.len().div_ceil(self.pool_blocks.max(1)).max(1);
        transposed(&blocks.chunks(pools).map(<[_]>::to_vec).collect::<Vec<_>>())
    }

    /// Bytes of memory per block of a pool: two pools, standardised copies for the classifiers, of which
    /// half read a modality.
    pub(super) fn block_bytes(dims: &[usize]) -> usize {
        let copies = 2 + (1 << dims.len()) / 2;
        copies * BLOCK_ROWS * dims.iter().sum::<usize>() * size_of::<f32>()
    }
}

/// The i-th entries of all lists, for each i.
fn transposed<T: Clone>(lists: &[Vec<T>]) -> Vec<Vec<T>> {
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest).map(|at| lists.iter().filter_map(|list| list.get(at).cloned()).collect()).collect()
}
