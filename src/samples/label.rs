//! The index of the bundle's classes: encodes a label column as class numbers.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, UInt64Type};

use crate::bundle::Class;
use crate::error::{Error, Place, Result};
use crate::storage::io_errors;

use super::fate::Fate;

/// The type of a label column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelType {
    /// Booleans.
    Boolean,
    /// Integers of any width, signed or not.
    Integer,
    /// Strings of any layout.
    String,
}

impl LabelType {
    /// The label type of an Arrow type, dictionary-encoded or not, if it is one.
    pub fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Boolean => Some(Self::Boolean),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Self::String),
            DataType::Dictionary(_, values) => Self::of(values),
            integer if integer.is_integer() => Some(Self::Integer),
            _ => None,
        }
    }

    /// As [`Self::of`], for a column that must be a label.
    ///
    /// # Errors
    /// [`Error::BadData`] that names the type and the accepted ones.
    pub fn require(data_type: &DataType, place: Place) -> Result<Self> {
        Self::of(data_type).ok_or_else(|| {
            let advice = if data_type.is_floating() { "; cast class numbers to integers" } else { "" };
            Error::bad_data(
                place,
                format!(
                    "has type {data_type}, which is no label; accepted are integers, strings and booleans, \
                     also dictionary-encoded{advice}"
                ),
            )
        })
    }

    fn of_class(class: &Class) -> Self {
        match class {
            Class::Boolean(_) => Self::Boolean,
            Class::Integer(_) => Self::Integer,
            Class::String(_) => Self::String,
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Self::Boolean => "booleans",
            Self::Integer => "integers",
            Self::String => "strings",
        }
    }
}

/// The value of one row of a label column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LabelValue<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    /// An unsigned integer beyond [`Class`]'s range.
    Huge(u64),
    String(&'a str),
}

/// Calls `each` with every value of a label column of any accepted type;
/// dictionaries are expanded first.
pub(super) fn for_each_value(array: &ArrayRef, each: impl FnMut(usize, LabelValue<'_>)) -> Result<()> {
    let unlikely = |error| io_errors::arrow(Place::default(), "cast", error);
    let to = match array.data_type() {
        DataType::Boolean => DataType::Boolean,
        DataType::UInt64 => DataType::UInt64,
        DataType::Dictionary(_, values) => (**values).clone(),
        integer if integer.is_integer() => DataType::Int64,
        _ => DataType::Utf8View,
    };
    if let DataType::Dictionary(..) = array.data_type() {
        return for_each_value(&cast(array, &to).map_err(unlikely)?, each);
    }
    let plain = cast(array, &to).map_err(unlikely)?;
    match to {
        DataType::Boolean => each_of(plain.as_boolean().iter(), LabelValue::Boolean, each),
        DataType::Int64 => each_of(plain.as_primitive::<Int64Type>().iter(), LabelValue::Integer, each),
        DataType::UInt64 => {
            let value = |value| i64::try_from(value).map_or(LabelValue::Huge(value), LabelValue::Integer);
            each_of(plain.as_primitive::<UInt64Type>().iter(), value, each);
        }
        _ => each_of(plain.as_string_view().iter(), LabelValue::String, each),
    }
    Ok(())
}

fn each_of<'a, T>(
    values: impl Iterator<Item = Option<T>>,
    value: impl Fn(T) -> LabelValue<'a>,
    mut each: impl FnMut(usize, LabelValue<'a>),
) {
    values.enumerate().for_each(|(row, found)| each(row, found.map_or(LabelValue::Null, &value)));
}

/// Class numbers by value. A fast hash, since it is looked up for every row, and safe, since
/// the keys are the bundle's and not an attacker's.
type ClassNumbers<T> = HashMap<T, u32, foldhash::fast::RandomState>;

/// Class indices by label value.
#[derive(Debug, Clone)]
pub struct LabelIndex {
    kind: LabelType,
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
                Class::Integer(value) => index.integers.insert(*value, number),
                Class::String(value) => index.strings.insert(value.clone(), number),
            };
            if before.is_some() {
                return Err(config(format!("hold {class} twice")));
            }
        }
        Ok(index)
    }

    /// Fails where a column of this type can hold none of the classes.
    ///
    /// # Errors
    /// [`Error::BadData`].
    pub fn check(&self, data_type: &DataType, place: Place) -> Result<()> {
        let found = LabelType::require(data_type, place.clone())?;
        if found == self.kind {
            return Ok(());
        }
        let (found, expected) = (found.plural(), self.kind.plural());
        let what =
            format!("holds {found}, the bundle's classes are {expected}; choose the column it was fitted on");
        Err(Error::bad_data(place, what))
    }

    /// Class indices of a batch, and the rows that have none, ascending; their
    /// index is 0.
    ///
    /// # Errors
    /// [`Error::BadData`] where Arrow cannot expand a dictionary.
    pub fn encode(&self, labels: &ArrayRef) -> Result<(Vec<u32>, Vec<(usize, Fate)>)> {
        let mut indices = Vec::with_capacity(labels.len());
        let mut invalid = Vec::new();
        for_each_value(labels, |row, value| {
            let index = match value {
                LabelValue::Boolean(value) => self.booleans[usize::from(value)],
                LabelValue::Integer(value) => self.integers.get(&value).copied(),
                LabelValue::String(value) => self.strings.get(value).copied(),
                LabelValue::Null | LabelValue::Huge(_) => None,
            };
            if index.is_none() {
                let fate = if value == LabelValue::Null { Fate::NullLabel } else { Fate::UnknownLabel };
                invalid.push((row, fate));
            }
            indices.push(index.unwrap_or(0));
        })?;
        Ok((indices, invalid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{BooleanArray, DictionaryArray, Int64Array, StringArray, UInt64Array};
    use arrow::datatypes::Int8Type;
    use std::sync::Arc;

    fn encode(classes: &[Class], labels: ArrayRef) -> (Vec<u32>, Vec<(usize, Fate)>) {
        LabelIndex::new(classes).unwrap().encode(&labels).unwrap()
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
    fn what_cannot_be_a_label_is_refused() {
        let index = LabelIndex::new(&[Class::Integer(1)]).unwrap();
        let error = |t| index.check(&t, Place::file("f")).unwrap_err().to_string();
        assert!(error(DataType::Float64).contains("cast class numbers to integers"));
        assert!(error(DataType::Utf8).contains("holds strings, the bundle's classes are integers"));
        assert!(LabelIndex::new(&[]).is_err());
        assert!(LabelIndex::new(&[Class::Integer(1), Class::Boolean(true)]).is_err());
        assert!(LabelIndex::new(&[Class::Integer(1), Class::Integer(1)]).is_err());
    }
}
