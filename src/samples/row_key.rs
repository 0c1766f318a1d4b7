//! The key of a row: columns whose values say which row it is, however its embeddings are stored.
//! A key is known again by the hash of its values, which does not depend on how a writer stores
//! them: 7 is 7 in a column of bytes and in one of doubles.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal256Type, Float64Type, Int64Type, TimeUnit, UInt64Type, i256,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Place, Result};

/// Nanoseconds of a day.
const DAY_NANOS: i128 = 86_400_000_000_000;

/// The first byte of each value.
mod tag {
    pub(super) const NULL: u8 = 0;
    pub(super) const BOOLEAN: u8 = 1;
    pub(super) const INTEGER: u8 = 2;
    pub(super) const BYTES: u8 = 3;
    pub(super) const FLOAT: u8 = 4;
    pub(super) const DECIMAL: u8 = 5;
    pub(super) const INSTANT: u8 = 6;
    pub(super) const TIME: u8 = 7;
}

/// Checks that a column can be part of a key.
///
/// # Errors
/// [`Error::BadData`] at `place` with the type.
pub fn check_key_type(data_type: &DataType, place: &Place) -> Result<()> {
    if is_key_type(data_type) {
        return Ok(());
    }
    let what = format!(
        "has type {data_type}, which is no part of a key; name columns of numbers, text, booleans, dates or times \
         with fit --key"
    );
    Err(Error::bad_data(place.clone(), what))
}

fn is_key_type(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_key_type(values),
        DataType::Null | DataType::Boolean => true,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            true
        }
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => true,
        DataType::Time32(_) | DataType::Time64(_) | DataType::Duration(_) => true,
        other => other.is_numeric(),
    }
}

/// The hash of each row's key: XXH3 (64 bit) of its values in the order of the columns, each a byte
/// for its kind and then, little-endian:
///
/// | value | byte | then |
/// |---|---|---|
/// | null | 0 | nothing |
/// | boolean | 1 | a byte, 0 or 1 |
/// | integer; float or decimal that is whole; text that spells an integer | 2 | i128 |
/// | other string or binary | 3 | the length as u64, the bytes |
/// | other float; NaN is one value | 4 | f64 |
/// | other decimal | 5 | i256 without trailing zeros, the digits after the point as i8 |
/// | date, which is its midnight, or timestamp | 6 | nanoseconds since 1970 as i128 |
/// | time of day or duration | 7 | nanoseconds as i128 |
///
/// The hash is part of the bundle's format.
///
/// # Errors
/// [`Error::Internal`] where a column is of no such type, or not of `rows` rows.
pub fn key_hashes(columns: &[ArrayRef], rows: usize) -> Result<Vec<u64>> {
    let encoders = columns.iter().map(encoder).collect::<Result<Vec<_>>>()?;
    if columns.iter().any(|column| column.len() != rows) {
        return Err(Error::Internal(format!("a key column is not of {rows} rows")));
    }
    let mut bytes = Vec::new();
    let hash = |row| {
        bytes.clear();
        encoders.iter().for_each(|encode| encode(row, &mut bytes));
        xxh3_64(&bytes)
    };
    Ok((0..rows).map(hash).collect())
}

/// Appends the value of a row.
type Encoder = Box<dyn Fn(usize, &mut Vec<u8>)>;

fn encoder(column: &ArrayRef) -> Result<Encoder> {
    let as_type = |kind: &DataType| cast(column, kind).map_err(|e| Error::Internal(e.to_string()));
    let scaled = |tag: u8, nanos: i128| -> Result<Encoder> {
        let values = as_type(&DataType::Int64)?.as_primitive::<Int64Type>().clone();
        Ok(or_null(values.clone(), move |row, bytes| {
            number(tag, i128::from(values.value(row)) * nanos, bytes)
        }))
    };
    Ok(match column.data_type() {
        DataType::Dictionary(_, values) => encoder(&as_type(values)?)?,
        DataType::Null => Box::new(|_, bytes| bytes.push(tag::NULL)),
        DataType::Boolean => {
            let values = column.as_boolean().clone();
            or_null(values.clone(), move |row, bytes| {
                bytes.extend([tag::BOOLEAN, u8::from(values.value(row))])
            })
        }
        DataType::UInt64 => {
            let values = column.as_primitive::<UInt64Type>().clone();
            or_null(values.clone(), move |row, bytes| {
                number(tag::INTEGER, i128::from(values.value(row)), bytes)
            })
        }
        integer if integer.is_integer() => scaled(tag::INTEGER, 1)?,
        float if float.is_floating() => {
            let values = as_type(&DataType::Float64)?.as_primitive::<Float64Type>().clone();
            or_null(values.clone(), move |row, bytes| real(values.value(row), bytes))
        }
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => {
            let scale = *scale;
            let values = as_type(&DataType::Decimal256(76, scale))?.as_primitive::<Decimal256Type>().clone();
            or_null(values.clone(), move |row, bytes| decimal(values.value(row), scale, bytes))
        }
        DataType::Date32 => {
            let values = column.as_primitive::<Date32Type>().clone();
            or_null(values.clone(), move |row, bytes| {
                number(tag::INSTANT, i128::from(values.value(row)) * DAY_NANOS, bytes);
            })
        }
        DataType::Date64 => {
            let values = column.as_primitive::<Date64Type>().clone();
            or_null(values.clone(), move |row, bytes| {
                number(tag::INSTANT, i128::from(values.value(row)) * 1_000_000, bytes);
            })
        }
        DataType::Timestamp(unit, _) => scaled(tag::INSTANT, nanos(*unit))?,
        DataType::Time32(unit) | DataType::Time64(unit) | DataType::Duration(unit) => {
            scaled(tag::TIME, nanos(*unit))?
        }
        _ => {
            let values = as_type(&DataType::BinaryView).or_else(|_| {
                cast(&as_type(&DataType::Binary)?, &DataType::BinaryView)
                    .map_err(|e| Error::Internal(e.to_string()))
            })?;
            let values = values.as_binary_view().clone();
            or_null(values.clone(), move |row, bytes| {
                let value = values.value(row);
                if let Some(whole) = spelled_integer(value) {
                    return number(tag::INTEGER, whole, bytes);
                }
                bytes.push(tag::BYTES);
                bytes.extend((value.len() as u64).to_le_bytes());
                bytes.extend_from_slice(value);
            })
        }
    })
}

/// The integer that a text spells, with leading zeros or without: a key is often a number in one file and
/// text in another, and the value of a folder (`day=01`) is either.
fn spelled_integer(text: &[u8]) -> Option<i128> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_number = (1..=38).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()
}

/// An encoder of the rows with a value, and of those without.
fn or_null(array: impl Array + 'static, encode: impl Fn(usize, &mut Vec<u8>) + 'static) -> Encoder {
    Box::new(move |row, bytes| if array.is_null(row) { bytes.push(tag::NULL) } else { encode(row, bytes) })
}

fn nanos(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

fn number(tag: u8, value: i128, bytes: &mut Vec<u8>) {
    bytes.push(tag);
    bytes.extend(value.to_le_bytes());
}

fn real(value: f64, bytes: &mut Vec<u8>) {
    /// Beyond, an i128 does not hold all floats, and nobody counts.
    const LARGEST: f64 = 1e30;
    if value.fract() == 0.0 && value.abs() < LARGEST {
        return number(tag::INTEGER, value as i128, bytes);
    }
    bytes.push(tag::FLOAT);
    bytes.extend(if value.is_nan() { f64::NAN } else { value }.to_le_bytes());
}

fn decimal(mut value: i256, mut scale: i8, bytes: &mut Vec<u8>) {
    let ten = i256::from_i128(10);
    while scale > 0 && value.wrapping_rem(ten) == i256::ZERO {
        value = value.wrapping_div(ten);
        scale -= 1;
    }
    while scale < 0
        && let Some(larger) = value.checked_mul(ten)
    {
        value = larger;
        scale += 1;
    }
    match value.to_i128() {
        Some(value) if scale == 0 => number(tag::INTEGER, value, bytes),
        _ => {
            bytes.push(tag::DECIMAL);
            bytes.extend(value.to_le_bytes());
            bytes.extend(scale.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BinaryArray, BooleanArray, Date32Array, DictionaryArray, Float64Array, Int8Array, Int64Array,
        NullArray, StringArray, UInt64Array,
    };
    use arrow::datatypes::{Field, Int32Type};

    use super::*;

    fn of(columns: &[ArrayRef]) -> Vec<u64> {
        key_hashes(columns, columns[0].len()).unwrap()
    }

    /// The hashes of numbers, stored in a type.
    fn as_type(values: &[Option<i64>], kind: &DataType) -> Vec<u64> {
        of(&[cast(&Int64Array::from(values.to_vec()), kind).unwrap()])
    }

    #[test]
    fn numbers_have_one_key_in_every_type() {
        let values = [Some(7), None, Some(0), Some(100)];
        let expected = as_type(&values, &DataType::Int64);
        for kind in [
            DataType::Int8,
            DataType::UInt8,
            DataType::Int32,
            DataType::UInt32,
            DataType::UInt64,
            DataType::Float16,
            DataType::Float32,
            DataType::Float64,
            DataType::Decimal32(9, 2),
            DataType::Decimal64(18, 0),
            DataType::Decimal128(20, 3),
            DataType::Decimal256(40, 0),
            DataType::Dictionary(Box::new(DataType::Int16), Box::new(DataType::Int64)),
        ] {
            assert_eq!(as_type(&values, &kind), expected, "{kind}");
        }
        assert_eq!(of(&[Arc::new(UInt64Array::from(vec![u64::MAX]))]).len(), 1);
        assert_ne!(
            of(&[Arc::new(UInt64Array::from(vec![u64::MAX]))]),
            of(&[Arc::new(Int64Array::from(vec![-1]))])
        );
        let floats =
            of(&[Arc::new(Float64Array::from(vec![-0.0, 0.0, 0.5, -f64::NAN, f64::NAN, f64::INFINITY]))]);
        assert!(floats[0] == floats[1] && floats[1] == expected[2] && floats[3] == floats[4]);
        assert_eq!(floats.iter().collect::<std::collections::HashSet<_>>().len(), 4);
    }

    #[test]
    fn text_is_its_bytes() {
        let text: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some(""), Some("\u{e4}\0")]));
        let expected = of(&[Arc::clone(&text)]);
        for kind in [
            DataType::LargeUtf8,
            DataType::Utf8View,
            DataType::Binary,
            DataType::LargeBinary,
            DataType::BinaryView,
            DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
        ] {
            assert_eq!(of(&[cast(&text, &kind).unwrap()]), expected, "{kind}");
        }
        let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&b"abcd"[..]]));
        assert_eq!(of(&[cast(&bytes, &DataType::FixedSizeBinary(4)).unwrap()]), of(&[bytes]));
        // Text that spells an integer is the integer.
        let spelled: ArrayRef = Arc::new(StringArray::from(vec!["7", "007", "-7", "0", "7.0", "-", "+7"]));
        let (spelled, numbers) =
            (of(&[spelled]), as_type(&[Some(7), Some(7), Some(-7), Some(0)], &DataType::Int8));
        assert_eq!(spelled[..4], numbers);
        assert!(spelled[4..].iter().all(|hash| !numbers.contains(hash)));
    }

    #[test]
    fn instants_have_one_key_in_every_unit() {
        let days: ArrayRef = Arc::new(Date32Array::from(vec![Some(0), Some(19_000), Some(-3), None]));
        let expected = of(&[Arc::clone(&days)]);
        for kind in [
            DataType::Date64,
            DataType::Timestamp(TimeUnit::Second, None),
            DataType::Timestamp(TimeUnit::Millisecond, None),
            DataType::Timestamp(TimeUnit::Nanosecond, None),
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ] {
            assert_eq!(of(&[cast(&days, &kind).unwrap()]), expected, "{kind}");
        }
        assert_ne!(expected[0], as_type(&[Some(0)], &DataType::Int64)[0]);
    }

    #[test]
    fn columns_count_in_their_order() {
        let a: ArrayRef = Arc::new(StringArray::from(vec!["a", "ab", "", "x"]));
        let b: ArrayRef = Arc::new(StringArray::from(vec![Some("bc"), Some("c"), None, Some("")]));
        let hashes = of(&[Arc::clone(&a), Arc::clone(&b)]);
        assert_eq!(hashes.iter().collect::<std::collections::HashSet<_>>().len(), 4);
        assert_ne!(hashes, of(&[Arc::clone(&b), a]));
        let nothing: ArrayRef = Arc::new(NullArray::new(4));
        let null: ArrayRef = Arc::new(BooleanArray::from(vec![None; 4]));
        assert_eq!(of(&[Arc::clone(&b), nothing]), of(&[b, null]));
        let words: DictionaryArray<Int32Type> = vec![Some("a"), None].into_iter().collect();
        assert_eq!(of(&[Arc::new(words)])[1], of(&[Arc::new(Int8Array::from(vec![None]))])[0]);
    }

    /// The hash is a contract: bundles hold it.
    #[test]
    fn the_hash_of_a_key_is_always_the_same() {
        let id: ArrayRef = Arc::new(Int64Array::from(vec![7, -1]));
        let name: ArrayRef = Arc::new(StringArray::from(vec![Some("cat"), None]));
        // By hand: 2, 7 as i128, 3, 3 as u64, "cat"; 2, -1 as i128, 0.
        let by_hand = [
            [&[2_u8][..], &7_i128.to_le_bytes(), &[3], &3_u64.to_le_bytes(), b"cat"].concat(),
            [&[2_u8][..], &(-1_i128).to_le_bytes(), &[0]].concat(),
        ];
        assert_eq!(of(&[id, name]), by_hand.map(|bytes| xxh3_64(&bytes)));
    }

    #[test]
    fn nested_columns_are_no_key() {
        let list = DataType::List(Arc::new(Field::new_list_field(DataType::Int8, true)));
        let error = check_key_type(&list, &Place::file("f").column("k")).unwrap_err().to_string();
        assert!(error.contains("which is no part of a key") && error.contains("column \"k\""), "{error}");
        assert!(check_key_type(&DataType::Utf8View, &Place::file("f")).is_ok());
    }
}
