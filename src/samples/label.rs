//! The index of the bundle's classes: encodes a label column as class numbers.

use std::collections::HashMap;
use std::sync::Once;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;

use crate::bundle::Class;
use crate::error::{Error, Place, Result};

use super::classes::class_examples;
use super::fate::Fate;
use super::label_type::{LabelPlace, LabelType, cast_of};
use super::label_values::{LabelValue, for_each_value, unfit};

/// Class numbers by value. A fast hash, since it is looked up for every row, and safe, since
/// the keys are the bundle's and not an attacker's.
type ClassNumbers<T> = HashMap<T, u32, foldhash::fast::RandomState>;

/// Class indices by label value. Integers and the strings of their digits are the same label: writers of CSV
/// and JSON make one of the other.
#[derive(Debug, Clone)]
pub struct LabelIndex {
    kind: LabelType,
    examples: String,
    booleans: [Option<u32>; 2],
    integers: ClassNumbers<i64>,
    strings: ClassNumbers<String>,
}

impl LabelIndex {
    /// The index of a bundle's classes, all of one kind.
    ///
    /// # Errors
    /// [`Error::Config`] where there are none, or of several kinds, or twice the same.
    pub fn new(classes: &[Class]) -> Result<Self> {
        let config = |what: String| Error::Config(format!("the bundle's classes {what}"));
        let kind = classes.first().map(LabelType::of_class).ok_or_else(|| config("are none".to_owned()))?;
        let mut index = Self {
            kind,
            examples: class_examples(classes),
            booleans: [None; 2],
            integers: ClassNumbers::default(),
            strings: ClassNumbers::default(),
        };
        for (class, number) in classes.iter().zip(0_u32..) {
            let before = match class {
                _ if LabelType::of_class(class) != kind => {
                    return Err(config(format!("are not all {}: {class:?}", kind.plural())));
                }
                Class::Boolean(false) => index.booleans[0].replace(number),
                Class::Boolean(true) => index.booleans[1].replace(number),
                Class::Integer(value) => {
                    index.strings.insert(value.to_string(), number);
                    index.integers.insert(*value, number)
                }
                Class::String(value) => {
                    if let Some(value) = integer_of(value) {
                        index.integers.insert(value, number);
                    }
                    index.strings.insert(value.clone(), number)
                }
            };
            if before.is_some() {
                return Err(config(format!("hold {class} twice")));
            }
        }
        Ok(index)
    }

    /// The type of the classes.
    pub fn kind(&self) -> LabelType {
        self.kind
    }

    /// The first few classes, for messages.
    pub fn examples(&self) -> &str {
        &self.examples
    }

    /// Fails where a column of this type is none of the classes' type.
    ///
    /// # Errors
    /// [`Error::BadData`].
    pub fn check(&self, data_type: &DataType, at: &LabelPlace) -> Result<()> {
        let found = self.require(data_type, at)?;
        if found == self.kind {
            return Ok(());
        }
        let is_cast = match (found, self.kind) {
            // The text of such a number has a fraction, which no class has.
            (LabelType::Integer, LabelType::String) => !data_type.is_floating() && !self.integers.is_empty(),
            (LabelType::Boolean, LabelType::String) => self.strings.contains_key("true"),
            // True would be 1, which may be any class, and each number but 0 would be true.
            (LabelType::Boolean, _) => self.integers.keys().all(|class| matches!(class, 0 | 1)),
            (LabelType::Integer, LabelType::Boolean) => false,
            _ => true,
        };
        Err(self.of_other_type(found, data_type, is_cast, at))
    }

    /// The type of a column's labels.
    ///
    /// # Errors
    /// [`Error::BadData`] where it is none, with a cast to the type of the classes, if there is one.
    fn require(&self, data_type: &DataType, at: &LabelPlace) -> Result<LabelType> {
        let is_of_classes = |cast| cast == self.kind.cast() || self.kind == LabelType::String;
        match LabelType::of(data_type) {
            Some(found) => Ok(found),
            None if cast_of(data_type).is_some_and(is_of_classes) => LabelType::require(data_type, at),
            None => {
                let what = format!(
                    "has type {data_type}, which is no label, and the bundle's classes are {}; choose the column it \
                     was fitted on",
                    self.kind.plural()
                );
                Err(Error::bad_data(at.place().clone(), what))
            }
        }
    }

    fn of_other_type(&self, found: LabelType, data_type: &DataType, is_cast: bool, at: &LabelPlace) -> Error {
        let holds = if data_type.is_floating() { "floating-point numbers" } else { found.plural() };
        let cast =
            if is_cast { format!(", or cast it: {}", at.cast(self.kind.cast())) } else { String::new() };
        let what = format!(
            "holds {holds}, the bundle's classes are {} ({}); choose the column it was fitted on{cast}",
            self.kind.plural(),
            self.examples
        );
        Error::bad_data(at.place().clone(), what)
    }

    /// As [`Self::check`], but takes strings for integers and integers for strings, where a class can be
    /// written as both: of a few rows, [`Self::check_known`] says whether they are.
    ///
    /// # Errors
    /// [`Error::BadData`].
    pub(super) fn check_readable(&self, data_type: &DataType, at: &LabelPlace) -> Result<()> {
        let found = self.require(data_type, at)?;
        let is_number = match (found, self.kind) {
            (LabelType::String, LabelType::Integer) => true,
            (LabelType::Integer, LabelType::String) => !self.integers.is_empty(),
            _ => false,
        };
        if is_number { Ok(()) } else { self.check(data_type, at) }
    }

    /// Fails where rows have labels of another type than the classes' and none is a class: the column is then
    /// the wrong one, and not some of its rows bad. Says where labels of another type are read as classes.
    ///
    /// # Errors
    /// [`Error::BadData`].
    pub(super) fn check_known(&self, labels: &ArrayRef, at: &LabelPlace) -> Result<()> {
        let data_type = labels.data_type();
        let found = self.require(data_type, at)?;
        if found == self.kind {
            return Ok(());
        }
        let (_, invalid) = self.encode(labels, at)?;
        let unknown = invalid.iter().filter(|(_, fate)| *fate == Fate::UnknownLabel).count();
        if unknown > 0 && invalid.len() == labels.len() {
            // No cast makes a class of what is written otherwise.
            return Err(self.of_other_type(found, data_type, false, at));
        }
        self.log_type(data_type, at.place());
        Ok(())
    }

    /// Logs that labels of this type, where it is another than the classes', are read as classes.
    pub(super) fn log_type(&self, data_type: &DataType, place: &Place) {
        static SAID: Once = Once::new();
        let Some(found) = LabelType::of(data_type).filter(|found| *found != self.kind) else { return };
        SAID.call_once(|| {
            tracing::info!(
                "{place}: {} are read as the bundle's classes, which are {}{}",
                found.plural(),
                self.kind.plural(),
                self.example()
            );
        });
    }

    /// The first class that is written both as a number and as a string, as both.
    fn example(&self) -> String {
        let first = self.integers.iter().min_by_key(|(_, number)| **number).map(|(value, _)| value);
        match (first, self.kind) {
            (Some(value), LabelType::String) => format!(": {value} is '{value}'"),
            (Some(value), _) => format!(": '{value}' is {value}"),
            (None, _) => String::new(),
        }
    }

    /// Class indices of a batch, and the rows that have none, ascending; their
    /// index is 0.
    ///
    /// # Errors
    /// [`Error::BadData`] that names the first row whose value can be no label: a fraction among
    /// floats, binary that is no UTF-8.
    pub fn encode(&self, labels: &ArrayRef, at: &LabelPlace) -> Result<(Vec<u32>, Vec<(usize, Fate)>)> {
        let mut indices = Vec::with_capacity(labels.len());
        let mut invalid = Vec::new();
        let mut refused = None;
        for_each_value(labels, |row, value| {
            let index = match value {
                LabelValue::Boolean(value) => self.booleans[usize::from(value)],
                LabelValue::Integer(value) => self.integers.get(&value).copied(),
                LabelValue::String(value) => self.strings.get(value).copied(),
                LabelValue::Null | LabelValue::Huge => None,
                LabelValue::Fraction | LabelValue::Bytes => {
                    refused = refused
                        .take()
                        .or_else(|| Some(unfit(labels, row, value, at, self.kind == LabelType::String)));
                    None
                }
            };
            if index.is_none() {
                let fate = if value == LabelValue::Null { Fate::NullLabel } else { Fate::UnknownLabel };
                invalid.push((row, fate));
            }
            indices.push(index.unwrap_or(0));
        })?;
        refused.map_or(Ok((indices, invalid)), Err)
    }
}

/// The integer that a string is, where it is written as programs write integers.
fn integer_of(text: &str) -> Option<i64> {
    text.parse().ok().filter(|value: &i64| value.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{
        BinaryArray, BooleanArray, DictionaryArray, Float64Array, Int64Array, StringArray, UInt64Array,
    };
    use arrow::compute::cast;
    use arrow::datatypes::Int8Type;
    use std::sync::Arc;

    fn at() -> LabelPlace {
        LabelPlace::Rows(Place::file("f").column("y"), 100)
    }

    fn encode(classes: &[Class], labels: ArrayRef) -> (Vec<u32>, Vec<(usize, Fate)>) {
        LabelIndex::new(classes).unwrap().encode(&labels, &at()).unwrap()
    }

    #[test]
    fn integers_of_every_width() {
        let classes = [7, 0, 3].map(Class::Integer);
        let labels: ArrayRef = Arc::new(Int64Array::from(vec![Some(3), None, Some(7), Some(9), Some(0)]));
        let expected = (vec![2, 0, 0, 0, 1], vec![(1, Fate::NullLabel), (3, Fate::UnknownLabel)]);
        use DataType::{Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64};
        for width in [Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64] {
            assert_eq!(encode(&classes, cast(&labels, &width).unwrap()), expected, "{width}");
            let dictionary = DataType::Dictionary(Box::new(DataType::UInt8), Box::new(width));
            assert_eq!(encode(&classes, cast(&labels, &dictionary).unwrap()), expected, "{dictionary}");
        }
        let huge: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX, 7]));
        assert_eq!(encode(&[Class::Integer(-1), Class::Integer(7)], huge).1, vec![(0, Fate::UnknownLabel)]);
    }

    #[test]
    fn whole_floats_and_decimals_are_integers() {
        let classes = [7, 0, 3].map(Class::Integer);
        let labels: ArrayRef = Arc::new(Int64Array::from(vec![Some(3), None, Some(7), Some(9), Some(0)]));
        let expected = (vec![2, 0, 0, 0, 1], vec![(1, Fate::NullLabel), (3, Fate::UnknownLabel)]);
        use DataType::{Decimal32, Decimal64, Decimal128, Decimal256, Float16, Float32, Float64};
        let decimals = [Decimal32(9, 0), Decimal64(18, 0), Decimal128(38, 0), Decimal256(76, 0)];
        for to in [Float16, Float32, Float64].iter().chain(&decimals) {
            assert_eq!(encode(&classes, cast(&labels, to).unwrap()), expected, "{to}");
        }
        let odd: ArrayRef = Arc::new(Float64Array::from(vec![-0.0, f64::NAN, 7.0, -7.0]));
        let expected = (vec![1, 0, 0, 0], vec![(1, Fate::NullLabel), (3, Fate::UnknownLabel)]);
        assert_eq!(encode(&classes, odd), expected);
        let huge: ArrayRef = Arc::new(StringArray::from(vec!["9223372036854775808", "7"]));
        for to in [Decimal128(38, 0), Decimal256(76, 0)] {
            let huge = cast(&huge, &to).unwrap();
            assert_eq!(encode(&classes, huge), (vec![0, 0], vec![(0, Fate::UnknownLabel)]), "{to}");
        }
    }

    #[test]
    fn a_row_that_can_be_no_label_is_named() {
        let index = LabelIndex::new(&[Class::Integer(1)]).unwrap();
        for (value, text) in [(0.5, "0.5"), (f64::INFINITY, "inf"), (2_f64.powi(60), "e18")] {
            let labels: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 1.0, value, 0.25]));
            let error = index.encode(&labels, &at()).unwrap_err().to_string();
            assert!(error.starts_with("f, column \"y\": row 102 holds "), "{error}");
            assert!(
                error.contains(text) && error.ends_with("no class number; choose another column"),
                "{error}"
            );
            let words = LabelIndex::new(&[Class::String("a".to_owned())]).unwrap();
            let error = words.encode(&labels, &at()).unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("CAST(y AS VARCHAR)"), "{error}");
        }
        let index = LabelIndex::new(&[Class::String("é".to_owned())]).unwrap();
        let labels: ArrayRef = Arc::new(BinaryArray::from(vec!["é".as_bytes(), b"e"]));
        assert_eq!(index.encode(&labels, &at()).unwrap(), (vec![0, 0], vec![(1, Fate::UnknownLabel)]));
        let labels: ArrayRef = Arc::new(BinaryArray::from(vec!["é".as_bytes(), b"\xe9"]));
        let error = index.encode(&labels, &at()).unwrap_err().to_string();
        assert!(error.contains("row 101 holds bytes that are no text (e9)"), "{error}");
        let error = index.encode(&labels, &LabelPlace::Query(Place::file("lsmi"))).unwrap_err().to_string();
        assert!(error.contains("lsmi: a row holds bytes"), "{error}");
    }

    #[test]
    fn strings_and_booleans() {
        let classes = ["b", "a"].map(|s| Class::String(s.to_owned()));
        let labels: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("b"), None, Some("A")]));
        let expected = (vec![1, 0, 0, 0], vec![(2, Fate::NullLabel), (3, Fate::UnknownLabel)]);
        for layout in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View] {
            assert_eq!(encode(&classes, cast(&labels, &layout).unwrap()), expected);
        }
        let dictionary: DictionaryArray<Int8Type> =
            vec![Some("a"), Some("b"), None, Some("A")].into_iter().collect();
        assert_eq!(encode(&classes, Arc::new(dictionary)), expected);

        let booleans: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]));
        let only_true = encode(&[Class::Boolean(true)], booleans);
        assert_eq!(only_true, (vec![0, 0, 0], vec![(1, Fate::UnknownLabel), (2, Fate::NullLabel)]));
    }

    #[test]
    fn digits_are_the_integers_that_they_write() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["7", "-3", "07", "+7", "cat", "7.0"]));
        let unknown = |rows: &[usize]| rows.iter().map(|row| (*row, Fate::UnknownLabel)).collect::<Vec<_>>();
        let integers = [Class::Integer(7), Class::Integer(-3)];
        let (indices, invalid) = encode(&integers, Arc::clone(&texts));
        assert_eq!((indices, invalid), (vec![0, 1, 0, 0, 0, 0], unknown(&[2, 3, 4, 5])));
        let strings = ["07", "cat", "7"].map(|text| Class::String(text.to_owned()));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![7, 0]));
        assert_eq!(encode(&strings, Arc::clone(&numbers)), (vec![2, 0], unknown(&[1])));

        let index = LabelIndex::new(&integers).unwrap();
        assert!(index.check_readable(&DataType::Utf8, &at()).is_ok());
        assert!(index.check_readable(&DataType::Boolean, &at()).is_err());
        assert!(index.check_known(&texts, &at()).is_ok());
        let error = index.check_known(&texts.slice(2, 4), &at()).unwrap_err().to_string();
        assert!(error.contains("holds strings, the bundle's classes are integers ("), "{error}");
        assert!(error.ends_with("choose the column it was fitted on"), "{error}");
        let words = LabelIndex::new(&[Class::String("cat".to_owned())]).unwrap();
        assert!(words.check_readable(&DataType::Int8, &at()).is_err());
        assert!(words.check_known(&texts.slice(0, 2), &at()).is_ok());
    }

    #[test]
    fn what_cannot_be_a_label_is_refused() {
        let index = LabelIndex::new(&[Class::Integer(1)]).unwrap();
        let error = |t| index.check(&t, &at()).unwrap_err().to_string();
        assert!(error(DataType::Date32).contains("has type Date32, which is no label"));
        let strings = error(DataType::Utf8);
        assert!(strings.contains("holds strings, the bundle's classes are integers"), "{strings}");
        assert!(strings.contains("CAST(y AS BIGINT)"), "{strings}");
        assert!(!error(DataType::Date32).contains("CAST("));
        assert!(error(DataType::Decimal128(9, 2)).contains("CAST(y AS BIGINT)"));
        assert!(
            error(DataType::Boolean).contains("holds booleans") && error(DataType::Boolean).contains("CAST(")
        );
        let digits = LabelIndex::new(&[0, 1, 2].map(Class::Integer)).unwrap();
        let error = digits.check(&DataType::Boolean, &at()).unwrap_err().to_string();
        assert!(error.contains("holds booleans") && !error.contains("CAST("), "{error}");
        assert!(index.check(&DataType::Float64, &at()).is_ok());
        assert!(LabelIndex::new(&[]).is_err());
        assert!(LabelIndex::new(&[Class::Integer(1), Class::Boolean(true)]).is_err());
        assert!(LabelIndex::new(&[Class::Integer(1), Class::Integer(1)]).is_err());
    }
}
