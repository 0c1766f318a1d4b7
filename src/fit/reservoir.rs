//! Reservoir sample of training rows from Parquet files. Memory is bounded by the sample, not by
//! the files.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::bundle::Class;
use crate::error::{Error, Place, Result};
use crate::parquet_file::Input;
use crate::samples::{ColumnRequest, Fate, FateCounts, ReadBuffers, Source};

use super::group_reader::GroupReader;
use super::random::{RandomStream, random_stream};
use super::training_set::{EmbeddingMatrix, TrainingSet};

/// Rows per read batch.
const BATCH_ROWS: usize = 1024;

/// A uniform sample of rows in memory.
pub(super) struct ReservoirSample {
    columns: [String; 2],
    dims: [usize; 2],
    x: [Vec<f32>; 2],
    y: Vec<u32>,
    /// The group of each row; empty without a group column.
    groups: Vec<u64>,
    group: Option<String>,
    /// The hash of each row's key; empty without a key.
    keys: Vec<u64>,
    is_keyed: bool,
    /// Fates of all rows of the files.
    pub(super) fates: FateCounts,
    max_rows: usize,
    rng: ChaCha8Rng,
}

impl ReservoirSample {
    /// An empty sample of at most `max_rows` rows.
    pub(super) fn new(request: &ColumnRequest<'_>, group: Option<&str>, max_rows: usize, seed: u64) -> Self {
        Self {
            columns: [request.x1.0.to_owned(), request.x2.0.to_owned()],
            dims: [request.x1.1, request.x2.1],
            x: [Vec::new(), Vec::new()],
            y: Vec::new(),
            groups: Vec::new(),
            group: group.map(str::to_owned),
            keys: Vec::new(),
            is_keyed: !request.key.is_empty(),
            fates: FateCounts::default(),
            max_rows,
            rng: random_stream(seed, RandomStream::Sample),
        }
    }

    /// Offers all usable rows of a file, by reservoir sampling (algorithm R): whatever the number of
    /// rows and files, the sample is uniform over all that were offered.
    pub(super) fn add(
        &mut self,
        input: &Input,
        request: &ColumnRequest<'_>,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<()> {
        let source = Source::new(input, request)?;
        let mut memory = ReadBuffers::default();
        for row_group in 0..input.metadata().num_row_groups() {
            let rows = input.rows_in(row_group);
            let mut groups =
                self.group.as_deref().map(|group| GroupReader::open(input, group, row_group)).transpose()?;
            for found in source.read(row_group, 0..rows, BATCH_ROWS)? {
                if interrupted() {
                    return Err(Error::Interrupted);
                }
                let samples = found?.read(&mut memory)?;
                let groups = groups.as_mut().map(|groups| groups.read(samples.rows)).transpose()?;
                for (row, &fate) in samples.fates.iter().enumerate() {
                    self.fates.add(fate);
                    if fate != Fate::Good {
                        continue;
                    }
                    let good = self.fates.good as usize;
                    let place = if good <= self.max_rows { good - 1 } else { self.rng.random_range(0..good) };
                    if place < self.max_rows {
                        let [d1, d2] = self.dims;
                        let x = [row_of(&samples.x1, d1, row), row_of(&samples.x2, d2, row)];
                        let group = groups.as_ref().and_then(|groups| groups.get(row)).copied();
                        let ids = (group, samples.keys.get(row).copied());
                        self.set_row(place, x, samples.class[row], ids);
                    }
                }
                memory.reuse(samples);
            }
        }
        Ok(())
    }

    fn set_row(&mut self, place: usize, x: [&[f32]; 2], y: u32, (group, key): (Option<u64>, Option<u64>)) {
        if place < self.y.len() {
            for ((values, new), dim) in self.x.iter_mut().zip(x).zip(self.dims) {
                values[place * dim..(place + 1) * dim].copy_from_slice(new);
            }
            self.y[place] = y;
            self.groups.get_mut(place).into_iter().zip(group).for_each(|(old, new)| *old = new);
            self.keys.get_mut(place).into_iter().zip(key).for_each(|(old, new)| *old = new);
        } else {
            self.x.iter_mut().zip(x).for_each(|(values, new)| values.extend_from_slice(new));
            self.y.push(y);
            self.groups.extend(group);
            self.keys.extend(key);
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.y.len()
    }

    /// The sample as a training set.
    pub(super) fn training_set(&self, place: Place, classes: &[Class]) -> TrainingSet<'_> {
        let modality =
            |m: usize| EmbeddingMatrix { column: &self.columns[m], dim: self.dims[m], values: &self.x[m] };
        let groups = self.group.is_some().then_some(self.groups.as_slice());
        let keys = self.is_keyed.then_some(self.keys.as_slice());
        TrainingSet { place, x: [modality(0), modality(1)], y: &self.y, classes: classes.len(), groups, keys }
    }
}

fn row_of(values: &[f32], dim: usize, row: usize) -> &[f32] {
    &values[row * dim..(row + 1) * dim]
}
