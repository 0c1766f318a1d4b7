//! The sampled rows of embedding columns, and their statistics.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher};
use std::ops::Range;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::parquet_file::{ColumnReader, Input};
use crate::samples::{EmbeddingType, InvalidEmbedding, extract};

use super::sample_plan::SamplePlan;
use super::summary::{EmbeddingColumn, Norms};

/// Rows that are read at once.
const BATCH_ROWS: usize = 1024;

/// The sampled rows of an embedding column.
#[derive(Debug)]
pub(super) struct ColumnSample {
    pub column: String,
    pub dim: usize,
    data_type: String,
    /// `[n, d]`; those of rows that are not good are undefined.
    values: Vec<f32>,
    is_good: Vec<bool>,
    null_rows: usize,
    wrong_length_rows: usize,
    non_finite_rows: usize,
}

impl ColumnSample {
    pub(super) fn new(column: &str, data_type: String, dim: usize) -> Self {
        Self {
            column: column.to_owned(),
            dim,
            data_type,
            values: Vec::new(),
            is_good: Vec::new(),
            null_rows: 0,
            wrong_length_rows: 0,
            non_finite_rows: 0,
        }
    }

    /// Adds ranges of the rows of a row group, ascending.
    fn read(&mut self, input: &Input, row_group: usize, ranges: &[Range<usize>]) -> Result<()> {
        let rows = ranges.iter().map(ExactSizeIterator::len).sum::<usize>();
        let column = input.column(&self.column).ok();
        let found = column.and_then(|(at, field)| Some((at, EmbeddingType::of(field.data_type())?)));
        let (Some((position, kind)), true) = (found, self.dim > 0) else {
            self.null_rows += rows;
            self.push_bad(rows);
            return Ok(());
        };
        let mut reader =
            ColumnReader::open_ranges(input, position, &self.column, row_group, ranges, BATCH_ROWS)?;
        for start in (0..rows).step_by(BATCH_ROWS) {
            let count = BATCH_ROWS.min(rows - start);
            let batch = extract(&reader.read(count)?, kind, self.dim)?;
            let first = self.is_good.len();
            self.values.extend_from_slice(&batch.values);
            self.is_good.resize(first + count, true);
            for (row, why) in batch.invalid {
                match why {
                    InvalidEmbedding::Null => self.null_rows += 1,
                    InvalidEmbedding::WrongLength(_) => self.wrong_length_rows += 1,
                    InvalidEmbedding::NonFinite => self.non_finite_rows += 1,
                }
                self.is_good.get_mut(first + row).into_iter().for_each(|good| *good = false);
            }
            if self.values.len() != self.is_good.len() * self.dim {
                return Err(Error::Internal("a batch of embeddings is not of its dimension".into()));
            }
        }
        Ok(())
    }

    fn push_bad(&mut self, rows: usize) {
        self.values.resize(self.values.len() + rows * self.dim, 0.0);
        self.is_good.resize(self.is_good.len() + rows, false);
    }

    fn good_rows(&self) -> impl Iterator<Item = &[f32]> {
        let rows = self.values.chunks_exact(self.dim.max(1)).zip(&self.is_good);
        rows.filter(|(_, good)| **good).map(|(row, _)| row)
    }

    /// The statistics.
    pub(super) fn summary(&self) -> EmbeddingColumn {
        let (constant_dims, repeated_dims) = self.idle_dims();
        EmbeddingColumn {
            column: self.column.clone(),
            data_type: self.data_type.clone(),
            dim: self.dim,
            null_rows: self.null_rows,
            wrong_length_rows: self.wrong_length_rows,
            non_finite_rows: self.non_finite_rows,
            norms: self.norms(),
            constant_dims,
            repeated_dims,
        }
    }

    fn norms(&self) -> Option<Norms> {
        let mut rows = 0_usize;
        let mut norms = Norms { min: f64::INFINITY, mean: 0.0, max: 0.0 };
        for row in self.good_rows() {
            let norm = row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
            norms = Norms { min: norms.min.min(norm), mean: norms.mean + norm, max: norms.max.max(norm) };
            rows += 1;
        }
        (rows > 0).then(|| Norms { mean: norms.mean / rows as f64, ..norms })
    }

    /// Dimensions that are constant, and those that vary and repeat another; of a single row none.
    fn idle_dims(&self) -> (usize, usize) {
        let state = foldhash::quality::FixedState::default();
        let mut rows = self.good_rows();
        let Some(first) = rows.next() else { return (0, 0) };
        let mut hashers: Vec<_> = first.iter().map(|_| state.build_hasher()).collect();
        let mut varies = vec![false; first.len()];
        let mut count = 1;
        let add = |hashers: &mut [_], row: &[f32]| {
            let hashers: &mut [<foldhash::quality::FixedState as BuildHasher>::Hasher] = hashers;
            // No sign of zero.
            hashers.iter_mut().zip(row).for_each(|(hasher, x)| hasher.write_u32((x + 0.0).to_bits()));
        };
        add(&mut hashers, first);
        for row in rows {
            add(&mut hashers, row);
            varies.iter_mut().zip(row.iter().zip(first)).for_each(|(varies, (x, at))| *varies |= x != at);
            count += 1;
        }
        if count < 2 {
            return (0, 0);
        }
        let mut known = HashSet::new();
        let repeated = hashers.iter().zip(&varies).filter(|(_, varies)| **varies);
        let repeated = repeated.filter(|(hasher, _)| !known.insert(hasher.finish())).count();
        (varies.iter().filter(|varies| !**varies).count(), repeated)
    }
}

/// The file of each sampled row.
#[derive(Debug, Default)]
pub(super) struct SampledRows {
    files: Vec<u32>,
}

/// The rows of a sample that are good in all of some columns.
pub(super) struct WholeRows {
    /// `[n, d]` of each column.
    pub values: Vec<Vec<f32>>,
    /// The file of each row.
    pub files: Vec<u32>,
}

impl SampledRows {
    /// Reads the rows of a plan.
    pub(super) fn read(
        files: &[PathBuf],
        plan: &SamplePlan,
        columns: &mut [ColumnSample],
        open: &dyn Fn(&PathBuf) -> Result<Input>,
    ) -> Result<Self> {
        let (mut sampled, mut before) = (Self::default(), 0_u64);
        for (number, file) in (0..).zip(files) {
            let input = open(file)?;
            for row_group in 0..input.metadata().num_row_groups() {
                let end = before + input.rows_in(row_group) as u64;
                let in_group =
                    |range: Range<u64>| (range.start - before) as usize..(range.end - before) as usize;
                let ranges: Vec<Range<usize>> = plan.within(before..end).map(in_group).collect();
                if !ranges.is_empty() {
                    columns.iter_mut().try_for_each(|column| column.read(&input, row_group, &ranges))?;
                    sampled.files.extend(ranges.iter().flat_map(|rows| rows.clone().map(|_| number)));
                }
                before = end;
            }
        }
        Ok(sampled)
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// The rows that are good in all of these columns.
    pub(super) fn whole(&self, columns: &[&ColumnSample]) -> WholeRows {
        let is_whole = |row: usize| columns.iter().all(|column| column.is_good.get(row) == Some(&true));
        let whole: Vec<bool> = (0..self.files.len()).map(is_whole).collect();
        let values = columns.iter().map(|column| {
            let rows = column.values.chunks_exact(column.dim.max(1)).zip(&whole);
            rows.filter(|(_, whole)| **whole).flat_map(|(row, _)| row).copied().collect()
        });
        let files = self.files.iter().zip(&whole).filter(|(_, whole)| **whole).map(|(file, _)| *file);
        WholeRows { values: values.collect(), files: files.collect() }
    }
}
