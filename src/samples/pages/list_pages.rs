//! The pages of a column of lists of floats, or of fixed-size binary, as Arrow's arrays in the column's
//! own type.

use arrow::array::{ArrayData, ArrayRef, BooleanBufferBuilder, make_array};
use arrow::buffer::{Buffer, NullBuffer};
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
        let AssembledRows { rows, segments, null_elements } = self.rows.read(rows)?;
        let places = ElementPlaces::new(&rows, &null_elements, self.fixed_length, &self.rows.place)?;
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
        array.map_err(|error| Error::Internal(format!("{}: {error}", self.rows.place)))
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
    /// Places without a value, ascending.
    holes: Vec<Hole>,
    elements: usize,
}

/// Places without a value that follow each other.
struct Hole {
    start: usize,
    count: usize,
    /// Whether they are null elements of a list, and not those of a null row.
    is_null_elements: bool,
}

impl ElementPlaces {
    fn new(
        rows: &[EqualRows],
        null_elements: &[std::ops::Range<usize>],
        fixed_length: Option<usize>,
        place: &Place,
    ) -> Result<Self> {
        let (mut holes, mut elements, mut read) = (Vec::new(), 0, 0);
        let mut null_elements = null_elements.iter().peekable();
        for rows in rows {
            let (start, unfilled) = (elements, read);
            match (rows.shape, fixed_length) {
                (RowShape::Null, length) => {
                    let count = rows.count * length.unwrap_or(0);
                    if count > 0 {
                        holes.push(Hole { start, count, is_null_elements: false });
                    }
                    elements += count;
                }
                (RowShape::List { length, .. }, Some(fixed)) if length != fixed => {
                    let what =
                        format!("holds a list of {length} where its type says {fixed}; write the file again");
                    return Err(Error::bad_data(place.clone(), what));
                }
                (RowShape::List { .. }, _) => {
                    read += rows.elements();
                    elements += rows.elements();
                    while let Some(nulls) = null_elements.next_if(|nulls| nulls.start < read) {
                        let start = start + nulls.start - unfilled;
                        holes.push(Hole { start, count: nulls.len(), is_null_elements: true });
                    }
                }
            }
        }
        Ok(Self { holes, elements })
    }

    /// Moves the values, which are at the front, to their places, and makes the others zeros.
    fn spread(&self, bytes: &mut [u8], width: usize) {
        let missing: usize = self.holes.iter().map(|hole| hole.count).sum();
        let (mut left, mut end) = (self.elements - missing, self.elements);
        for hole in self.holes.iter().rev() {
            let hole_end = hole.start + hole.count;
            let behind = end - hole_end;
            bytes.copy_within((left - behind) * width..left * width, hole_end * width);
            if let Some(hole) = bytes.get_mut(hole.start * width..hole_end * width) {
                hole.fill(0);
            }
            (left, end) = (left - behind, hole.start);
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
        let nulls = || self.holes.iter().filter(|hole| hole.is_null_elements);
        nulls().next()?;
        let mut valid = BooleanBufferBuilder::new(self.elements);
        for hole in nulls() {
            valid.append_n(hole.start - valid.len(), true);
            valid.append_n(hole.count, false);
        }
        valid.append_n(self.elements - valid.len(), true);
        Some(NullBuffer::new(valid.finish()))
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
