//! One schema of files whose schemas differ: a column that some files lack is null there, types are
//! widened where that loses nothing, and a column whose types do not fit together is an error only
//! to a query that reads it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};

use crate::error::{Error, Place};

/// The schema of a table's files.
#[derive(Debug)]
pub(super) struct MergedSchema {
    pub(super) schema: SchemaRef,
    /// By column: what a query that reads it is told.
    pub(super) conflicts: HashMap<usize, Conflict>,
    /// Columns of several types, of which some values of one may not be values of the merged type:
    /// integers and doubles, dates and timestamps of several units.
    pub(super) inexact: HashSet<usize>,
}

/// A column whose types in two files do not fit together.
#[derive(Debug, Clone)]
pub(super) struct Conflict {
    column: String,
    first: (String, DataType),
    other: (String, DataType),
}

impl Conflict {
    pub(super) fn error(&self) -> Error {
        let Self { column, first, other } = self;
        let cast = cast(column, &first.1).map(|cast| format!(", with {cast} where it differs"));
        let what = format!(
            "holds {} here and {} in {}, and neither becomes the other without loss; read the files apart{}",
            other.1,
            first.1,
            first.0,
            cast.unwrap_or_default(),
        );
        Error::bad_data(Place::file(&other.0).column(column), what)
    }
}

/// Merges the schemas of files, one after the other.
#[derive(Debug, Default)]
pub(super) struct SchemaMerger {
    columns: Vec<Column>,
    index: HashMap<String, usize>,
    files: usize,
    last: Option<SchemaRef>,
}

#[derive(Debug)]
struct Column {
    field: Field,
    /// The file whose field was the first.
    file: String,
    /// The number of files that have it.
    files: usize,
    conflict: Option<Conflict>,
    /// Whether two files have other types.
    differs: bool,
}

impl SchemaMerger {
    /// Adds the schema of a file.
    pub(super) fn add(&mut self, file: &str, schema: &SchemaRef) {
        self.files += 1;
        if self.last.as_ref().is_some_and(|last| last == schema) {
            schema.fields().iter().for_each(|field| {
                if let Some(column) = self.index.get(field.name()).and_then(|&at| self.columns.get_mut(at)) {
                    column.files += 1;
                }
            });
            return;
        }
        for field in schema.fields() {
            match self.index.get(field.name()).and_then(|&at| self.columns.get_mut(at)) {
                Some(column) => column.add(file, field),
                None => {
                    self.index.insert(field.name().clone(), self.columns.len());
                    let field = field.as_ref().clone();
                    self.columns.push(Column {
                        field,
                        file: file.to_owned(),
                        files: 1,
                        conflict: None,
                        differs: false,
                    });
                }
            }
        }
        self.last = Some(Arc::clone(schema));
    }

    /// The merged schema. A column is nullable if it is so in any file, or if one lacks it.
    pub(super) fn finish(self) -> MergedSchema {
        let (mut conflicts, mut inexact) = (HashMap::new(), HashSet::new());
        let mut fields = Vec::with_capacity(self.columns.len());
        for (at, column) in self.columns.into_iter().enumerate() {
            if let Some(conflict) = column.conflict {
                conflicts.insert(at, conflict);
            }
            let kind = column.field.data_type();
            if column.differs && matches!(kind, DataType::Float64 | DataType::Timestamp(..)) {
                inexact.insert(at);
            }
            let nullable = column.field.is_nullable() || column.files < self.files;
            fields.push(column.field.with_nullable(nullable));
        }
        MergedSchema { schema: Arc::new(Schema::new(fields)), conflicts, inexact }
    }
}

impl Column {
    fn add(&mut self, file: &str, field: &FieldRef) {
        self.files += 1;
        self.differs |= self.field.data_type() != field.data_type();
        let nullable = self.field.is_nullable() || field.is_nullable();
        match widen(self.field.data_type(), field.data_type()) {
            Some(kind) => self.field = self.field.clone().with_data_type(kind).with_nullable(nullable),
            None if self.conflict.is_none() => {
                self.conflict = Some(Conflict {
                    column: field.name().clone(),
                    first: (self.file.clone(), self.field.data_type().clone()),
                    other: (file.to_owned(), field.data_type().clone()),
                });
            }
            None => {}
        }
    }
}

/// The type that holds all values of both. Int64 and Float64 become Float64: a value past 2⁵³ is an
/// error when it is read (see [`super::schema_adapter`]).
fn widen(a: &DataType, b: &DataType) -> Option<DataType> {
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

/// How SQL casts a column to a type, for advice; none for types that no text names.
fn cast(column: &str, kind: &DataType) -> Option<String> {
    let is_plain = column.bytes().all(|b| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit())
        && !column.starts_with(|first: char| first.is_ascii_digit());
    let column = if is_plain { column.to_owned() } else { format!("\"{}\"", column.replace('"', "\"\"")) };
    if let Some(name) = sql_type(kind) {
        return Some(format!("CAST({column} AS {name})"));
    }
    let name = kind.to_string();
    name.parse::<DataType>()
        .is_ok_and(|parsed| parsed == *kind)
        .then(|| format!("arrow_cast({column}, '{name}')"))
}

/// SQL's own name of a type.
fn sql_type(kind: &DataType) -> Option<String> {
    Some(match kind {
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Int32 => "INT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::UInt64 => "BIGINT UNSIGNED".to_owned(),
        DataType::UInt32 => "INT UNSIGNED".to_owned(),
        DataType::UInt16 => "SMALLINT UNSIGNED".to_owned(),
        DataType::UInt8 => "TINYINT UNSIGNED".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Float32 => "REAL".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BYTEA".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Decimal128(precision, scale @ 0..) => format!("DECIMAL({precision}, {scale})"),
        // Of 38 digits at most, DECIMAL is the smaller type.
        DataType::Decimal256(precision @ 39.., scale @ 0..) => format!("DECIMAL({precision}, {scale})"),
        DataType::Date32 => "DATE".to_owned(),
        DataType::Timestamp(TimeUnit::Nanosecond, None) => "TIMESTAMP".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use DataType::{
        Boolean, Date32, Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, List, Null, Struct,
        Timestamp, UInt8, UInt32, UInt64, Utf8, Utf8View,
    };

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
    fn casts_that_are_advised_are_sql() {
        let ms = TimeUnit::Millisecond;
        let context = datafusion::prelude::SessionContext::new();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        for (kind, expected) in [
            (DataType::Binary, "CAST(v AS BYTEA)"),
            (Decimal128(10, 2), "CAST(v AS DECIMAL(10, 2))"),
            (DataType::Decimal256(50, 2), "CAST(v AS DECIMAL(50, 2))"),
            (UInt8, "CAST(v AS TINYINT UNSIGNED)"),
            (DataType::Duration(ms), "arrow_cast(v, 'Duration(ms)')"),
            (DataType::Time32(ms), "arrow_cast(v, 'Time32(ms)')"),
            (Timestamp(ms, Some("UTC".into())), "arrow_cast(v, 'Timestamp(ms, \"UTC\")')"),
        ] {
            assert_eq!(cast("v", &kind).as_deref(), Some(expected));
            let sql = format!("SELECT {expected} FROM (SELECT arrow_cast(NULL, '{kind}') AS v) AS t");
            runtime.block_on(context.sql(&sql)).unwrap();
        }
        assert_eq!(cast("A b", &Int64).as_deref(), Some("CAST(\"A b\" AS BIGINT)"));
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

    #[test]
    fn conflicts_are_told_to_those_who_read_them() {
        let file = |fields: &[(&str, DataType)]| -> SchemaRef {
            let fields: Vec<Field> =
                fields.iter().map(|(name, kind)| Field::new(*name, kind.clone(), false)).collect();
            Arc::new(Schema::new(fields))
        };
        let mut merger = SchemaMerger::default();
        merger.add("mon", &file(&[("a", Int32), ("v", Int64)]));
        merger.add("tue", &file(&[("a", Int64), ("v", Utf8), ("w", Utf8)]));
        merger.add("wed", &file(&[("a", Int64), ("v", Utf8), ("w", Utf8)]));
        let merged = merger.finish();
        let shown: Vec<String> = merged
            .schema
            .fields()
            .iter()
            .map(|field| format!("{} {} {}", field.name(), field.data_type(), field.is_nullable()))
            .collect();
        assert_eq!(shown, ["a Int64 false", "v Int64 false", "w Utf8 true"]);
        assert_eq!(merged.conflicts.len(), 1);
        let error = merged.conflicts[&1].error().to_string();
        for word in ["tue", "column \"v\"", "mon", "Utf8", "Int64", "CAST(v AS BIGINT)"] {
            assert!(error.contains(word), "{error}");
        }
    }
}
