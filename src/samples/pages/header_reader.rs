//! A file for whoever reads pages of plain floats but looks at their levels only: of a
//! large page the beginning is read, and it is remembered where the page lies. The rest is
//! read later, by others, into memory of their own.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};

use crate::storage::SourceFile;

/// Below this a page is read whole.
const SMALLEST: usize = 64 << 10;
/// For the header of a page.
const HEADER_BYTES: usize = 4 << 10;
/// For the levels of a list: a few runs.
const LEVEL_BYTES: usize = 8;

/// A file of which large pieces are read in part.
#[derive(Debug)]
pub(super) struct HeaderReader {
    file: SourceFile,
    /// The dimension of the lists, where pages may be read in part.
    dim: Option<usize>,
    skimmed: Mutex<Option<Skimmed>>,
}

/// A piece that was read in part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Skimmed {
    pub(super) start: u64,
    pub(super) length: usize,
    /// How much of it was read.
    pub(super) read: usize,
}

impl HeaderReader {
    /// To read a chunk of lists of `dim` floats.
    pub(super) fn new(file: SourceFile, dim: usize, chunk: &ColumnChunkMetaData) -> Self {
        let dim = Self::can_skim(&file, chunk).then_some(dim);
        Self { file, dim, skimmed: Mutex::default() }
    }

    /// Whether a chunk's pages are skimmed: those that are not compressed, of a local file;
    /// an object is read ahead as a whole.
    pub(super) fn can_skim(file: &SourceFile, chunk: &ColumnChunkMetaData) -> bool {
        let is_plain = chunk.compression() == Compression::UNCOMPRESSED;
        is_plain && cfg!(target_endian = "little") && matches!(file, SourceFile::Local(_))
    }

    /// The file, which reads what is asked for.
    pub(super) fn file(&self) -> &SourceFile {
        &self.file
    }

    /// The last piece, if it was read in part.
    pub(super) fn take_skimmed(&self) -> Option<Skimmed> {
        self.skimmed.lock().unwrap_or_else(PoisonError::into_inner).take()
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
        if let (Some(dim), SourceFile::Local(file)) = (self.dim, &self.file) {
            let read = HEADER_BYTES + length / (4 * dim) * LEVEL_BYTES;
            // What lies beyond the file's end is refused before room is made for it.
            let within = start.saturating_add(length as u64) <= self.len();
            if length >= SMALLEST && read < length / 2 && within {
                let bytes = file.get_head(start, length, read)?;
                let skimmed = Some(Skimmed { start, length, read });
                *self.skimmed.lock().unwrap_or_else(PoisonError::into_inner) = skimmed;
                return Ok(bytes);
            }
        }
        self.file.get_bytes(start, length)
    }
}
