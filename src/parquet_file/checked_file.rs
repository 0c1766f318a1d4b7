//! A chunk reader that checks pages as they are read, before they are decoded: headers, and
//! checksums, where pages have them. The Parquet crate can do the first (its feature `crc`), but
//! without the place in its error, and it takes the checksum of an encrypted page, which is of
//! the bytes as stored, for one of the decrypted bytes.

use std::io::Read;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use crate::error::{Error, Place};
use crate::storage::SourceFile;

use super::column_chunk::{ColumnChunk, read_header};
use super::open::Input;
use super::page_header::PageHeader;
use super::page_walk::{PageName, PageWalk, check_page};

/// A file of which some column chunks are checked. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct CheckedFile {
    file: SourceFile,
    chunks: Arc<[WalkedChunk]>,
    first_error: Arc<Mutex<Option<Error>>>,
}

/// A column chunk, and how far its pages were read.
#[derive(Debug)]
struct WalkedChunk {
    chunk: ColumnChunk,
    walk: Mutex<Walk>,
}

#[derive(Debug)]
struct Walk {
    pages: PageWalk,
    /// The offset of the next page header.
    at: u64,
    /// The page that was entered, and its body.
    entered: Option<(PageName, PageHeader, Range<u64>)>,
    /// Whether nothing more can be checked.
    ended: bool,
}

impl CheckedFile {
    /// The file, with the chunks of a top-level column in a row group.
    pub(crate) fn of_column(input: &Input, row_group: usize, position: usize) -> Self {
        let schema = input.metadata().file_metadata().schema_descr();
        let leaves = (0..schema.num_columns()).filter(|leaf| schema.get_column_root_idx(*leaf) == position);
        Self::of_leaves(input, row_group, leaves)
    }

    /// The file, with all column chunks of a row group.
    pub(crate) fn of_row_group(input: &Input, row_group: usize) -> Self {
        Self::of_leaves(input, row_group, 0..input.metadata().row_group(row_group).num_columns())
    }

    fn of_leaves(input: &Input, row_group: usize, leaves: impl Iterator<Item = usize>) -> Self {
        let chunks = leaves.filter_map(|leaf| input.column_chunk(row_group, leaf));
        let mut chunks: Vec<_> = chunks.map(WalkedChunk::new).collect();
        chunks.sort_unstable_by_key(|found| found.chunk.bytes().start);
        Self { file: input.file().clone(), chunks: chunks.into(), first_error: Arc::default() }
    }

    /// Checks the numbers of lengths in the pages of all chunks: their decoders allocate what they say.
    ///
    /// # Errors
    /// [`Error::BadData`] with file, row group and column.
    pub(crate) fn check_lengths(&self) -> Result<(), Error> {
        self.chunks.iter().try_for_each(|found| found.chunk.check_all_lengths(&self.file))
    }

    /// Asks a store for the start of a single chunk, of at most `bytes`, in one piece and not in small ones.
    pub(crate) fn will_need(&self, bytes: u64) {
        if let (SourceFile::Remote(_), [found]) = (&self.file, self.chunks.as_ref()) {
            let chunk = found.chunk.bytes();
            self.file.will_need(chunk.start..chunk.end.min(chunk.start.saturating_add(bytes)));
        }
    }

    /// Takes the first error out, with `place` for one of the system: the Parquet and Arrow
    /// crates pass on only its text.
    pub(crate) fn take_error(&self, place: &Place) -> Option<Error> {
        let found = lock(&self.first_error).take();
        found.or_else(|| self.file.take_read_error(place))
    }

    fn chunk_at(&self, offset: u64) -> Option<&WalkedChunk> {
        let behind = self.chunks.partition_point(|found| found.chunk.bytes().start <= offset);
        self.chunks.get(behind.checked_sub(1)?).filter(|found| found.chunk.bytes().contains(&offset))
    }
}

impl WalkedChunk {
    fn new(chunk: ColumnChunk) -> Self {
        let at = chunk.bytes().start;
        let pages = PageWalk::from(PageName::Data(0));
        Self { chunk, walk: Mutex::new(Walk { pages, at, entered: None, ended: false }) }
    }

    /// Checks the header at `start`, if the next page begins there.
    fn enter(&self, file: &SourceFile, start: u64) -> ParquetResult<()> {
        let mut walk = lock(&self.walk);
        if self.chunk.has_page_locations() || walk.ended || walk.at != start {
            return Ok(());
        }
        walk.advance(&self.chunk, file)
    }

    /// Compares the bytes of a page with its checksum. They start with the header, where the
    /// Parquet crate reads by an offset index; else the page was entered before.
    fn compare(&self, start: u64, bytes: &Bytes) -> ParquetResult<()> {
        if self.chunk.has_page_locations() {
            return self.chunk.check(start, bytes).map_err(external);
        }
        match lock(&self.walk).entered.take() {
            Some((page, header, body)) if body == (start..start + bytes.len() as u64) => {
                check_page(self.chunk.facts(), page, &header, bytes).map_err(external)
            }
            _ => Ok(()),
        }
    }
}

impl Walk {
    /// Reads the next page header and passes over its page.
    fn advance(&mut self, chunk: &ColumnChunk, file: &SourceFile) -> ParquetResult<()> {
        self.entered = None;
        let end = chunk.bytes().end;
        let Some((header, length)) = read_header(file, self.at..end)? else {
            self.ended = true;
            // Some writers leave bytes behind the last page.
            return match self.pages.checksums() {
                Some(false) => Ok(()),
                _ => Err(external(self.pages.unreadable(chunk.facts()))),
            };
        };
        let page = self.pages.enter(chunk.facts(), &header, length).map_err(external)?;
        let body = self.at + length as u64..self.at + length as u64 + u64::from(header.stored_bytes);
        self.at = body.end;
        self.entered = Some((page, header, body));
        // All headers were read, the last one now.
        if self.at == end { self.pages.finish(chunk.facts()).map_err(external) } else { Ok(()) }
    }
}

fn external(error: Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Length for CheckedFile {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl ChunkReader for CheckedFile {
    type T = Box<dyn Read + Send>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        if let Some(found) = self.chunk_at(start) {
            found.enter(&self.file, start).inspect_err(|error| self.record(error))?;
        }
        self.file.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let bytes = self.file.get_bytes(start, length)?;
        if let Some(found) = self.chunk_at(start) {
            found.compare(start, &bytes).inspect_err(|error| self.record(error))?;
        }
        Ok(bytes)
    }
}

impl CheckedFile {
    /// Keeps a copy of an error of ours, of which the crates would leave the text.
    fn record(&self, error: &ParquetError) {
        if let ParquetError::External(source) = error
            && let Some(Error::BadData { place, what }) = source.downcast_ref()
        {
            lock(&self.first_error).get_or_insert_with(|| Error::bad_data(place.clone(), what));
        }
    }
}
