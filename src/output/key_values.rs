//! The key-value metadata of an output: that of the input, with the new columns added to the
//! keys that list all columns, and those that are replaced left out. `pandas` lists columns too, but only those that
//! differ from the Parquet types, and gets none.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::convert::try_schema_from_ipc_buffer;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use parquet::arrow::{ARROW_SCHEMA_META_KEY, encode_arrow_schema};
use parquet::file::metadata::KeyValue;

use super::omitted_columns::OmittedColumns;
use super::ordered_json::OrderedJson;

const HUGGINGFACE_KEY: &str = "huggingface";
const PANDAS_KEY: &str = "pandas";
/// The schema of Spark, by which it reads a file that has it.
const SPARK_KEY: &str = "org.apache.spark.sql.parquet.row.metadata";

/// The output's key-values. Those in `added` replace the input's of the same keys.
///
/// # Errors
/// A description of the damage, where the input's Arrow schema is damaged.
pub(super) fn extend(
    old: &[KeyValue],
    new_fields: &[Field],
    added: &[KeyValue],
) -> Result<Vec<KeyValue>, String> {
    let kept = old.iter().filter(|pair| added.iter().all(|new| new.key != pair.key));
    let mut pairs = Vec::new();
    for pair in kept {
        let value = match (pair.key.as_str(), &pair.value) {
            // An input without an Arrow schema gets none: readers would then take
            // our guess at its columns' types in place of their own.
            (ARROW_SCHEMA_META_KEY, Some(value)) => Some(arrow_schema(value, new_fields)?),
            (HUGGINGFACE_KEY, Some(value)) => {
                Some(huggingface(value, new_fields).unwrap_or_else(|| value.clone()))
            }
            (SPARK_KEY, Some(value)) => Some(spark(value, new_fields).unwrap_or_else(|| value.clone())),
            (_, value) => value.clone(),
        };
        pairs.push(KeyValue { key: pair.key.clone(), value });
    }
    pairs.extend_from_slice(added);
    Ok(pairs)
}

/// The key-values with those of an Arrow schema's own metadata brought in line with them: pyarrow takes these for the
/// file's. `own` are the names of the output's own, which the schema gets, too.
///
/// # Errors
/// As for [`extend`].
pub(super) fn with_schema_metadata(
    mut pairs: Vec<KeyValue>,
    own: &[String],
) -> Result<Vec<KeyValue>, String> {
    let Some(at) = pairs.iter().position(|pair| pair.key == ARROW_SCHEMA_META_KEY) else { return Ok(pairs) };
    let Some(schema) = pairs.get(at).and_then(|pair| pair.value.as_deref()).map(decoded).transpose()? else {
        return Ok(pairs);
    };
    let mut metadata = schema.metadata().clone();
    for pair in pairs.iter().filter(|pair| pair.key != ARROW_SCHEMA_META_KEY) {
        if own.contains(&pair.key) || metadata.contains_key(&pair.key) {
            metadata.insert(pair.key.clone(), pair.value.clone().unwrap_or_default());
        }
    }
    let encoded = encode_arrow_schema(&Schema::new_with_metadata(schema.fields().clone(), metadata));
    if let Some(pair) = pairs.get_mut(at) {
        pair.value = Some(encoded);
    }
    Ok(pairs)
}

/// The key-values of a file without some of its columns, whose names are `names`.
///
/// # Errors
/// As for [`extend`].
pub(super) fn without(
    old: &[KeyValue],
    omitted: &OmittedColumns,
    names: &[&str],
) -> Result<Vec<KeyValue>, String> {
    let is_kept = |pair: &&KeyValue| !omitted.keys.contains(&pair.key);
    let mut pairs = Vec::new();
    for pair in old.iter().filter(is_kept) {
        let value = match (pair.key.as_str(), &pair.value) {
            (ARROW_SCHEMA_META_KEY, Some(value)) => {
                let schema = decoded(value)?;
                let fields = schema.fields().iter().enumerate();
                let fields = fields.filter(|(column, _)| !omitted.columns.contains(column));
                let fields: Vec<_> = fields.map(|(_, field)| Arc::clone(field)).collect();
                let mut metadata = schema.metadata().clone();
                metadata.retain(|key, _| !omitted.keys.contains(key));
                Some(encode_arrow_schema(&Schema::new_with_metadata(fields, metadata)))
            }
            (key, Some(value)) => Some(without_columns(key, value, omitted, names)),
            (_, None) => None,
        };
        pairs.push(KeyValue { key: pair.key.clone(), value });
    }
    Ok(pairs)
}

/// The value of a key that may list columns, whose names are `names`, without those that are omitted.
pub(super) fn without_columns(key: &str, value: &str, omitted: &OmittedColumns, names: &[&str]) -> String {
    let gone: Vec<&str> = omitted.columns.iter().filter_map(|column| names.get(*column).copied()).collect();
    unlisted(key, value, &gone).unwrap_or_else(|| value.to_owned())
}

/// As [`without_columns`]; `None` of another key or shape.
fn unlisted(key: &str, value: &str, gone: &[&str]) -> Option<String> {
    let mut root: OrderedJson = serde_json::from_str(value).ok()?;
    let is_gone = |name: Option<&str>| name.is_some_and(|name| gone.contains(&name));
    match key {
        HUGGINGFACE_KEY => {
            let features = root.get_mut("info")?.get_mut("features")?.as_object_mut()?;
            features.retain(|(name, _)| !is_gone(Some(name)));
        }
        PANDAS_KEY => {
            root.get_mut("columns")?.as_array_mut()?.retain_mut(|column| !is_gone(column.text("field_name")))
        }
        SPARK_KEY => {
            root.get_mut("fields")?.as_array_mut()?.retain_mut(|column| !is_gone(column.text("name")))
        }
        _ => return None,
    }
    serde_json::to_string(&root).ok()
}

fn decoded(encoded: &str) -> Result<Schema, String> {
    let damaged = |error: &dyn std::fmt::Display| format!("has a damaged Arrow schema: {error}");
    let bytes = BASE64_STANDARD.decode(encoded).map_err(|error| damaged(&error))?;
    try_schema_from_ipc_buffer(&bytes).map_err(|error| damaged(&error))
}

/// The Arrow schema as the writer of the input declared it (not as the Parquet
/// crate reconciles it with the Parquet types), with more fields.
fn arrow_schema(encoded: &str, new_fields: &[Field]) -> Result<String, String> {
    let schema = decoded(encoded)?;
    let fields = schema.fields().iter().cloned().chain(new_fields.iter().cloned().map(Into::into));
    Ok(encode_arrow_schema(&Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone())))
}

/// The features that the Hugging Face `datasets` library lists, with the new columns.
/// None where the value has an unknown shape.
fn huggingface(value: &str, new_fields: &[Field]) -> Option<String> {
    let mut root: OrderedJson = serde_json::from_str(value).ok()?;
    let features = root.get_mut("info")?.get_mut("features")?.as_object_mut()?;
    for field in new_fields {
        let text = |text: &str| OrderedJson::Leaf(text.into());
        let dtype = match field.data_type() {
            DataType::Boolean => "bool",
            DataType::Int32 => "int32",
            DataType::Int64 => "int64",
            DataType::Utf8 => "string",
            _ => "float32",
        };
        let feature = vec![("dtype".to_owned(), text(dtype)), ("_type".to_owned(), text("Value"))];
        features.push((field.name().clone(), OrderedJson::Object(feature)));
    }
    serde_json::to_string(&root).ok()
}

/// The schema that Spark reads a file by, with the new columns: it would not see them otherwise. `None` where the
/// value has an unknown shape.
fn spark(value: &str, new_fields: &[Field]) -> Option<String> {
    let mut root: OrderedJson = serde_json::from_str(value).ok()?;
    let fields = root.get_mut("fields")?.as_array_mut()?;
    for field in new_fields {
        let data_type = match field.data_type() {
            DataType::Boolean => "boolean",
            DataType::Int32 => "integer",
            DataType::Int64 => "long",
            DataType::Utf8 => "string",
            _ => "float",
        };
        // Spark shows the description under another name.
        let comment = field.metadata().get("description").map(|text| ("comment", text.as_str()));
        let metadata = field.metadata().iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let metadata =
            metadata.filter(|(key, _)| *key != "description").chain(comment).collect::<BTreeMap<_, _>>();
        let column = serde_json::json!(
            {"name": field.name(), "type": data_type, "nullable": true, "metadata": metadata}
        );
        fields.push(serde_json::from_value(column).ok()?);
    }
    serde_json::to_string(&root).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: &str) -> KeyValue {
        KeyValue { key: key.to_owned(), value: Some(value.to_owned()) }
    }

    #[test]
    fn listed_columns_are_extended_in_their_order() {
        let schema = Schema::new_with_metadata(
            vec![Field::new("z", DataType::Utf8View, false)],
            [("a".to_owned(), "b".to_owned())].into(),
        );
        let metadata = [("unit".to_owned(), "nats".to_owned())].into();
        let new = [Field::new("r", DataType::Float32, true).with_metadata(metadata)];
        let features =
            r#"{"info":{"features":{"z":{"dtype":"string","_type":"Value"},"b":[1,null,{"y":2.5}]}},"n":1}"#;
        let old = [
            pair("pandas", "{}"),
            pair(ARROW_SCHEMA_META_KEY, &encode_arrow_schema(&schema)),
            pair(HUGGINGFACE_KEY, features),
            pair("mine", "old"),
            KeyValue { key: "none".to_owned(), value: None },
        ];
        let out = extend(&old, &new, &[pair("mine", "new")]).unwrap();
        let keys: Vec<_> = out.iter().map(|pair| pair.key.as_str()).collect();
        assert_eq!(keys, ["pandas", ARROW_SCHEMA_META_KEY, HUGGINGFACE_KEY, "none", "mine"]);
        let encoded = out[1].value.as_ref().unwrap();
        let read = try_schema_from_ipc_buffer(&BASE64_STANDARD.decode(encoded).unwrap()).unwrap();
        assert_eq!(read.metadata(), schema.metadata());
        assert_eq!(read.fields()[0], schema.fields()[0]);
        assert_eq!(*read.fields()[1], new[0]);
        assert_eq!(
            out[2].value.as_ref().unwrap(),
            &features.replace("2.5}]}", r#"2.5}],"r":{"dtype":"float32","_type":"Value"}}"#)
        );
        assert_eq!((&out[3].value, out[4].value.as_deref()), (&None, Some("new")));
    }

    #[test]
    fn spark_reads_the_new_columns_and_not_the_omitted_ones() {
        let field = r#"{"name":"id","type":"long","nullable":true,"metadata":{}}"#;
        let schema = |fields: &str| format!(r#"{{"type":"struct","fields":[{fields}]}}"#);
        let new = Field::new("r", DataType::Float32, true)
            .with_metadata([("description".to_owned(), "d".to_owned())].into());
        let out = extend(&[pair(SPARK_KEY, &schema(field))], &[new], &[]).unwrap();
        let added = r#"{"name":"r","type":"float","nullable":true,"metadata":{"comment":"d"}}"#;
        let as_json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(as_json(out[0].value.as_ref().unwrap()), as_json(&schema(&format!("{field},{added}"))));
        let omitted = OmittedColumns { columns: vec![1], keys: vec!["mine".to_owned()] };
        let old =
            [out[0].clone(), pair("mine", "x"), pair(PANDAS_KEY, r#"{"columns":[{"field_name":"r"}]}"#)];
        let left = without(&old, &omitted, &["id", "r"]).unwrap();
        assert_eq!(left.len(), 2);
        assert_eq!(as_json(left[0].value.as_ref().unwrap()), as_json(&schema(field)));
        assert_eq!(left[1].value.as_deref(), Some(r#"{"columns":[]}"#));
    }

    #[test]
    fn the_metadata_of_an_arrow_schema_are_those_of_the_file() {
        let metadata =
            [("huggingface", "old"), ("lsmi_etl.adjust", "none"), ("lsmi_etl.rows", "{}"), ("mine", "x")];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let schema =
            Schema::new_with_metadata(vec![Field::new("r", DataType::Float32, true)], metadata.into());
        let old = [pair(ARROW_SCHEMA_META_KEY, &encode_arrow_schema(&schema))];
        let keys = vec!["lsmi_etl.adjust".to_owned(), "lsmi_etl.rows".to_owned()];
        let mut pairs = without(&old, &OmittedColumns { columns: Vec::new(), keys }, &["r"]).unwrap();
        pairs.extend([pair("huggingface", "new"), pair("lsmi_etl.adjust", "dataset"), pair("other", "y")]);
        let pairs = with_schema_metadata(pairs, &["lsmi_etl.adjust".to_owned()]).unwrap();
        let read = decoded(pairs[0].value.as_ref().unwrap()).unwrap();
        let mut found: Vec<_> =
            read.metadata().iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        found.sort_unstable();
        assert_eq!(found, [("huggingface", "new"), ("lsmi_etl.adjust", "dataset"), ("mine", "x")]);
    }

    #[test]
    fn a_huggingface_key_of_another_shape_is_left_alone() {
        let new = [Field::new("r", DataType::Float32, true)];
        for value in ["", "[]", r#"{"info":{}}"#, r#"{"info":{"features":[]}}"#] {
            let out = extend(&[pair(HUGGINGFACE_KEY, value)], &new, &[]).unwrap();
            assert_eq!(out[0].value.as_deref(), Some(value));
        }
    }
}
