//! A source of the pages of a column chunk, in order, each classified as regular or general.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::column::page::{Page, PageReader};
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescPtr;

use crate::parquet_file::CheckedFile;

use super::decoded::{self, DecodedLevels, Dictionary};
use super::header_reader::{HeaderReader, PartialRead};
use super::regular_page::{PageValues, RegularPage, value_range};

/// Loads the pages of a column chunk.
pub(super) struct PageSource {
    pages: SerializedPageReader<HeaderReader>,
    file: Arc<HeaderReader>,
    column: ColumnDescPtr,
    dim: usize,
    dictionary: Option<Dictionary>,
    /// The next page, once it is loaded.
    pub(super) next: Option<NextPage>,
}

/// The page behind the assembled rows.
pub(super) enum NextPage {
    Regular(RegularPage),
    /// A page that has to be decoded.
    General(Page),
    End,
}

impl PageSource {
    /// The pages of a column chunk of lists of `dim` floats, in a row group of `rows` rows.
    pub(super) fn new(
        file: CheckedFile,
        dim: usize,
        column: ColumnDescPtr,
        chunk: &ColumnChunkMetaData,
        rows: usize,
        locations: Option<Vec<PageLocation>>,
    ) -> ParquetResult<Self> {
        let file = Arc::new(HeaderReader::new(file, dim, chunk)?);
        let pages = SerializedPageReader::new(Arc::clone(&file), chunk, rows, locations)?;
        Ok(Self { pages, file, column, dim, dictionary: None, next: None })
    }

    /// The file.
    pub(super) fn file(&self) -> &Arc<HeaderReader> {
        &self.file
    }

    /// Whether all pages were loaded and taken.
    pub(super) fn is_at_end(&self) -> bool {
        matches!(self.next, Some(NextPage::End))
    }

    /// Skips the next page if it is not loaded, and the page header or the offset index has
    /// its number of rows, at most `most`. Returns that number. Without `most` none is skipped.
    pub(super) fn skip_page(&mut self, most: Option<usize>) -> ParquetResult<Option<usize>> {
        let rows = match self.pages.peek_next_page()? {
            Some(next) if !next.is_dict && self.next.is_none() => {
                next.num_rows.filter(|rows| most.is_some_and(|most| *rows <= most))
            }
            _ => None,
        };
        if rows.is_some() {
            self.pages.skip_next_page()?;
        }
        Ok(rows)
    }

    /// Loads the next page, unless it is loaded. It counts as regular if its first value is
    /// element `element_offset` of a list.
    pub(super) fn load(&mut self, element_offset: usize) -> ParquetResult<()> {
        while self.next.is_none() {
            let Some(page) = self.pages.get_next_page()? else {
                self.next = Some(NextPage::End);
                break;
            };
            // Directly after `get_next_page`, which calls `get_bytes` once for each page that it
            // returns: a note taken later, or not at all, would be attributed to another page.
            let partial = self.file.take_partial_read();
            if let Some(range) = partial.and_then(|read| self.range_in_file(&page, read, element_offset)) {
                let values = PageValues::InFile(range);
                self.next = Some(NextPage::Regular(RegularPage { values, element_offset }));
                break;
            }
            let page = match partial {
                Some(read) => with_bytes(page, self.file.read_whole(read)?),
                None => page,
            };
            if let Page::DictionaryPage { buf, num_values, encoding, is_sorted } = page {
                let values = num_values;
                self.dictionary = Some(Dictionary { bytes: buf, values, encoding, sorted: is_sorted });
                continue;
            }
            let known = page.buffer().len();
            let range = value_range(&page, &self.column, self.dim, element_offset, known);
            self.next = Some(match range {
                Some(range) => {
                    let values = PageValues::InMemory(page.buffer().slice(range));
                    NextPage::Regular(RegularPage { values, element_offset })
                }
                None => NextPage::General(page),
            });
        }
        Ok(())
    }

    /// Decodes a page with the dictionary of the column chunk.
    pub(super) fn decode(&self, page: Page) -> ParquetResult<DecodedLevels> {
        decoded::decode(&self.column, self.dictionary.as_ref(), page)
    }

    /// The highest definition level, that of an element which is not null.
    pub(super) fn max_level(&self) -> i16 {
        self.column.max_def_level()
    }

    /// The byte range in the file of the values of a page that was read in part, if it is
    /// regular.
    fn range_in_file(&self, page: &Page, read: PartialRead, element_offset: usize) -> Option<Range<u64>> {
        // The page header may precede the page in the bytes that were read.
        let header = read.length.checked_sub(page.buffer().len())?;
        let known = read.known.checked_sub(header)?;
        let range = value_range(page, &self.column, self.dim, element_offset, known)?;
        let start = read.start + header as u64;
        Some(start + range.start as u64..start + range.end as u64)
    }
}

/// The same page with all of its bytes, which are the last of these.
fn with_bytes(mut page: Page, bytes: Bytes) -> Page {
    let start = bytes.len().saturating_sub(page.buffer().len());
    let (Page::DataPage { buf, .. } | Page::DataPageV2 { buf, .. } | Page::DictionaryPage { buf, .. }) =
        &mut page;
    *buf = bytes.slice(start..);
    page
}
