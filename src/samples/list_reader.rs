//! A reader of a column of lists of floats, or of rows of them as binary, for queries: as Arrow's reader
//! gives it, without decoding a level for each element.

use arrow::array::{Array, ArrayRef};
use arrow::compute::concat;
use arrow::datatypes::DataType;

use crate::error::{Error, Result};
use crate::parquet_file::{ColumnReader, Input};

use super::embedding_type::{EmbeddingLayout, EmbeddingType};
use super::pages::list_pages::ListPages;
use super::pages::read_ahead::ReadAhead;

/// Rows that Arrow's reader decodes at once: as many as a query reads at once.
const DECODED_ROWS: usize = 8192;

/// A reader of a column of lists, or of fixed-size binary, in a row group.
pub struct ListReader {
    input: Input,
    position: usize,
    row_group: usize,
    /// Rows that were read.
    at: usize,
    rows: Rows,
}

enum Rows {
    Pages(Box<ListPages>),
    Decoded(Box<DecodedRows>),
}

/// The rows that Arrow's reader decodes, from some row on.
struct DecodedRows {
    reader: ColumnReader,
    /// Rows that the reader has left.
    left: usize,
    /// Rows that were decoded and not taken.
    decoded: Option<ArrayRef>,
}

impl ListReader {
    /// Whether columns of a type may be read by this reader.
    pub fn reads(data_type: &DataType) -> bool {
        EmbeddingType::of(data_type).is_some_and(|kind| kind.layout != EmbeddingLayout::SparkVector)
    }

    /// Opens a column in a row group. Its pages may be loaded by those who take jobs of `read_ahead`.
    ///
    /// # Errors
    /// [`Error::BadData`] or [`Error::Io`] with file, row group and column.
    pub fn open(input: &Input, position: usize, row_group: usize, read_ahead: &ReadAhead) -> Result<Self> {
        let rows = match ListPages::open(input, position, row_group, read_ahead) {
            Some(pages) => Rows::Pages(Box::new(pages)),
            None => Rows::Decoded(Box::new(DecodedRows::open(input, position, row_group, 0)?)),
        };
        Ok(Self { input: input.clone(), position, row_group, at: 0, rows })
    }

    /// The rows that are left.
    pub fn rows_left(&self) -> usize {
        self.input.rows_in(self.row_group) - self.at
    }

    /// The next `rows` rows, between one and those that are left, as an array of the column's type.
    ///
    /// # Errors
    /// [`Error::BadData`] or [`Error::Io`] with file, row group and column.
    pub fn read(&mut self, rows: usize) -> Result<ArrayRef> {
        let found = match &mut self.rows {
            Rows::Pages(pages) => pages.read(rows)?,
            Rows::Decoded(decoded) => decoded.read(rows)?,
        };
        self.at += rows;
        Ok(found)
    }

    /// Skips rows, at most those that are left: pages whose number of rows is known are not read.
    ///
    /// # Errors
    /// [`Error::BadData`] or [`Error::Io`] with file, row group and column.
    pub fn skip(&mut self, rows: usize) -> Result<()> {
        self.at += rows;
        match &mut self.rows {
            _ if rows == 0 => {}
            Rows::Pages(pages) => pages.skip(rows)?,
            Rows::Decoded(decoded) if rows <= DECODED_ROWS => drop(decoded.read(rows)?),
            Rows::Decoded(decoded) => {
                **decoded = DecodedRows::open(&self.input, self.position, self.row_group, self.at)?;
            }
        }
        Ok(())
    }
}

impl DecodedRows {
    fn open(input: &Input, position: usize, row_group: usize, from: usize) -> Result<Self> {
        let end = input.rows_in(row_group);
        let name = input.schema().field(position).name();
        let reader = ColumnReader::open(input, position, name, row_group, from..end, DECODED_ROWS)?;
        Ok(Self { reader, left: end - from, decoded: None })
    }

    fn read(&mut self, rows: usize) -> Result<ArrayRef> {
        let (mut parts, mut wanted) = (Vec::new(), rows);
        while wanted > 0 {
            let decoded = match self.decoded.take() {
                Some(decoded) => decoded,
                None => {
                    let next = DECODED_ROWS.min(self.left);
                    self.left -= next;
                    self.reader.read(next)?
                }
            };
            let taken = wanted.min(decoded.len());
            if taken == 0 {
                return Err(Error::Internal("more rows of a column are read than it has".to_owned()));
            }
            parts.push(decoded.slice(0, taken));
            if taken < decoded.len() {
                self.decoded = Some(decoded.slice(taken, decoded.len() - taken));
            }
            wanted -= taken;
        }
        let parts: Vec<&dyn Array> = parts.iter().map(|part| part.as_ref()).collect();
        concat(&parts).map_err(|error| Error::Internal(error.to_string()))
    }
}
