//! The sizes, codecs and columns of files, from their footers.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;

use crate::parquet_file::Input;

use super::summary::{CodecBytes, FileDifference};

/// Files with other columns that are named.
const MOST_DIFFERENCES: usize = 10;

/// The sizes of files together.
#[derive(Debug, Default)]
pub(super) struct FileSizes {
    pub rows: u64,
    pub row_groups: u64,
    pub bytes: u64,
    pub differences: Vec<FileDifference>,
    codecs: BTreeMap<String, u64>,
    first: Option<SchemaRef>,
}

impl FileSizes {
    /// Adds a file.
    pub(super) fn add(&mut self, input: &Input) {
        self.rows += input.rows();
        self.bytes += input.file().bytes();
        for group in input.metadata().row_groups() {
            self.row_groups += 1;
            for chunk in group.columns() {
                // The name alone: a codec's level is not in the file.
                let name = chunk.compression().to_string();
                let name = name.split('(').next().unwrap_or(&name).to_owned();
                *self.codecs.entry(name).or_default() += chunk.compressed_size().unsigned_abs();
            }
        }
        let schema = input.schema();
        let first = self.first.get_or_insert_with(|| schema.clone());
        if let Some(what) = difference(first, schema)
            && self.differences.len() < MOST_DIFFERENCES
        {
            self.differences.push(FileDifference { file: input.place().file, what });
        }
    }

    /// The codecs, the most used first.
    pub(super) fn codecs(&self) -> Vec<CodecBytes> {
        let all = self.codecs.iter().map(|(codec, bytes)| CodecBytes { codec: codec.clone(), bytes: *bytes });
        let mut all: Vec<CodecBytes> = all.collect();
        all.sort_by_key(|codec| std::cmp::Reverse(codec.bytes));
        all
    }
}

/// How the columns of a file differ from those of the first.
fn difference(first: &SchemaRef, other: &SchemaRef) -> Option<String> {
    let lacks = |all: &SchemaRef, some: &SchemaRef| -> Vec<String> {
        let fields = all.fields().iter().map(|field| field.name());
        fields.filter(|name| some.field_with_name(name).is_err()).cloned().collect()
    };
    let (missing, more) = (lacks(first, other), lacks(other, first));
    let retyped: Vec<String> = first
        .fields()
        .iter()
        .filter_map(|field| {
            let found = other.field_with_name(field.name()).ok()?;
            let differs = found.data_type() != field.data_type();
            differs.then(|| format!("{} is {}, not {}", field.name(), found.data_type(), field.data_type()))
        })
        .collect();
    let mut parts = Vec::new();
    if !missing.is_empty() {
        parts.push(format!("lacks {}", missing.join(", ")));
    }
    if !more.is_empty() {
        parts.push(format!("has {} besides", more.join(", ")));
    }
    parts.extend(retyped);
    (!parts.is_empty()).then(|| parts.join("; "))
}
