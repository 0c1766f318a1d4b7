//! A counter of the distinct classes of a label column, fed batch by batch.

use std::collections::HashMap;

use arrow::array::ArrayRef;

use crate::bundle::Class;
use crate::error::{Error, Result};
use crate::parquet_file::{ColumnReader, Input};

use super::label_type::{LabelPlace, LabelType};
use super::label_values::{LabelValue, for_each_value, unfit};

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
    /// Counts a batch of labels.
    ///
    /// # Errors
    /// [`Error::BadData`] where the column holds more than [`MAX_CLASSES`] classes; that names the
    /// first row whose value can be no label: an integer beyond 64 signed bits, a fraction among
    /// floats, binary that is no UTF-8.
    pub fn count(&mut self, labels: &ArrayRef, at: &LabelPlace) -> Result<()> {
        let mut refused = None;
        for_each_value(labels, |row, value| match value {
            LabelValue::Null => self.nulls += 1,
            LabelValue::Boolean(value) => self.booleans[usize::from(value)] += 1,
            LabelValue::Integer(value) => *self.integers.entry(value).or_default() += 1,
            LabelValue::Huge | LabelValue::Fraction | LabelValue::Bytes => {
                refused = refused.take().or_else(|| Some(unfit(labels, row, value, at, true)));
            }
            LabelValue::String(value) => match self.strings.get_mut(value) {
                Some(rows) => *rows += 1,
                None => _ = self.strings.insert(value.to_owned(), 1),
            },
        })?;
        if let Some(error) = refused {
            return Err(error);
        }
        if self.integers.len().max(self.strings.len()) > MAX_CLASSES {
            let what = format!(
                "holds more than {MAX_CLASSES} distinct values: it looks like an identifier; choose the label with --label"
            );
            return Err(Error::bad_data(at.place().clone(), what));
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

/// Examples of classes in a message.
const EXAMPLES: usize = 5;

/// The first few of some classes or labels as text. Blanks at an end are made visible by quotes.
pub fn class_examples<T: std::fmt::Display>(classes: impl IntoIterator<Item = T>) -> String {
    let mut classes = classes.into_iter();
    let mut text: Vec<String> =
        classes.by_ref().take(EXAMPLES).map(|class| visible(&class.to_string())).collect();
    text.extend(classes.next().map(|_| "…".to_owned()));
    text.join(", ")
}

fn visible(text: &str) -> String {
    const CHARACTERS: usize = 40;
    match text.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)).replace('\n', "\\n"),
        // In a list, such a label would pass for several, or for a line of its own.
        None if text.is_empty() || text.trim() != text || text.contains([',', '\n']) => format!("{text:?}"),
        None => text.to_owned(),
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
    LabelType::require(field.data_type(), &LabelPlace::Rows(input.place().column(label), 0))?;
    let mut counter = ClassCounter::default();
    for row_group in 0..input.metadata().num_row_groups() {
        let rows = input.rows_in(row_group);
        let place = input.place().row_group(row_group).column(label);
        let mut reader = ColumnReader::open(input, position, label, row_group, 0..rows, BATCH_ROWS)?;
        for start in (0..rows).step_by(BATCH_ROWS) {
            let labels = reader.read(BATCH_ROWS.min(rows - start))?;
            counter.count(&labels, &LabelPlace::Rows(place.clone(), start))?;
        }
    }
    Ok(counter.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Place;
    use arrow::array::{BooleanArray, Float32Array, Int64Array, StringArray, UInt64Array};
    use std::sync::Arc;

    #[test]
    fn classes_are_counted_in_order() {
        let mut counter = ClassCounter::default();
        let place = LabelPlace::Rows(Place::file("f").column("y"), 0);
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
    fn a_few_classes_stand_for_all() {
        assert_eq!(class_examples(0..6), "0, 1, 2, 3, 4, …");
        assert_eq!(class_examples(0..5), "0, 1, 2, 3, 4");
        assert_eq!(class_examples(["", "a ", "b c"]), "\"\", \"a \", b c");
        assert_eq!(class_examples(["é".repeat(41)]), format!("{}…", "é".repeat(40)));
    }

    #[test]
    fn identifiers_are_no_classes() {
        let place = LabelPlace::Rows(Place::file("f").column("id"), 8192);
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..=MAX_CLASSES as i64));
        let error = ClassCounter::default().count(&ids, &place).unwrap_err().to_string();
        assert!(error.contains("more than 65536 distinct"), "{error}");
        let huge: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
        let error = ClassCounter::default().count(&huge, &place).unwrap_err().to_string();
        assert!(error.contains("row 8192 holds 18446744073709551615, which does not fit"), "{error}");
    }

    #[test]
    fn whole_floats_are_counted_as_integers() {
        let place = LabelPlace::Rows(Place::file("f").column("y"), 8192);
        let mut counter = ClassCounter::default();
        let labels: ArrayRef =
            Arc::new(Float32Array::from(vec![Some(1.0), None, Some(-2.0), Some(f32::NAN)]));
        counter.count(&labels, &place).unwrap();
        assert_eq!(counter.nulls(), 2);
        assert_eq!(counter.finish(), vec![(Class::Integer(-2), 1), (Class::Integer(1), 1)]);
        let labels: ArrayRef = Arc::new(Float32Array::from(vec![1.0, 1.5]));
        let error = ClassCounter::default().count(&labels, &place).unwrap_err().to_string();
        assert!(error.contains("row 8193 holds 1.5, which is no class number"), "{error}");
    }
}
