//! Values of a page whose levels are regular: list after list of the same length, none of
//! them null.

use std::ops::Range;

use bytes::Bytes;
use parquet::errors::Result as ParquetResult;
use parquet::file::reader::ChunkReader;

use super::header_reader::HeaderReader;

/// The rest of a page of regular lists.
pub(super) struct Regular {
    pub(super) values: Values,
    /// The element of its list that comes first.
    pub(super) phase: usize,
}

/// Plain floats.
pub(super) enum Values {
    InMemory(Bytes),
    InFile(Range<u64>),
}

impl Values {
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::InMemory(bytes) => bytes.len() as u64,
            Self::InFile(range) => range.end - range.start,
        }
    }

    /// Takes the first ones out.
    pub(super) fn take(&mut self, bytes: usize, file: &HeaderReader) -> ParquetResult<Bytes> {
        match self {
            Self::InMemory(values) => Ok(values.split_to(bytes)),
            Self::InFile(range) => {
                let start = range.start;
                range.start += bytes as u64;
                file.file().get_bytes(start, bytes)
            }
        }
    }
}
