//! The first rows of a column of a file.

use arrow::array::ArrayRef;

use crate::error::{Place, Result};
use crate::parquet_file::{ColumnReader, Input};

/// Rows that are read to distinguish a wrong column from bad rows.
pub(super) const PROBE_ROWS: usize = 1024;

/// At most so many first rows of a column, with their place; none where the file has no rows.
pub(super) fn first_rows(input: &Input, name: &str, rows: usize) -> Result<Option<(Place, ArrayRef)>> {
    let (position, _) = input.column(name)?;
    let Some(row_group) = first_row_group(input) else { return Ok(None) };
    let rows = input.rows_in(row_group).min(rows);
    let values = ColumnReader::open(input, position, name, row_group, 0..rows, rows)?.read(rows)?;
    Ok(Some((input.place().row_group(row_group).column(name), values)))
}

fn first_row_group(input: &Input) -> Option<usize> {
    (0..input.metadata().num_row_groups()).find(|group| input.rows_in(*group) > 0)
}
