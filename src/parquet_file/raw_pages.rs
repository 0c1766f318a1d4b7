//! The pages of a column chunk as they are stored. One thread walks along their headers, which is
//! little work; whoever decompresses a page reads its bytes.

use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::page_index::offset_index::PageLocation;

use crate::error::{Error, Result};
use crate::storage::{SourceFile, io_errors};

use super::column_chunk::read_header;
use super::decoder_panics::catch_panics;
use super::open::Input;
use super::page_walk::{PageName, PageWalk, damaged};
use super::raw_page::{RawChunk, RawPage};

/// The walk along the pages of a column chunk.
#[derive(Debug)]
pub(crate) struct RawPages {
    chunk: Arc<RawChunk>,
    walk: PageWalk,
    /// Where the next page begins, if no index says it.
    at: u64,
    /// The number of the next data page.
    number: usize,
    /// Values in the data pages so far.
    values: u64,
    /// Up to where the system was told to read the file.
    announced: u64,
    next: Option<RawPage>,
}

impl RawPages {
    /// The pages of a leaf's column chunk. None where it is encrypted, or the footer gives it no range.
    pub(crate) fn of(input: &Input, row_group: usize, leaf: usize) -> Option<Self> {
        let chunk = input.column_chunk(row_group, leaf)?;
        let metadata = input.metadata();
        let locations = metadata.offset_index().and_then(|all| all.get(row_group)?.get(leaf));
        let at = chunk.bytes().start;
        let chunk = RawChunk {
            file: Arc::new(input.file().clone()),
            chunk,
            metadata: metadata.row_group(row_group).column(leaf).clone(),
            rows: input.rows_in(row_group),
            locations: locations.map(|index| index.page_locations().clone()),
            defers_checksums: input.defers_checksums(),
        };
        let walk = PageWalk::from(PageName::Data(0));
        if matches!(*chunk.file, SourceFile::Remote(_)) {
            chunk.file.will_need(chunk.chunk.bytes().clone());
        }
        Some(Self { chunk: Arc::new(chunk), walk, at, number: 0, values: 0, announced: at, next: None })
    }

    /// The file.
    pub(crate) fn file(&self) -> &Arc<SourceFile> {
        &self.chunk.file
    }

    /// The next page, without taking it. None behind the last one.
    ///
    /// # Errors
    /// [`Error::BadData`] with file, row group, column and page; [`Error::Io`].
    pub(crate) fn peek(&mut self) -> Result<Option<&RawPage>> {
        if self.next.is_none() {
            self.next = catch_panics(|| Ok::<_, ParquetError>(self.read_next()))
                .map_err(|error| self.read_error(error))??;
        }
        Ok(self.next.as_ref())
    }

    /// Takes the next page.
    ///
    /// # Errors
    /// As for [`Self::peek`].
    pub(crate) fn take(&mut self) -> Result<Option<RawPage>> {
        self.peek()?;
        Ok(self.next.take())
    }

    fn read_next(&mut self) -> Result<Option<RawPage>> {
        let facts = self.chunk.chunk.facts();
        let (whole, locations) = (self.chunk.chunk.bytes().clone(), self.chunk.locations.as_deref());
        let start = match locations.filter(|locations| self.is_behind_dictionary(locations)) {
            Some(locations) => match locations.get(self.number) {
                Some(page) => u64::try_from(page.offset).unwrap_or(u64::MAX),
                None => return Ok(None),
            },
            None => self.at,
        };
        if start >= whole.end || (facts.values > 0 && self.values >= facts.values) {
            return Ok(None);
        }
        let header = read_header(&self.chunk.file, start..whole.end);
        let Some((header, header_bytes)) = header.map_err(|error| self.read_error(error))? else {
            return Err(self.walk.unreadable(facts));
        };
        let name = self.walk.enter(facts, &header, header_bytes)?;
        let end = start + header_bytes as u64 + u64::from(header.stored_bytes);
        if end > whole.end {
            return Err(damaged(facts, &format!("{name} goes beyond the end of its column chunk")));
        }
        self.at = end;
        if locations.is_none() && end == whole.end {
            self.walk.finish(facts)?;
        }
        let mut rows = header.rows.and_then(|rows| usize::try_from(rows).ok());
        if header.is_data() {
            rows = rows.or_else(|| self.chunk.indexed_rows(self.number));
            self.values += u64::from(header.values.unwrap_or(0));
            self.number += 1;
        }
        self.announce(whole.end);
        let chunk = Arc::clone(&self.chunk);
        Ok(Some(RawPage { chunk, name, header, bytes: start..end, header_bytes, rows }))
    }

    /// Says which bytes are read next, up to the end of the chunk. Several threads read several columns of
    /// a local file, in which the system sees no sequence of its own.
    fn announce(&mut self, end: u64) {
        const AHEAD_BYTES: u64 = 8 << 20;
        if matches!(*self.chunk.file, SourceFile::Remote(_)) {
            // A store was told of the whole chunk, and is asked for piece after piece.
            return;
        }
        let wanted = end.min(self.at + AHEAD_BYTES);
        // In pieces of a few MiB, and not a bit for every page.
        if wanted >= self.announced + AHEAD_BYTES / 2 || (wanted == end && self.announced < end) {
            let start = self.announced.max(self.at);
            self.chunk.file.will_need(start..wanted);
            self.announced = wanted;
        }
    }

    /// Whether the next page is one that the index has: a dictionary is before the first of these.
    fn is_behind_dictionary(&self, locations: &[PageLocation]) -> bool {
        let first = locations.first().and_then(|page| u64::try_from(page.offset).ok());
        // Behind a dictionary the index counts, also where the writer has left bytes between them.
        self.at > self.chunk.chunk.bytes().start || first.is_none_or(|first| self.at >= first)
    }

    fn read_error(&self, error: ParquetError) -> Error {
        io_errors::parquet(self.chunk.chunk.facts().place.clone(), "read", error)
    }
}
