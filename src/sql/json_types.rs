//! The types of the fields of JSON by values that they have. Arrow's own inference goes by the first element of an array,
//! refuses a null among objects, and whole files for one column of several kinds.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// What is known of a field's values.
#[derive(Debug, Clone, Default, PartialEq)]
enum Kind {
    /// Nothing but nulls.
    #[default]
    Unknown,
    Boolean,
    /// The least and the most of integers.
    Integer(i128, i128),
    /// Numbers with fractions, and those beyond 64 bits.
    Number,
    Text,
    Array(Box<Kind>),
    Object(JsonTypes),
    /// Values of several kinds, which no type holds.
    Mixed,
}

/// The types of an object's fields, in the order of their appearance.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct JsonTypes(Vec<(String, Kind)>);

impl JsonTypes {
    /// The columns of these types. One of values of several kinds is of texts, which its reader finds not to be
    /// all, and queries of other columns do not.
    pub(super) fn fields(&self) -> Fields {
        let field = |(name, kind): &(String, Kind)| -> FieldRef {
            Arc::new(Field::new(name, kind.data_type(), true))
        };
        self.0.iter().map(field).collect()
    }

    /// The kind of a field, which mostly is the one at this place.
    fn kind(&mut self, name: &str, at: usize) -> (usize, &mut Kind) {
        let is_next = self.0.get(at).is_some_and(|(known, _)| known == name);
        let found = if is_next { Some(at) } else { self.0.iter().position(|(known, _)| known == name) };
        let at = found.unwrap_or_else(|| {
            self.0.push((name.to_owned(), Kind::Unknown));
            self.0.len() - 1
        });
        (at, &mut self.0[at].1)
    }
}

impl Kind {
    fn data_type(&self) -> DataType {
        match self {
            Self::Unknown => DataType::Null,
            Self::Boolean => DataType::Boolean,
            Self::Integer(least, most) => match (i64::try_from(*least), i64::try_from(*most)) {
                (Ok(_), Ok(_)) => DataType::Int64,
                _ if *least >= 0 => DataType::UInt64,
                // The least and the most are of 64 bits.
                _ => DataType::Decimal128(20, 0),
            },
            Self::Number => DataType::Float64,
            Self::Text | Self::Mixed => DataType::Utf8,
            Self::Array(element) => {
                DataType::List(Arc::new(Field::new_list_field(element.data_type(), true)))
            }
            Self::Object(fields) => DataType::Struct(fields.fields()),
        }
    }

    /// Takes a value of this kind.
    fn add(&mut self, other: Self) {
        let known = std::mem::take(self);
        *self = match (known, other) {
            (Self::Unknown, other) => other,
            (Self::Integer(least, most), Self::Integer(low, high)) => {
                Self::Integer(least.min(low), most.max(high))
            }
            (Self::Integer(..) | Self::Number, Self::Integer(..) | Self::Number) => Self::Number,
            (known, other) if known == other => known,
            _ => Self::Mixed,
        };
    }
}

/// Takes the fields of an object.
impl<'de> DeserializeSeed<'de> for &mut JsonTypes {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, object: D) -> Result<(), D::Error> {
        object.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut JsonTypes {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let mut at = 0;
        while let Some(name) = values.next_key::<String>()? {
            let (found, kind) = self.kind(&name, at);
            at = found + 1;
            values.next_value_seed(kind)?;
        }
        Ok(())
    }
}

/// Takes a value.
impl<'de> DeserializeSeed<'de> for &mut Kind {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Kind {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.add(Kind::Boolean);
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.add(Kind::Integer(number.into(), number.into()));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.add(Kind::Integer(number.into(), number.into()));
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.add(Kind::Number);
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.add(Kind::Text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        if *self == Kind::Unknown {
            *self = Kind::Array(Box::default());
        }
        let mut other = Kind::Unknown;
        let element = match self {
            Kind::Array(element) => element.as_mut(),
            _ => &mut other,
        };
        while elements.next_element_seed(&mut *element)?.is_some() {}
        if !matches!(self, Kind::Array(_)) {
            *self = Kind::Mixed;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, values: A) -> Result<(), A::Error> {
        if *self == Kind::Unknown {
            *self = Kind::Object(JsonTypes::default());
        }
        match self {
            Kind::Object(fields) => fields.visit_map(values),
            _ => {
                *self = Kind::Mixed;
                JsonTypes::default().visit_map(values)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(rows: &str) -> Vec<String> {
        let mut types = JsonTypes::default();
        for row in rows.lines() {
            types.deserialize(&mut serde_json::Deserializer::from_str(row)).unwrap();
        }
        types.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect()
    }

    #[test]
    fn types_hold_all_values() {
        assert_eq!(types("{\"b\":1,\"a\":true}\n{\"c\":\"x\",\"b\":-2}"), ["b Int64", "a Boolean", "c Utf8"]);
        assert_eq!(types("{\"a\":1}\n{\"a\":null}\n{\"a\":1.5}"), ["a Float64"]);
        assert_eq!(types("{\"a\":18446744073709551615}\n{\"a\":1}"), ["a UInt64"]);
        assert_eq!(types("{\"a\":18446744073709551615}\n{\"a\":-1}"), ["a Decimal128(20, 0)"]);
        assert_eq!(types("{\"a\":null}\n{}"), ["a Null"]);
        let lists =
            types("{\"a\":[null,[1]],\"b\":[null,{\"x\":1},{\"y\":2.5}],\"c\":[]}\n{\"c\":[{\"z\":[]}]}");
        assert_eq!(lists[0], "a List(List(Int64))");
        assert_eq!(lists[1], "b List(Struct(\"x\": Int64, \"y\": Float64))");
        assert_eq!(lists[2], "c List(Struct(\"z\": List(Null)))");
    }

    #[test]
    fn values_of_several_kinds_are_of_one_column_alone() {
        for (first, other) in
            [("1", "\"x\""), ("1", "{\"b\":2}"), ("[1]", "2"), ("{}", "[]"), ("true", "1"), ("[1]", "{}")]
        {
            let both = [(first, other), (other, first)];
            for (first, other) in both {
                let found =
                    types(&format!("{{\"a\":{first},\"b\":1}}\n{{\"a\":{other}}}\n{{\"a\":{first}}}"));
                assert_eq!(found, ["a Utf8", "b Int64"], "{first} and {other}");
            }
        }
    }
}
