//! Counts and moments of the rows as they pass, the same whether they are computed
//! now or come out of a journal.

use std::collections::BTreeMap;

use crate::interaction::{self, Moments, Quantity};
use crate::samples::{Fate, FateCounts};

use super::adjust::Unshifted;
use super::journal::Batch;

/// Values whose moments are taken at once. Sums depend on their grouping in the last place,
/// and an output's bytes are not to depend on the batch.
const PIECE: usize = 512;

/// Moments of the computed columns over good rows, and the fates of all rows.
#[derive(Debug, Clone)]
pub(super) struct RowStats {
    pub(super) fates: FateCounts,
    columns: Vec<BlockedMoments>,
}

/// The moments of a column, the same bits in whatever parts its values come.
#[derive(Debug, Clone, Default)]
struct BlockedMoments {
    /// Of all pieces that are full.
    full: Moments,
    /// The piece that is not.
    piece: Vec<f32>,
}

impl BlockedMoments {
    fn push(&mut self, mut values: &[f32]) {
        while !values.is_empty() {
            let (now, later) = values.split_at(values.len().min(PIECE - self.piece.len()));
            self.piece.extend_from_slice(now);
            if self.piece.len() == PIECE {
                self.full.push_slice(&self.piece);
                self.piece.clear();
            }
            values = later;
        }
    }

    fn moments(&self) -> Moments {
        let mut all = self.full;
        all.push_slice(&self.piece);
        all
    }
}

impl RowStats {
    pub(super) fn new(columns: usize) -> Self {
        Self { fates: FateCounts::default(), columns: vec![BlockedMoments::default(); columns] }
    }

    /// Counts a batch, and gives its own counts.
    pub(super) fn take(&mut self, batch: &Batch) -> FateCounts {
        let good = (batch.rows - batch.bad.len()) as u64;
        let mut fates = FateCounts { good, ..FateCounts::default() };
        batch.bad.iter().for_each(|bad| fates.add(bad.fate));
        self.fates.merge(&fates);
        for (values, column) in batch.columns.iter().zip(&mut self.columns) {
            let mut from = 0;
            for bad in &batch.bad {
                column.push(values.get(from..bad.row as usize).unwrap_or_default());
                from = bad.row as usize + 1;
            }
            column.push(values.get(from..).unwrap_or_default());
        }
        fates
    }

    /// The means R, U1, U2, S as they are before any shift; zeros where no row is good.
    pub(super) fn unshifted(&self) -> Unshifted {
        let mut means = [0.0; 4];
        for (mean, column) in means.iter_mut().zip(&self.columns) {
            *mean = column.moments().mean().unwrap_or(0.0);
        }
        Unshifted { rows: self.fates.good, means }
    }

    /// Each column's moments after a shift of the four parts.
    pub(super) fn summaries(
        &self,
        columns: &[Quantity],
        shift_nats: f64,
    ) -> BTreeMap<String, interaction::Summary> {
        let shifted = |(column, gathered): (&Quantity, &BlockedMoments)| {
            let moments = gathered.moments().shifted(column.shifted_by(shift_nats));
            (column.name().to_owned(), moments.summary())
        };
        columns.iter().zip(&self.columns).map(shifted).collect()
    }

    /// The bad rows by reason, for a message.
    pub(super) fn reasons(&self) -> String {
        let reasons = self.fates.bad_by_reason();
        let reasons = reasons.iter().filter(|(_, rows)| *rows > 0);
        let reasons: Vec<_> = reasons.map(|(fate, rows): &(Fate, u64)| format!("{rows} {fate}")).collect();
        reasons.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::journal::BadRow;

    #[test]
    fn the_moments_do_not_depend_on_the_batch() {
        let values: Vec<f32> = (0..5000_u32).map(|i| (i * 7919 % 1009) as f32 / 31.0 - 3.0).collect();
        let is_bad = |row: usize| row % 700 < 2;
        let of_batches_of = |rows: usize| {
            let mut row_stats = RowStats::new(1);
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
