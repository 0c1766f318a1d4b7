//! From the journal to the output: row groups that are whole there are spliced while
//! later ones are still computed, by a thread of its own.

use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::Float32Array;
use crossbeam_channel::Receiver;

use crate::dataset::{Input, SpliceWriter};
use crate::error::{Error, Result};
use crate::evaluate::Column;

use super::journal::Reader;
use super::rejects::Rejects;

/// A row group that may be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ready {
    pub(super) row_group: usize,
    /// Where it begins in the journal.
    pub(super) start: u64,
    /// What its rows are shifted by, in nats.
    pub(super) shift_nats: f64,
}

/// Writes row groups as they become ready, and the rejects in them.
pub(super) struct Splicing<'a> {
    pub(super) input: &'a Input,
    pub(super) columns: &'a [Column],
    pub(super) journal: Reader,
    pub(super) writer: SpliceWriter,
    pub(super) rejects: Option<Rejects>,
}

impl Splicing<'_> {
    /// Writes all that comes; ends when the sender is gone, or at a signal.
    pub(super) fn run(mut self, ready: Receiver<Ready>, stop: &AtomicBool) -> Result<Self> {
        let mut before = 0;
        for group in ready {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            self.row_group(group)?;
            self.reject(group, before)?;
            before += self.input.rows_in(group.row_group) as u64;
        }
        Ok(self)
    }

    fn row_group(&mut self, Ready { row_group, start, shift_nats }: Ready) -> Result<()> {
        let rows = self.input.rows_in(row_group);
        // The writer takes pieces and no errors: the first one ends them and is kept here.
        let failure = std::cell::Cell::new(None);
        let until_failure = |piece: Result<Float32Array>| piece.map_err(|e| failure.set(Some(e))).ok();
        let columns = self.columns.iter().enumerate().map(|(place, column)| {
            let shift = column.shifted_by(shift_nats);
            self.journal.column(start, rows, place, shift).map_while(&until_failure)
        });
        let written = self.writer.row_group(row_group, columns);
        failure.take().map_or(written, Err)
    }

    fn reject(&mut self, Ready { row_group, start, .. }: Ready, before: u64) -> Result<()> {
        let Some(rejects) = &mut self.rejects else { return Ok(()) };
        for found in self.journal.bad(start, self.input.rows_in(row_group)) {
            let (first_row, bad) = found?;
            rejects.push(row_group, before + first_row as u64, &bad)?;
        }
        Ok(())
    }
}
