//! The splice thread: copies the old columns of a row group into the output while its new
//! columns are still computed, and then adds those from the journal.

use std::cell::{Cell, LazyCell};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float32Array};
use crossbeam_channel::Receiver;
use parquet::file::metadata::KeyValue;

use crate::error::{Error, Result};
use crate::evaluate::output_array;
use crate::interaction::Quantity;
use crate::output::Writer;
use crate::parquet_file::Input;

use super::journal::Reader;
use super::progress::{Progress, Stage};
use super::rejects::Rejects;

/// A row group of which the journal holds all rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct ComputedRowGroup {
    pub(super) row_group: usize,
    /// Its offset in the journal.
    pub(super) start: u64,
    /// The shift of its rows, in nats.
    pub(super) shift_nats: f64,
}

/// Writes row groups as they become complete, and the rows without values in them.
pub(super) struct SpliceThread<'a> {
    pub(super) input: &'a Input,
    pub(super) columns: &'a [Quantity],
    pub(super) journal: Reader,
    pub(super) writer: Writer,
    pub(super) rejects: Option<Rejects>,
    pub(super) progress: &'a dyn Progress,
}

impl SpliceThread<'_> {
    /// Writes row group after row group; ends early after the channel is closed or `stop` is set.
    pub(super) fn run(mut self, ready: Receiver<ComputedRowGroup>, stop: &AtomicBool) -> Result<Self> {
        let mut before = 0;
        for row_group in 0..self.input.metadata().num_row_groups() {
            let rows = self.input.rows_in(row_group);
            let _span = tracing::info_span!("row_group", row_group, rows).entered();
            // The computation has failed, and reports why.
            let Some(group) = self.row_group(row_group, &ready)? else { return Ok(self) };
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            self.reject(group, before)?;
            before += rows as u64;
        }
        Ok(self)
    }

    /// Adds the key-values of the footer, writes both footers and renames the files. Returns
    /// the size of the output in bytes.
    ///
    /// # Errors
    /// As for [`Rejects::finish`] and [`Writer::finish`].
    pub(super) fn publish(mut self, key_values: Vec<KeyValue>) -> Result<u64> {
        for pair in key_values {
            self.writer.set_key_value(&pair.key, pair.value.unwrap_or_default());
        }
        self.rejects.map_or(Ok(()), Rejects::finish)?;
        self.progress.time(Stage::Write, || self.writer.finish())
    }

    /// Copies the old columns of a row group, waits until its new ones are computed, and
    /// adds them. None where the computation has failed.
    fn row_group(
        &mut self,
        row_group: usize,
        ready: &Receiver<ComputedRowGroup>,
    ) -> Result<Option<ComputedRowGroup>> {
        let rows = self.input.rows_in(row_group);
        // The writer takes arrays and no errors: the first error ends the arrays and is recorded
        // here.
        let failure = Cell::new(None);
        let until_failure = |array: Result<Float32Array>| array.map_err(|e| failure.set(Some(e))).ok();
        let typed = |column: Quantity| move |array: Float32Array| -> ArrayRef { output_array(column, array) };
        let (start, waited) = (Instant::now(), Cell::new(Duration::ZERO));
        let group = LazyCell::new(|| {
            let start = Instant::now();
            let group = ready.recv().ok();
            waited.set(start.elapsed());
            group
        });
        let columns = self.columns.iter().enumerate().map_while(|(place, column)| {
            let ComputedRowGroup { start, shift_nats, .. } = (*group)?;
            let shift = column.shifted_by(shift_nats);
            Some(self.journal.column(start, rows, place, shift).map_while(&until_failure).map(typed(*column)))
        });
        let written = self.writer.row_group(row_group, columns);
        self.progress.spent(Stage::Write, start.elapsed().saturating_sub(waited.get()));
        self.progress.read(self.input.stored_bytes_in(row_group));
        match (failure.take(), written) {
            (Some(error), _) => Err(error),
            (None, Ok(())) => Ok(*group),
            // The writer lacks the new columns, which the failed computation did not announce.
            (None, Err(Error::Internal(_))) if group.is_none() => Ok(None),
            (None, Err(error)) => Err(error),
        }
    }

    fn reject(
        &mut self,
        ComputedRowGroup { row_group, start, .. }: ComputedRowGroup,
        before: u64,
    ) -> Result<()> {
        let Some(rejects) = &mut self.rejects else { return Ok(()) };
        for found in self.journal.bad(start, self.input.rows_in(row_group)) {
            let (first_row, bad) = found?;
            rejects.push(row_group, before + first_row as u64, &bad)?;
        }
        Ok(())
    }
}
