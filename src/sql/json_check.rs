//! The look at a file of JSON while it is read: what is no object, and values that its columns do not hold. Arrow's reader
//! takes fields that it does not know for nothing, and cuts 1.9 to the integer 1.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use bytes::Bytes;
use datafusion::arrow::datatypes::{DataType, Field, Fields, SchemaRef};
use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde_json::value::RawValue;

use crate::error::{Error, Place};

use super::json_escapes::with_plain_pairs;
use super::json_records::{JsonRecords, without_position};
use super::table_format::JsonFields;
use super::text_check::TextCheck;
use super::text_values::is_exact;

/// What to do about values that are not of their column's type.
const ONE_TYPE: &str = "write values of one type, or declare types that hold them";
/// Declares columns.
const STATEMENT: &str = "CREATE EXTERNAL TABLE t (a DOUBLE, …) STORED AS NDJSON LOCATION '…'";

/// Characters of a value that a message shows.
const SHOWN: usize = 60;

/// The look at one file.
pub(super) struct JsonCheck {
    file: String,
    records: JsonRecords,
    fields: JsonFields,
    schema: SchemaRef,
    /// By column, whether it is read.
    read: Vec<bool>,
}

impl JsonCheck {
    /// The look at a file of which these columns are read.
    pub(super) fn new(file: String, fields: JsonFields, schema: &SchemaRef, read: &HashSet<usize>) -> Self {
        let schema = SchemaRef::clone(schema);
        let read: Vec<bool> = (0..schema.fields().len()).map(|column| read.contains(&column)).collect();
        Self { file, records: JsonRecords::new(), fields, schema, read }
    }
}

impl TextCheck for JsonCheck {
    /// The objects that end in the bytes, on lines.
    fn pass(&mut self, chunk: Bytes) -> crate::Result<Bytes> {
        let mut lines = Vec::with_capacity(chunk.len());
        let row = Row { fields: self.schema.fields(), read: &self.read, known: self.fields };
        let passed = self.records.push(&chunk, |record| {
            let mut values = serde_json::Deserializer::from_slice(record);
            row.deserialize(&mut values).map_err(|e| without_position(&e))?;
            lines.extend_from_slice(&with_plain_pairs(record));
            lines.push(b'\n');
            Ok(())
        });
        passed.map_err(|what| Error::bad_data(Place::file(&self.file), what))?;
        Ok(lines.into())
    }

    fn end(&mut self) -> crate::Result<()> {
        self.records.end().map_err(|what| Error::bad_data(Place::file(&self.file), what))
    }
}

/// One object.
#[derive(Clone, Copy)]
struct Row<'a> {
    fields: &'a Fields,
    read: &'a [bool],
    known: JsonFields,
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, values: D) -> Result<(), D::Error> {
        values.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let (Self { fields, read, known }, mut at) = (self, 0);
        // A query that does not read all columns asks for no other.
        let is_strict = known == JsonFields::Inferred && !read.contains(&false);
        while let Some(name) = values.next_key::<Cow<'_, str>>()? {
            let path = Path::Field(&Path::Row, &name);
            let kind = match find(fields, &name, at) {
                Some((found, field)) => {
                    at = found + 1;
                    if read.get(found) == Some(&true) { Kind::of(field) } else { Kind::Any }
                }
                None if is_strict => return Err(A::Error::custom(path.unknown())),
                None => Kind::Any,
            };
            values.next_value_seed(Value { kind, path, known })?;
        }
        Ok(())
    }
}

/// A value, and what it should be.
#[derive(Clone, Copy)]
struct Value<'a> {
    kind: Kind<'a>,
    path: Path<'a>,
    known: JsonFields,
}

#[derive(Clone, Copy)]
enum Kind<'a> {
    /// An object of these fields.
    Object(&'a Fields),
    /// Of this type.
    Of(&'a DataType),
    /// What is not read.
    Any,
}

/// The names of the fields that lead to a value.
#[derive(Clone, Copy)]
enum Path<'a> {
    Row,
    Field(&'a Path<'a>, &'a str),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row => Ok(()),
            Self::Field(Self::Row, name) => f.write_str(name),
            Self::Field(within, name) => write!(f, "{within}.{name}"),
        }
    }
}

impl<'a> Kind<'a> {
    fn of(field: &'a Field) -> Self {
        match field.data_type() {
            DataType::Struct(fields) => Self::Object(fields),
            other => Self::Of(other),
        }
    }

    /// What the elements of an array are, where it is one.
    fn element(self) -> Option<Self> {
        match self {
            Self::Of(
                DataType::List(field)
                | DataType::LargeList(field)
                | DataType::ListView(field)
                | DataType::FixedSizeList(field, _),
            ) => Some(Self::of(field)),
            _ => None,
        }
    }

    /// What the values of a map are, where it is one.
    fn map_value(self) -> Option<Self> {
        match self {
            Self::Of(DataType::Map(entries, _)) => match entries.data_type() {
                DataType::Struct(entry) => entry.get(1).map(|field| Self::of(field)),
                _ => None,
            },
            _ => None,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, values: D) -> Result<(), D::Error> {
        match self.kind {
            Kind::Any => IgnoredAny::deserialize(values).map(drop),
            // By its text, of which a number that is read would be a part.
            Kind::Of(data_type) if !data_type.is_nested() => {
                self.look(<&RawValue>::deserialize(values)?.get(), data_type)
            }
            _ => values.deserialize_any(self),
        }
    }
}

/// Takes an object or an array.
impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let what = match self.kind {
            Kind::Object(_) | Kind::Of(DataType::Map(..)) => "an object",
            Kind::Of(_) | Kind::Any => "an array",
        };
        write!(
            f,
            "{what} in field {}, as it is declared or in the first rows; {ONE_TYPE}: {STATEMENT}",
            self.path
        )
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Some(kind) = self.kind.element() else {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        };
        let element = Self { kind, ..self };
        while elements.next_element_seed(element)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let mut at = 0;
        while let Some(name) = values.next_key::<Cow<'_, str>>()? {
            let path = Path::Field(&self.path, &name);
            let kind = match self.kind {
                Kind::Object(fields) => match find(fields, &name, at) {
                    Some((found, field)) => {
                        at = found + 1;
                        Kind::of(field)
                    }
                    None if self.known == JsonFields::Inferred => {
                        return Err(A::Error::custom(path.unknown()));
                    }
                    None => Kind::Any,
                },
                other => match other.map_value() {
                    Some(kind) => kind,
                    None => return Err(A::Error::invalid_type(Unexpected::Map, &self)),
                },
            };
            values.next_value_seed(Value { kind, path, known: self.known })?;
        }
        Ok(())
    }
}

/// The field of a name, which mostly is the one at this place.
fn find<'a>(fields: &'a Fields, name: &str, at: usize) -> Option<(usize, &'a Field)> {
    match fields.get(at) {
        Some(field) if field.name() == name => Some((at, field)),
        _ => fields.find(name).map(|(at, field)| (at, field.as_ref())),
    }
}

impl Value<'_> {
    /// Looks at the text of a value of a type that is not nested.
    fn look<E: serde::de::Error>(&self, raw: &str, data_type: &DataType) -> Result<(), E> {
        let (is_number, is_time) = (data_type.is_numeric(), data_type.is_temporal());
        let holds = match raw.as_bytes().first() {
            Some(b'n') => true,
            Some(b't' | b'f') => *data_type == DataType::Boolean,
            Some(b'"') if is_number || is_time => {
                // Only a declaration says that texts are numbers.
                let text: Cow<'_, str> = serde_json::from_str(raw).map_err(E::custom)?;
                self.known == JsonFields::Declared && is_exact(&text, data_type)
            }
            Some(b'"') => !matches!(data_type, DataType::Boolean | DataType::Null),
            // Of a time, so many of its units.
            Some(b'-' | b'0'..=b'9') if is_time => is_exact(raw, &DataType::Int64),
            Some(b'-' | b'0'..=b'9') => is_number && is_exact(raw, data_type),
            _ => false,
        };
        if holds {
            return Ok(());
        }
        let shown = match raw.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", raw.get(..end).unwrap_or_default()),
            None => raw.to_owned(),
        };
        let is_simple = !raw.starts_with(['{', '[']);
        let way = match data_type.is_string() && is_simple {
            true => "where others are texts, write it in double quotes".to_owned(),
            false => format!("{ONE_TYPE}: {STATEMENT}"),
        };
        Err(E::custom(format!(
            "{shown} in field {} is no {data_type}, the field's type, as declared or that of its values in the first \
             rows; {way}",
            self.path
        )))
    }
}

impl Path<'_> {
    fn unknown(&self) -> String {
        format!(
            "field {self} is in none of the first rows, whose fields are the columns; declare them: {STATEMENT}"
        )
    }
}
