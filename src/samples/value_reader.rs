//! The reader of a column of values that are compared as text, such as groups and strata: rows of one
//! group, such as the frames of a video or the samples of a patient, must not be divided.

use std::hash::BuildHasher;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use crate::error::{Error, Place, Result};
use crate::parquet_file::{ColumnReader, Input};

/// Reads a column of a row group as text.
pub struct ValueReader {
    reader: ColumnReader,
    place: Place,
}

impl ValueReader {
    /// The number of rows of each read, except the last.
    pub const BATCH_ROWS: usize = 1024;

    /// Opens a column of any type that has a text form.
    ///
    /// # Errors
    /// [`Error::BadData`] without such a column; those of reading.
    pub fn open(input: &Input, column: &str, row_group: usize) -> Result<Self> {
        let (position, _) = input.column(column)?;
        let rows = 0..input.rows_in(row_group);
        Ok(Self {
            reader: ColumnReader::open(input, position, column, row_group, rows, Self::BATCH_ROWS)?,
            place: input.place().row_group(row_group).column(column),
        })
    }

    /// The values of the next rows.
    ///
    /// # Errors
    /// [`Error::BadData`] of a type without a text form; those of reading.
    pub fn read(&mut self, rows: usize) -> Result<StringArray> {
        values_as_text(&self.reader.read(rows)?, &self.place)
    }
}

impl std::fmt::Debug for ValueReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ValueReader").field("place", &self.place).finish_non_exhaustive()
    }
}

/// The values of a column as text.
///
/// # Errors
/// [`Error::BadData`] of a type without a text form.
pub fn values_as_text(values: &ArrayRef, place: &Place) -> Result<StringArray> {
    let unfit = || {
        let what =
            format!("has type {}, which is no group; name a column of numbers or text", values.data_type());
        Error::bad_data(place.clone(), what)
    };
    let text = cast(values, &DataType::Utf8).map_err(|_| unfit())?;
    text.as_string_opt::<i32>().cloned().ok_or_else(unfit)
}

/// A number that is equal where the values are. All rows without a value have one.
pub fn value_hash(value: Option<&str>) -> u64 {
    foldhash::quality::FixedState::default().hash_one(value)
}
