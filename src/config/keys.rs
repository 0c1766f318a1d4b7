//! The keys of a pipeline file as a [`Pipeline`]. All keys that are at fault are told at once.

use std::ops::Range;

use serde::Deserialize;
use serde_path_to_error::{Path, Segment, Track};
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::faults::Faults;
use super::pipeline::Pipeline;
use super::source_text::{SourceText, join};

/// Deserializes a file, and adds the faults of its keys: unknown and missing ones, and values of other types. A key at
/// fault is left out, or given an empty text where it is required, and the others are read again, which finds the next
/// fault. `None` where no more can be read.
pub(super) fn deserialize(
    source: &SourceText,
    mut root: Spanned<DeValue<'_>>,
    faults: &mut Faults,
) -> Option<Pipeline> {
    loop {
        let mut track = Track::new();
        let values = ValueDeserializer::from(root.clone());
        let read = Pipeline::deserialize(serde_path_to_error::Deserializer::new(values, &mut track));
        let error = match read {
            Ok(pipeline) => return Some(pipeline),
            Err(error) => error,
        };
        let path = track.path();
        let table = path.to_string();
        let table = if table == "." { "" } else { &table };
        let missing = missing_key(&error);
        let key = missing.map_or_else(|| table.to_owned(), |name| join(table, name));
        // A required key that was at fault has been left out.
        if missing.is_none() || !faults.is_at_fault(&key) {
            faults.push(&key, source.explain(table, &error));
        }
        let has_changed = match missing {
            Some(name) => fill(&mut root, &path, name),
            None => error.span().is_some_and(|span| omit_within(&mut root, &span)),
        };
        if !has_changed {
            return None;
        }
    }
}

/// The required key that an error is about.
fn missing_key(error: &toml::de::Error) -> Option<&str> {
    error.message().strip_prefix("missing field `")?.strip_suffix('`')
}

/// Gives a key of the table at a path an empty text; whether there is such a table.
fn fill(root: &mut Spanned<DeValue<'_>>, path: &Path, name: &str) -> bool {
    let mut at = root.get_mut();
    for segment in path.iter() {
        let value = match (segment, at) {
            (Segment::Map { key }, DeValue::Table(table)) => table.get_mut(key.as_str()),
            (Segment::Seq { index }, DeValue::Array(array)) => array.get_mut(*index),
            _ => None,
        };
        let Some(value) = value else { return false };
        at = value.get_mut();
    }
    let DeValue::Table(table) = at else { return false };
    let empty = Spanned::new(0..0, DeValue::String("".into()));
    table.insert(Spanned::new(0..0, name.to_owned().into()), empty);
    true
}

/// Removes the key that is written at a place, or whose value or element is, from a table or the innermost table in it;
/// whether it was there.
fn omit(table: &mut DeTable<'_>, at: &Range<usize>) -> bool {
    let found = table.iter().find(|(key, value)| key.span() == *at || is_written_at(value, at));
    if let Some(name) = found.map(|(key, _)| key.clone()) {
        return table.remove(&name).is_some();
    }
    table.iter_mut().any(|(_, value)| omit_within(value, at))
}

fn omit_within(value: &mut Spanned<DeValue<'_>>, at: &Range<usize>) -> bool {
    match value.get_mut() {
        DeValue::Table(table) => omit(table, at),
        DeValue::Array(array) => array.iter_mut().any(|value| omit_within(value, at)),
        _ => false,
    }
}

fn is_written_at(value: &Spanned<DeValue<'_>>, at: &Range<usize>) -> bool {
    let mut elements = value.get_ref().as_array().into_iter().flat_map(|array| array.iter());
    value.span() == *at || elements.any(|element| element.span() == *at)
}
