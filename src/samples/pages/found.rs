//! Embeddings of a batch as they were found: in memory, or as ranges of a file that
//! whoever computes reads into memory of its own.

use std::ops::Range;
use std::sync::Arc;

use arrow::buffer::{Buffer, MutableBuffer};

use crate::error::{Place, Result};
use crate::samples::batch::Samples;
use crate::samples::extract::Embeddings;
use crate::storage::io_errors;

use super::header_reader::HeaderReader;

/// Embeddings that have been found.
#[derive(Debug)]
pub(in crate::samples) enum EmbeddingData {
    Loaded(Embeddings),
    InFile(FileRanges),
}

/// Embeddings that are plain floats in a file.
#[derive(Debug)]
pub(in crate::samples) struct FileRanges {
    pub(super) file: Arc<HeaderReader>,
    /// Where they lie, one part behind the other.
    pub(super) parts: Vec<Range<u64>>,
    pub(super) dim: usize,
    pub(super) place: Place,
}

/// The memory of one who reads batch after batch.
#[derive(Debug, Default)]
pub struct ReadBuffers(Vec<MutableBuffer>);

impl EmbeddingData {
    pub(in crate::samples) fn read(self, memory: &mut ReadBuffers) -> Result<Embeddings> {
        let FileRanges { file, parts, dim, place } = match self {
            Self::Loaded(embeddings) => return Ok(embeddings),
            Self::InFile(found) => found,
        };
        let lengths = parts.iter().map(|part| (part.end - part.start) as usize);
        let mut buffer = memory.take(lengths.clone().sum());
        let mut rest = buffer.as_slice_mut();
        for (part, length) in parts.iter().zip(lengths) {
            let (bytes, behind) = rest.split_at_mut(length);
            let read = file.file().read_exact(part.start, bytes);
            read.map_err(|error| io_errors::parquet(place.clone(), "read", error))?;
            rest = behind;
        }
        Ok(Embeddings::dense(Buffer::from(buffer).into(), dim))
    }
}

impl ReadBuffers {
    fn take(&mut self, bytes: usize) -> MutableBuffer {
        let mut buffer = self.0.pop().unwrap_or_else(|| MutableBuffer::new(bytes));
        buffer.resize(bytes, 0);
        buffer
    }

    /// Takes the memory of samples for the next ones, where nobody else has it.
    pub fn reuse(&mut self, samples: Samples) {
        for values in [samples.x1, samples.x2] {
            match values.into_inner().into_mutable() {
                Ok(buffer) if self.0.len() < 2 => self.0.push(buffer),
                _ => {}
            }
        }
    }
}
