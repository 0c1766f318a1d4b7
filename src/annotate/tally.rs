//! Counts and moments of the rows as they pass, the same whether they are computed
//! now or come out of a journal.

use std::collections::BTreeMap;

use crate::dataset::{Fate, FateCounts};
use crate::evaluate::Column;
use crate::interaction::{self, Moments};

use super::adjusting::Unshifted;
use super::journal::Batch;

/// Moments of the computed columns over good rows, and the fates of all rows.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) fates: FateCounts,
    moments: Vec<Moments>,
}

impl Tally {
    pub(super) fn new(columns: usize) -> Self {
        Self { fates: FateCounts::default(), moments: vec![Moments::default(); columns] }
    }

    /// Counts a batch, and gives its own counts.
    pub(super) fn take(&mut self, batch: &Batch) -> FateCounts {
        let good = (batch.rows - batch.bad.len()) as u64;
        let mut fates = FateCounts { good, ..FateCounts::default() };
        batch.bad.iter().for_each(|bad| fates.add(bad.fate));
        self.fates.merge(&fates);
        for (values, moments) in batch.columns.iter().zip(&mut self.moments) {
            let mut from = 0;
            for bad in &batch.bad {
                moments.push_slice(values.get(from..bad.row as usize).unwrap_or_default());
                from = bad.row as usize + 1;
            }
            moments.push_slice(values.get(from..).unwrap_or_default());
        }
        fates
    }

    /// The means R, U1, U2, S as they are before any shift; zeros where no row is good.
    pub(super) fn unshifted(&self) -> Unshifted {
        let mut means = [0.0; 4];
        for (mean, moments) in means.iter_mut().zip(&self.moments) {
            *mean = moments.mean().unwrap_or(0.0);
        }
        Unshifted { rows: self.fates.good, means }
    }

    /// Each column's moments after a shift of the four parts.
    pub(super) fn summaries(
        &self,
        columns: &[Column],
        shift_nats: f64,
    ) -> BTreeMap<String, interaction::Summary> {
        let shifted = |(column, moments): (&Column, &Moments)| {
            (column.name().to_owned(), moments.shifted(column.shifted_by(shift_nats)).summary())
        };
        columns.iter().zip(&self.moments).map(shifted).collect()
    }

    /// The bad rows by reason, for a message.
    pub(super) fn reasons(&self) -> String {
        let reasons = self.fates.bad_by_reason();
        let reasons = reasons.iter().filter(|(_, rows)| *rows > 0);
        let reasons: Vec<_> = reasons.map(|(fate, rows): &(Fate, u64)| format!("{rows} {fate}")).collect();
        reasons.join(", ")
    }
}
