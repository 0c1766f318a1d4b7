//! The splice thread: copies the old columns of a row group into the output while its new
//! columns are still computed, and encodes those as the journal grows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use arrow::array::{ArrayRef, Float32Array};
use arrow::buffer::NullBuffer;
use parquet::file::metadata::KeyValue;

use crate::bundle::Class;
use crate::error::{Error, Result};
use crate::evaluate::output_array;
use crate::interaction::Quantity;
use crate::output::Writer;
use crate::parquet_file::Input;

use super::batch::Batch;
use super::journal::Reader;
use super::progress::{Progress, Stage};
use super::rejects::Rejects;

/// Writes row group after row group, and the rows without values in them.
pub(super) struct SpliceThread<'a> {
    pub(super) input: &'a Input,
    pub(super) columns: &'a [Quantity],
    /// The classes of the label.
    pub(super) classes: &'a [Class],
    /// The shift of all rows, in nats.
    pub(super) shift_nats: f64,
    pub(super) journal: Reader,
    pub(super) writer: Writer,
    pub(super) rejects: Option<Rejects>,
    pub(super) progress: &'a dyn Progress,
}

impl SpliceThread<'_> {
    /// Writes all row groups; ends early after the journal ends or `stop` is set.
    pub(super) fn run(mut self, stop: &AtomicBool) -> Result<Self> {
        let mut before = 0;
        for row_group in 0..self.input.metadata().num_row_groups() {
            let rows = self.input.rows_in(row_group);
            let _span = tracing::info_span!("row_group", row_group, rows).entered();
            // The computation has failed, and reports why.
            if !self.row_group(row_group, before)? {
                return Ok(self);
            }
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
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

    /// Copies the old columns of a row group and adds the new ones as they are computed; `before` is the
    /// number of rows of the file before it. False where the journal ends within the row group.
    fn row_group(&mut self, row_group: usize, before: u64) -> Result<bool> {
        let Self { input, columns, classes, shift_nats, journal, writer, rejects, progress } = self;
        let (start, waited_before) = (Instant::now(), journal.waited());
        let mut left = input.rows_in(row_group);
        let mut is_ended = false;
        let written = writer.row_group(row_group, |new| {
            while left > 0 {
                let Some(batch) = journal.next()? else {
                    is_ended = true;
                    return Err(Error::Internal("the journal ends within a row group".to_owned()));
                };
                let fits = batch.row_group == row_group && batch.rows <= left;
                left = left.checked_sub(batch.rows).filter(|_| fits).ok_or_else(|| {
                    Error::Internal(format!("the journal has a batch of row group {}", batch.row_group))
                })?;
                if let Some(rejects) = rejects {
                    rejects.push(row_group, before + batch.first_row as u64, &batch.bad)?;
                }
                new.append(&arrays(batch, columns, classes, *shift_nats))?;
            }
            Ok(())
        });
        progress.spent(Stage::Write, start.elapsed().saturating_sub(journal.waited() - waited_before));
        progress.read(input.stored_bytes_in(row_group));
        match written {
            Err(_) if is_ended => Ok(false),
            written => written.map(|()| true),
        }
    }
}

/// The computed columns of a batch as those of the output: shifted, and null in bad rows.
fn arrays(batch: Batch, columns: &[Quantity], classes: &[Class], shift_nats: f64) -> Vec<ArrayRef> {
    let Batch { rows, columns: values, bad, .. } = batch;
    let valid = (!bad.is_empty()).then(|| {
        let mut valid = vec![true; rows];
        for row in bad {
            if let Some(valid) = valid.get_mut(row.row as usize) {
                *valid = false;
            }
        }
        NullBuffer::from(valid)
    });
    let array = |(column, mut values): (&Quantity, Vec<f32>)| {
        let shift = column.shifted_by(shift_nats);
        if shift != 0.0 {
            values.iter_mut().for_each(|value| *value = (f64::from(*value) + shift) as f32);
        }
        output_array(*column, Float32Array::new(values.into(), valid.clone()), classes)
    };
    columns.iter().zip(values).map(array).collect()
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::Float32Type;

    use crate::annotate::batch::BadRow;
    use crate::samples::Fate;

    use super::*;

    #[test]
    fn values_are_shifted_and_bad_rows_null() {
        let bad = [0, 2].map(|row| BadRow { row, fate: Fate::NullLabel, label: None }).to_vec();
        let columns = vec![vec![0.0, 1.0, 2.0, 3.0]; 2];
        let batch = Batch { rows: 4, columns, bad, ..Batch::default() };
        let shown =
            |array: &ArrayRef| -> Vec<Option<f32>> { array.as_primitive::<Float32Type>().iter().collect() };
        let found: Vec<_> =
            arrays(batch, &[Quantity::R, Quantity::U(0)], &[], 0.5).iter().map(shown).collect();
        assert_eq!(found, [[None, Some(1.5), None, Some(3.5)], [None, Some(0.5), None, Some(2.5)]]);
    }
}
