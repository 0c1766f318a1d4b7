//! Lists of f32 read page by page. The general reader decodes three numbers for
//! every float (a repetition level, a definition level and the value), although in
//! a page of embeddings the levels say the same thing over and over. Here a page
//! whose levels are those of lists of the models' dimension, none of them null, is
//! copied as it stands; every other page goes through the Parquet crate's own
//! decoders, and its rows are put together from their levels.

use std::ops::Range;
use std::sync::Arc;

use arrow::buffer::{Buffer, ScalarBuffer};
use arrow::datatypes::DataType;
use bytes::Bytes;
use parquet::basic::{Encoding, Repetition, Type as PhysicalType};
use parquet::column::page::{Page, PageReader};
use parquet::errors::Result as ParquetResult;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescPtr;

use crate::error::{Error, Place, Result};

use super::embedding::{EmbeddingType, Float, Layout};
use super::extract::{Embeddings, Flaw, mark_non_finite};
use super::fault;
use super::file::InputFile;
use super::input::Input;
use super::levels::{all_max, all_regular};

mod odd;

/// Reads a column chunk of lists of f32 as embeddings of one dimension.
pub(super) struct ListPages {
    pages: SerializedPageReader<InputFile>,
    column: ColumnDescPtr,
    /// Definition level of a list that is there, but empty.
    empty_level: i16,
    dictionary: Option<Dictionary>,
    /// What of a regular page has not been asked for yet.
    regular: Option<Regular>,
    rows: Rows,
    ended: bool,
    place: Place,
}

/// The dictionary page of a column chunk; a page cannot be cloned.
struct Dictionary {
    bytes: Bytes,
    values: u32,
    encoding: Encoding,
    sorted: bool,
}

/// The rest of a page of regular lists.
struct Regular {
    page: Page,
    /// Where the values lie that are left, in the page's bytes.
    left: Range<usize>,
    /// The element of its list that comes first.
    phase: usize,
}

/// Rows put together so far.
struct Rows {
    dim: usize,
    /// `[closed, dim]`, then what has been read of the open row, at most `dim` of it.
    values: Vec<f32>,
    /// Rows that are known to be complete.
    closed: usize,
    /// Flaws of closed rows other than values that are not finite.
    flaws: Vec<(usize, Flaw)>,
    /// A row that may go on with the next level.
    open: Option<OpenRow>,
}

#[derive(Clone, Copy, Default)]
struct OpenRow {
    length: usize,
    is_null: bool,
    has_null_item: bool,
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
        let pages = SerializedPageReader::new(
            Arc::new(input.file().clone()),
            group.column(leaf),
            input.rows_in(row_group),
            locations.map(|index| index.page_locations().clone()),
        )
        .map_err(|error| fault::parquet(place.clone(), "read", error))?;
        let root = metadata.file_metadata().schema().get_fields().get(position);
        let is_optional = root.is_some_and(|root| root.get_basic_info().repetition() == Repetition::OPTIONAL);
        let rows = Rows { dim, values: Vec::new(), closed: 0, flaws: Vec::new(), open: None };
        let empty_level = i16::from(is_optional);
        let mut lists =
            Self { pages, column, empty_level, dictionary: None, regular: None, rows, ended: false, place };
        lists.skip(first_row).map_err(|error| fault::parquet(lists.place.clone(), "read", error))?;
        Ok(Some(lists))
    }

    /// The next `rows` rows.
    ///
    /// # Errors
    /// [`Error::BadData`] or [`Error::Io`] with file, row group and column.
    pub(super) fn read(&mut self, rows: usize) -> Result<Embeddings> {
        let lying = self.lying(rows).map_err(|error| fault::parquet(self.place.clone(), "read", error))?;
        if let Some(values) = lying {
            return Ok(Embeddings::dense(values, self.rows.dim));
        }
        self.rows.reserve(rows);
        while self.rows.closed < rows && !self.ended {
            self.advance(rows).map_err(|error| fault::parquet(self.place.clone(), "read", error))?;
        }
        if self.rows.closed < rows {
            let what = format!(
                "holds {} rows where the footer promises {rows}; write the file again",
                self.rows.closed
            );
            return Err(Error::bad_data(self.place.clone(), what));
        }
        let (values, mut flaws) = self.rows.take(rows);
        let others = flaws.len();
        mark_non_finite(&values, self.rows.dim, &mut flaws);
        if others > 0 {
            flaws.sort_unstable_by_key(|(row, _)| *row);
        }
        Ok(Embeddings { values: values.into(), flaws })
    }

    /// The next `rows` rows where they lie in one page, without a copy; none where they
    /// don't, or may not.
    fn lying(&mut self, rows: usize) -> ParquetResult<Option<ScalarBuffer<f32>>> {
        while self.regular.is_none() && self.rows.is_empty() && !self.ended {
            self.next_page()?;
        }
        let Some(regular) = &mut self.regular else { return Ok(None) };
        let bytes = rows * self.rows.dim * 4;
        // The last list of a page may go on in the next one.
        if !self.rows.is_empty() || regular.phase != 0 || regular.left.len() <= bytes {
            return Ok(None);
        }
        let start = regular.left.start;
        let values = regular.page.buffer().slice(start..start + bytes);
        if cfg!(target_endian = "big") || !values.as_ptr().cast::<f32>().is_aligned() {
            return Ok(None);
        }
        regular.left.start += bytes;
        Ok(Some(Buffer::from(values).into()))
    }

    /// Passes over rows, over whole pages where the file says how many rows they have.
    fn skip(&mut self, rows: usize) -> ParquetResult<()> {
        let mut left = rows;
        while left > self.rows.closed && !self.ended {
            let whole = match self.pages.peek_next_page()? {
                Some(next) if !next.is_dict && self.rows.is_empty() && self.regular.is_none() => {
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
        let Some(regular) = &mut self.regular else { return self.next_page() };
        self.rows.append_regular(regular, wanted);
        if regular.left.is_empty() {
            self.regular = None;
        }
        Ok(())
    }

    fn next_page(&mut self) -> ParquetResult<()> {
        match self.pages.get_next_page()? {
            None => {
                self.rows.close();
                self.ended = true;
            }
            Some(Page::DictionaryPage { buf, num_values, encoding, is_sorted }) => {
                let values = num_values;
                self.dictionary = Some(Dictionary { bytes: buf, values, encoding, sorted: is_sorted });
            }
            Some(page) => match self.regular_values(&page) {
                Some(left) => self.regular = Some(Regular { page, left, phase: self.rows.phase() }),
                None => {
                    let levels = odd::decode(&self.column, self.dictionary.as_ref(), page)?;
                    self.rows.append_odd(&levels, self.empty_level, self.column.max_def_level());
                }
            },
        }
        Ok(())
    }

    /// Where the values of a page lie in its bytes, if its lists are regular.
    fn regular_values(&self, page: &Page) -> Option<Range<usize>> {
        let parts = Parts::of(page)?;
        let count = page.num_values() as usize;
        let max = u8::try_from(self.column.max_def_level()).ok()?;
        let start = page.buffer().len() - parts.values.len();
        let fits = count > 0
            && count * 4 <= parts.values.len()
            && all_regular(parts.repetition, self.rows.dim, self.rows.phase(), count)
            && all_max(parts.definition, max, count);
        fits.then(|| start..start + count * 4)
    }
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

impl Rows {
    fn is_empty(&self) -> bool {
        self.closed == 0 && self.open.is_none()
    }

    /// The element of a list at which a regular page would go on: 0 at the start of
    /// a list, also where the open row cannot go on regularly.
    fn phase(&self) -> usize {
        match self.open {
            Some(row) if !row.is_null && !row.has_null_item && row.length < self.dim => row.length,
            _ => 0,
        }
    }

    /// Makes room for so many rows at once.
    fn reserve(&mut self, rows: usize) {
        self.values.reserve_exact((rows * self.dim).saturating_sub(self.values.len()));
    }

    /// Takes lists of length `dim` out of a page until there are `wanted` rows.
    fn append_regular(&mut self, regular: &mut Regular, wanted: usize) {
        if regular.phase == 0 {
            self.close();
        }
        let rows = wanted.saturating_sub(self.closed);
        if rows == 0 {
            return;
        }
        let bytes = regular.left.len().min((rows * self.dim - regular.phase) * 4);
        let start = regular.left.start;
        let page = regular.page.buffer();
        let floats = page.get(start..start + bytes).unwrap_or_default().as_chunks::<4>().0;
        self.values.extend(floats.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        regular.left.start += bytes;
        let read = regular.phase + bytes / 4;
        regular.phase = read % self.dim;
        // The last list of a page may still turn out longer.
        let last = read.saturating_sub(1);
        self.closed += last / self.dim;
        self.open = Some(OpenRow { length: last % self.dim + 1, ..OpenRow::default() });
        if !regular.left.is_empty() {
            self.close();
        }
    }

    fn append_odd(&mut self, levels: &odd::Levels, empty_level: i16, max_level: i16) {
        let mut values = levels.values.iter();
        for (repetition, definition) in levels.repetition.iter().zip(&levels.definition) {
            if *repetition == 0 {
                self.close();
            }
            let row = self.open.get_or_insert_default();
            if *definition == max_level {
                let value = values.next().copied().unwrap_or(f32::NAN);
                if row.length < self.dim {
                    self.values.push(value);
                }
                row.length += 1;
            } else if *definition < empty_level {
                row.is_null = true;
            } else if *definition > empty_level {
                row.has_null_item = true;
                if row.length < self.dim {
                    self.values.push(0.0);
                }
                row.length += 1;
            }
        }
    }

    /// Ends the open row, if there is one.
    fn close(&mut self) {
        let Some(row) = self.open.take() else { return };
        let flaw = if row.is_null {
            Some(Flaw::Null)
        } else if row.length != self.dim {
            Some(Flaw::WrongLength(row.length))
        } else if row.has_null_item {
            Some(Flaw::NonFinite)
        } else {
            None
        };
        if let Some(flaw) = flaw {
            self.values.truncate(self.closed * self.dim);
            self.flaws.push((self.closed, flaw));
        }
        self.closed += 1;
        self.values.resize(self.closed * self.dim, 0.0);
    }

    /// Takes the first `rows` of the closed rows out.
    fn take(&mut self, rows: usize) -> (Vec<f32>, Vec<(usize, Flaw)>) {
        let rest = self.values.split_off(rows * self.dim);
        let values = std::mem::replace(&mut self.values, rest);
        let later = self.flaws.iter().position(|(row, _)| *row >= rows).unwrap_or(self.flaws.len());
        let mut later = self.flaws.split_off(later);
        later.iter_mut().for_each(|(row, _)| *row -= rows);
        self.closed -= rows;
        (values, std::mem::replace(&mut self.flaws, later))
    }
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
