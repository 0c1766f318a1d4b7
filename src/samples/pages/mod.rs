//! A page reader for columns of embeddings: lists of f16, f32 and f64, and fixed-size binary. Arrow's
//! reader decodes three numbers for every element (a repetition level, a definition level and the
//! value), although the levels of a page of embeddings repeat. Here a regular page, of lists of the
//! models' dimension, none of them null, is recognised by its encoded levels, and its values are
//! converted by the worker that computes them; where the page is not compressed, they are not even read
//! before that. The rows of every other page are assembled from its levels, as runs; pages in other encodings go
//! through the Parquet crate's own decoders.

use std::sync::Arc;

use crate::error::Result;
use crate::parquet_file::{Input, RawPages};
use crate::storage::SourceFile;

use self::embedding_data::{EmbeddingData, Segments};
use self::leaf::EmbeddingLeaf;
use self::page_source::PageSource;
use self::paged_rows::PagedRows;
use self::read_ahead::ReadAhead;

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
mod paged_rows;
pub(super) mod read_ahead;
mod row_assembler;
mod row_runs;

/// Reads a column chunk of embeddings of one dimension.
pub(super) struct EmbeddingPageReader(PagedRows);

impl EmbeddingPageReader {
    /// Opens a column chunk at row `first_row`. None where Arrow's reader has to read the column: it is
    /// encrypted, or none of the types above.
    ///
    /// # Errors
    /// [`Error::BadData`](crate::Error::BadData) or [`Error::Io`](crate::Error::Io) with file, row group and
    /// column.
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
        let mut rows = PagedRows::new(pages, place);
        rows.skip(first_row)?;
        rows.pages.read_ahead()?;
        Ok(Some(Self(rows)))
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
        self.0.pages.is_read_ahead()
    }

    /// The next `rows` rows.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub(super) fn read(&mut self, rows: usize) -> Result<EmbeddingData> {
        let rows = self.0.read(rows)?;
        let (file, dim, place) = (Arc::clone(self.0.file()), self.0.leaf().dim, self.0.place.clone());
        Ok(EmbeddingData::Segments(Segments::new(file, rows, dim, place)))
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
