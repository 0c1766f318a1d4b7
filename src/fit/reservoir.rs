//! Reservoir sample of training rows from a Parquet file. Memory is bounded by the sample,
//! not by the file.

use rand::Rng;

use crate::bundle::Class;
use crate::error::{Error, Result};
use crate::parquet_file::Input;
use crate::samples::{ColumnRequest, Fate, FateCounts, ReadBuffers, Source};

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
    /// Fates of all rows of the file.
    pub(super) fates: FateCounts,
}

impl ReservoirSample {
    /// Draws at most `max_rows` usable rows uniformly, by reservoir sampling (algorithm R):
    /// one pass over the file, without its number of usable rows in advance.
    pub(super) fn draw(
        input: &Input,
        request: &ColumnRequest<'_>,
        max_rows: usize,
        seed: u64,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Self> {
        let source = Source::new(input, request)?;
        let mut sample = Self {
            columns: [request.x1.0.to_owned(), request.x2.0.to_owned()],
            dims: [request.x1.1, request.x2.1],
            x: [Vec::new(), Vec::new()],
            y: Vec::new(),
            fates: FateCounts::default(),
        };
        let mut rng = random_stream(seed, RandomStream::Sample);
        let mut memory = ReadBuffers::default();
        for row_group in 0..input.metadata().num_row_groups() {
            for found in source.read(row_group, 0..input.rows_in(row_group), BATCH_ROWS)? {
                if interrupted() {
                    return Err(Error::Interrupted);
                }
                let samples = found?.read(&mut memory)?;
                for (row, &fate) in samples.fates.iter().enumerate() {
                    sample.fates.add(fate);
                    if fate != Fate::Good {
                        continue;
                    }
                    let good = sample.fates.good as usize;
                    let place = if good <= max_rows { good - 1 } else { rng.random_range(0..good) };
                    if place < max_rows {
                        let [d1, d2] = sample.dims;
                        let x = [row_of(&samples.x1, d1, row), row_of(&samples.x2, d2, row)];
                        sample.set_row(place, x, samples.class[row]);
                    }
                }
                memory.reuse(samples);
            }
        }
        Ok(sample)
    }

    fn set_row(&mut self, place: usize, x: [&[f32]; 2], y: u32) {
        if place < self.y.len() {
            for ((values, new), dim) in self.x.iter_mut().zip(x).zip(self.dims) {
                values[place * dim..(place + 1) * dim].copy_from_slice(new);
            }
            self.y[place] = y;
        } else {
            self.x.iter_mut().zip(x).for_each(|(values, new)| values.extend_from_slice(new));
            self.y.push(y);
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.y.len()
    }

    /// The sample as a training set.
    pub(super) fn training_set(&self, input: &Input, classes: &[Class]) -> TrainingSet<'_> {
        let modality =
            |m: usize| EmbeddingMatrix { column: &self.columns[m], dim: self.dims[m], values: &self.x[m] };
        TrainingSet {
            place: input.place(),
            x: [modality(0), modality(1)],
            y: &self.y,
            classes: classes.len(),
            groups: None,
        }
    }
}

fn row_of(values: &[f32], dim: usize, row: usize) -> &[f32] {
    &values[row * dim..(row + 1) * dim]
}
