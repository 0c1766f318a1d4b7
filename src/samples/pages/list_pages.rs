//! The regular pages of a column of lists of floats, or of fixed-size binary, as Arrow's arrays in the
//! column's own type.

use arrow::array::{ArrayData, ArrayRef, make_array};
use arrow::buffer::Buffer;
use arrow::datatypes::DataType;

use crate::error::{Error, Place, Result};
use crate::parquet_file::{Input, RawPages};
use crate::storage::io_errors;

use super::leaf::EmbeddingLeaf;
use super::page_source::{PageSource, Taken};
use super::page_values::Segment;
use super::read_ahead::ReadAhead;

/// Lists that are longer are left to Arrow's reader, which knows where a batch's offsets overflow.
const MOST_ELEMENTS: usize = 1 << 16;

/// The pages of a column chunk, as long as they are regular.
pub(in crate::samples) struct ListPages {
    pages: PageSource,
    list: DataType,
    place: Place,
}

impl ListPages {
    /// The pages of a list column in a row group. None where they cannot be regular.
    pub(in crate::samples) fn open(
        input: &Input,
        position: usize,
        row_group: usize,
        read_ahead: &ReadAhead,
    ) -> Option<Self> {
        let field = input.schema().fields().get(position)?;
        let (group, rows) = (input.metadata().row_groups().get(row_group)?, input.rows_in(row_group));
        // By the footer alone. The levels of the pages tell whether it is true.
        let schema = input.metadata().file_metadata().schema_descr();
        let leaf = (0..schema.num_columns()).find(|leaf| schema.get_column_root_idx(*leaf) == position)?;
        let length = match field.data_type() {
            DataType::FixedSizeBinary(bytes) => usize::try_from(*bytes).ok()? / size_of::<f32>(),
            _ => {
                let values = usize::try_from(group.columns().get(leaf)?.num_values()).ok()?;
                values.checked_div(rows).filter(|length| length * rows == values)?
            }
        };
        if length == 0 || length > MOST_ELEMENTS {
            return None;
        }
        let leaf = EmbeddingLeaf::of(input, position, length)?;
        let pages = RawPages::of(input, row_group, leaf.position)?;
        let pages = PageSource::new(pages, leaf.keeping_type(), rows, read_ahead.clone());
        let place = input.place().row_group(row_group).column(field.name());
        Some(Self { pages, list: field.data_type().clone(), place })
    }

    /// The next `rows` rows, at least one; none where they are not in regular pages alone, which are not
    /// read any further.
    ///
    /// # Errors
    /// [`Error::BadData`] or [`Error::Io`] with file, row group and column.
    pub(in crate::samples) fn read(&mut self, rows: usize) -> Result<Option<ArrayRef>> {
        match self.pages.take_segments(rows)? {
            Taken::All(segments) => self.array(rows, &segments).map(Some),
            Taken::Some(_) => Ok(None),
        }
    }

    /// Skips rows; returns whether they are in regular pages alone, as far as these were read.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub(in crate::samples) fn skip(&mut self, rows: usize) -> Result<bool> {
        self.pages.skip_rows(rows)
    }

    fn array(&self, rows: usize, segments: &[Segment]) -> Result<ArrayRef> {
        let (leaf, file) = (self.pages.leaf(), self.pages.file());
        let width = leaf.float.bytes();
        let mut values = file.buffers().take(rows * leaf.dim * width);
        let mut rest = values.bytes_mut();
        for segment in segments {
            let (out, behind) = rest.split_at_mut(segment.elements.len() * width);
            let read = segment.read_own_type(width, out, file);
            read.map_err(|error| io_errors::parquet(self.place.clone(), "read", error))?;
            rest = behind;
        }
        let array = lists(&self.list, rows, leaf.dim, Buffer::from(values.into_bytes()));
        array.map_err(|error| Error::Internal(format!("{}: {error}", self.place)))
    }
}

/// Rows of one length, of these values.
fn lists(
    list: &DataType,
    rows: usize,
    length: usize,
    values: Buffer,
) -> std::result::Result<ArrayRef, arrow::error::ArrowError> {
    if let DataType::FixedSizeBinary(_) = list {
        return Ok(make_array(ArrayData::builder(list.clone()).len(rows).add_buffer(values).build()?));
    }
    let unfit = || arrow::error::ArrowError::SchemaError(format!("lists of floats have type {list}"));
    let (DataType::FixedSizeList(item, _) | DataType::List(item) | DataType::LargeList(item)) = list else {
        return Err(unfit());
    };
    let items = ArrayData::builder(item.data_type().clone()).len(rows * length).add_buffer(values);
    // Memory of the pool need not be aligned to a value.
    let items = items.align_buffers(true).build()?;
    let data = ArrayData::builder(list.clone()).len(rows).add_child_data(items);
    let ends = (0..=rows).map(|row| row * length);
    let data = match list {
        DataType::List(_) => {
            data.add_buffer(ends.map(|end| i32::try_from(end).unwrap_or(i32::MAX)).collect())
        }
        DataType::LargeList(_) => {
            data.add_buffer(ends.map(|end| i64::try_from(end).unwrap_or(i64::MAX)).collect())
        }
        _ => data,
    };
    Ok(make_array(data.build()?))
}
