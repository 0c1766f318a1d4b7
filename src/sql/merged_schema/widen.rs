//! The type that holds all values of two types.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef, Fields, TimeUnit};

/// The type that holds all values of both. Int64 and Float64 become Float64: a value past 2⁵³ is an
/// error when it is read (see [`crate::sql::schema_adapter`]).
pub(super) fn widen(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::{
        Binary, BinaryView, Date32, Date64, Dictionary, FixedSizeBinary, FixedSizeList, LargeBinary,
        LargeList, LargeUtf8, List, Null, Struct, Timestamp, Utf8, Utf8View,
    };
    if a == b {
        return Some(a.clone());
    }
    if let Some(kind) = widen_numbers(a, b).or_else(|| widen_numbers(b, a)) {
        return Some(kind);
    }
    match (a, b) {
        (Null, other) | (other, Null) => Some(other.clone()),
        (Dictionary(_, value), other) | (other, Dictionary(_, value)) => widen(value, other),
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => Some(Utf8View),
        (
            Binary | LargeBinary | BinaryView | FixedSizeBinary(_),
            Binary | LargeBinary | BinaryView | FixedSizeBinary(_),
        ) => Some(BinaryView),
        (Date32, Date64) | (Date64, Date32) => Some(Date64),
        (Date32 | Date64, Timestamp(unit, None)) | (Timestamp(unit, None), Date32 | Date64) => {
            Some(Timestamp(finer(*unit, TimeUnit::Millisecond), None))
        }
        (Timestamp(one, zone), Timestamp(other, other_zone)) if zone.is_some() == other_zone.is_some() => {
            Some(Timestamp(finer(*one, *other), zone.clone()))
        }
        (FixedSizeList(one, length), FixedSizeList(other, other_length)) if length == other_length => {
            Some(FixedSizeList(widen_field(one, other)?, *length))
        }
        (
            List(one) | LargeList(one) | FixedSizeList(one, _),
            List(other) | LargeList(other) | FixedSizeList(other, _),
        ) => {
            let item = widen_field(one, other)?;
            let is_large = matches!(a, LargeList(_)) || matches!(b, LargeList(_));
            Some(if is_large { LargeList(item) } else { List(item) })
        }
        (Struct(one), Struct(other)) => Some(Struct(widen_fields(one, other)?)),
        _ => None,
    }
}

fn widen_numbers(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::{Decimal128, Decimal256, Float16, Float32, Float64, Int16, Int32, Int64, UInt64};
    if let (Decimal128(p, s) | Decimal256(p, s), Decimal128(q, t) | Decimal256(q, t)) = (a, b) {
        return decimal(digits(*p, *s).max(digits(*q, *t)), (*s).max(*t));
    }
    if let (Decimal128(p, s) | Decimal256(p, s), true) = (a, b.is_integer()) {
        return decimal(digits(*p, *s).max(integer_digits(b)), *s);
    }
    match (a, b) {
        (Float16, Float32) => Some(Float32),
        (Float16 | Float32, Float64) => Some(Float64),
        (Float16 | Float32 | Float64, integer) if integer.is_integer() => Some(Float64),
        (one, other) if one.is_integer() && other.is_integer() => {
            let (bits, other_bits) = (one.primitive_width()?, other.primitive_width()?);
            match (one.is_signed_integer(), other.is_signed_integer()) {
                (true, true) | (false, false) if bits >= other_bits => Some(one.clone()),
                (true, false) if bits > other_bits => Some(one.clone()),
                // The next signed type holds both.
                (true, false) => match other_bits {
                    1 => Some(Int16),
                    2 => Some(Int32),
                    4 => Some(Int64),
                    _ => decimal(integer_digits(&UInt64), 0),
                },
                _ => None,
            }
        }
        _ => None,
    }
}

fn digits(precision: u8, scale: i8) -> i16 {
    i16::from(precision) - i16::from(scale)
}

fn integer_digits(kind: &DataType) -> i16 {
    match kind {
        DataType::Int8 | DataType::UInt8 => 3,
        DataType::Int16 | DataType::UInt16 => 5,
        DataType::Int32 | DataType::UInt32 => 10,
        DataType::Int64 => 19,
        _ => 20,
    }
}

fn decimal(digits: i16, scale: i8) -> Option<DataType> {
    match u8::try_from(digits + i16::from(scale)).ok()? {
        precision @ ..=38 => Some(DataType::Decimal128(precision, scale)),
        precision @ ..=76 => Some(DataType::Decimal256(precision, scale)),
        _ => None,
    }
}

fn finer(one: TimeUnit, other: TimeUnit) -> TimeUnit {
    let rank = |unit| match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 2,
        TimeUnit::Nanosecond => 3,
    };
    if rank(one) >= rank(other) { one } else { other }
}

fn widen_field(one: &FieldRef, other: &FieldRef) -> Option<FieldRef> {
    let kind = widen(one.data_type(), other.data_type())?;
    let nullable = one.is_nullable() || other.is_nullable();
    Some(Arc::new(one.as_ref().clone().with_data_type(kind).with_nullable(nullable)))
}

/// The fields of both, by name.
fn widen_fields(one: &Fields, other: &Fields) -> Option<Fields> {
    let mut fields = Vec::with_capacity(one.len());
    for field in one {
        fields.push(match other.iter().find(|other| other.name() == field.name()) {
            Some(same) => widen_field(field, same)?,
            None => Arc::new(field.as_ref().clone().with_nullable(true)),
        });
    }
    let more = other.iter().filter(|field| one.iter().all(|known| known.name() != field.name()));
    fields.extend(more.map(|field| Arc::new(field.as_ref().clone().with_nullable(true))));
    Some(fields.into())
}

#[cfg(test)]
mod tests {
    use DataType::{
        Boolean, Date32, Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, List, Null, Struct,
        Timestamp, UInt8, UInt32, UInt64, Utf8, Utf8View,
    };

    use datafusion::arrow::datatypes::Field;

    use super::*;

    fn both(a: DataType, b: DataType) -> Option<DataType> {
        let (one, other) = (widen(&a, &b), widen(&b, &a));
        assert_eq!(one, other, "{a} {b}");
        one
    }

    #[test]
    fn types_are_widened_where_nothing_is_lost() {
        assert_eq!(both(Int32, Int64), Some(Int64));
        assert_eq!(both(Int8, Int8), Some(Int8));
        assert_eq!(both(UInt8, Int8), Some(Int16));
        assert_eq!(both(UInt32, Int8), Some(Int64));
        assert_eq!(both(UInt8, Int32), Some(Int32));
        assert_eq!(both(UInt64, Int64), Some(Decimal128(20, 0)));
        assert_eq!(both(Int64, Float32), Some(Float64));
        assert_eq!(both(Float32, Float64), Some(Float64));
        assert_eq!(both(Decimal128(5, 2), Int32), Some(Decimal128(12, 2)));
        assert_eq!(both(Decimal128(10, 1), Decimal128(10, 4)), Some(Decimal128(13, 4)));
        let us = Timestamp(TimeUnit::Microsecond, None);
        assert_eq!(both(Date32, us.clone()), Some(us.clone()));
        assert_eq!(both(Timestamp(TimeUnit::Second, None), us.clone()), Some(us));
        assert_eq!(both(Null, Utf8), Some(Utf8));
        let dictionary = DataType::Dictionary(Box::new(Int32), Box::new(Utf8));
        assert_eq!(both(dictionary.clone(), Utf8View), Some(Utf8View));
        let list = |kind| List(Arc::new(Field::new("item", kind, true)));
        assert_eq!(both(list(Int32), list(Float64)), Some(list(Float64)));
        for (a, b) in [(Int64, Utf8), (Boolean, Int32), (Float64, Decimal128(5, 2)), (Date32, Int32)] {
            assert_eq!(both(a, b), None);
        }
    }

    #[test]
    fn structs_have_the_fields_of_both() {
        let of = |fields: &[(&str, DataType)]| {
            let fields: Vec<Field> =
                fields.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect();
            Struct(fields.into())
        };
        assert_eq!(
            widen(&of(&[("a", Int32)]), &of(&[("b", Utf8), ("a", Int64)])),
            Some(of(&[("a", Int64), ("b", Utf8)]))
        );
    }
}
