//! The types that columns are stored with. Parquet has no seconds, and its DATE counts days: columns in other units are
//! converted, since readers without the Arrow schema would see whole numbers. UUID and JSON are logical types of their own,
//! which the Parquet crate leaves out.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, TimeUnit};
use arrow::error::ArrowError;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::LogicalType;
use parquet::errors::Result as ParquetResult;
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

/// The key of a field's metadata that names its extension type.
const EXTENSION: &str = "ARROW:extension:name";

/// The type that a column is stored as. Dictionaries have values that are no views, which the Parquet crate does not write.
pub(crate) fn stored_type(data_type: &DataType) -> DataType {
    let item =
        |field: &FieldRef| Arc::new(field.as_ref().clone().with_data_type(stored_type(field.data_type())));
    match data_type {
        DataType::Timestamp(TimeUnit::Second, zone) => {
            DataType::Timestamp(TimeUnit::Millisecond, zone.clone())
        }
        DataType::Time32(TimeUnit::Second) => DataType::Time32(TimeUnit::Millisecond),
        DataType::Date64 => DataType::Date32,
        DataType::Dictionary(key, value) => {
            let value = match value.as_ref() {
                DataType::Utf8View => DataType::Utf8,
                DataType::BinaryView => DataType::Binary,
                other => stored_type(other),
            };
            DataType::Dictionary(key.clone(), Box::new(value))
        }
        DataType::List(field) => DataType::List(item(field)),
        DataType::LargeList(field) => DataType::LargeList(item(field)),
        DataType::FixedSizeList(field, length) => DataType::FixedSizeList(item(field), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(item).collect()),
        DataType::Map(entries, sorted) => DataType::Map(item(entries), *sorted),
        other => other.clone(),
    }
}

/// The schema of the types that its columns are stored as.
pub(crate) fn stored_schema(schema: &Schema) -> Schema {
    let fields = schema.fields().iter();
    let stored =
        fields.map(|field| Arc::new(field.as_ref().clone().with_data_type(stored_type(field.data_type()))));
    Schema::new_with_metadata(stored.collect::<Vec<_>>(), schema.metadata().clone())
}

/// A column in the type that it is stored as.
///
/// # Errors
/// [`ArrowError::CastError`] of values that the type does not hold.
pub(crate) fn stored_column(column: &ArrayRef, stored: &DataType) -> Result<ArrayRef, ArrowError> {
    if column.data_type() == stored {
        return Ok(Arc::clone(column));
    }
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let converted = cast_with_options(column, stored, &strict)?;
    if has_days(column.data_type())
        && cast_with_options(&converted, column.data_type(), &strict)?.to_data() != column.to_data()
    {
        let what = "a date has a time of day, which Parquet's DATE does not hold; cast it to TIMESTAMP";
        return Err(ArrowError::CastError(what.to_owned()));
    }
    Ok(converted)
}

/// Whether a type has dates in milliseconds.
fn has_days(data_type: &DataType) -> bool {
    *data_type == DataType::Date64 || children(data_type).iter().any(|child| has_days(child.data_type()))
}

fn children(data_type: &DataType) -> Vec<&FieldRef> {
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => vec![field],
        DataType::Struct(fields) => fields.iter().collect(),
        _ => Vec::new(),
    }
}

/// The Parquet schema of an Arrow schema, with the logical types of extension types, and those that the same columns have
/// in another file.
///
/// # Errors
/// Of a type that has no place in Parquet.
pub(crate) fn parquet_schema(
    schema: &Schema,
    source: Option<&SchemaDescriptor>,
) -> ParquetResult<SchemaDescriptor> {
    let converted = ArrowSchemaConverter::new().convert(schema)?;
    let mut fields = Vec::new();
    schema.fields().iter().for_each(|field| add_leaves(field, &mut fields));
    let of_extension = |leaf: usize| fields.get(leaf).and_then(|field| extension_type(field));
    let sources = source.map(SchemaDescriptor::columns).unwrap_or_default();
    let sources: HashMap<_, _> = sources.iter().map(|column| (column.path(), column)).collect();
    let of_source = |leaf: usize| {
        let ours = converted.columns().get(leaf)?;
        let theirs = sources.get(ours.path())?;
        let is_same =
            ours.physical_type() == theirs.physical_type() && ours.type_length() == theirs.type_length();
        theirs.logical_type_ref().filter(|logical| is_same && is_own(logical)).cloned()
    };
    let mut leaf = 0;
    let root = with_leaves(&converted.root_schema_ptr(), &mut || {
        leaf += 1;
        of_extension(leaf - 1).or_else(|| of_source(leaf - 1))
    })?;
    Ok(SchemaDescriptor::new(root))
}

/// Whether a logical type says what bytes or text mean, and not how they are stored.
fn is_own(logical: &LogicalType) -> bool {
    matches!(logical, LogicalType::Uuid | LogicalType::Json | LogicalType::Bson | LogicalType::Enum)
}

fn add_leaves<'a>(field: &'a Field, leaves: &mut Vec<&'a Field>) {
    match &children(field.data_type())[..] {
        [] => leaves.push(field),
        children => children.iter().for_each(|child| add_leaves(child, leaves)),
    }
}

/// The logical type of a canonical extension type.
fn extension_type(field: &Field) -> Option<LogicalType> {
    match (field.metadata().get(EXTENSION)?.as_str(), field.data_type()) {
        ("arrow.uuid", DataType::FixedSizeBinary(16)) => Some(LogicalType::Uuid),
        ("arrow.json", DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => Some(LogicalType::Json),
        _ => None,
    }
}

/// A type whose leaves, in order, have the logical types that are given.
fn with_leaves(node: &TypePtr, next: &mut dyn FnMut() -> Option<LogicalType>) -> ParquetResult<TypePtr> {
    let info = node.get_basic_info();
    let id = info.has_id().then(|| info.id());
    if let Type::PrimitiveType { physical_type, type_length, .. } = node.as_ref() {
        let Some(logical) = next() else { return Ok(Arc::clone(node)) };
        let leaf = Type::primitive_type_builder(info.name(), *physical_type)
            .with_repetition(info.repetition())
            .with_length(*type_length)
            .with_logical_type(Some(logical))
            .with_id(id);
        return leaf.build().map(Arc::new);
    }
    let fields = node.get_fields().iter().map(|field| with_leaves(field, next));
    let mut group = Type::group_type_builder(info.name())
        .with_fields(fields.collect::<ParquetResult<_>>()?)
        .with_converted_type(info.converted_type())
        .with_logical_type(info.logical_type_ref().cloned())
        .with_id(id);
    if info.has_repetition() {
        group = group.with_repetition(info.repetition());
    }
    group.build().map(Arc::new)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow::array::{
        Date32Array, Date64Array, ListArray, StructArray, TimestampMillisecondArray, TimestampSecondArray,
    };
    use arrow::datatypes::Int64Type;
    use parquet::schema::parser::parse_message_type;

    use super::*;

    #[test]
    fn seconds_and_dates_are_converted_at_any_depth() {
        let zone: Arc<str> = "Europe/Berlin".into();
        let seconds: ArrayRef =
            Arc::new(TimestampSecondArray::from(vec![Some(7), None]).with_timezone(Arc::clone(&zone)));
        let stored = stored_column(&seconds, &stored_type(seconds.data_type())).unwrap();
        let expected = TimestampMillisecondArray::from(vec![Some(7000), None]).with_timezone(zone);
        assert_eq!(stored.as_ref(), &expected as &dyn Array);
        let days: ArrayRef = Arc::new(Date64Array::from(vec![86_400_000, 0]));
        let within = |days: ArrayRef| -> ArrayRef {
            let field = Arc::new(Field::new("d", days.data_type().clone(), true));
            Arc::new(StructArray::from(vec![(field, days)]))
        };
        let nested = within(days);
        let stored = stored_column(&nested, &stored_type(nested.data_type())).unwrap();
        assert_eq!(&stored, &within(Arc::new(Date32Array::from(vec![1, 0]))));
        let noon = within(Arc::new(Date64Array::from(vec![43_200_000])));
        let error = stored_column(&noon, &stored_type(noon.data_type())).unwrap_err();
        assert!(error.to_string().contains("has a time of day"), "{error}");
        // What milliseconds do not hold is no null.
        let late: ArrayRef = Arc::new(TimestampSecondArray::from(vec![i64::MAX]));
        assert!(stored_column(&late, &stored_type(late.data_type())).is_err());
        let lists: ArrayRef =
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1)])]));
        assert!(Arc::ptr_eq(&stored_column(&lists, lists.data_type()).unwrap(), &lists));
    }

    #[test]
    fn logical_types_of_extensions_and_of_a_source_are_kept() {
        let extension = |name: &str, field: Field| {
            field.with_metadata(HashMap::from([(EXTENSION.to_owned(), name.to_owned())]))
        };
        let fields = vec![
            extension("arrow.uuid", Field::new("u", DataType::FixedSizeBinary(16), false)),
            Field::new(
                "s",
                DataType::Struct(vec![extension("arrow.json", Field::new("j", DataType::Utf8, true))].into()),
                true,
            ),
            extension("arrow.uuid", Field::new("w", DataType::FixedSizeBinary(8), false)),
            Field::new("o", DataType::FixedSizeBinary(16), false),
            Field::new("e", DataType::Utf8, false),
            Field::new("n", DataType::Int64, false),
        ];
        let source = "message m { required fixed_len_byte_array(16) o (UUID); required binary e (ENUM);
                      required int64 n (TIMESTAMP(MILLIS, true)); }";
        let source = SchemaDescriptor::new(Arc::new(parse_message_type(source).unwrap()));
        let types = |source| -> Vec<Option<LogicalType>> {
            let schema = parquet_schema(&Schema::new(fields.clone()), source).unwrap();
            schema.columns().iter().map(|column| column.logical_type_ref().cloned()).collect()
        };
        let (uuid, json) = (Some(LogicalType::Uuid), Some(LogicalType::Json));
        let text = Some(LogicalType::String);
        assert_eq!(types(None), [uuid.clone(), json.clone(), None, None, text, None]);
        assert_eq!(types(Some(&source)), [uuid.clone(), json, None, uuid, Some(LogicalType::Enum), None]);
    }
}
