//! The annotated files of a data set: found, looked into, and refused where they are
//! not annotated.

use std::path::{Path, PathBuf};

use arrow::datatypes::Schema;

use crate::error::{Error, Place, Result};
use crate::parquet_file::Input;
use crate::provenance::Provenance;
use crate::samples::obvious_label;
use crate::storage::find_files;

use super::links::Template;
use super::origin::{Origin, OriginBuilder};

/// Columns that are taken as the key where none is named.
const KEYS: [&str; 2] = ["id", "key"];

/// What to take from the files beside the parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) label: Option<&'a str>,
    pub(super) key: &'a [String],
    pub(super) link: Option<&'a Template>,
}

/// Files that were looked into.
#[derive(Debug)]
pub(super) struct Opened {
    /// The paths as they were given.
    pub(super) inputs: Vec<PathBuf>,
    pub(super) files: Vec<PathBuf>,
    pub(super) rows: u64,
    pub(super) label: String,
    /// Columns that are read of the rows at the ends: the key, then those of the link.
    pub(super) key: Vec<String>,
    /// How many of them are the key.
    pub(super) key_columns: usize,
    /// Whether every file has h1 and h2.
    pub(super) has_specificity: bool,
    pub(super) origin: Origin,
}

impl Opened {
    /// Finds the files and reads their footers.
    ///
    /// # Errors
    /// [`Error::NoInput`] where nothing is there; [`Error::BadData`] where a file is not
    /// Parquet, not annotated, or lacks a column that was named; [`Error::Usage`] where
    /// the label can't be told.
    pub(super) fn new(inputs: &[PathBuf], wanted: Wanted<'_>) -> Result<Self> {
        let mut files = Vec::new();
        for input in inputs {
            files.extend(find_files(input)?);
        }
        let mut origin = OriginBuilder::default();
        let (mut rows, mut has_specificity) = (0, true);
        let mut first = None;
        for file in &files {
            let input = Input::open(file)?;
            check_annotated(&input)?;
            rows += input.rows();
            has_specificity &= has_all(input.schema(), &["h1", "h2"]);
            origin.add(Provenance::read(&input));
            first = first.or(Some(input));
        }
        let origin = origin.finish();
        let Some(first) = first else { return Err(Error::Internal("no file was found".to_owned())) };
        let label = label(&first, &origin, wanted.label)?;
        let (key, key_columns) = key(&first, wanted)?;
        let inputs = inputs.to_vec();
        Ok(Self { inputs, files, rows, label, key, key_columns, has_specificity, origin })
    }

    /// A short name: the last part of the first path.
    pub(super) fn name(&self) -> String {
        let first = self.inputs.first().map(PathBuf::as_path).unwrap_or(Path::new("data"));
        let last = first.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = last.unwrap_or_else(|| first.display().to_string());
        match self.inputs.len() {
            0 | 1 => name,
            more => format!("{name} and {} more", more - 1),
        }
    }
}

/// Refuses a file that lacks one of the four columns, or in which one is not a number.
fn check_annotated(input: &Input) -> Result<()> {
    let missing: Vec<&str> =
        ["r", "u1", "u2", "s"].into_iter().filter(|name| !has_all(input.schema(), &[name])).collect();
    if !missing.is_empty() {
        let (noun, verb) = if missing.len() == 1 { ("column", "is") } else { ("columns", "are") };
        return Err(Error::bad_data(
            input.place(),
            format!(
                "not annotated: {noun} {} {verb} missing; `lsmi-etl annotate` adds r, u1, u2 and s",
                missing.join(", ")
            ),
        ));
    }
    for name in ["r", "u1", "u2", "s"] {
        let (_, field) = input.column(name)?;
        if !field.data_type().is_floating() {
            let what = format!("holds {}, and not the numbers that annotate writes", field.data_type());
            return Err(Error::bad_data(input.place().column(name), what));
        }
    }
    Ok(())
}

fn label(first: &Input, origin: &Origin, named: Option<&str>) -> Result<String> {
    if let Some(name) = named {
        return in_file_or_path(first, name).map(|()| name.to_owned());
    }
    match &origin.labels[..] {
        [label] if has_all(first.schema(), &[label]) => Ok(label.clone()),
        _ => obvious_label(first).map(str::to_owned),
    }
}

/// The key's columns and, after so many, more that only the link needs.
fn key(first: &Input, wanted: Wanted<'_>) -> Result<(Vec<String>, usize)> {
    let mut key = wanted.key.to_vec();
    if key.is_empty() {
        let fields = first.schema().fields().iter().map(|field| field.name());
        key.extend(fields.filter(|name| KEYS.contains(&name.to_lowercase().as_str())).cloned());
    }
    let key_columns = key.len();
    let of_link = wanted.link.map(Template::columns).unwrap_or_default();
    for column in of_link {
        if !key.iter().any(|name| name == column) {
            key.push(column.to_owned());
        }
    }
    for column in &key {
        in_file_or_path(first, column)?;
    }
    Ok((key, key_columns))
}

/// Fails where a column is neither in the file nor a `column=value` folder above it.
fn in_file_or_path(input: &Input, column: &str) -> Result<()> {
    let folder = format!("{column}=");
    let place: Place = input.place();
    let in_path = Path::new(&place.file).iter().any(|part| part.to_string_lossy().starts_with(&folder));
    if in_path { Ok(()) } else { input.column(column).map(|_| ()) }
}

fn has_all(schema: &Schema, names: &[&str]) -> bool {
    names.iter().all(|name| schema.fields().iter().any(|field| field.name() == name))
}
