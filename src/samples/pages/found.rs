//! Embeddings of a batch as they were found: in memory, or as ranges of a file that
//! whoever computes reads into memory of its own.

use std::ops::Range;
use std::sync::Arc;

use arrow::buffer::{Buffer, MutableBuffer};

use crate::error::{Place, Result};
use crate::samples::batch::Samples;
use crate::samples::extract::Embeddings;
use crate::storage::io_errors;

use super::header_reader::Skim;

/// Embeddings that have been found.
#[derive(Debug)]
pub(in crate::samples) enum Found {
    InMemory(Embeddings),
    InFile(InFile),
}

/// Embeddings that are plain floats in a file.
#[derive(Debug)]
pub(in crate::samples) struct InFile {
    pub(super) file: Arc<Skim>,
    /// Where they lie, one part behind the other.
    pub(super) parts: Vec<Range<u64>>,
    pub(super) dim: usize,
    pub(super) place: Place,
}

/// The memory of one who reads batch after batch.
#[derive(Debug, Default)]
pub struct Memory(Vec<MutableBuffer>);

impl Found {
    pub(in crate::samples) fn read(self, memory: &mut Memory) -> Result<Embeddings> {
        let InFile { file, parts, dim, place } = match self {
            Self::InMemory(embeddings) => return Ok(embeddings),
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

impl Memory {
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
