//! The annotated files of a data set: discovery, validation, and choice of the label and key columns.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use arrow::datatypes::Schema;

use crate::error::{Error, Place, Result};
use crate::interaction::ColumnPrefix;
use crate::interaction::lattice::Lattice;
use crate::parquet_file::Input;
use crate::printable::without_secrets;
use crate::provenance::Provenance;
use crate::samples::obvious_label;
use crate::storage::{DataFiles, DataNames, PathIdentity, partition_value};

use super::format::list;
use super::link_template::LinkTemplate;
use super::origin::{Origin, OriginBuilder};
use super::parts::part_names;
use super::path_columns::{PathColumns, is_in_path};
use super::value_columns::ValueColumns;
use super::written_columns::WrittenColumns;

/// Default key columns.
const KEYS: [&str; 2] = ["id", "key"];

/// Columns to read besides the values.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColumnOptions<'a> {
    pub(super) label: Option<&'a str>,
    pub(super) key: &'a [String],
    pub(super) link: Option<&'a LinkTemplate>,
    /// The prefix of the columns of values.
    pub(super) prefix: &'a ColumnPrefix,
}

/// Validated files of a data set, with their columns and provenance.
#[derive(Debug)]
pub(super) struct AnnotatedFiles {
    /// Input paths as given.
    pub(super) inputs: Vec<PathBuf>,
    pub(super) files: Vec<PathBuf>,
    /// By input: the columns that its path has and its table lacks.
    pub(super) path_columns: Vec<PathColumns>,
    pub(super) rows: u64,
    /// Empty where annotate has read none, and none is named.
    pub(super) label: String,
    /// Columns read for the ranked rows: the key columns, then further columns of the link.
    pub(super) key: Vec<String>,
    /// Number of key columns.
    pub(super) key_columns: usize,
    /// The columns of values that every file has.
    pub(super) values: ValueColumns,
    /// The prefix of their names.
    pub(super) prefix: ColumnPrefix,
    /// The columns of embeddings that every file has.
    pub(super) embeddings: Vec<String>,
    pub(super) origin: Origin,
}

impl AnnotatedFiles {
    /// Finds the files and reads their footers.
    ///
    /// # Errors
    /// [`Error::NoInput`] where nothing is there; [`Error::BadData`] where a file is not
    /// Parquet, not annotated, of another number of modalities than the others, or lacks a named column; [`Error::Usage`] where the label is
    /// ambiguous.
    pub(super) fn new(inputs: &[PathBuf], columns: ColumnOptions<'_>) -> Result<Self> {
        let mut origin = OriginBuilder::default();
        let (mut rows, mut values) = (0, None);
        let (mut files, mut path_columns, mut first) = (Vec::new(), Vec::new(), None);
        let (mut known, mut columns_of_all) = (HashSet::new(), None);
        let (mut labels, mut tables) = (BTreeMap::new(), Vec::new());
        for path in inputs {
            let (mut of_input, mut table) = (None, None);
            for found in DataFiles::find(path, DataNames::PARQUET)?.require_any()?.files {
                if !known.insert(PathIdentity::of(&found.path)) {
                    let what = "is named twice, and its rows would count twice; name it once";
                    return Err(Error::Usage(format!("{} {what}", found.path.display())));
                }
                let input = Input::open(&found.path)?;
                let provenance = Provenance::read(&input, columns.prefix);
                let of_file = value_columns(&input, &provenance, first.is_none())?;
                values = Some(common(values, of_file, &input)?);
                rows += input.rows();
                if let Some(input_origin) = &provenance.input {
                    labels.entry(input_origin.label.clone()).or_insert_with(|| input.place());
                }
                origin.add(provenance, input.rows());
                let names = input.schema().fields().iter().map(|field| field.name().clone());
                table.get_or_insert_with(|| InputColumns::of(&input)).columns.extend(names);
                columns_of_all = Some(columns_in_common(columns_of_all, input.schema()));
                of_input.get_or_insert_with(|| PathColumns::of(&found, &input));
                files.push(found.path);
                first = first.or(Some(input));
            }
            path_columns.push(of_input.unwrap_or_default());
            tables.extend(table);
        }
        let origin = origin.finish();
        let Some((first, values)) = first.zip(values) else {
            return Err(Error::Internal("no file was found".to_owned()));
        };
        let label = label(&first, &labels, columns.label)?;
        let (key, key_columns) = key(&first, columns)?;
        tables
            .iter()
            .filter(|_| !label.is_empty())
            .try_for_each(|table| table.require(&label, "the label"))?;
        for (place, column) in key.iter().enumerate() {
            let what = if place < key_columns { "the key" } else { "the link" };
            tables.iter().try_for_each(|table| table.require(column, what))?;
        }
        let columns_of_all = columns_of_all.unwrap_or_default();
        let embeddings = origin.x.0.iter().flatten().filter(|column| columns_of_all.contains(*column));
        let embeddings = embeddings.cloned().collect();
        let (inputs, prefix) = (inputs.to_vec(), columns.prefix.clone());
        Ok(Self {
            prefix,
            inputs,
            files,
            path_columns,
            rows,
            label,
            key,
            key_columns,
            values,
            embeddings,
            origin,
        })
    }

    /// SQL of a column of values as a double, by its name without the prefix.
    pub(super) fn value(&self, name: &str) -> String {
        format!("CAST(\"{}\" AS DOUBLE) AS {name}", self.prefix.name(name))
    }

    /// A short name: the last component of the first path.
    pub(super) fn name(&self) -> String {
        let first = self.inputs.first().map_or("data".to_owned(), |path| without_secrets(path));
        let last = Path::new(&first).file_name().map(|name| name.to_string_lossy().into_owned());
        let name = last.unwrap_or(first);
        match self.inputs.len() {
            0 | 1 => name,
            more => format!("{name} and {} more", more - 1),
        }
    }
}

/// The columns of values of a file, checked to be floating-point numbers. Of the first file, the log says
/// which column is taken for the user's own.
fn value_columns(input: &Input, provenance: &Provenance, is_first: bool) -> Result<ValueColumns> {
    let prefix = &provenance.prefix;
    let has = |name: &str| has_column(input.schema(), &prefix.name(name));
    let written = WrittenColumns::new(input.schema(), provenance);
    let modalities = written.modalities();
    if let Some(note) = written.note().filter(|_| is_first) {
        tracing::info!("{}: {note}", input.place());
    }
    if modalities > Lattice::MODALITIES {
        let what = format!(
            "holds values of {modalities} modalities, and a report is of {} at most",
            Lattice::MODALITIES
        );
        return Err(Error::bad_data(input.place(), what));
    }
    let names = part_names(modalities);
    let missing: Vec<String> = names.iter().filter(|name| !has(name)).map(|name| prefix.name(name)).collect();
    if !missing.is_empty() {
        let (noun, verb) = if missing.len() == 1 { ("column", "is") } else { ("columns", "are") };
        let parts = list(&names, "and");
        return Err(Error::bad_data(
            input.place(),
            format!(
                "not annotated: {noun} {} {verb} missing; {}`lsmi-etl annotate` adds {parts}",
                missing.join(", "),
                other_prefixes(input, prefix)
            ),
        ));
    }
    for name in names {
        let name = prefix.name(name);
        let (_, field) = input.column(&name)?;
        if !field.data_type().is_floating() {
            let what = format!("holds {}, and not the numbers that annotate writes", field.data_type());
            return Err(Error::bad_data(input.place().column(name), what));
        }
    }
    Ok(ValueColumns::of(&written))
}

/// The prefixes of columns that a file has, where it lacks those of the one that is asked for.
fn other_prefixes(input: &Input, prefix: &ColumnPrefix) -> String {
    let others = Provenance::prefixes(input).into_iter().filter(|other| other != prefix);
    let flag = |other: ColumnPrefix| match other.is_empty() {
        true => "omit --prefix for those that it has; ".to_owned(),
        false => format!("--prefix {other} reads others that it has; "),
    };
    others.map(flag).collect()
}

/// The names of the columns that a file has in common with the files before it.
fn columns_in_common(before: Option<HashSet<String>>, schema: &Schema) -> HashSet<String> {
    let names: HashSet<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    match before {
        None => names,
        Some(before) => before.into_iter().filter(|name| names.contains(name)).collect(),
    }
}

/// Whether a file has a column.
fn has_column(schema: &Schema, name: &str) -> bool {
    schema.fields().iter().any(|field| field.name() == name)
}

/// The columns that a file has in common with the files before it.
fn common(before: Option<ValueColumns>, of_file: ValueColumns, input: &Input) -> Result<ValueColumns> {
    match before {
        None => Ok(of_file),
        Some(before) if before.modalities == of_file.modalities => Ok(before.and(&of_file)),
        Some(before) => Err(Error::bad_data(
            input.place(),
            format!(
                "holds values of {} modalities, and the files before it of {}; make a report of each",
                of_file.modalities, before.modalities
            ),
        )),
    }
}

/// The columns of one input's table.
struct InputColumns {
    /// The first file.
    place: Place,
    columns: HashSet<String>,
}

impl InputColumns {
    fn of(first: &Input) -> Self {
        Self { place: first.place(), columns: HashSet::new() }
    }

    /// Checks that a column is in a file of the input or in its path.
    fn require(&self, column: &str, what: &str) -> Result<()> {
        let in_path = || partition_value(Path::new(&self.place.file), column).is_some();
        if self.columns.contains(column) || in_path() {
            return Ok(());
        }
        let what = format!(
            "there is no such column, which is {what} of the report; name one that all files have, or make a report of \
             each"
        );
        Err(Error::bad_data(self.place.clone().column(column), what))
    }
}

/// The label that is named, else the one that annotate read, by the first file of each; empty where it read none.
fn label(first: &Input, read: &BTreeMap<String, Place>, named: Option<&str>) -> Result<String> {
    if let Some(name) = named {
        return require_column(first, name).map(|()| name.to_owned());
    }
    let labels: Vec<&String> = read.keys().collect();
    match &labels[..] {
        // Of values that are expectations over the label.
        [label] if label.is_empty() => Ok(String::new()),
        [label] if has_column(first.schema(), label) || is_in_path(first, label) => Ok((*label).clone()),
        [] | [_] => obvious_label(first),
        _ => {
            let each = read.iter().map(|(label, place)| match label.as_str() {
                "" => format!("{place} without a label"),
                label => format!("{place} with the label {label}"),
            });
            let each = each.collect::<Vec<_>>().join(", ");
            Err(Error::Usage(format!(
                "the files were annotated differently: {each}; make a report of each, or name a label that all have \
                 with --label"
            )))
        }
    }
}

/// The key columns followed by those that only the link needs, and the number of key columns.
fn key(first: &Input, columns: ColumnOptions<'_>) -> Result<(Vec<String>, usize)> {
    let mut key = columns.key.to_vec();
    if key.is_empty() {
        let fields = first.schema().fields().iter().map(|field| field.name());
        key.extend(fields.filter(|name| KEYS.contains(&name.to_lowercase().as_str())).cloned());
    }
    let key_columns = key.len();
    let link_columns = columns.link.map(LinkTemplate::columns).unwrap_or_default();
    for column in link_columns {
        if !key.iter().any(|name| name == column) {
            key.push(column.to_owned());
        }
    }
    for (place, column) in key.iter().enumerate() {
        let option = if place < key_columns { "--key" } else { "--link-template" };
        require_column(first, column).map_err(|error| match error {
            Error::BadData { place, what } => {
                Error::BadData { place, what: format!("{option} names it, and {what}") }
            }
            error => error,
        })?;
    }
    Ok((key, key_columns))
}

/// Checks that a column is in the file or in a `column=value` folder of its path.
///
/// # Errors
/// [`Error::BadData`].
pub fn require_column(input: &Input, column: &str) -> Result<()> {
    if is_in_path(input, column) { Ok(()) } else { input.column(column).map(|_| ()) }
}

/// The number of modalities of a file's values, whose columns have a prefix.
///
/// # Errors
/// [`Error::BadData`] where the columns are missing or are no numbers.
pub fn modalities(input: &Input, prefix: &ColumnPrefix) -> Result<usize> {
    value_columns(input, &Provenance::read(input, prefix), false).map(|columns| columns.modalities)
}
