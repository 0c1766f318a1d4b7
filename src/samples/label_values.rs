//! The values of a label column, whatever its type: booleans, whole numbers or strings.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Float16Type, Float32Type, Float64Type, Int64Type, UInt64Type,
};
use arrow::util::display::array_value_to_string;

use crate::error::{Error, Place, Result};
use crate::storage::io_errors;

use super::label_type::{LabelCast, LabelPlace};

/// The value of one row of a label column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LabelValue<'a> {
    /// Null; NaN is what some writers make of it.
    Null,
    Boolean(bool),
    Integer(i64),
    String(&'a str),
    /// A whole number beyond [`Class`](crate::bundle::Class)'s range.
    Huge,
    /// A float that is no whole number, or too large for floats of its type to hold each one.
    Fraction,
    /// Bytes that are no UTF-8.
    Bytes,
}

/// Calls `each` with every value of a label column of any accepted type;
/// dictionaries are expanded first.
pub(super) fn for_each_value(array: &ArrayRef, each: impl FnMut(usize, LabelValue<'_>)) -> Result<()> {
    let cast = |to: &DataType| {
        let unlikely = |error| io_errors::arrow(Place::default(), "cast", error);
        cast(array, to).map_err(unlikely)
    };
    match array.data_type() {
        DataType::Dictionary(_, values) => return for_each_value(&cast(values)?, each),
        DataType::Boolean => each_of(array.as_boolean().iter(), LabelValue::Boolean, each),
        DataType::UInt64 => {
            each_of(array.as_primitive::<UInt64Type>().iter(), |value| whole(i64::try_from(value)), each);
        }
        DataType::Float16 => each_float::<Float16Type>(array, f64::from, 11, each),
        DataType::Float32 => each_float::<Float32Type>(array, f64::from, f32::MANTISSA_DIGITS, each),
        DataType::Float64 => each_float::<Float64Type>(array, f64::from, f64::MANTISSA_DIGITS, each),
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) => {
            let wide = cast(&DataType::Decimal128(38, 0))?;
            let value = |value| whole(i64::try_from(value));
            each_of(wide.as_primitive::<Decimal128Type>().iter(), value, each);
        }
        DataType::Decimal256(..) => {
            let value = |value: arrow::datatypes::i256| {
                whole(value.to_i128().ok_or(()).and_then(|value| i64::try_from(value).map_err(drop)))
            };
            each_of(array.as_primitive::<Decimal256Type>().iter(), value, each);
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let bytes = cast(&DataType::BinaryView)?;
            let value = |value| std::str::from_utf8(value).map_or(LabelValue::Bytes, LabelValue::String);
            each_of(bytes.as_binary_view().iter(), value, each);
        }
        integer if integer.is_integer() => {
            let wide = cast(&DataType::Int64)?;
            each_of(wide.as_primitive::<Int64Type>().iter(), LabelValue::Integer, each);
        }
        _ => {
            let strings = cast(&DataType::Utf8View)?;
            each_of(strings.as_string_view().iter(), LabelValue::String, each);
        }
    }
    Ok(())
}

fn whole<E>(value: std::result::Result<i64, E>) -> LabelValue<'static> {
    value.map_or(LabelValue::Huge, LabelValue::Integer)
}

/// The values of floats with so many bits of mantissa, up to the number below which they hold
/// every whole number.
fn each_float<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    to_f64: fn(T::Native) -> f64,
    mantissa_bits: u32,
    each: impl FnMut(usize, LabelValue<'_>),
) {
    let most = (1_u64 << mantissa_bits) as f64;
    let value = move |value: T::Native| match to_f64(value) {
        missing if missing.is_nan() => LabelValue::Null,
        #[expect(clippy::cast_possible_truncation, reason = "a whole number of at most 53 bits")]
        value if value.fract() == 0.0 && value.abs() <= most => LabelValue::Integer(value as i64),
        _ => LabelValue::Fraction,
    };
    each_of(array.as_primitive::<T>().iter(), value, each);
}

fn each_of<'a, T>(
    values: impl Iterator<Item = Option<T>>,
    value: impl Fn(T) -> LabelValue<'a>,
    mut each: impl FnMut(usize, LabelValue<'a>),
) {
    values.enumerate().for_each(|(row, found)| each(row, found.map_or(LabelValue::Null, &value)));
}

/// The error of a row whose value can be no label; where `may_be_text`, with a cast that makes a text of it.
pub(super) fn unfit(
    labels: &ArrayRef,
    row: usize,
    value: LabelValue<'_>,
    at: &LabelPlace,
    may_be_text: bool,
) -> Error {
    let text = array_value_to_string(labels, row).unwrap_or_else(|_| "a value".to_owned());
    let what = match value {
        LabelValue::Fraction if !may_be_text => {
            format!("holds {text}, which is no class number; choose another column")
        }
        LabelValue::Fraction => format!(
            "holds {text}, which is no class number; choose another column, or make a class of every value: {}",
            at.cast(LabelCast::String)
        ),
        LabelValue::Bytes if !may_be_text => {
            format!("holds bytes that are no text ({text}); choose another column")
        }
        LabelValue::Bytes => format!(
            "holds bytes that are no text ({text}); choose another column, or write them in hexadecimal: {}",
            at.cast(LabelCast::Hexadecimal)
        ),
        _ => format!("holds {text}, which does not fit 64 signed bits; number the classes from 0"),
    };
    Error::bad_data(at.place().clone(), format!("{} {what}", at.row(row)))
}
