//! A probe of a file's schema and first rows: candidates for embedding and label columns, and
//! the dimension of embeddings.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::RangeInclusive;

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;

use crate::error::{Error, Place, Result};
use crate::interaction::lattice::Lattice;
use crate::parquet_file::{ColumnReader, Input};

use super::embedding_query::embeddings_of;
use super::embedding_type::{EmbeddingLayout, EmbeddingType, advice, wrong_dimension};
use super::first_rows::{PROBE_ROWS, first_rows};
use super::label::LabelIndex;
use super::label_source::FolderLabel;
use super::label_type::{LabelPlace, LabelType};
use super::spark_vector;

/// Names by which a label column is recognised.
const LABEL_NAMES: [&str; 4] = ["y", "label", "target", "class"];

/// The smallest and the largest magnitude of a usual value of an embedding, and the least share of them.
const USUAL_SIZES: RangeInclusive<f32> = 1e-6..=1e6;
const USUAL_SHARE: f64 = 0.9;

/// The columns of a file that are or may be embeddings.
struct EmbeddingCandidates<'a> {
    /// Those beyond doubt.
    obvious: Vec<&'a str>,
    /// Fixed-size binary whose bytes look like f32 values.
    doubtful: Vec<&'a str>,
    /// Columns that only resemble embeddings, with their types: lists of other numbers, other binary.
    others: Vec<String>,
}

impl<'a> EmbeddingCandidates<'a> {
    fn of(input: &'a Input) -> Result<Self> {
        let mut found = Self { obvious: Vec::new(), doubtful: Vec::new(), others: Vec::new() };
        for (position, field) in input.schema().fields().iter().enumerate() {
            let name = field.name().as_str();
            match EmbeddingType::of(field.data_type()) {
                Some(embedding) if embedding.is_obvious() => found.obvious.push(name),
                Some(_) if holds_floats(input, position, name)? => found.doubtful.push(name),
                _ if resembles_embedding(field.data_type()) && !is_label_name(name) => {
                    found.others.push(format!("{name} ({})", field.data_type()));
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

/// Whether a column of this type may have been meant as an embedding.
fn resembles_embedding(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            item.data_type().is_numeric()
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            true
        }
        _ => false,
    }
}

/// Whether the bytes of a fixed-size binary column look like f32 values: of the numbers in the first rows
/// that are not zero, nearly all are of a usual size. Those of identifiers and hashes are of any size.
fn holds_floats(input: &Input, position: usize, name: &str) -> Result<bool> {
    let mut groups = 0..input.metadata().num_row_groups();
    let Some(row_group) = groups.find(|group| input.rows_in(*group) > 0) else { return Ok(false) };
    let rows = input.rows_in(row_group).min(PROBE_ROWS);
    let read = ColumnReader::open(input, position, name, row_group, 0..rows, rows)?.read(rows)?;
    let values = read.as_fixed_size_binary_opt().into_iter().flat_map(|rows| rows.iter().flatten());
    let (mut usual, mut all) = (0_u32, 0_u32);
    for bytes in values.flat_map(|row| row.chunks_exact(size_of::<f32>())) {
        let value = <[u8; 4]>::try_from(bytes).map_or(0.0, f32::from_le_bytes);
        all += u32::from(value != 0.0);
        usual += u32::from(USUAL_SIZES.contains(&value.abs()));
    }
    Ok(all > 0 && f64::from(usual) >= USUAL_SHARE * f64::from(all))
}

/// The columns that are embeddings, and those of fixed-size binary whose bytes look like them.
///
/// # Errors
/// Those of reading the first rows of a fixed-size binary column.
pub fn embedding_columns(input: &Input) -> Result<Vec<&str>> {
    let EmbeddingCandidates { mut obvious, doubtful, .. } = EmbeddingCandidates::of(input)?;
    obvious.extend(doubtful);
    Ok(obvious)
}

/// The columns that are labels without a look at their values.
pub fn label_columns(input: &Input) -> Vec<&str> {
    let fields = input.schema().fields().iter();
    fields.filter(|f| LabelType::is_obvious(f.data_type())).map(|field| field.name().as_str()).collect()
}

/// The embedding columns, where there are as many as a bundle may have modalities, two to four, and no
/// other column may be one. Logs the columns that only resemble embeddings.
///
/// # Errors
/// [`Error::Usage`] that lists the candidates and names the flags; those of reading the first rows of a
/// fixed-size binary column.
pub fn obvious_embeddings(input: &Input) -> Result<Vec<&str>> {
    let EmbeddingCandidates { obvious, doubtful, others } = EmbeddingCandidates::of(input)?;
    let what = match &obvious[..] {
        some if !doubtful.is_empty() => format!(
            "{} may be embeddings, by the sizes of their bytes read as float32; choose with --x once for each from: {}",
            doubtful.join(", "),
            some.iter().chain(&doubtful).copied().collect::<Vec<_>>().join(", ")
        ),
        [] => "no column holds embeddings; name them with --x1 and --x2".to_owned(),
        [one] => format!(
            "only the column {one} holds embeddings, and two modalities are the least; give rows with those of another, or \
             name the columns with --x1 and --x2"
        ),
        some if some.len() > Lattice::MODALITIES => format!(
            "more than {0} columns hold embeddings: {1}; a bundle has at most {0} modalities: choose with --x once for \
             each, or fit each pair of them, with --x1 and --x2",
            Lattice::MODALITIES,
            some.join(", ")
        ),
        _ => {
            if !others.is_empty() {
                let others = others.join(", ");
                tracing::info!("not taken for embeddings: {others}; --x names the columns to take");
            }
            return Ok(obvious);
        }
    };
    let others = match others.is_empty() {
        true => String::new(),
        false => format!(" (not embeddings: {})", others.join(", ")),
    };
    let made = if obvious.len() < 2 { embeddings_of(input) } else { Vec::new() };
    let made = if made.is_empty() { String::new() } else { format!("; {}", advice(&made)) };
    Err(Error::Usage(format!("{}: {what}{others}{made}", input.place())))
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

/// The dimension of an embedding column: of its type, or the most frequent length of its first lists that
/// are neither null nor empty, of which single ones may be bad rows.
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
            if let Some(length) = most_frequent(lengths(&lists, kind)?.into_iter().flatten()) {
                return Ok(length);
            }
        }
    }
    let what = match input.rows() {
        0 => "the file has no rows; name one that has",
        _ => "holds no embedding in any row; choose another column",
    };
    Err(Error::bad_data(place, what))
}

/// The most frequent length above zero, of several the one that comes first.
fn most_frequent(lengths: impl Iterator<Item = usize>) -> Option<usize> {
    let mut lists: HashMap<usize, (usize, Reverse<usize>)> = HashMap::new();
    for (place, length) in lengths.enumerate().filter(|(_, length)| *length > 0) {
        lists.entry(length).or_insert((0_usize, Reverse(place))).0 += 1;
    }
    lists.into_iter().max_by_key(|(_, count)| *count).map(|(length, _)| length)
}

/// Fails where none of the file's first lists has the models' dimension: the column is then
/// the wrong one, and not some of its rows bad.
pub(super) fn check_first_lengths(input: &Input, name: &str, kind: EmbeddingType, dim: usize) -> Result<()> {
    /// Of most files these are enough, and Arrow's reader takes a fiftieth of the time of all.
    const FEW_ROWS: usize = 16;
    if let Some((_, lists)) = first_rows(input, name, FEW_ROWS)?
        && lengths(&lists, kind)?.contains(&Some(dim))
    {
        return Ok(());
    }
    match first_rows(input, name, PROBE_ROWS)? {
        Some((place, lists)) => check_lengths(&lists, kind, dim, || place),
        None => Ok(()),
    }
}

/// Fails where the file's first labels are of another type than the classes' and none is a class.
pub(super) fn check_first_labels(input: &Input, name: &str, index: &LabelIndex) -> Result<()> {
    let (_, field) = input.column(name)?;
    if LabelType::of(field.data_type()) == Some(index.kind()) {
        return Ok(());
    }
    match first_rows(input, name, PROBE_ROWS)? {
        Some((_, labels)) => index.check_known(&labels, &LabelPlace::Rows(input.place().column(name), 0)),
        None => Ok(()),
    }
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
