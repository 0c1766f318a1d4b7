//! Batches that have been found in a file and are not read yet: whoever computes reads
//! them, into memory that stays in his core's cache.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::buffer::{Buffer, MutableBuffer};

use crate::error::{Place, Result};

use super::extract::Embeddings;
use super::fault;
use super::label::LabelIndex;
use super::samples::Samples;
use super::skim::Skim;

/// Embeddings that have been found.
#[derive(Debug)]
pub(super) enum Found {
    InMemory(Embeddings),
    InFile(InFile),
}

/// Embeddings that are plain floats in a file.
#[derive(Debug)]
pub(super) struct InFile {
    pub(super) file: Arc<Skim>,
    /// Where they lie, one part behind the other.
    pub(super) parts: Vec<Range<u64>>,
    pub(super) dim: usize,
    pub(super) place: Place,
}

/// The memory of one who reads batch after batch.
#[derive(Debug, Default)]
pub struct Memory(Vec<MutableBuffer>);

/// A batch of samples that has been found.
#[derive(Debug)]
pub struct Unread(State);

#[derive(Debug)]
enum State {
    Read(Samples),
    Found { index: Arc<LabelIndex>, first_row: usize, x1: Found, x2: Option<Found>, label: ArrayRef },
}

impl Found {
    pub(super) fn read(self, memory: &mut Memory) -> Result<Embeddings> {
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
            read.map_err(|error| fault::parquet(place.clone(), "read", error))?;
            rest = behind;
        }
        Ok(Embeddings::dense(Buffer::from(buffer).into(), dim))
    }
}

impl Unread {
    /// Samples of three columns; where there is no second embedding, it is the first.
    pub(super) fn new(
        index: &Arc<LabelIndex>,
        first_row: usize,
        x1: Found,
        x2: Option<Found>,
        label: ArrayRef,
    ) -> Self {
        Self(State::Found { index: Arc::clone(index), first_row, x1, x2, label })
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`Error::BadData`](crate::Error::BadData) or [`Error::Io`](crate::Error::Io) with
    /// file, row group and column.
    pub fn read(self, memory: &mut Memory) -> Result<Samples> {
        match self.0 {
            State::Read(samples) => Ok(samples),
            State::Found { index, first_row, x1, x2, label } => {
                let x1 = x1.read(memory)?;
                let x2 = x2.map_or_else(|| Ok(x1.clone()), |x2| x2.read(memory))?;
                Samples::assemble(&index, first_row, x1, x2, label)
            }
        }
    }
}

impl From<Samples> for Unread {
    fn from(samples: Samples) -> Self {
        Self(State::Read(samples))
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
