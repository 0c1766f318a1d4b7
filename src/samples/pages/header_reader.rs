//! A chunk reader that reads only the head of large pages of plain floats: page header and
//! levels. It notes the page's place in the file; the values are read later, by the worker
//! that computes them, into its own buffers.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};

use crate::parquet_file::CheckedFile;
use crate::storage::SourceFile;

/// Pages below this size are read whole.
const MIN_PARTIAL_BYTES: usize = 64 << 10;
/// Bytes read for the header of a page.
const HEADER_BYTES: usize = 4 << 10;
/// Bytes read for the levels of a list: a few runs.
const LEVEL_BYTES: usize = 8;

/// A file of which large pages are read in part.
#[derive(Debug)]
pub(super) struct HeaderReader {
    file: CheckedFile,
    /// The dimension of the lists, where pages may be read in part.
    dim: Option<usize>,
    /// A note of the last partial read, which `get_bytes` leaves for `take_partial_read`: the
    /// page reader between them returns no more than the bytes. It is valid only until the next
    /// `get_bytes`, so that every page has to be followed by a `take_partial_read`.
    partial: Mutex<Option<PartialRead>>,
}

/// A range of the file of which only the head was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartialRead {
    pub(super) start: u64,
    pub(super) length: usize,
    /// The length of the head.
    pub(super) known: usize,
}

impl HeaderReader {
    /// A reader of a column chunk of lists of `dim` floats. Pages whose checksums are to be
    /// compared are read whole.
    pub(super) fn new(file: CheckedFile, dim: usize, chunk: &ColumnChunkMetaData) -> ParquetResult<Self> {
        let in_part = Self::can_read_in_part(file.file(), chunk) && !file.needs_whole_pages()?;
        Ok(Self { file, dim: in_part.then_some(dim), partial: Mutex::default() })
    }

    /// Whether a chunk's pages are read in part: those of a local file without compression.
    /// An object of a store is prefetched as a whole.
    pub(super) fn can_read_in_part(file: &SourceFile, chunk: &ColumnChunkMetaData) -> bool {
        let is_plain = chunk.compression() == Compression::UNCOMPRESSED;
        is_plain && cfg!(target_endian = "little") && matches!(file, SourceFile::Local(_))
    }

    /// The file, which reads every range whole, and checks none.
    pub(super) fn file(&self) -> &SourceFile {
        self.file.file()
    }

    /// Reads a page whole that was read in part, and checks it.
    pub(super) fn read_whole(&self, page: PartialRead) -> ParquetResult<Bytes> {
        self.file.get_bytes(page.start, page.length)
    }

    /// The range of the last `get_bytes`, if it was read in part. To be called after every
    /// page, before the next `get_bytes`.
    pub(super) fn take_partial_read(&self) -> Option<PartialRead> {
        self.partial.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Length for HeaderReader {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl ChunkReader for HeaderReader {
    type T = <SourceFile as ChunkReader>::T;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        self.file.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        if let (Some(dim), SourceFile::Local(file)) = (self.dim, self.file()) {
            let known = HEADER_BYTES + length / (4 * dim) * LEVEL_BYTES;
            // A range beyond the end of the file is refused before memory is allocated for it.
            let within = start.saturating_add(length as u64) <= self.len();
            if length >= MIN_PARTIAL_BYTES && known < length / 2 && within {
                let bytes = file.get_head(start, length, known)?;
                self.file.check_head(start, bytes.get(..known).unwrap_or_default())?;
                let partial = Some(PartialRead { start, length, known });
                *self.partial.lock().unwrap_or_else(PoisonError::into_inner) = partial;
                return Ok(bytes);
            }
        }
        self.file.get_bytes(start, length)
    }
}
