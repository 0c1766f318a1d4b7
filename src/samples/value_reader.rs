//! The reader of a column of values that are compared as text or bytes, such as groups and strata: rows of one
//! group, such as the frames of a video or the samples of a patient, must not be divided.

use std::hash::BuildHasher;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use crate::error::{Error, Place, Result};
use crate::parquet_file::{ColumnReader, Input};

/// Reads a column of a row group as the bytes of its values.
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
    pub fn read(&mut self, rows: usize) -> Result<BinaryArray> {
        values_as_bytes(&self.reader.read(rows)?, &self.place)
    }
}

impl std::fmt::Debug for ValueReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ValueReader").field("place", &self.place).finish_non_exhaustive()
    }
}

/// The values of a column as bytes: binary as it is, others as text.
///
/// # Errors
/// [`Error::BadData`] of a type without a text form.
pub fn values_as_bytes(values: &ArrayRef, place: &Place) -> Result<BinaryArray> {
    let unfit = || {
        let what =
            format!("has type {}, which is no group; name a column of numbers or text", values.data_type());
        Error::bad_data(place.clone(), what)
    };
    let bytes = match is_binary(values.data_type()) {
        true => cast(values, &DataType::Binary),
        false => cast(values, &DataType::Utf8).and_then(|text| cast(&text, &DataType::Binary)),
    };
    bytes.map_err(|_| unfit())?.as_binary_opt::<i32>().cloned().ok_or_else(unfit)
}

fn is_binary(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_binary(values),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            true
        }
        _ => false,
    }
}

/// A number that is equal where the values are. All rows without a value have one.
pub fn value_hash(value: Option<&[u8]>) -> u64 {
    let state = foldhash::quality::FixedState::default();
    // A text has the number that it has as a string, also in a column of bytes.
    match value.map(std::str::from_utf8).transpose() {
        Ok(text) => state.hash_one(text),
        Err(_) => state.hash_one(value),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use arrow::array::{BinaryArray, StringArray};

    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_values_of_their_own() {
        let values: Vec<Option<&[u8]>> =
            vec![Some(b"\x80"), Some(b"\x81"), Some(b"\xff\x80"), Some(b"80"), Some(b""), None];
        let binary: ArrayRef = Arc::new(BinaryArray::from(values.clone()));
        let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Binary));
        for kind in [DataType::Binary, DataType::LargeBinary, DataType::BinaryView, dictionary] {
            let read = values_as_bytes(&cast(&binary, &kind).unwrap(), &Place::default()).unwrap();
            assert_eq!(read.iter().collect::<Vec<_>>(), values, "{kind}");
        }
        let hashes: HashSet<u64> = values.iter().map(|value| value_hash(*value)).collect();
        assert_eq!(hashes.len(), values.len());
        let fixed: ArrayRef = Arc::new(BinaryArray::from(vec![&b"\x80a"[..], b"bc"]));
        let fixed = cast(&fixed, &DataType::FixedSizeBinary(2)).unwrap();
        let read = values_as_bytes(&fixed, &Place::default()).unwrap();
        assert_eq!((read.value(0), read.value(1)), (&b"\x80a"[..], &b"bc"[..]));
        // Groups of text are those of earlier versions.
        assert_eq!(value_hash(Some(b"a")), foldhash::quality::FixedState::default().hash_one(Some("a")));
        let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
        assert_eq!(values_as_bytes(&text, &Place::default()).unwrap().value(0), b"a");
    }
}
