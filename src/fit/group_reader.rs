//! The reader of a group column: rows of one group, such as the frames of a video or the samples of a
//! patient, must not be divided between folds.

use std::hash::BuildHasher;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use crate::error::{Error, Place, Result};
use crate::parquet_file::{ColumnReader, Input};

/// The longest read at once.
const BATCH_ROWS: usize = 1024;

/// Reads the groups of a row group's rows as numbers that are equal where the values are.
pub(super) struct GroupReader {
    reader: ColumnReader,
    place: Place,
    hasher: foldhash::quality::FixedState,
}

impl GroupReader {
    /// Opens a column of any type that has a text form.
    pub(super) fn open(input: &Input, column: &str, row_group: usize) -> Result<Self> {
        let (position, _) = input.column(column)?;
        let rows = 0..input.rows_in(row_group);
        Ok(Self {
            reader: ColumnReader::open(input, position, column, row_group, rows, BATCH_ROWS)?,
            place: input.place().row_group(row_group).column(column),
            hasher: foldhash::quality::FixedState::default(),
        })
    }

    /// The groups of the next rows. Rows without a value are one group.
    pub(super) fn read(&mut self, rows: usize) -> Result<Vec<u64>> {
        let values = self.reader.read(rows)?;
        let text = cast(&values, &DataType::Utf8).map_err(|_| {
            let what = format!(
                "has type {}, which is no group; name a column of numbers or text",
                values.data_type()
            );
            Error::bad_data(self.place.clone(), what)
        })?;
        Ok(text.as_string::<i32>().iter().map(|value| self.hasher.hash_one(value)).collect())
    }
}
