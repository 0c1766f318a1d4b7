//! A probe of a file's schema and first rows: candidates for embedding and label columns, and
//! the dimension of embeddings.

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;

use crate::error::{Error, Place, Result};
use crate::interaction::lattice::Lattice;
use crate::parquet_file::{ColumnReader, Input};

use super::embedding_type::{EmbeddingLayout, EmbeddingType, wrong_dimension};
use super::label_source::FolderLabel;
use super::label_type::{LabelPlace, LabelType};
use super::spark_vector;

/// Rows that are read to distinguish a wrong column from bad rows.
const PROBE_ROWS: usize = 1024;

/// Names by which a label column is recognised.
const LABEL_NAMES: [&str; 4] = ["y", "label", "target", "class"];

/// The columns that are embeddings beyond doubt.
pub fn embedding_columns(input: &Input) -> Vec<&str> {
    let fields = input.schema().fields().iter();
    let embeddings = fields.filter(|f| EmbeddingType::of(f.data_type()).is_some_and(|e| e.is_obvious()));
    embeddings.map(|field| field.name().as_str()).collect()
}

/// The columns that are labels without a look at their values.
pub fn label_columns(input: &Input) -> Vec<&str> {
    let fields = input.schema().fields().iter();
    fields.filter(|f| LabelType::is_obvious(f.data_type())).map(|field| field.name().as_str()).collect()
}

/// The embedding columns, where there are as many as a bundle may have modalities: two to four.
///
/// # Errors
/// [`Error::Usage`] that lists the candidates and names the flags.
pub fn obvious_embeddings(input: &Input) -> Result<Vec<&str>> {
    let found = embedding_columns(input);
    let what = match &found[..] {
        [] => "no column holds embeddings; name them with --x1 and --x2".to_owned(),
        [one] => format!("only the column {one} holds embeddings; name two with --x1 and --x2"),
        some if some.len() > Lattice::MODALITIES => format!(
            "more than {} columns hold embeddings: {}; choose with --x1 and --x2, or with --x once for each",
            Lattice::MODALITIES,
            some.join(", ")
        ),
        _ => return Ok(found),
    };
    Err(Error::Usage(format!("{}: {what}", input.place())))
}

/// The label: the column where exactly one has a label's name (y, label, target or class, in any case)
/// and a label's type, else the one `label=value` folder of the file's path with such a name. Integers,
/// strings and booleans go before floats, decimals and binary.
///
/// # Errors
/// [`Error::Usage`] that lists the candidates and names the flag; [`Error::BadData`] where the only
/// column of such a name has a type that no label has.
pub fn obvious_label(input: &Input) -> Result<String> {
    let fields = input.schema().fields().iter();
    let named: Vec<_> = fields.filter(|field| is_label_name(field.name())).collect();
    let of_type = |is: fn(&DataType) -> bool| {
        let mut found = named.iter().filter(|field| is(field.data_type()));
        found.next().filter(|_| found.next().is_none()).map(|field| field.name().clone())
    };
    let some = |is: fn(&DataType) -> bool| named.iter().any(|field| is(field.data_type()));
    let is_label = |data_type: &DataType| LabelType::of(data_type).is_some();
    let found = if some(LabelType::is_obvious) { of_type(LabelType::is_obvious) } else { of_type(is_label) };
    if let Some(label) = found {
        return Ok(label);
    }
    let folders = FolderLabel::names(&input.place().file);
    if !some(is_label) {
        let mut labels = folders.iter().filter(|name| is_label_name(name));
        if let (Some(label), None) = (labels.next(), labels.next()) {
            return Ok(label.clone());
        }
    }
    if let [field] = named[..] {
        let at = LabelPlace::Rows(input.place().column(field.name()), 0);
        LabelType::require(field.data_type(), &at)?;
    }
    let mut candidates: Vec<String> = label_columns(input).into_iter().map(str::to_owned).collect();
    candidates.extend(folders.into_iter().filter(|name| input.column(name).is_err()));
    let what = match candidates.is_empty() {
        true => "name the column of the label with --label".to_owned(),
        false => format!("choose with --label from: {}", candidates.join(", ")),
    };
    Err(Error::Usage(format!(
        "{}: not exactly one column or folder of labels is called y, label, target or class; {what}",
        input.place()
    )))
}

fn is_label_name(name: &str) -> bool {
    LABEL_NAMES.contains(&name.to_lowercase().as_str())
}

/// The dimension of an embedding column: of its type, or of its first list that
/// is neither null nor empty.
///
/// # Errors
/// [`Error::BadData`] where the column is no embedding or holds no list.
pub fn dimension_of(input: &Input, name: &str) -> Result<usize> {
    let place = input.place().column(name);
    let (position, field) = input.column(name)?;
    let kind = EmbeddingType::require(field.data_type(), place.clone())?;
    if let Some(dimension) = kind.dimension() {
        return Ok(dimension);
    }
    for row_group in 0..input.metadata().num_row_groups() {
        let rows = input.rows_in(row_group);
        let mut reader = ColumnReader::open(input, position, name, row_group, 0..rows, PROBE_ROWS)?;
        for start in (0..rows).step_by(PROBE_ROWS) {
            let lists = reader.read(PROBE_ROWS.min(rows - start))?;
            if let Some(length) = lengths(&lists, kind)?.into_iter().flatten().find(|length| *length > 0) {
                return Ok(length);
            }
        }
    }
    Err(Error::bad_data(place, "holds no embedding in any row; choose another column"))
}

/// Fails where none of the file's first lists has the models' dimension: the column is then
/// the wrong one, and not some of its rows bad.
pub(super) fn check_first_lengths(input: &Input, name: &str, kind: EmbeddingType, dim: usize) -> Result<()> {
    let (position, _) = input.column(name)?;
    let groups = 0..input.metadata().num_row_groups();
    let Some(row_group) = groups.into_iter().find(|group| input.rows_in(*group) > 0) else { return Ok(()) };
    let rows = input.rows_in(row_group).min(PROBE_ROWS);
    let lists = ColumnReader::open(input, position, name, row_group, 0..rows, rows)?.read(rows)?;
    check_lengths(&lists, kind, dim, || input.place().row_group(row_group).column(name))
}

/// Fails where there are lists and none has the models' dimension.
pub(super) fn check_lengths(
    lists: &dyn Array,
    kind: EmbeddingType,
    dim: usize,
    place: impl FnOnce() -> Place,
) -> Result<()> {
    let mut found = lengths(lists, kind)?.into_iter().flatten();
    match found.next() {
        Some(first) if first != dim && !found.any(|length| length == dim) => {
            Err(wrong_dimension(dim, first, place()))
        }
        _ => Ok(()),
    }
}

/// The length of each list; none where it is null.
fn lengths(lists: &dyn Array, kind: EmbeddingType) -> Result<Vec<Option<usize>>> {
    let length = |row: usize| match kind.layout {
        EmbeddingLayout::List => {
            lists.as_list_opt::<i32>().map(|l| usize::try_from(l.value_length(row)).unwrap_or(0))
        }
        EmbeddingLayout::LargeList => {
            lists.as_list_opt::<i64>().map(|l| usize::try_from(l.value_length(row)).unwrap_or(0))
        }
        EmbeddingLayout::FixedSizeList(length) | EmbeddingLayout::FixedSizeBinary(length) => Some(length),
        EmbeddingLayout::SparkVector | EmbeddingLayout::Nulls => None,
    };
    match lists.as_struct_opt() {
        Some(vectors) => spark_vector::lengths(vectors),
        None => Ok((0..lists.len()).map(|row| lists.is_valid(row).then(|| length(row)).flatten()).collect()),
    }
}
