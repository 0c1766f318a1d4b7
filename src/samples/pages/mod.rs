//! A page reader for columns of embeddings: lists of f16, f32 and f64, and fixed-size binary. Arrow's
//! reader decodes three numbers for every element (a repetition level, a definition level and the
//! value), although the levels of a page of embeddings repeat. Here a regular page, of lists of the
//! models' dimension, none of them null, is recognised by its encoded levels, and its values are
//! converted by the worker that computes them; where the page is not compressed, they are not even read
//! before that. The rows of every other page are assembled from its levels, as runs; pages in other encodings go
//! through the Parquet crate's own decoders.

use std::sync::Arc;

use crate::error::{Error, Place, Result};
use crate::parquet_file::{Input, RawPages};
use crate::storage::{SourceFile, io_errors};

use self::embedding_data::{EmbeddingData, Segments};
use self::leaf::EmbeddingLeaf;
use self::page_source::{NextPage, PageSource, RegularPage, Taken};
use self::page_values::Segment;
use self::read_ahead::ReadAhead;
use self::row_assembler::RowAssembler;
use super::extract::{Embeddings, mark_non_finite};

mod decoded;
mod dictionary;
pub(super) mod embedding_data;
mod lazy_page;
mod leaf;
mod levels;
pub(super) mod list_pages;
mod looked_up;
mod packed_indices;
mod page_source;
mod page_values;
pub(super) mod read_ahead;
mod row_assembler;
mod row_runs;

/// Reads a column chunk of embeddings of one dimension.
pub(super) struct EmbeddingPageReader {
    pages: PageSource,
    rows: RowAssembler,
    place: Place,
}

impl EmbeddingPageReader {
    /// Opens a column chunk at row `first_row`. None where Arrow's reader has to read the column: it is
    /// encrypted, or none of the types above.
    ///
    /// # Errors
    /// [`Error::BadData`] or [`Error::Io`] with file, row group and column.
    pub(super) fn open(
        input: &Input,
        position: usize,
        dim: usize,
        row_group: usize,
        first_row: usize,
        read_ahead: &ReadAhead,
    ) -> Result<Option<Self>> {
        let Some(leaf) = EmbeddingLeaf::of(input, position, dim) else { return Ok(None) };
        let Some(pages) = RawPages::of(input, row_group, leaf.position) else { return Ok(None) };
        let place = input.place().row_group(row_group).column(input.schema().field(position).name());
        let pages = PageSource::new(pages, leaf, input.rows_in(row_group), read_ahead.clone());
        let mut reader = Self { pages, rows: RowAssembler::new(dim), place };
        reader.skip(first_row)?;
        reader.pages.read_ahead()?;
        Ok(Some(reader))
    }

    /// Whether batches of a column are located by page headers and levels, which is little work, and
    /// pages are decompressed by those who help.
    pub(super) fn defers_reading(input: &Input, position: usize, dim: usize) -> bool {
        let leaf = EmbeddingLeaf::of(input, position, dim);
        let is_local = matches!(input.file(), SourceFile::Local(_));
        let is_plain = |leaf: &EmbeddingLeaf| {
            let groups = input.metadata().row_groups().iter();
            groups.clone().all(|group| group.column(leaf.position).crypto_metadata().is_none())
        };
        is_local && leaf.as_ref().is_some_and(is_plain)
    }

    /// Whether all pages were located, and those of another row group may be.
    pub(super) fn is_read_ahead(&mut self) -> Result<bool> {
        self.pages.is_read_ahead()
    }

    /// The next `rows` rows.
    ///
    /// # Errors
    /// [`Error::BadData`] or [`Error::Io`] with file, row group and column.
    pub(super) fn read(&mut self, rows: usize) -> Result<EmbeddingData> {
        if let Some(segments) = self.find_segments(rows)? {
            let (file, dim, place) = (Arc::clone(self.pages.file()), self.rows.dim, self.place.clone());
            return Ok(EmbeddingData::Segments(Segments { file, segments, dim, place }));
        }
        self.rows.reserve(rows);
        while self.rows.complete < rows && !self.is_at_end() {
            self.advance(rows)?;
        }
        if self.rows.complete < rows {
            let what = format!(
                "holds {} rows where the footer promises {rows}; write the file again",
                self.rows.complete
            );
            return Err(Error::bad_data(self.place.clone(), what));
        }
        let (values, mut invalid) = self.rows.take(rows);
        let others = invalid.len();
        mark_non_finite(&values, self.rows.dim, &mut invalid);
        if others > 0 {
            invalid.sort_unstable_by_key(|(row, _)| *row);
        }
        Ok(EmbeddingData::Loaded(Embeddings { values: values.into(), invalid }))
    }

    fn is_at_end(&self) -> bool {
        self.pages.is_at_end() && self.rows.open_row.is_none()
    }

    /// The segments of pages that are the next `rows` rows, if all of these pages are regular. Otherwise
    /// the segments found so far are read and assembled.
    fn find_segments(&mut self, rows: usize) -> Result<Option<Vec<Segment>>> {
        if !self.rows.is_empty() {
            return Ok(None);
        }
        match self.pages.take_segments(rows)? {
            Taken::All(segments) => Ok(Some(segments)),
            Taken::Some(segments) => {
                self.append_segments(segments)?;
                Ok(None)
            }
        }
    }

    /// Assembles the rows of segments of regular pages.
    fn append_segments(&mut self, segments: Vec<Segment>) -> Result<()> {
        for segment in segments {
            let mut page = RegularPage { segment, element_offset: self.rows.element_offset() };
            while !page.segment.elements.is_empty() {
                let more = page.segment.elements.len() / self.rows.dim + 2;
                self.append_regular(&mut page, self.rows.complete + more)?;
            }
        }
        Ok(())
    }

    fn append_regular(&mut self, page: &mut RegularPage, wanted: usize) -> Result<()> {
        let appended = self.rows.append_regular(page, wanted, self.pages.file());
        appended.map_err(|error| io_errors::parquet(self.place.clone(), "read", error))
    }

    /// Skips rows; whole pages at once where the page header or the offset index has their
    /// number of rows.
    fn skip(&mut self, rows: usize) -> Result<()> {
        let mut left = rows;
        while left > self.rows.complete && !self.is_at_end() {
            let skipped = self.pages.skip_page(self.rows.is_empty().then_some(left))?;
            match skipped {
                Some(rows) => left -= rows,
                None => self.advance(left)?,
            }
        }
        self.rows.take(left.min(self.rows.complete));
        Ok(())
    }

    /// Assembles more rows, until there are `wanted` or a page is at its end.
    fn advance(&mut self, wanted: usize) -> Result<()> {
        self.pages.load(self.rows.element_offset())?;
        match self.pages.next.take() {
            Some(NextPage::Regular(mut page)) => {
                self.append_regular(&mut page, wanted)?;
                if !page.segment.elements.is_empty() {
                    self.pages.next = Some(NextPage::Regular(page));
                }
            }
            Some(NextPage::General(mut page)) => {
                let (empty_level, max_level) = (self.pages.leaf().empty_level, self.pages.leaf().max_level());
                let appended = self.rows.append_general(&mut page, wanted, empty_level, max_level);
                appended.map_err(|error| io_errors::parquet(self.place.clone(), "read", error))?;
                if page.next_run().is_some() {
                    self.pages.next = Some(NextPage::General(page));
                }
            }
            Some(NextPage::End) | None => {
                self.rows.end_row();
                self.pages.next = Some(NextPage::End);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod damaged_levels;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod written_pages;
#[cfg(test)]
mod zero_copy;
