//! Counts and moments of rows, the same whether the rows are computed now or replayed from a
//! journal.

use std::collections::BTreeMap;

use crate::interaction::{self, Moments, Quantity};
use crate::provenance::UnshiftedMeans;
use crate::samples::{Fate, FateCounts};

use super::batch::Batch;

/// Values of a block. The last bits of a sum depend on its grouping, and an output's bytes
/// must not depend on the batch.
const BLOCK_ROWS: usize = 512;

/// Distinct unknown labels that are kept for messages.
pub(super) const UNKNOWN_LABELS: usize = 6;

/// Moments of the computed columns over good rows, and the fates of all rows.
#[derive(Debug, Clone)]
pub(super) struct RowStats {
    fates: FateCounts,
    modalities: usize,
    /// The first distinct labels that are none of the classes, at most [`UNKNOWN_LABELS`].
    unknown_labels: Vec<String>,
    columns: Vec<BlockedMoments>,
    trained_rows: u64,
    /// The place of [`Quantity::Missing`] among the columns.
    missing: Option<usize>,
    reduced_rows: u64,
}

/// The moments of a column in blocks of a fixed length, so that their bits do not depend on
/// the batches in which the values come.
#[derive(Debug, Clone, Default)]
struct BlockedMoments {
    /// The moments of all full blocks.
    full: Moments,
    /// The values of the block that is not full.
    block: Vec<f32>,
}

impl BlockedMoments {
    /// Takes the values that rows have: the others are NaN.
    fn push_present(&mut self, values: &[f32]) {
        if values.iter().any(|value| value.is_nan()) {
            let present: Vec<f32> = values.iter().copied().filter(|value| !value.is_nan()).collect();
            self.push(&present);
        } else {
            self.push(values);
        }
    }

    fn push(&mut self, mut values: &[f32]) {
        while !values.is_empty() {
            let (now, later) = values.split_at(values.len().min(BLOCK_ROWS - self.block.len()));
            self.block.extend_from_slice(now);
            if self.block.len() == BLOCK_ROWS {
                self.full.push_slice(&self.block);
                self.block.clear();
            }
            values = later;
        }
    }

    fn moments(&self) -> Moments {
        let mut all = self.full;
        all.push_slice(&self.block);
        all
    }
}

impl RowStats {
    /// No rows yet of these columns and so many modalities.
    pub(super) fn new(columns: &[Quantity], modalities: usize) -> Self {
        Self {
            fates: FateCounts::of_modalities(modalities),
            modalities,
            unknown_labels: Vec::new(),
            columns: vec![BlockedMoments::default(); columns.len()],
            trained_rows: 0,
            missing: columns.iter().position(|column| *column == Quantity::Missing),
            reduced_rows: 0,
        }
    }

    /// Good rows that lack a modality; `None` where such rows are bad.
    pub(super) fn reduced_rows(&self) -> Option<u64> {
        self.missing.map(|_| self.reduced_rows)
    }

    /// The first distinct labels that are none of the classes, at most [`UNKNOWN_LABELS`].
    pub(super) fn unknown_labels(&self) -> &[String] {
        &self.unknown_labels
    }

    /// The rows by fate.
    pub(super) fn fates(&self) -> &FateCounts {
        &self.fates
    }

    /// Good rows that the models were trained on, evaluated by those of a fold.
    pub(super) fn trained_rows(&self) -> u64 {
        self.trained_rows
    }

    /// Counts a batch and returns its own counts.
    pub(super) fn take(&mut self, batch: &Batch) -> FateCounts {
        let mut fates = FateCounts::of_modalities(self.modalities);
        fates.good = (batch.rows - batch.bad.len()) as u64;
        batch.bad.iter().for_each(|bad| fates.add(bad.fate));
        self.fates.merge(&fates);
        self.trained_rows += batch.trained_rows as u64;
        let unknown = batch.bad.iter().filter(|bad| bad.fate == Fate::UnknownLabel);
        add_distinct(&mut self.unknown_labels, unknown.filter_map(|bad| bad.label.as_ref()));
        for (place, (values, column)) in batch.columns.iter().zip(&mut self.columns).enumerate() {
            let mut push = |values: &[f32]| {
                if self.missing == Some(place) {
                    self.reduced_rows += values.iter().filter(|missing| **missing > 0.0).count() as u64;
                }
                column.push_present(values);
            };
            let mut from = 0;
            for bad in &batch.bad {
                push(values.get(from..bad.row as usize).unwrap_or_default());
                from = bad.row as usize + 1;
            }
            push(values.get(from..).unwrap_or_default());
        }
        fates
    }

    /// The means R, U1, U2, S as they are before any shift; zeros where no row is good.
    pub(super) fn unshifted(&self) -> UnshiftedMeans {
        let mut means = [0.0; 4];
        for (mean, column) in means.iter_mut().zip(&self.columns) {
            *mean = column.moments().mean().unwrap_or(0.0);
        }
        UnshiftedMeans { rows: self.fates.good, means }
    }

    /// The moments of each of the columns of M modalities that has them, after a shift of the four parts.
    pub(super) fn summaries(
        &self,
        columns: &[Quantity],
        modalities: usize,
        shift_nats: f64,
    ) -> BTreeMap<String, interaction::MomentSummary> {
        let shifted = |(column, blocked): (&Quantity, &BlockedMoments)| {
            let moments = blocked.moments().shifted(column.shifted_by(shift_nats));
            (column.name(modalities).into_owned(), moments.summary())
        };
        columns.iter().zip(&self.columns).filter(|(column, _)| column.has_moments()).map(shifted).collect()
    }
}

/// Adds labels that are not among those kept, up to [`UNKNOWN_LABELS`].
pub(super) fn add_distinct<'a>(kept: &mut Vec<String>, labels: impl IntoIterator<Item = &'a String>) {
    for label in labels {
        if kept.len() == UNKNOWN_LABELS {
            break;
        }
        if !kept.contains(label) {
            kept.push(label.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::batch::BadRow;

    #[test]
    fn a_few_distinct_unknown_labels_are_kept() {
        let mut row_stats = RowStats::new(&[], 2);
        for batch in 0..3 {
            let bad = |row: u32| BadRow {
                row,
                fate: if row == 0 {
                    Fate::NullEmbedding(crate::samples::Modality(0))
                } else {
                    Fate::UnknownLabel
                },
                label: Some((row / 2 + batch).to_string()),
            };
            row_stats.take(&Batch { rows: 7, bad: (0..7).map(bad).collect(), ..Batch::default() });
        }
        assert_eq!(row_stats.unknown_labels(), ["0", "1", "2", "3", "4", "5"]);
    }

    #[test]
    fn the_moments_do_not_depend_on_the_batch() {
        let values: Vec<f32> = (0..5000_u32).map(|i| (i * 7919 % 1009) as f32 / 31.0 - 3.0).collect();
        let is_bad = |row: usize| row % 700 < 2;
        let of_batches_of = |rows: usize| {
            let mut row_stats = RowStats::new(&[Quantity::R], 2);
            for (batch, values) in values.chunks(rows).enumerate() {
                let first_row = batch * rows;
                let bad = (0..values.len()).filter(|row| is_bad(first_row + row));
                let bad = bad.map(|row| BadRow { row: row as u32, fate: Fate::NullLabel, label: None });
                let (rows, columns, bad) = (values.len(), vec![values.to_vec()], bad.collect());
                row_stats.take(&Batch { first_row, rows, columns, bad, ..Batch::default() });
            }
            (row_stats.fates, row_stats.columns[0].moments())
        };
        let expected = of_batches_of(512);
        for rows in [1, 7, 100, 256, 1024, 5000] {
            assert_eq!(of_batches_of(rows), expected, "{rows}");
        }
        let mut all = Moments::default();
        let good = values.iter().enumerate().filter(|(row, _)| !is_bad(*row));
        all.push_slice(&good.map(|(_, value)| *value).collect::<Vec<_>>());
        assert_eq!(expected.1.count(), all.count());
        assert!((expected.1.variance().unwrap() - all.variance().unwrap()).abs() < 1e-9);
    }
}
