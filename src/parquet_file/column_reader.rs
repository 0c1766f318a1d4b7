//! A reader of a single column of a row group.

use std::ops::Range;

use arrow::array::{ArrayRef, new_empty_array};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection};

use crate::error::{Error, Place, Result};
use crate::storage::io_errors;

use super::checked_file::CheckedFile;
use super::decoder_panics::{catch_panics, next_or_panic};
use super::open::Input;

/// Bytes for the first pages of a chunk: a dictionary and a page of the usual size.
const FIRST_BYTES: u64 = 4 << 20;

type ReaderBuilder = ParquetRecordBatchReaderBuilder<CheckedFile>;

/// A projection of one column, read by the Parquet crate's Arrow reader.
pub(crate) struct ColumnReader {
    reader: ParquetRecordBatchReader,
    file: CheckedFile,
    empty: ArrayRef,
    place: Place,
}

impl ColumnReader {
    /// Opens the rows `rows` of a column. Each batch has `batch_rows` rows, except the last.
    pub(crate) fn open(
        input: &Input,
        position: usize,
        name: &str,
        row_group: usize,
        rows: Range<usize>,
        batch_rows: usize,
    ) -> Result<Self> {
        let is_whole = rows.len() == input.rows_in(row_group);
        let first_bytes = if is_whole { u64::MAX } else { FIRST_BYTES };
        Self::build(input, position, name, row_group, first_bytes, |reader| {
            reader.with_offset(rows.start).with_limit(rows.len()).with_batch_size(batch_rows)
        })
    }

    /// Opens several ranges of the rows of a column, ascending, as if they followed each other: the pages
    /// before and between them are passed once.
    pub(crate) fn open_ranges(
        input: &Input,
        position: usize,
        name: &str,
        row_group: usize,
        ranges: &[Range<usize>],
        batch_rows: usize,
    ) -> Result<Self> {
        // Without an index all pages up to the last range are read.
        let first_bytes = input.metadata().offset_index().map_or(u64::MAX, |_| FIRST_BYTES);
        let rows = input.rows_in(row_group);
        Self::build(input, position, name, row_group, first_bytes, |reader| {
            let selection = RowSelection::from_consecutive_ranges(ranges.iter().cloned(), rows);
            reader.with_row_selection(selection).with_batch_size(batch_rows)
        })
    }

    /// Opens a column whose first bytes, of a store's object, are requested at once.
    fn build(
        input: &Input,
        position: usize,
        name: &str,
        row_group: usize,
        first_bytes: u64,
        choose: impl FnOnce(ReaderBuilder) -> ReaderBuilder,
    ) -> Result<Self> {
        let place = input.place().row_group(row_group).column(name);
        let mask = ProjectionMask::roots(input.metadata().file_metadata().schema_descr(), [position]);
        let file = CheckedFile::of_column(input, row_group, position);
        // The clone that is read: each has its own requests in flight.
        let read = file.clone();
        read.will_need(first_bytes);
        read.check_lengths()?;
        let reader = ReaderBuilder::new_with_metadata(read, input.arrow().clone())
            .with_row_groups(vec![row_group])
            .with_projection(mask);
        let reader = catch_panics(|| choose(reader).build())
            .map_err(|error| io_errors::parquet(place.clone(), "read", error))?;
        let empty = new_empty_array(input.schema().field(position).data_type());
        Ok(Self { reader, file, empty, place })
    }

    /// Reads the next batch, which must have `rows` rows.
    pub(crate) fn read(&mut self, rows: usize) -> Result<ArrayRef> {
        let array = match next_or_panic(&mut self.reader).transpose() {
            Ok(Some(batch)) => {
                let column = batch.columns().first().cloned();
                column.ok_or_else(|| Error::Internal("a projection of one column is empty".to_owned()))?
            }
            Ok(None) => self.empty.clone(),
            Err(error) => {
                // Arrow's reader passes on only the text of an error.
                let known = self.file.take_error(&self.place);
                return Err(known.unwrap_or_else(|| io_errors::arrow(self.place.clone(), "read", error)));
            }
        };
        if array.len() == rows {
            Ok(array)
        } else {
            let what =
                format!("holds {} rows where the footer promises {rows}; write the file again", array.len());
            Err(Error::bad_data(self.place.clone(), what))
        }
    }
}
