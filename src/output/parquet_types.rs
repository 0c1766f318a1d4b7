//! The Arrow types that Parquet holds, found by writing a row of each column: of some types the
//! Parquet crate's writer returns an error only when it gets values, and at some it panics.

use std::io;
use std::sync::Arc;

use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::{DataType, FieldRef, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::LogicalType;
use parquet::errors::Result as ParquetResult;
use parquet::schema::types::Type;

use crate::error::{Error, Place, Result};
use crate::parquet_file::{Input, catch_panics};

/// Checks that the schema of a file can be written again: of a logical type that a later version of the
/// format has, the Parquet crate keeps no more than that it is there.
///
/// # Errors
/// [`Error::BadData`] with the first column of such a type.
pub(crate) fn check_known_types(input: &Input) -> Result<()> {
    let root = input.metadata().file_metadata().schema_descr().root_schema();
    match root.get_fields().iter().find(|field| is_unknown(field)) {
        None => Ok(()),
        Some(field) => Err(Error::bad_data(
            input.place().column(field.name()),
            "has a logical type that is not known here, so that it cannot be copied; leave the column out",
        )),
    }
}

fn is_unknown(field: &Type) -> bool {
    let is_own = matches!(field.get_basic_info().logical_type_ref(), Some(LogicalType::_Unknown { .. }));
    is_own || (field.is_group() && field.get_fields().iter().any(|field| is_unknown(field)))
}

/// Checks that rows of a schema can become Parquet.
///
/// # Errors
/// [`Error::BadData`] with the first column whose type has no place in Parquet.
pub(super) fn check_storable(schema: &Schema, place: &Place) -> Result<()> {
    match unstorable_column(schema) {
        Some((field, what)) => {
            let what = format!("{what}; cast it or leave it out");
            Err(Error::bad_data(place.clone().column(field.name()), what))
        }
        None => Ok(()),
    }
}

/// The first column whose type has no place in Parquet, and what is wrong with it.
pub(crate) fn unstorable_column(schema: &Schema) -> Option<(&FieldRef, String)> {
    schema.fields().iter().find_map(|field| {
        let error = catch_panics(|| write_row(field)).err()?.to_string();
        let why = error.trim_start_matches("Parquet error: ");
        Some((field, format!("has type {}, which cannot become Parquet ({why})", field.data_type())))
    })
}

fn write_row(field: &FieldRef) -> ParquetResult<()> {
    let kind = shortened(field.data_type());
    let row = new_null_array(&kind, 1);
    let field = field.as_ref().clone().with_data_type(kind).with_nullable(true);
    let nullable = Arc::new(Schema::new(vec![field]));
    let row = RecordBatch::try_new(Arc::clone(&nullable), vec![row])?;
    let mut writer = ArrowWriter::try_new(io::sink(), nullable, None)?;
    writer.write(&row)?;
    writer.close()?;
    Ok(())
}

/// The type with short values: a schema may claim lists so long that a row takes all memory.
fn shortened(kind: &DataType) -> DataType {
    let item = |field: &FieldRef| {
        let kind = shortened(field.data_type());
        Arc::new(field.as_ref().clone().with_data_type(kind))
    };
    match kind {
        DataType::FixedSizeList(field, length) => DataType::FixedSizeList(item(field), (*length).min(2)),
        DataType::FixedSizeBinary(length) => DataType::FixedSizeBinary((*length).min(16)),
        DataType::List(field) => DataType::List(item(field)),
        DataType::LargeList(field) => DataType::LargeList(item(field)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(item).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{Field, IntervalUnit, TimeUnit, UnionFields, UnionMode};

    fn check(kind: DataType) -> Result<()> {
        let schema = Schema::new(vec![Field::new("a", DataType::Int64, false), Field::new("b", kind, false)]);
        check_storable(&schema, &Place::file("stdin"))
    }

    #[test]
    fn a_type_without_a_place_in_parquet_is_named_with_its_column() {
        let fields = UnionFields::from_fields(vec![
            Field::new("n", DataType::Int32, true),
            Field::new("t", DataType::Utf8, true),
        ]);
        let within = DataType::List(Arc::new(Field::new("item", DataType::FixedSizeBinary(0), true)));
        for kind in [
            DataType::Union(fields, UnionMode::Dense),
            DataType::FixedSizeBinary(0),
            DataType::Interval(IntervalUnit::MonthDayNano),
            within,
        ] {
            let error = check(kind.clone()).unwrap_err();
            assert_eq!(error.exit_code(), 65);
            let expected = format!("stdin, column \"b\": has type {kind}, which cannot become Parquet (");
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn others_pass() {
        let item = |kind| Arc::new(Field::new("item", kind, false));
        let text = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
        for kind in [
            DataType::Null,
            DataType::Utf8View,
            DataType::FixedSizeBinary(16),
            DataType::Decimal256(60, 2),
            DataType::Interval(IntervalUnit::YearMonth),
            DataType::Duration(TimeUnit::Nanosecond),
            DataType::FixedSizeList(item(DataType::Float16), 4),
            DataType::LargeList(item(DataType::BinaryView)),
            DataType::Struct(vec![item(text)].into()),
            DataType::FixedSizeList(item(DataType::FixedSizeBinary(i32::MAX)), i32::MAX),
        ] {
            check(kind.clone()).unwrap_or_else(|error| panic!("{kind}: {error}"));
        }
    }
}
