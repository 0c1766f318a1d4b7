//! The assembler of rows from pages: a list may continue in the next page.

use parquet::errors::{ParquetError, Result as ParquetResult};

use crate::samples::extract::InvalidEmbedding;
use crate::storage::SourceFile;

use super::page_source::{GeneralPage, RegularPage};
use super::row_runs::RowRun;

/// The rows assembled so far.
pub(super) struct RowAssembler {
    pub(super) dim: usize,
    /// `[complete, dim]`, then at most `dim` values of the open row.
    pub(super) values: Vec<f32>,
    /// Number of complete rows.
    pub(super) complete: usize,
    /// Invalid complete rows, except those with values that are not finite.
    invalid: Vec<(usize, InvalidEmbedding)>,
    /// A row that may continue with the next level.
    pub(super) open_row: Option<OpenRow>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct OpenRow {
    length: usize,
    is_null: bool,
    has_null_item: bool,
}

impl RowAssembler {
    pub(super) fn new(dim: usize) -> Self {
        Self { dim, values: Vec::new(), complete: 0, invalid: Vec::new(), open_row: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.complete == 0 && self.open_row.is_none()
    }

    /// The element of the open row at which a regular page would continue: 0 at the start
    /// of a list, also where no regular page can continue the open row.
    pub(super) fn element_offset(&self) -> usize {
        match self.open_row {
            Some(row) if !row.is_null && !row.has_null_item && row.length < self.dim => row.length,
            _ => 0,
        }
    }

    /// Reserves memory for `rows` rows.
    pub(super) fn reserve(&mut self, rows: usize) {
        self.values.reserve_exact((rows * self.dim).saturating_sub(self.values.len()));
    }

    /// Appends lists of length `dim` from a page until there are `wanted` rows.
    pub(super) fn append_regular(
        &mut self,
        page: &mut RegularPage,
        wanted: usize,
        file: &SourceFile,
    ) -> ParquetResult<()> {
        if page.element_offset == 0 {
            self.end_row();
        }
        let rows = wanted.saturating_sub(self.complete);
        if rows == 0 {
            return Ok(());
        }
        let segment = page.segment.split_to(rows * self.dim - page.element_offset);
        let start = self.values.len();
        self.values.resize(start + segment.elements.len(), 0.0);
        segment.read(self.values.get_mut(start..).unwrap_or_default(), file)?;
        let read = page.element_offset + segment.elements.len();
        page.element_offset = read % self.dim;
        // The last list of a page may continue in the next page.
        let last = read.saturating_sub(1);
        self.complete += last / self.dim;
        self.open_row = Some(OpenRow { length: last % self.dim + 1, ..OpenRow::default() });
        if !page.segment.elements.is_empty() {
            self.end_row();
        }
        Ok(())
    }

    /// Appends rows of a page of any levels until there are `wanted`.
    pub(super) fn append_general(
        &mut self,
        page: &mut GeneralPage,
        wanted: usize,
        empty_level: i16,
        max_level: i16,
    ) -> ParquetResult<()> {
        while let Some(RowRun { starts_row, definition, count }) = page.next_run() {
            if starts_row {
                self.end_row();
                if self.complete >= wanted {
                    return Ok(());
                }
            }
            page.pass_run();
            let row = self.open_row.get_or_insert_default();
            let count = count as usize;
            let room = self.dim.saturating_sub(row.length).min(count);
            if definition == max_level {
                let too_few = || ParquetError::EOF("a page has fewer values than levels".to_owned());
                let values = page.take_values(count).ok_or_else(too_few)?;
                self.values.extend(values.iter().take(room));
                row.length += count;
            } else if definition < empty_level {
                row.is_null = true;
            } else if definition > empty_level {
                row.has_null_item = true;
                self.values.resize(self.values.len() + room, 0.0);
                row.length += count;
            }
        }
        Ok(())
    }

    /// Ends the open row, if there is one.
    pub(super) fn end_row(&mut self) {
        let Some(row) = self.open_row.take() else { return };
        let invalid = if row.is_null {
            Some(InvalidEmbedding::Null)
        } else if row.length != self.dim {
            Some(InvalidEmbedding::WrongLength(row.length))
        } else if row.has_null_item {
            Some(InvalidEmbedding::NonFinite)
        } else {
            None
        };
        if let Some(invalid) = invalid {
            self.values.truncate(self.complete * self.dim);
            self.invalid.push((self.complete, invalid));
        }
        self.complete += 1;
        self.values.resize(self.complete * self.dim, 0.0);
    }

    /// Removes the first `rows` complete rows and returns their values and the invalid ones.
    pub(super) fn take(&mut self, rows: usize) -> (Vec<f32>, Vec<(usize, InvalidEmbedding)>) {
        let rest = self.values.split_off(rows * self.dim);
        let values = std::mem::replace(&mut self.values, rest);
        let later = self.invalid.iter().position(|(row, _)| *row >= rows).unwrap_or(self.invalid.len());
        let mut later = self.invalid.split_off(later);
        later.iter_mut().for_each(|(row, _)| *row -= rows);
        self.complete -= rows;
        (values, std::mem::replace(&mut self.invalid, later))
    }
}
