//! A column chunk of an open file whose pages can be checked: its range of bytes, what the
//! footer says of it, and where its pages begin, if the file has an offset index.

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Type;
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::ChunkReader;

use crate::error::{Error, Place, Result};
use crate::storage::{SourceFile, io_errors};

use super::column_names::column_name;
use super::delta_lengths::{Part, are_possible, has_lengths};
use super::open::Input;
use super::page_checker::{CheckedPages, Checksums, PageChecker};
use super::page_header::{PageHeader, Parsed};
use super::page_walk::{ChunkFacts, PageName, PageWalk};

/// The length of "PAR1", before which no page starts: some writers give the offset 0 to a
/// dictionary page that is not there.
const MAGIC_BYTES: i64 = 4;
/// Bytes read at first for a page header.
const HEADER_BYTES: usize = 1 << 10;

/// A column chunk whose pages are checked.
#[derive(Debug, Clone)]
pub(crate) struct ColumnChunk {
    bytes: Range<u64>,
    facts: ChunkFacts,
    metadata: Arc<ParquetMetaData>,
    row_group: usize,
    leaf: usize,
}

impl ColumnChunk {
    /// A column chunk of a file. None where it is encrypted, and so authenticated by its
    /// cipher, or where the footer gives it no range. With `ignores_checksums` its pages are taken
    /// for pages without them.
    pub(crate) fn of(
        metadata: &Arc<ParquetMetaData>,
        file: &Place,
        row_group: usize,
        leaf: usize,
        ignores_checksums: bool,
    ) -> Option<Self> {
        let group = metadata.row_groups().get(row_group)?;
        let chunk = group.columns().get(leaf).filter(|chunk| chunk.crypto_metadata().is_none())?;
        let bytes = byte_range(chunk)?;
        let facts = ChunkFacts {
            place: file.clone().row_group(row_group).column(column_name(metadata, leaf)),
            values: u64::try_from(chunk.num_values()).ok()?,
            rows: u64::try_from(group.num_rows()).ok()?,
            encodings: chunk.encodings_mask().as_i32().cast_unsigned(),
            codec: chunk.compression(),
            plain_bytes: u64::try_from(chunk.uncompressed_size()).ok()?,
            value_bytes: match chunk.column_type() {
                Type::BOOLEAN => 0,
                // The length of a byte array takes four.
                Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => 4,
                Type::INT64 | Type::DOUBLE => 8,
                Type::INT96 => 12,
                Type::FIXED_LEN_BYTE_ARRAY => u64::try_from(chunk.column_descr().type_length()).ok()?,
            },
            max_levels: [chunk.column_descr().max_def_level(), chunk.column_descr().max_rep_level()],
            ignores_checksums,
        };
        Some(Self { bytes, facts, metadata: Arc::clone(metadata), row_group, leaf })
    }

    /// The bytes of a column chunk, if it can be checked.
    pub(super) fn range(metadata: &ParquetMetaData, row_group: usize, leaf: usize) -> Option<Range<u64>> {
        let chunk = metadata.row_groups().get(row_group)?.columns().get(leaf)?;
        if chunk.crypto_metadata().is_some() { None } else { byte_range(chunk) }
    }

    /// Its bytes in the file.
    pub(crate) fn bytes(&self) -> &Range<u64> {
        &self.bytes
    }

    pub(super) fn facts(&self) -> &ChunkFacts {
        &self.facts
    }

    /// Whether the first pages have checksums.
    ///
    /// # Errors
    /// Those of reading their headers.
    pub(crate) fn checksums(&self, file: &SourceFile) -> ParquetResult<Checksums> {
        let mut walk = PageWalk::from(PageName::Data(0));
        let mut at = self.bytes.start;
        while at < self.bytes.end && walk.checksums().is_none() {
            let Some((header, length)) = read_header(file, at..self.bytes.end)? else {
                return Ok(Checksums::Unknown);
            };
            if walk.enter(&self.facts, &header, length).is_err() {
                return Ok(Checksums::Present);
            }
            at += length as u64 + u64::from(header.stored_bytes);
        }
        Ok(if walk.checksums() == Some(true) { Checksums::Present } else { Checksums::Absent })
    }

    /// A reader of all bytes of the chunk that checks them as they pass.
    pub(crate) fn check_while_reading<R: Read>(&self, reader: R) -> CheckedPages<R> {
        CheckedPages::new(reader, self.facts.clone())
    }

    /// The error of a first page header that can't be parsed.
    pub(crate) fn unreadable_header(&self) -> Error {
        PageWalk::from(PageName::Data(0)).unreadable(&self.facts)
    }

    /// Reads all pages, and checks them.
    ///
    /// # Errors
    /// [`Error::BadData`] with file, row group, column and page; [`Error::Io`].
    pub(crate) fn check_all(&self, file: &SourceFile) -> Result<Checksums> {
        let read = |error| io_errors::io(self.facts.place.clone(), "read", error);
        let reader = file.get_read(self.bytes.start);
        let reader = reader.map_err(|error| io_errors::parquet(self.facts.place.clone(), "read", error))?;
        let mut pages = self.check_while_reading(reader.take(self.bytes.end - self.bytes.start));
        let mut buffer = vec![0; 1 << 18];
        while pages.read(&mut buffer).map_err(read)? > 0 {}
        pages.finish()
    }

    /// Checks bytes at `start` that are whole pages of the chunk with their headers.
    ///
    /// # Errors
    /// [`Error::BadData`] with file, row group, column and page.
    pub(crate) fn check(&self, start: u64, bytes: &[u8]) -> Result<()> {
        let Some(first) = self.page_at(start, bytes) else { return Ok(()) };
        self.check_headers(first, bytes)?;
        self.check_lengths(start..start + bytes.len() as u64, || Part {
            start,
            bytes: Bytes::copy_from_slice(bytes),
        })?;
        let mut checker = PageChecker::new(self.facts.clone(), first);
        checker.take(bytes)?;
        if (start..start + bytes.len() as u64) == self.bytes {
            checker.finish().map(drop)
        } else {
            checker.finish_page().map(drop)
        }
    }

    /// Checks the numbers of lengths in the pages of a range, where their encodings have some.
    fn check_lengths<R: ChunkReader + 'static>(
        &self,
        range: Range<u64>,
        reader: impl FnOnce() -> R,
    ) -> Result<()> {
        let rows = usize::try_from(self.facts.rows).unwrap_or(usize::MAX);
        let chunk = self.metadata.row_group(self.row_group).column(self.leaf);
        if !has_lengths(chunk) || are_possible(chunk, reader(), range, rows) {
            return Ok(());
        }
        let what = "a page has more lengths of texts than values; the file is damaged, write it again";
        Err(Error::bad_data(self.facts.place.clone(), what))
    }

    /// As [`Self::check_lengths`] of all pages, before a decoder reads them.
    ///
    /// # Errors
    /// [`Error::BadData`] with file, row group and column.
    pub(super) fn check_all_lengths(&self, file: &SourceFile) -> Result<()> {
        self.check_lengths(self.bytes.clone(), || file.clone())
    }

    /// Checks the headers of pages, also of those without checksums. It ends at bytes that are no
    /// header: their decoder knows what they are.
    fn check_headers(&self, first: PageName, mut bytes: &[u8]) -> Result<()> {
        let mut walk = PageWalk::from(first);
        while let Parsed::Complete(header, length) = PageHeader::parse(bytes) {
            walk.enter(&self.facts, &header, length)?;
            bytes = bytes.get(length + header.stored_bytes as usize..).unwrap_or_default();
        }
        Ok(())
    }

    /// The name of the page at `start`. None where that is no page's start.
    fn page_at(&self, start: u64, bytes: &[u8]) -> Option<PageName> {
        match self.page_number(start) {
            _ if start == self.bytes.start => Some(PageName::Data(0)),
            Some(number) => Some(PageName::Data(number)),
            None => {
                let is_page = matches!(PageHeader::parse(bytes), Parsed::Complete(..));
                is_page.then_some(PageName::AtByte(start))
            }
        }
    }

    pub(super) fn has_page_locations(&self) -> bool {
        self.page_locations().is_some()
    }

    fn page_locations(&self) -> Option<&[PageLocation]> {
        let index = self.metadata.offset_index()?.get(self.row_group)?.get(self.leaf)?;
        Some(index.page_locations())
    }

    fn page_number(&self, start: u64) -> Option<usize> {
        let start = i64::try_from(start).ok()?;
        self.page_locations()?.binary_search_by_key(&start, |page| page.offset).ok()
    }
}

fn byte_range(chunk: &ColumnChunkMetaData) -> Option<Range<u64>> {
    let dictionary = chunk.dictionary_page_offset().filter(|offset| *offset >= MAGIC_BYTES);
    let start = u64::try_from(dictionary.unwrap_or(chunk.data_page_offset())).ok()?;
    let end = start.checked_add(u64::try_from(chunk.compressed_size()).ok()?)?;
    Some(start..end)
}

/// Reads the page header at the start of a range, and its length. None where there is none.
pub(super) fn read_header(
    file: &SourceFile,
    range: Range<u64>,
) -> ParquetResult<Option<(PageHeader, usize)>> {
    let mut reader = file.get_read(range.start)?.take(range.end - range.start);
    let mut bytes = Vec::new();
    loop {
        let more = HEADER_BYTES.max(bytes.len());
        let read = reader.by_ref().take(more as u64).read_to_end(&mut bytes)?;
        match PageHeader::parse(&bytes) {
            Parsed::Complete(header, length) => return Ok(Some((header, length))),
            Parsed::Incomplete if read > 0 => {}
            Parsed::Incomplete | Parsed::Invalid => return Ok(None),
        }
    }
}

impl Input {
    /// A column chunk whose pages can be checked.
    pub(crate) fn column_chunk(&self, row_group: usize, leaf: usize) -> Option<ColumnChunk> {
        ColumnChunk::of(self.metadata(), &self.place(), row_group, leaf, self.ignores_checksums())
    }

    /// Whether some page of the file has a checksum.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn has_page_checksums(&self) -> Result<bool> {
        for (row_group, group) in self.metadata().row_groups().iter().enumerate() {
            for leaf in 0..group.num_columns() {
                let Some(chunk) = self.column_chunk(row_group, leaf) else { continue };
                let checksums = chunk.checksums(self.file());
                let place = || chunk.facts.place.clone();
                if checksums.map_err(|e| io_errors::parquet(place(), "read", e))? == Checksums::Present {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The damage of the pages at the place of an error of the data, which is then its cause: that of the
    /// first page in the row group, and in the column if the place has one.
    pub fn damage_behind(&self, error: &Error) -> Option<Error> {
        let (Error::BadData { place, .. } | Error::BadRows { place, .. }) = error else { return None };
        let row_group = place.row_group?;
        let columns = self.metadata().row_groups().get(row_group)?.num_columns();
        let chunks = (0..columns).filter_map(|leaf| self.column_chunk(row_group, leaf));
        let root = |chunk: &ColumnChunk| {
            let schema = self.metadata().file_metadata().schema_descr();
            schema.get_column_root(chunk.leaf).name().to_owned()
        };
        let mut named = chunks.filter(|chunk| {
            let own = &chunk.facts.place.column;
            place.column.is_none() || place.column == *own || place.column == Some(root(chunk))
        });
        named.find_map(|chunk| match chunk.check_all(self.file()) {
            Err(damage @ Error::BadData { .. }) => Some(damage),
            Ok(Checksums::Unknown) => Some(chunk.unreadable_header()),
            _ => None,
        })
    }
}
