//! The rows of a column chunk, assembled from its pages in order.

use std::sync::Arc;

use crate::error::{Error, Place, Result};
use crate::storage::{SourceFile, io_errors};

use super::leaf::EmbeddingLeaf;
use super::page_source::{NextPage, PageSource};
use super::row_assembler::{AssembledRows, RowAssembler};

/// Reads the rows of a column chunk.
pub(super) struct PagedRows {
    pub(super) pages: PageSource,
    pub(super) rows: RowAssembler,
    pub(super) place: Place,
}

impl PagedRows {
    /// The rows of these pages.
    pub(super) fn new(pages: PageSource, place: Place) -> Self {
        let rows = RowAssembler::new(pages.leaf().dim);
        Self { pages, rows, place }
    }

    pub(super) fn file(&self) -> &Arc<SourceFile> {
        self.pages.file()
    }

    pub(super) fn leaf(&self) -> &EmbeddingLeaf {
        self.pages.leaf()
    }

    /// The next `rows` rows.
    ///
    /// # Errors
    /// [`Error::BadData`] or [`Error::Io`] with file, row group and column.
    pub(super) fn read(&mut self, rows: usize) -> Result<AssembledRows> {
        while self.rows.complete() < rows && !self.is_at_end() {
            self.advance(rows)?;
        }
        if self.rows.complete() < rows {
            let found = self.rows.complete();
            let what = format!("holds {found} rows where the footer promises {rows}; write the file again");
            return Err(Error::bad_data(self.place.clone(), what));
        }
        Ok(self.rows.take(rows))
    }

    /// Skips rows; whole pages at once where the page header or the offset index has their
    /// number of rows.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub(super) fn skip(&mut self, rows: usize) -> Result<()> {
        let mut left = rows;
        while left > 0 {
            let skipped = left.min(self.rows.complete());
            // Pages are not kept for the rows that they have.
            drop(self.rows.take(skipped));
            left -= skipped;
            if left == 0 || self.is_at_end() {
                break;
            }
            let is_at_row = !self.rows.has_open_row();
            match self.pages.skip_page(is_at_row.then_some(left))? {
                Some(rows) => left -= rows,
                None => self.advance(left)?,
            }
        }
        Ok(())
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.pages.is_at_end() && !self.rows.has_open_row()
    }

    /// Assembles more rows, until there are `wanted` or a page is at its end.
    pub(super) fn advance(&mut self, wanted: usize) -> Result<()> {
        self.pages.load(self.rows.element_offset())?;
        let appended = match self.pages.next.take() {
            Some(NextPage::Regular(mut page)) => {
                let appended = self.rows.append_regular(&mut page, wanted);
                if !page.segment.elements.is_empty() {
                    self.pages.next = Some(NextPage::Regular(page));
                }
                appended
            }
            Some(NextPage::General(mut page)) => {
                let appended = self.rows.append_general(&mut page, wanted, self.pages.leaf());
                if page.next_run().is_some() {
                    self.pages.next = Some(NextPage::General(page));
                }
                appended
            }
            Some(NextPage::End) | None => {
                self.pages.next = Some(NextPage::End);
                self.rows.end_row()
            }
        };
        appended.map_err(|error| io_errors::parquet(self.place.clone(), "read", error))
    }
}
