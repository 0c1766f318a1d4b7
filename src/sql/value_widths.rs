//! The width of values whose type fixes it. DataFusion makes a null of every column's type when it plans a
//! query, and a null list of fixed length takes all of its bytes: a damaged schema would take the memory.

use datafusion::arrow::datatypes::{DataType, Schema};

use crate::error::{Error, Place, Result};

/// A wider value is none that a row has.
const MOST_BYTES: f64 = (256_u32 << 20) as f64;

/// Checks that no column's values have an absurd width.
///
/// # Errors
/// [`Error::BadData`] with the column.
pub(super) fn check_value_widths(schema: &Schema, file: &str) -> Result<()> {
    match schema.fields().iter().find(|field| width_bytes(field.data_type()) > MOST_BYTES) {
        None => Ok(()),
        Some(field) => {
            let kind = field.data_type();
            let megabytes = width_bytes(kind) / 1e6;
            let what = format!(
                "has type {kind}, of which each value takes {megabytes:.0} MB: the file is damaged, write it again"
            );
            Err(Error::bad_data(Place::file(file).column(field.name()), what))
        }
    }
}

/// The bytes that each value of a type takes, without those whose number is not of the type.
fn width_bytes(kind: &DataType) -> f64 {
    match kind {
        DataType::FixedSizeList(field, length) => f64::from(*length) * width_bytes(field.data_type()),
        DataType::FixedSizeBinary(length) => f64::from(*length),
        DataType::Struct(fields) => fields.iter().map(|field| width_bytes(field.data_type())).sum(),
        DataType::Union(fields, _) => fields.iter().map(|(_, field)| width_bytes(field.data_type())).sum(),
        DataType::Dictionary(_, value) => width_bytes(value),
        DataType::RunEndEncoded(_, values) => width_bytes(values.data_type()),
        // An offset, a bit, a struct without fields: so that lists of them are counted as well.
        other => other.primitive_width().unwrap_or(1) as f64,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::datatypes::Field;

    use super::*;

    fn check(kind: DataType) -> Result<()> {
        check_value_widths(
            &Schema::new(vec![Field::new("a", DataType::Int64, false), Field::new("x", kind, true)]),
            "t",
        )
    }

    #[test]
    fn lists_of_fixed_length_are_multiplied_out() {
        let list = |kind, length| DataType::FixedSizeList(Arc::new(Field::new("item", kind, true)), length);
        for kind in [
            list(DataType::Float32, 4096),
            list(list(DataType::Float64, 4096), 1024),
            list(DataType::Utf8, 1 << 20),
            DataType::FixedSizeBinary(1 << 20),
            DataType::List(Arc::new(Field::new("item", DataType::Int8, true))),
        ] {
            check(kind.clone()).unwrap_or_else(|error| panic!("{kind}: {error}"));
        }
        let wide = list(DataType::Float32, 1_476_395_012);
        for kind in [
            wide.clone(),
            list(list(DataType::Int8, 1 << 20), 1 << 20),
            list(DataType::Boolean, i32::MAX),
            DataType::FixedSizeBinary(i32::MAX),
            DataType::Struct(vec![Field::new("x", wide, true)].into()),
        ] {
            let error = check(kind).unwrap_err();
            assert_eq!(error.exit_code(), 65);
            assert!(error.to_string().starts_with("t, column \"x\": has type "), "{error}");
        }
    }
}
