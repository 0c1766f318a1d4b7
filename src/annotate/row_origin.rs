//! The origin of rows: the input and the unit in which its rows come, for messages about one row.

use crate::error::Place;

/// The unit in which the rows of an input come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Groups {
    /// The row groups of a file.
    OfFile,
    /// The record batches of a stream, which has no journal.
    OfStream,
}

/// The input of rows.
#[derive(Debug, Clone)]
pub(super) struct RowOrigin {
    pub(super) place: Place,
    pub(super) groups: Groups,
}

impl RowOrigin {
    /// The place of a row group or record batch, and the name of a row in it.
    pub(super) fn row(&self, group: usize, row: usize) -> (Place, String) {
        let place = self.place.clone();
        match self.groups {
            Groups::OfFile => (place.row_group(group), format!("row {row} of the row group")),
            Groups::OfStream => (place, format!("row {row} of record batch {group}")),
        }
    }
}
