//! A decoder of any data page into levels and values, by the Parquet crate.

use std::collections::VecDeque;

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::FloatType;
use parquet::errors::Result as ParquetResult;
use parquet::schema::types::ColumnDescPtr;

/// The dictionary page of a column chunk; the crate's [`Page`] cannot be cloned.
pub(super) struct Dictionary {
    pub(super) bytes: Bytes,
    pub(super) values: u32,
    pub(super) encoding: Encoding,
    pub(super) sorted: bool,
}

/// A decoded page: a pair of levels for each element, null element, null list and empty
/// list; a value for each element.
#[derive(Default)]
pub(super) struct DecodedLevels {
    pub(super) repetition: Vec<i16>,
    pub(super) definition: Vec<i16>,
    pub(super) values: Vec<f32>,
}

/// Decodes a page of any encoding.
pub(super) fn decode(
    column: &ColumnDescPtr,
    dictionary: Option<&Dictionary>,
    page: Page,
) -> ParquetResult<DecodedLevels> {
    let dictionary = dictionary.map(|dictionary| Page::DictionaryPage {
        buf: dictionary.bytes.clone(),
        num_values: dictionary.values,
        encoding: dictionary.encoding,
        is_sorted: dictionary.sorted,
    });
    let pages = PagesInMemory(dictionary.into_iter().chain([page]).collect());
    let mut reader = ColumnReaderImpl::<FloatType>::new(column.clone(), Box::new(pages));
    let mut levels = DecodedLevels::default();
    let DecodedLevels { repetition, definition, values } = &mut levels;
    reader.read_records(usize::MAX, Some(definition), Some(repetition), values)?;
    Ok(levels)
}

/// A page reader over pages in memory.
struct PagesInMemory(VecDeque<Page>);

impl Iterator for PagesInMemory {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.pop_front().map(Ok)
    }
}

impl PageReader for PagesInMemory {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        Ok(self.0.pop_front())
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        Ok(None)
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        self.0.pop_front();
        Ok(())
    }
}
