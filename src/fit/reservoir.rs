//! Reservoir sample of training rows. Memory is bounded by the sample, not by the files.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::bundle::Class;
use crate::error::Place;
use crate::samples::ColumnRequest;

use super::random::{RandomStream, random_stream};
use super::row_reader::TrainingRow;
use super::training_set::{EmbeddingMatrix, TrainingSet};

/// A uniform sample of rows in memory.
pub(super) struct ReservoirSample {
    /// The column of each modality and its length.
    columns: Vec<(String, usize)>,
    x: Vec<Vec<f32>>,
    y: Vec<u32>,
    /// The group of each row; empty without a group column.
    groups: Vec<u64>,
    /// Rows offered so far.
    offered: usize,
    /// The hash of each row's key; empty without a key.
    keys: Vec<u64>,
    max_rows: usize,
    rng: ChaCha8Rng,
}

impl ReservoirSample {
    /// An empty sample of at most `max_rows` rows.
    pub(super) fn new(request: &ColumnRequest<'_>, max_rows: usize, seed: u64) -> Self {
        Self {
            columns: request.x.to_vec(),
            x: vec![Vec::new(); request.x.len()],
            y: Vec::new(),
            groups: Vec::new(),
            offered: 0,
            keys: Vec::new(),
            max_rows,
            rng: random_stream(seed, RandomStream::Sample),
        }
    }

    /// Offers a row, by reservoir sampling (algorithm R): whatever the number of rows and files, the
    /// sample is uniform over all that were offered.
    pub(super) fn offer(&mut self, row: &TrainingRow<'_>) {
        self.offered += 1;
        let within = self.offered <= self.max_rows;
        let place = if within { self.offered - 1 } else { self.rng.random_range(0..self.offered) };
        if place < self.max_rows {
            self.set_row(place, row);
        }
    }

    fn set_row(&mut self, place: usize, row: &TrainingRow<'_>) {
        if place < self.y.len() {
            for (values, new) in self.x.iter_mut().zip(row.x) {
                values[place * new.len()..][..new.len()].copy_from_slice(new);
            }
            self.y[place] = row.y;
            self.groups.get_mut(place).into_iter().zip(row.group).for_each(|(old, new)| *old = new);
            self.keys.get_mut(place).into_iter().zip(row.key).for_each(|(old, new)| *old = new);
        } else {
            self.x.iter_mut().zip(row.x).for_each(|(values, new)| values.extend_from_slice(new));
            self.y.push(row.y);
            self.groups.extend(row.group);
            self.keys.extend(row.key);
        }
    }

    /// Leaves rows out, given in ascending order.
    pub(super) fn remove(&mut self, rows: &[usize]) {
        let keeps = |row: usize| rows.binary_search(&row).is_err();
        for (values, (_, dim)) in self.x.iter_mut().zip(&self.columns) {
            retain(values, |at| keeps(at / dim));
        }
        retain(&mut self.y, keeps);
        retain(&mut self.groups, keeps);
        retain(&mut self.keys, keeps);
    }

    pub(super) fn rows(&self) -> usize {
        self.y.len()
    }

    /// The sample as a training set.
    pub(super) fn training_set(&self, place: Place, classes: &[Class]) -> TrainingSet<'_> {
        let x = self.columns.iter().zip(&self.x);
        let x = x.map(|((column, dim), values)| EmbeddingMatrix { column, dim: *dim, values }).collect();
        let groups = (self.groups.len() == self.y.len()).then_some(self.groups.as_slice());
        let keys = (self.keys.len() == self.y.len()).then_some(self.keys.as_slice());
        TrainingSet { place, x, y: &self.y, classes: classes.len(), groups, keys }
    }
}

/// Keeps the entries at some places.
pub(super) fn retain<T>(values: &mut Vec<T>, keeps: impl Fn(usize) -> bool) {
    let mut at = 0;
    values.retain(|_| {
        at += 1;
        keeps(at - 1)
    });
}
