//! Serde and JSON Schema implementations for settings with a notation of their own, such as sizes
//! and devices: a string as on the command line.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::annotate::{ColumnName, ColumnPrefix, MaxBadRows};
use crate::engine::{Device, EngineChoice};
use crate::memory::{ByteSize, MemoryLimit};
use crate::storage::Share;

/// Parses a string, or a number that would be a string on the command line.
struct FromStrVisitor<T>(PhantomData<T>);

impl<T: FromStr<Err = String>> Visitor<'_> for FromStrVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string as on the command line")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(|what| E::custom(format_args!("{text:?} is wrong: {what}")))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

macro_rules! as_on_command_line {
    ($($type:ty: $schema:tt,)*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self as &dyn Display)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(FromStrVisitor(PhantomData))
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

as_on_command_line! {
    ByteSize: { "type": ["string", "integer"], "examples": ["512MiB", "4GB"] },
    MemoryLimit: { "type": ["string", "integer"], "examples": ["512MiB", "4GB"], "description": "A size of at least 1MiB" },
    MaxBadRows: { "type": ["string", "integer"], "examples": [100, "0.5%"] },
    Share: { "type": "string", "pattern": "[0-9]+/[0-9]+|\\{\\{", "examples": ["2/20"] },
    Device: { "type": "string", "examples": ["cpu", "cuda", "cuda:0,cuda:1"] },
    EngineChoice: { "enum": ["auto", "onnxruntime", "embedded"] },
    ColumnPrefix: { "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$|\\{\\{", "examples": ["img_txt_"] },
    ColumnName: { "type": "string", "examples": ["i1", "i2", "i12", "h1", "h2", "prior_y", "p_y12", "fold", "atoms", "i_123"] },
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn text_is_what_may_be_typed() {
        assert_eq!(from_value::<ByteSize>(json!("2GiB")).unwrap(), ByteSize(2 << 30));
        assert_eq!(from_value::<ByteSize>(json!(4096)).unwrap(), ByteSize(4096));
        assert_eq!(from_value::<MaxBadRows>(json!(7)).unwrap(), MaxBadRows::Rows(7));
        assert_eq!(serde_json::to_value(MaxBadRows::Percent(0.5)).unwrap(), json!("0.5%"));
        assert!(from_value::<ColumnName>(json!("p_y")).unwrap().is_former_prior());
        let wrong = from_value::<MemoryLimit>(json!(5)).unwrap_err().to_string();
        assert!(wrong.contains("did you mean 5GB?"), "{wrong}");
        let wrong = from_value::<Share>(json!("0/3")).unwrap_err().to_string();
        assert!(wrong.contains("\"0/3\" is wrong: expected I/N"), "{wrong}");
    }

    #[test]
    fn the_schemas_lists_are_what_is_taken() {
        let listed = |schema: Schema| schema.as_value()["enum"].as_array().unwrap().clone();
        let columns = schemars::schema_for!(ColumnName).as_value()["examples"].clone();
        for column in columns.as_array().unwrap() {
            assert_eq!(json!(from_value::<ColumnName>(column.clone()).unwrap()), *column);
        }
        for engine in listed(schemars::schema_for!(EngineChoice)) {
            assert_eq!(json!(from_value::<EngineChoice>(engine.clone()).unwrap()), engine);
        }
    }
}
