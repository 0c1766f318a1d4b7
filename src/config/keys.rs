//! The keys of a pipeline file as a [`Pipeline`]. All keys that are at fault are told at once.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::error::Result;

use super::faults::Faults;
use super::pipeline::Pipeline;
use super::source_text::SourceText;

/// Deserializes a file. A key at fault is left out, and the others are read again, which finds the next fault.
///
/// # Errors
/// All faults: unknown and missing keys, and values of other types.
pub(super) fn deserialize(source: &SourceText, mut root: Spanned<DeValue<'_>>) -> Result<Pipeline> {
    let mut faults = Faults::default();
    loop {
        let mut track = serde_path_to_error::Track::new();
        let values = ValueDeserializer::from(root.clone());
        let read = Pipeline::deserialize(serde_path_to_error::Deserializer::new(values, &mut track));
        let error = match read {
            Ok(pipeline) => return faults.into_result().map(|()| pipeline),
            Err(error) => error,
        };
        let path = track.path().to_string();
        faults.push(source.explain(if path == "." { "" } else { &path }, &error));
        let DeValue::Table(table) = root.get_mut() else { return Err(faults.into_error()) };
        if !error.span().is_some_and(|span| omit(table, &span)) {
            return Err(faults.into_error());
        }
    }
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
