//! Lists of f32 read page by page. The general reader decodes three numbers for
//! every float (a repetition level, a definition level and the value), although in
//! a page of embeddings the levels say the same thing over and over. Here a page
//! whose levels are those of lists of the models' dimension, none of them null, is
//! copied as it stands, and where it is not compressed, it is only said where its floats
//! lie; every other page goes through the Parquet crate's own decoders, and its rows are
//! put together from their levels.

use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::DataType;
use bytes::Bytes;
use parquet::basic::{Encoding, Repetition, Type as PhysicalType};
use parquet::column::page::{Page, PageReader};
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::ChunkReader;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescPtr;

use crate::error::{Error, Place, Result};
use crate::parquet_file::Input;
use crate::storage::io_errors;

use self::found::{EmbeddingData, FileRanges};
use self::header_reader::{HeaderReader, Skimmed};
use self::levels::{all_max, all_regular};
use self::regular::{Regular, Values};
use self::rows::Rows;
use super::embedding_type::{EmbeddingType, Float, Layout};
use super::extract::{Embeddings, mark_non_finite};

mod decoded;
pub(super) mod found;
mod header_reader;
mod levels;
mod regular;
mod rows;

/// Reads a column chunk of lists of f32 as embeddings of one dimension.
pub(super) struct ListPages {
    pages: SerializedPageReader<HeaderReader>,
    file: Arc<HeaderReader>,
    column: ColumnDescPtr,
    /// Definition level of a list that is there, but empty.
    empty_level: i16,
    dictionary: Option<Dictionary>,
    /// What comes next, where that has been looked at.
    ahead: Option<Ahead>,
    rows: Rows,
    place: Place,
}

/// The dictionary page of a column chunk; a page cannot be cloned.
struct Dictionary {
    bytes: Bytes,
    values: u32,
    encoding: Encoding,
    sorted: bool,
}

/// What comes behind the rows so far.
enum Ahead {
    Regular(Regular),
    Odd(Page),
    End,
}

impl ListPages {
    /// Opens a column chunk at row `first_row`. None where the column is no list
    /// of f32, or is encrypted, and the general reader has to read it.
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
        let file = Arc::new(HeaderReader::new(input.file().clone(), dim, group.column(leaf)));
        let pages = SerializedPageReader::new(
            Arc::clone(&file),
            group.column(leaf),
            input.rows_in(row_group),
            locations.map(|index| index.page_locations().clone()),
        )
        .map_err(|error| io_errors::parquet(place.clone(), "read", error))?;
        let root = metadata.file_metadata().schema().get_fields().get(position);
        let is_optional = root.is_some_and(|root| root.get_basic_info().repetition() == Repetition::OPTIONAL);
        let rows = Rows::new(dim);
        let empty_level = i16::from(is_optional);
        let mut lists = Self { pages, file, column, empty_level, dictionary: None, ahead: None, rows, place };
        lists.skip(first_row).map_err(|error| io_errors::parquet(lists.place.clone(), "read", error))?;
        Ok(Some(lists))
    }

    /// Whether rows of a column are found without being read, as most plain values that are
    /// not compressed are in a local file.
    pub(super) fn are_found_unread(input: &Input, position: usize) -> bool {
        let leaf = list_leaf(input, position, input.schema().field(position).data_type());
        let found = |chunk: &ColumnChunkMetaData| {
            chunk.crypto_metadata().is_none() && HeaderReader::can_skim(input.file(), chunk)
        };
        let groups = input.metadata().row_groups();
        leaf.is_some_and(|(leaf, _)| groups.iter().all(|group| found(group.column(leaf))))
    }

    /// The next `rows` rows.
    ///
    /// # Errors
    /// [`Error::BadData`] or [`Error::Io`] with file, row group and column.
    pub(super) fn read(&mut self, rows: usize) -> Result<EmbeddingData> {
        let place = self.place.clone();
        if let Some(parts) = self.lying(rows).map_err(|e| io_errors::parquet(place.clone(), "read", e))? {
            return Ok(EmbeddingData::InFile(FileRanges {
                file: Arc::clone(&self.file),
                parts,
                dim: self.rows.dim,
                place,
            }));
        }
        self.rows.reserve(rows);
        while self.rows.closed < rows && !self.is_at_end() {
            self.advance(rows).map_err(|e| io_errors::parquet(place.clone(), "read", e))?;
        }
        if self.rows.closed < rows {
            let what = format!(
                "holds {} rows where the footer promises {rows}; write the file again",
                self.rows.closed
            );
            return Err(Error::bad_data(place, what));
        }
        let (values, mut flaws) = self.rows.take(rows);
        let others = flaws.len();
        mark_non_finite(&values, self.rows.dim, &mut flaws);
        if others > 0 {
            flaws.sort_unstable_by_key(|(row, _)| *row);
        }
        Ok(EmbeddingData::Loaded(Embeddings { values: values.into(), flaws }))
    }

    fn is_at_end(&self) -> bool {
        matches!(self.ahead, Some(Ahead::End)) && self.rows.open.is_none()
    }

    /// Where the next `rows` rows lie in the file, if all are in regular pages there.
    fn lying(&mut self, rows: usize) -> ParquetResult<Option<Vec<Range<u64>>>> {
        if !self.rows.is_empty() {
            return Ok(None);
        }
        let mut wanted = (rows * self.rows.dim * 4) as u64;
        let (mut parts, mut phase) = (Vec::new(), 0);
        loop {
            self.look(phase)?;
            match &mut self.ahead {
                // Only the next list's beginning tells that the last one is whole.
                Some(Ahead::Regular(Regular { phase: 0, .. }) | Ahead::End) if wanted == 0 => {
                    return Ok(Some(parts));
                }
                Some(Ahead::Regular(Regular { values: Values::InFile(range), phase: at })) if wanted > 0 => {
                    let taken = wanted.min(range.end - range.start);
                    parts.push(range.start..range.start + taken);
                    range.start += taken;
                    wanted -= taken;
                    *at = (*at + (taken / 4) as usize) % self.rows.dim;
                    phase = *at;
                    if range.is_empty() {
                        self.ahead = None;
                    }
                }
                _ => {
                    self.put_together(parts)?;
                    return Ok(None);
                }
            }
        }
    }

    /// Puts rows together that have been found in regular pages.
    fn put_together(&mut self, parts: Vec<Range<u64>>) -> ParquetResult<()> {
        for part in parts {
            let mut regular = Regular { values: Values::InFile(part), phase: self.rows.phase() };
            while regular.values.bytes() > 0 {
                let more = regular.values.bytes() as usize / 4 / self.rows.dim + 2;
                self.rows.append_regular(&mut regular, self.rows.closed + more, &self.file)?;
            }
        }
        Ok(())
    }

    /// Passes over rows, over whole pages where the file says how many rows they have.
    fn skip(&mut self, rows: usize) -> ParquetResult<()> {
        let mut left = rows;
        while left > self.rows.closed && !self.is_at_end() {
            let whole = match self.pages.peek_next_page()? {
                Some(next) if !next.is_dict && self.rows.is_empty() && self.ahead.is_none() => {
                    next.num_rows.filter(|rows| *rows <= left)
                }
                _ => None,
            };
            match whole {
                Some(rows) => {
                    self.pages.skip_next_page()?;
                    left -= rows;
                }
                None => self.advance(left)?,
            }
        }
        self.rows.take(left.min(self.rows.closed));
        Ok(())
    }

    /// Puts more rows together, until there are `wanted` or a page is at its end.
    fn advance(&mut self, wanted: usize) -> ParquetResult<()> {
        self.look(self.rows.phase())?;
        match self.ahead.take() {
            Some(Ahead::Regular(mut regular)) => {
                self.rows.append_regular(&mut regular, wanted, &self.file)?;
                if regular.values.bytes() > 0 {
                    self.ahead = Some(Ahead::Regular(regular));
                }
            }
            Some(Ahead::Odd(page)) => {
                let levels = decoded::decode(&self.column, self.dictionary.as_ref(), page)?;
                self.rows.append_odd(&levels, self.empty_level, self.column.max_def_level());
            }
            Some(Ahead::End) | None => {
                self.rows.close();
                self.ahead = Some(Ahead::End);
            }
        }
        Ok(())
    }

    /// Looks at the page that comes next, which goes on at element `phase` of a list if it
    /// is regular.
    fn look(&mut self, phase: usize) -> ParquetResult<()> {
        while self.ahead.is_none() {
            let Some(page) = self.pages.get_next_page()? else {
                self.ahead = Some(Ahead::End);
                break;
            };
            let skimmed = self.file.take_skimmed();
            if let Some(range) = skimmed.and_then(|skimmed| self.lying_in(&page, skimmed, phase)) {
                self.ahead = Some(Ahead::Regular(Regular { values: Values::InFile(range), phase }));
                break;
            }
            let page = match skimmed {
                Some(skimmed) => whole(page, self.file.file().get_bytes(skimmed.start, skimmed.length)?),
                None => page,
            };
            if let Page::DictionaryPage { buf, num_values, encoding, is_sorted } = page {
                let values = num_values;
                self.dictionary = Some(Dictionary { bytes: buf, values, encoding, sorted: is_sorted });
                continue;
            }
            self.ahead = Some(match self.regular_values(&page, phase, page.buffer().len()) {
                Some(range) => {
                    let values = Values::InMemory(page.buffer().slice(range));
                    Ahead::Regular(Regular { values, phase })
                }
                None => Ahead::Odd(page),
            });
        }
        Ok(())
    }

    /// Where the values of a page that was read in part lie in the file, if it is regular
    /// as far as is known.
    fn lying_in(&self, page: &Page, skimmed: Skimmed, phase: usize) -> Option<Range<u64>> {
        // A page is the end of what was read for it.
        let before = skimmed.length.checked_sub(page.buffer().len())?;
        let range = self.regular_values(page, phase, skimmed.read.checked_sub(before)?)?;
        let start = skimmed.start + before as u64;
        Some(start + range.start as u64..start + range.end as u64)
    }

    /// Where the values of a page lie in its bytes, if its lists are regular; of the bytes
    /// the first `known` are known.
    fn regular_values(&self, page: &Page, phase: usize, known: usize) -> Option<Range<usize>> {
        let parts = Parts::of(page)?;
        let count = page.num_values() as usize;
        let max = u8::try_from(self.column.max_def_level()).ok()?;
        let start = page.buffer().len() - parts.values.len();
        let fits = count > 0
            && start <= known
            && count * 4 <= parts.values.len()
            && all_regular(parts.repetition, self.rows.dim, phase, count)
            && all_max(parts.definition, max, count);
        fits.then(|| start..start + count * 4)
    }
}

/// The same page with all of its bytes, which are the end of these.
fn whole(mut page: Page, bytes: Bytes) -> Page {
    let start = bytes.len().saturating_sub(page.buffer().len());
    let (Page::DataPage { buf, .. } | Page::DataPageV2 { buf, .. } | Page::DictionaryPage { buf, .. }) =
        &mut page;
    *buf = bytes.slice(start..);
    page
}

/// The three parts of a data page of plain values.
struct Parts<'a> {
    repetition: &'a [u8],
    definition: &'a [u8],
    values: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(page: &'a Page) -> Option<Self> {
        match page {
            Page::DataPage {
                buf,
                encoding: Encoding::PLAIN,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                ..
            } => {
                let (repetition, rest) = length_prefixed(buf)?;
                let (definition, values) = length_prefixed(rest)?;
                Some(Self { repetition, definition, values })
            }
            Page::DataPageV2 {
                buf,
                encoding: Encoding::PLAIN,
                rep_levels_byte_len,
                def_levels_byte_len,
                ..
            } => {
                let (repetition, rest) = buf.split_at_checked(usize::try_from(*rep_levels_byte_len).ok()?)?;
                let (definition, values) =
                    rest.split_at_checked(usize::try_from(*def_levels_byte_len).ok()?)?;
                Some(Self { repetition, definition, values })
            }
            _ => None,
        }
    }
}

fn length_prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

/// The one leaf of a top-level list of f32: its position among the leaves, and what it is.
fn list_leaf(input: &Input, position: usize, data_type: &DataType) -> Option<(usize, ColumnDescPtr)> {
    let kind = EmbeddingType::of(data_type)?;
    if kind.item != Float::F32 || matches!(kind.layout, Layout::FixedSizeBinary(_)) {
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
