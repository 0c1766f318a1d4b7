//! The pages of a column of lists of floats, or of fixed-size binary, as Arrow's arrays in the column's
//! own type.

use arrow::array::{ArrayData, ArrayRef, BooleanBufferBuilder, make_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use crate::error::{Error, Place, Result};
use crate::parquet_file::{Input, RawPages};
use crate::samples::embedding_type::EmbeddingType;
use crate::storage::io_errors;

use super::leaf::EmbeddingLeaf;
use super::page_source::PageSource;
use super::paged_rows::PagedRows;
use super::read_ahead::ReadAhead;
use super::row_assembler::{AssembledRows, EqualRows, RowShape};

/// Lists that are longer on average are left to Arrow's reader: memory for a batch of them is large.
const MOST_ELEMENTS: usize = 1 << 16;

/// Elements that are moved at once where none of them is missing.
const BLOCK: usize = 64;

/// The lists of a column chunk.
pub(in crate::samples) struct ListPages {
    rows: PagedRows,
    list: DataType,
    /// Elements of each row, where the type has their number.
    fixed_length: Option<usize>,
}

impl ListPages {
    /// The pages of a list column in a row group. None where Arrow's reader has to read the column: it is
    /// encrypted, of another type, or of long lists.
    pub(in crate::samples) fn open(
        input: &Input,
        position: usize,
        row_group: usize,
        read_ahead: &ReadAhead,
    ) -> Option<Self> {
        let field = input.schema().fields().get(position)?;
        let (group, rows) = (input.metadata().row_groups().get(row_group)?, input.rows_in(row_group));
        let fixed_length = EmbeddingType::of(field.data_type())?.dimension();
        // Most lists may have one length, to judge by the footer. The levels of the pages tell.
        let mean_length = || {
            let schema = input.metadata().file_metadata().schema_descr();
            let leaf =
                (0..schema.num_columns()).find(|leaf| schema.get_column_root_idx(*leaf) == position)?;
            let values = usize::try_from(group.columns().get(leaf)?.num_values()).ok()?;
            values.checked_add(rows.checked_sub(1)?)?.checked_div(rows)
        };
        let length = fixed_length.or_else(mean_length)?;
        if length == 0 || length > MOST_ELEMENTS {
            return None;
        }
        let leaf = EmbeddingLeaf::of(input, position, length)?;
        let pages = RawPages::of(input, row_group, leaf.position)?;
        let pages = PageSource::new(pages, leaf.keeping_type(), rows, read_ahead.clone());
        let place = input.place().row_group(row_group).column(field.name());
        let rows = PagedRows::new(pages, place);
        Some(Self { rows, list: field.data_type().clone(), fixed_length })
    }

    /// The next `rows` rows.
    ///
    /// # Errors
    /// [`Error::BadData`] or [`Error::Io`] with file, row group and column.
    pub(in crate::samples) fn read(&mut self, rows: usize) -> Result<ArrayRef> {
        let AssembledRows { rows, segments, valid } = self.rows.read(rows)?;
        let places = ElementPlaces::new(&rows, valid, self.fixed_length, &self.rows.place)?;
        let (file, width) = (self.rows.file(), self.rows.leaf().float.bytes());
        let mut values = file.buffers().take(places.elements * width);
        let mut rest = values.bytes_mut();
        for segment in segments {
            let (out, behind) = rest.split_at_mut(segment.elements.len() * width);
            let read = segment.read_own_type(width, out, file);
            read.map_err(|error| io_errors::parquet(self.rows.place.clone(), "read", error))?;
            rest = behind;
        }
        places.spread(values.bytes_mut(), width);
        let array = places.array(&self.list, &rows, Buffer::from(values.into_bytes()));
        array.map_err(|error| match error {
            ArrowError::OffsetOverflowError(elements) => {
                let what = format!(
                    "has lists of {elements} values in {} rows, more than a batch can hold; write it as large lists",
                    rows.iter().map(|rows| rows.count).sum::<usize>()
                );
                Error::bad_data(self.rows.place.clone(), what)
            }
            error => Error::Internal(format!("{}: {error}", self.rows.place)),
        })
    }

    /// Skips rows.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub(in crate::samples) fn skip(&mut self, rows: usize) -> Result<()> {
        self.rows.skip(rows)
    }
}

/// The places of the elements of rows in the array that holds them all.
struct ElementPlaces {
    elements: usize,
    /// Which have a value. None if all have.
    filled: Option<BooleanBuffer>,
    /// Whether elements of lists are null, and not only those of null rows.
    has_null_elements: bool,
}

impl ElementPlaces {
    /// The places of elements, some of which are `valid`. Null rows have places, too, in rows of a fixed length.
    fn new(
        rows: &[EqualRows],
        valid: Option<BooleanBuffer>,
        fixed_length: Option<usize>,
        place: &Place,
    ) -> Result<Self> {
        let elements = rows.iter().map(|rows| rows.elements()).sum();
        let has_null_elements = valid.is_some();
        let Some(fixed) = fixed_length else {
            return Ok(Self { elements, filled: valid, has_null_elements });
        };
        let (mut filled, mut read) = (BooleanBufferBuilder::new(elements), 0);
        for rows in rows {
            match (rows.shape, &valid) {
                (RowShape::List { length, .. }, _) if length != fixed => {
                    let what =
                        format!("holds a list of {length} where its type says {fixed}; write the file again");
                    return Err(Error::bad_data(place.clone(), what));
                }
                (RowShape::Null, _) => filled.append_n(rows.count * fixed, false),
                (RowShape::List { .. }, None) => filled.append_n(rows.elements(), true),
                (RowShape::List { .. }, Some(valid)) => {
                    filled.append_buffer(&valid.slice(read, rows.elements()));
                }
            }
            read += rows.elements();
        }
        let filled = filled.finish();
        let elements = filled.len();
        let filled = Some(filled).filter(|filled| filled.count_set_bits() < elements);
        Ok(Self { elements, filled, has_null_elements })
    }

    /// Moves the values, which are at the front, to their places, and makes the others zeros.
    fn spread(&self, bytes: &mut [u8], width: usize) {
        let Some(filled) = &self.filled else { return };
        let (mut left, mut end) = (filled.count_set_bits(), self.elements);
        // From the end on, so that no value is overwritten. In front of as many values nothing is missing.
        while left < end {
            let start = (end - 1) / BLOCK * BLOCK;
            let block = filled.slice(start, end - start);
            let values = block.count_set_bits();
            if values == block.len() {
                bytes.copy_within((left - values) * width..left * width, start * width);
                left -= values;
            } else {
                for at in (start..end).rev() {
                    if filled.value(at) {
                        left -= 1;
                        bytes.copy_within(left * width..(left + 1) * width, at * width);
                    } else if let Some(missing) = bytes.get_mut(at * width..(at + 1) * width) {
                        missing.fill(0);
                    }
                }
            }
            end = start;
        }
    }

    /// The rows, with these values.
    fn array(
        &self,
        list: &DataType,
        rows: &[EqualRows],
        values: Buffer,
    ) -> std::result::Result<ArrayRef, ArrowError> {
        let count = rows.iter().map(|rows| rows.count).sum();
        let data = ArrayData::builder(list.clone()).len(count).nulls(null_rows(rows));
        let (DataType::FixedSizeList(item, _) | DataType::List(item) | DataType::LargeList(item)) = list
        else {
            return Ok(make_array(data.add_buffer(values).build()?));
        };
        let items = ArrayData::builder(item.data_type().clone()).len(self.elements).add_buffer(values);
        // Memory of the pool need not be aligned to a value.
        let items = items.nulls(self.null_items()).align_buffers(true).build()?;
        let data = data.add_child_data(items);
        let data = match list {
            DataType::List(_) => data.add_buffer(offsets::<i32>(rows)?),
            DataType::LargeList(_) => data.add_buffer(offsets::<i64>(rows)?),
            _ => data,
        };
        Ok(make_array(data.build()?))
    }

    fn null_items(&self) -> Option<NullBuffer> {
        let filled = self.filled.clone().filter(|_| self.has_null_elements);
        filled.map(NullBuffer::new)
    }
}

fn null_rows(rows: &[EqualRows]) -> Option<NullBuffer> {
    let is_null = |rows: &EqualRows| rows.shape == RowShape::Null;
    rows.iter().any(is_null).then(|| {
        let mut valid = BooleanBufferBuilder::new(rows.iter().map(|rows| rows.count).sum());
        rows.iter().for_each(|rows| valid.append_n(rows.count, !is_null(rows)));
        NullBuffer::new(valid.finish())
    })
}

/// Where each list starts, and the last one ends.
fn offsets<O: TryFrom<usize> + arrow::datatypes::ArrowNativeType>(
    rows: &[EqualRows],
) -> std::result::Result<Buffer, ArrowError> {
    let (mut offsets, mut end) = (vec![O::default()], 0_usize);
    for rows in rows {
        let length = rows.elements() / rows.count.max(1);
        for _ in 0..rows.count {
            end += length;
            offsets.push(O::try_from(end).map_err(|_| ArrowError::OffsetOverflowError(end))?);
        }
    }
    Ok(Buffer::from_vec(offsets))
}
