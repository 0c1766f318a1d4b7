//! The column types that are accepted as labels, and the cast that helps where one is not.

use arrow::datatypes::DataType;

use crate::bundle::Class;
use crate::error::{Error, Place, Result};
use crate::printable::quoted_name;

/// The accepted types, for messages.
const ACCEPTED: &str = "integers, whole floats, decimals of scale 0, strings (also as binary) and booleans, \
    dictionary-encoded or not";

/// The file that a suggested query writes.
const CAST_FILE: &str = "cast.parquet";

/// The type of a label column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelType {
    /// Booleans.
    Boolean,
    /// Integers of any width, signed or not; also floats, all of them whole, and decimals of scale 0.
    Integer,
    /// Strings of any layout; also binary, all of it UTF-8.
    String,
}

impl LabelType {
    /// The label type of an Arrow type, dictionary-encoded or not, if it is one.
    pub fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Boolean => Some(Self::Boolean),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Self::String),
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Some(Self::String),
            DataType::Dictionary(_, values) => Self::of(values),
            DataType::Decimal32(_, 0)
            | DataType::Decimal64(_, 0)
            | DataType::Decimal128(_, 0)
            | DataType::Decimal256(_, 0) => Some(Self::Integer),
            number if number.is_integer() || number.is_floating() => Some(Self::Integer),
            _ => None,
        }
    }

    /// Whether a column of this type is a label without a look at its values: floats, decimals and
    /// binary are more often something else.
    pub fn is_obvious(data_type: &DataType) -> bool {
        match data_type {
            DataType::Boolean | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
            DataType::Dictionary(_, values) => Self::is_obvious(values),
            other => other.is_integer(),
        }
    }

    /// As [`Self::of`], for a column that must be a label.
    ///
    /// # Errors
    /// [`Error::BadData`] that names the type, the accepted ones and the cast to one of them.
    pub fn require(data_type: &DataType, at: &LabelPlace) -> Result<Self> {
        Self::of(data_type).ok_or_else(|| {
            let advice = match cast_of(data_type) {
                Some(cast) => format!("cast it: {}", at.cast(cast)),
                None => "choose another column with --label".to_owned(),
            };
            let what = format!("has type {data_type}, which is no label; accepted are {ACCEPTED}; {advice}");
            Error::bad_data(at.place().clone(), what)
        })
    }

    pub(super) fn of_class(class: &Class) -> Self {
        match class {
            Class::Boolean(_) => Self::Boolean,
            Class::Integer(_) => Self::Integer,
            Class::String(_) => Self::String,
        }
    }

    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Boolean => "booleans",
            Self::Integer => "integers",
            Self::String => "strings",
        }
    }

    /// The cast of another label type to this one.
    pub(super) fn cast(self) -> LabelCast {
        match self {
            Self::Boolean => LabelCast::Boolean,
            Self::Integer => LabelCast::Integer,
            Self::String => LabelCast::String,
        }
    }
}

/// A SQL expression that makes a label of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LabelCast {
    Boolean,
    Integer,
    String,
    /// The bytes in hexadecimal.
    Hexadecimal,
}

impl LabelCast {
    /// The cast of a column of `data`, a table or batch of pyarrow.
    fn of_python(self, column: &str) -> String {
        let to = match self {
            Self::Boolean => "bool",
            Self::Integer => "int64",
            Self::String => "string",
            Self::Hexadecimal => {
                return format!("[value and value.hex() for value in data[{column:?}].to_pylist()]");
            }
        };
        format!("pyarrow.compute.cast(data[{column:?}], {to:?})")
    }
}

/// The cast that makes a label of a type that is none, if there is one.
pub(super) fn cast_of(data_type: &DataType) -> Option<LabelCast> {
    match data_type {
        DataType::Null | DataType::RunEndEncoded(..) => None,
        nested if nested.is_nested() => None,
        DataType::FixedSizeBinary(_) => Some(LabelCast::Hexadecimal),
        number if number.is_numeric() => Some(LabelCast::Integer),
        DataType::Dictionary(_, values) => cast_of(values),
        _ => Some(LabelCast::String),
    }
}

/// The place of a label column or of a batch of it, for errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelPlace {
    /// Rows of a file or stream, from a row on, counted in the place.
    Rows(Place, usize),
    /// Rows of a query, which have no number.
    Query(Place),
}

impl LabelPlace {
    pub(super) fn place(&self) -> &Place {
        match self {
            Self::Rows(place, _) | Self::Query(place) => place,
        }
    }

    /// A row of the batch in words.
    pub(super) fn row(&self, row: usize) -> String {
        match self {
            Self::Rows(place, first_row) => {
                let of = if place.row_group.is_some() { " of the row group" } else { "" };
                format!("row {}{of}", first_row + row)
            }
            Self::Query(_) => "a row".to_owned(),
        }
    }

    /// A cast as the user writes it: an expression in a query, a command that writes a file with
    /// the column cast, one of Python for rows in memory.
    pub(super) fn cast(&self, cast: LabelCast) -> String {
        let place = self.place();
        let name = place.column.as_deref().unwrap_or("y");
        if place.is_in_memory() {
            return cast.of_python(name);
        }
        let column = quoted_name(name);
        let expression = match cast {
            LabelCast::Boolean => format!("CAST({column} AS BOOLEAN)"),
            LabelCast::Integer => format!("CAST({column} AS BIGINT)"),
            LabelCast::String => format!("CAST({column} AS VARCHAR)"),
            LabelCast::Hexadecimal => format!("encode({column}, 'hex')"),
        };
        match self {
            Self::Rows(place, _) if !place.file.starts_with("stdin") => {
                let file = place.file.replace('\'', "''");
                let query = format!("SELECT * REPLACE ({expression} AS {column}) FROM '{file}'");
                format!("lsmi-etl sql --output {CAST_FILE} \"{}\"", query.replace('"', "\\\""))
            }
            Self::Rows(..) | Self::Query(_) => expression,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{Field, TimeUnit};
    use std::sync::Arc;

    #[test]
    fn types_that_are_labels() {
        let dictionary = |values| DataType::Dictionary(Box::new(DataType::Int8), Box::new(values));
        for (data_type, kind, obvious) in [
            (DataType::Int8, LabelType::Integer, true),
            (DataType::Float64, LabelType::Integer, false),
            (DataType::Float16, LabelType::Integer, false),
            (DataType::Decimal128(38, 0), LabelType::Integer, false),
            (DataType::Decimal256(60, 0), LabelType::Integer, false),
            (DataType::Binary, LabelType::String, false),
            (dictionary(DataType::Float32), LabelType::Integer, false),
            (dictionary(DataType::Utf8), LabelType::String, true),
        ] {
            assert_eq!(LabelType::of(&data_type), Some(kind), "{data_type}");
            assert_eq!(LabelType::is_obvious(&data_type), obvious, "{data_type}");
        }
    }

    #[test]
    fn types_that_are_none_are_named_with_the_cast_that_helps() {
        let at = LabelPlace::Rows(Place::file("it's.parquet").column("Day"), 0);
        let in_query = LabelPlace::Query(Place::file("lsmi").column("day"));
        let in_memory = LabelPlace::Rows(Place::in_memory().column("day"), 0);
        let list = DataType::List(Arc::new(Field::new_list_field(DataType::Int8, true)));
        for (data_type, cast) in [
            (DataType::Date32, Some("VARCHAR")),
            (DataType::Timestamp(TimeUnit::Second, None), Some("VARCHAR")),
            (DataType::Decimal128(10, 2), Some("BIGINT")),
            (DataType::Null, None),
            (list, None),
        ] {
            let error = LabelType::require(&data_type, &at).unwrap_err().to_string();
            assert!(error.contains(&format!("has type {data_type}, which is no label")), "{error}");
            assert_eq!(error.contains("CAST("), cast.is_some(), "{error}");
            if let Some(cast) = cast {
                let query = format!(
                    "cast it: lsmi-etl sql --output cast.parquet \"SELECT * REPLACE (CAST(\\\"Day\\\" AS {cast}) AS \
                     \\\"Day\\\") FROM 'it''s.parquet'\""
                );
                assert!(error.ends_with(&query), "{error}");
                let error = LabelType::require(&data_type, &in_query).unwrap_err().to_string();
                assert!(error.ends_with(&format!("cast it: CAST(day AS {cast})")), "{error}");
                let error = LabelType::require(&data_type, &in_memory).unwrap_err().to_string();
                let to = if cast == "BIGINT" { "int64" } else { "string" };
                let python = format!("cast it: pyarrow.compute.cast(data[\"day\"], \"{to}\")");
                assert!(error.ends_with(&python), "{error}");
            }
        }
    }
}
