//! A batch of computed rows: the unit that workers produce, the journal stores and writers consume.

use crate::samples::Fate;

/// A batch of computed rows and its place in the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Batch {
    pub(super) row_group: usize,
    /// Position of the first row in its row group.
    pub(super) first_row: usize,
    pub(super) rows: usize,
    /// One vector for each computed column; values of bad rows are undefined.
    pub(super) columns: Vec<Vec<f32>>,
    /// The rows without values, ascending.
    pub(super) bad: Vec<BadRow>,
    /// Good rows that the models were trained on, evaluated by those of a fold.
    pub(super) trained_rows: usize,
}

/// A row without values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadRow {
    /// Position in the batch.
    pub(super) row: u32,
    pub(super) fate: Fate,
    /// The label as text, unless it is null.
    pub(super) label: Option<String>,
}
