//! A page reader for columns of lists of f32. Arrow's reader decodes three numbers for
//! every float (a repetition level, a definition level and the value), although the levels
//! of a page of embeddings repeat. Here a regular page, of lists of the models' dimension,
//! none of them null, is copied without decoding; where it is not compressed, it is not
//! even read, but the byte range of its floats is returned (zero-copy). Every other page
//! goes through the Parquet crate's own decoders, and its rows are assembled from the
//! levels.

use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::DataType;
use parquet::basic::{Repetition, Type as PhysicalType};
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::schema::types::ColumnDescPtr;

use crate::error::{Error, Place, Result};
use crate::parquet_file::{CheckedFile, Input, catch_panics};
use crate::storage::io_errors;

use self::embedding_data::{EmbeddingData, FileRanges};
use self::header_reader::HeaderReader;
use self::page_source::{NextPage, PageSource};
use self::regular_page::{PageValues, RegularPage};
use self::row_assembler::RowAssembler;
use super::embedding_type::{EmbeddingLayout, EmbeddingType, Float};
use super::extract::{Embeddings, mark_non_finite};

mod decoded;
pub(super) mod embedding_data;
mod header_reader;
mod levels;
mod page_source;
mod regular_page;
mod row_assembler;

/// Reads a column chunk of lists of f32 as embeddings of one dimension.
pub(super) struct ListPageReader {
    pages: PageSource,
    /// Definition level of an empty list that is not null.
    empty_level: i16,
    rows: RowAssembler,
    place: Place,
}

impl ListPageReader {
    /// Opens a column chunk at row `first_row`. None where the column is no list
    /// of f32, or is encrypted, and Arrow's reader has to read it.
    ///
    /// # Errors
    /// [`Error::BadData`] or [`Error::Io`] with file, row group and column.
    pub(super) fn open(
        input: &Input,
        position: usize,
        dim: usize,
        row_group: usize,
        first_row: usize,
    ) -> Result<Option<Self>> {
        let field = input.schema().field(position);
        let Some((leaf, column)) = list_leaf(input, position, field.data_type()) else { return Ok(None) };
        let place = input.place().row_group(row_group).column(field.name());
        let metadata = input.metadata();
        let group = metadata.row_group(row_group);
        if group.column(leaf).crypto_metadata().is_some() {
            return Ok(None);
        }
        let locations = metadata.offset_index().and_then(|all| all.get(row_group)?.get(leaf));
        let locations = locations.map(|index| index.page_locations().clone());
        let (chunk, rows) = (group.column(leaf), input.rows_in(row_group));
        let file = CheckedFile::of_column(input, row_group, position);
        let pages = catch_panics(|| PageSource::new(file, dim, column, chunk, rows, locations))
            .map_err(|error| io_errors::parquet(place.clone(), "read", error))?;
        let root = metadata.file_metadata().schema().get_fields().get(position);
        let is_optional = root.is_some_and(|root| root.get_basic_info().repetition() == Repetition::OPTIONAL);
        let empty_level = i16::from(is_optional);
        let mut lists = Self { pages, empty_level, rows: RowAssembler::new(dim), place };
        catch_panics(|| lists.skip(first_row))
            .map_err(|error| io_errors::parquet(lists.place.clone(), "read", error))?;
        Ok(Some(lists))
    }

    /// Whether only page headers and levels of a column are read, and its values are deferred,
    /// as they are for most pages of plain values without compression in a local file.
    pub(super) fn defers_reading(input: &Input, position: usize) -> bool {
        let leaf = list_leaf(input, position, input.schema().field(position).data_type());
        let defers = |chunk: &ColumnChunkMetaData| {
            chunk.crypto_metadata().is_none() && HeaderReader::can_read_in_part(input.file(), chunk)
        };
        let groups = input.metadata().row_groups();
        leaf.is_some_and(|(leaf, _)| groups.iter().all(|group| defers(group.column(leaf))))
            && (0..groups.len()).all(|row_group| {
                // Their checksums are compared before they are used.
                let file = CheckedFile::of_column(input, row_group, position);
                file.needs_whole_pages().is_ok_and(|whole| !whole)
            })
    }

    /// The next `rows` rows.
    ///
    /// # Errors
    /// [`Error::BadData`] or [`Error::Io`] with file, row group and column.
    pub(super) fn read(&mut self, rows: usize) -> Result<EmbeddingData> {
        let place = self.place.clone();
        let ranges = catch_panics(|| self.find_ranges(rows))
            .map_err(|e| io_errors::parquet(place.clone(), "read", e))?;
        if let Some(ranges) = ranges {
            let (file, dim) = (Arc::clone(self.pages.file()), self.rows.dim);
            return Ok(EmbeddingData::InFile(FileRanges { file, ranges, dim, place }));
        }
        self.rows.reserve(rows);
        while self.rows.complete < rows && !self.is_at_end() {
            catch_panics(|| self.advance(rows)).map_err(|e| io_errors::parquet(place.clone(), "read", e))?;
        }
        if self.rows.complete < rows {
            let what = format!(
                "holds {} rows where the footer promises {rows}; write the file again",
                self.rows.complete
            );
            return Err(Error::bad_data(place, what));
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

    /// The byte ranges of the next `rows` rows in the file, if all of them are in regular
    /// pages that were read in part. Otherwise the ranges found so far are read and assembled.
    fn find_ranges(&mut self, rows: usize) -> ParquetResult<Option<Vec<Range<u64>>>> {
        if !self.rows.is_empty() {
            return Ok(None);
        }
        let mut wanted = (rows * self.rows.dim * 4) as u64;
        let (mut ranges, mut element_offset) = (Vec::new(), 0);
        loop {
            self.pages.load(element_offset)?;
            match &mut self.pages.next {
                // Only the start of the next list shows that the last one is complete.
                Some(NextPage::Regular(RegularPage { element_offset: 0, .. }) | NextPage::End)
                    if wanted == 0 =>
                {
                    return Ok(Some(ranges));
                }
                Some(NextPage::Regular(RegularPage {
                    values: PageValues::InFile(range),
                    element_offset: next,
                })) if wanted > 0 => {
                    let taken = wanted.min(range.end - range.start);
                    ranges.push(range.start..range.start + taken);
                    range.start += taken;
                    wanted -= taken;
                    *next = (*next + (taken / 4) as usize) % self.rows.dim;
                    element_offset = *next;
                    if range.is_empty() {
                        self.pages.next = None;
                    }
                }
                _ => {
                    self.append_ranges(ranges)?;
                    return Ok(None);
                }
            }
        }
    }

    /// Reads byte ranges of regular pages and assembles their rows.
    fn append_ranges(&mut self, ranges: Vec<Range<u64>>) -> ParquetResult<()> {
        for range in ranges {
            let values = PageValues::InFile(range);
            let mut page = RegularPage { values, element_offset: self.rows.element_offset() };
            while page.values.bytes() > 0 {
                let more = page.values.bytes() as usize / 4 / self.rows.dim + 2;
                self.rows.append_regular(&mut page, self.rows.complete + more, self.pages.file())?;
            }
        }
        Ok(())
    }

    /// Skips rows; whole pages at once where the page header or the offset index has their
    /// number of rows.
    fn skip(&mut self, rows: usize) -> ParquetResult<()> {
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
    fn advance(&mut self, wanted: usize) -> ParquetResult<()> {
        self.pages.load(self.rows.element_offset())?;
        match self.pages.next.take() {
            Some(NextPage::Regular(mut page)) => {
                self.rows.append_regular(&mut page, wanted, self.pages.file())?;
                if page.values.bytes() > 0 {
                    self.pages.next = Some(NextPage::Regular(page));
                }
            }
            Some(NextPage::General(page)) => {
                let levels = self.pages.decode(page)?;
                self.rows.append_decoded(&levels, self.empty_level, self.pages.max_level())?;
            }
            Some(NextPage::End) | None => {
                self.rows.end_row();
                self.pages.next = Some(NextPage::End);
            }
        }
        Ok(())
    }
}

/// The leaf column of a top-level list of f32 and its position among the leaves.
fn list_leaf(input: &Input, position: usize, data_type: &DataType) -> Option<(usize, ColumnDescPtr)> {
    let kind = EmbeddingType::of(data_type)?;
    if kind.item != Float::F32 || matches!(kind.layout, EmbeddingLayout::FixedSizeBinary(_)) {
        return None;
    }
    let schema = input.metadata().file_metadata().schema_descr();
    let mut leaves = (0..schema.num_columns()).filter(|leaf| schema.get_column_root_idx(*leaf) == position);
    let leaf = leaves.next().filter(|_| leaves.next().is_none())?;
    let column = schema.column(leaf);
    let fits = column.physical_type() == PhysicalType::FLOAT
        && column.max_rep_level() == 1
        && (1..=3).contains(&column.max_def_level());
    fits.then_some((leaf, column))
}

#[cfg(test)]
mod tests;
