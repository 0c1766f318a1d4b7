//! A counter of the distinct classes of a label column, fed batch by batch.

use std::collections::HashMap;

use arrow::array::ArrayRef;

use crate::bundle::Class;
use crate::error::{Error, Place, Result};
use crate::parquet_file::{ColumnReader, Input};

use super::label::{LabelType, LabelValue, for_each_value};

/// Maximum of distinct labels; a column with more is taken for an identifier.
pub const MAX_CLASSES: usize = 65_536;

/// Counts the rows of each class.
#[derive(Debug, Clone, Default)]
pub struct ClassCounter {
    booleans: [u64; 2],
    integers: HashMap<i64, u64>,
    strings: HashMap<String, u64>,
    nulls: u64,
}

impl ClassCounter {
    /// Counts a batch of labels of the column at `place`.
    ///
    /// # Errors
    /// [`Error::BadData`] where the column holds more than [`MAX_CLASSES`] classes,
    /// or unsigned integers beyond 63 bits.
    pub fn count(&mut self, labels: &ArrayRef, place: &Place) -> Result<()> {
        let mut huge = None;
        for_each_value(labels, |_, value| match value {
            LabelValue::Null => self.nulls += 1,
            LabelValue::Boolean(value) => self.booleans[usize::from(value)] += 1,
            LabelValue::Integer(value) => *self.integers.entry(value).or_default() += 1,
            LabelValue::Huge(value) => huge = Some(value),
            LabelValue::String(value) => match self.strings.get_mut(value) {
                Some(rows) => *rows += 1,
                None => _ = self.strings.insert(value.to_owned(), 1),
            },
        })?;
        if let Some(value) = huge {
            let what = format!("label {value} does not fit 64 signed bits; number the classes from 0");
            return Err(Error::bad_data(place.clone(), what));
        }
        if self.integers.len().max(self.strings.len()) > MAX_CLASSES {
            let what = format!("holds more than {MAX_CLASSES} distinct values; choose a column of classes");
            return Err(Error::bad_data(place.clone(), what));
        }
        Ok(())
    }

    /// Rows whose label is null.
    pub fn nulls(&self) -> u64 {
        self.nulls
    }

    /// The classes in ascending order, each with its rows.
    pub fn finish(self) -> Vec<(Class, u64)> {
        let booleans =
            [false, true].map(Class::Boolean).into_iter().zip(self.booleans).filter(|(_, rows)| *rows > 0);
        let integers = self.integers.into_iter().map(|(value, rows)| (Class::Integer(value), rows));
        let strings = self.strings.into_iter().map(|(value, rows)| (Class::String(value), rows));
        let mut classes: Vec<_> = booleans.chain(integers).chain(strings).collect();
        classes.sort();
        classes
    }
}

/// Labels read at once.
const BATCH_ROWS: usize = 8192;

/// The classes of a file's label column in ascending order, each with its rows.
///
/// # Errors
/// [`Error::BadData`] where the column is missing, is no label, or holds too many
/// classes.
pub fn count_classes(input: &Input, label: &str) -> Result<Vec<(Class, u64)>> {
    let (position, field) = input.column(label)?;
    LabelType::require(field.data_type(), input.place().column(label))?;
    let mut counter = ClassCounter::default();
    for row_group in 0..input.metadata().num_row_groups() {
        let rows = input.rows_in(row_group);
        let place = input.place().row_group(row_group).column(label);
        let mut reader = ColumnReader::open(input, position, label, row_group, 0..rows, BATCH_ROWS)?;
        for start in (0..rows).step_by(BATCH_ROWS) {
            counter.count(&reader.read(BATCH_ROWS.min(rows - start))?, &place)?;
        }
    }
    Ok(counter.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{BooleanArray, Int64Array, StringArray, UInt64Array};
    use std::sync::Arc;

    #[test]
    fn classes_are_counted_in_order() {
        let mut counter = ClassCounter::default();
        let place = Place::file("f").column("y");
        for batch in [vec![Some("b"), None, Some("a")], vec![Some("b")]] {
            counter.count(&(Arc::new(StringArray::from(batch)) as ArrayRef), &place).unwrap();
        }
        assert_eq!(counter.nulls(), 1);
        let string = |s: &str| Class::String(s.to_owned());
        assert_eq!(counter.finish(), vec![(string("a"), 1), (string("b"), 2)]);

        let mut counter = ClassCounter::default();
        counter.count(&(Arc::new(BooleanArray::from(vec![true, true])) as ArrayRef), &place).unwrap();
        assert_eq!(counter.finish(), vec![(Class::Boolean(true), 2)]);
    }

    #[test]
    fn identifiers_are_no_classes() {
        let place = Place::file("f").column("id");
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..=MAX_CLASSES as i64));
        let error = ClassCounter::default().count(&ids, &place).unwrap_err().to_string();
        assert!(error.contains("more than 65536 distinct"), "{error}");
        let huge: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
        assert!(ClassCounter::default().count(&huge, &place).is_err());
    }
}
