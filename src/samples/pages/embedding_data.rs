//! The embeddings of one column of a batch: loaded, or byte ranges of a file that the worker
//! which computes the batch reads into its own buffers.

use std::ops::Range;
use std::sync::Arc;

use arrow::buffer::{Buffer, MutableBuffer};

use crate::error::{Place, Result};
use crate::samples::batch::Samples;
use crate::samples::extract::Embeddings;
use crate::storage::io_errors;

use super::header_reader::HeaderReader;

/// Embeddings of a batch.
#[derive(Debug)]
pub(in crate::samples) enum EmbeddingData {
    Loaded(Embeddings),
    InFile(FileRanges),
}

/// Embeddings that are plain floats in a file.
#[derive(Debug)]
pub(in crate::samples) struct FileRanges {
    pub(super) file: Arc<HeaderReader>,
    /// Byte ranges, in the order of the rows.
    pub(super) ranges: Vec<Range<u64>>,
    pub(super) dim: usize,
    pub(super) place: Place,
}

/// The read buffers of one worker. Reuse keeps them in the cache of its core.
#[derive(Debug, Default)]
pub struct ReadBuffers(Vec<MutableBuffer>);

impl EmbeddingData {
    pub(in crate::samples) fn read(self, buffers: &mut ReadBuffers) -> Result<Embeddings> {
        let FileRanges { file, ranges, dim, place } = match self {
            Self::Loaded(embeddings) => return Ok(embeddings),
            Self::InFile(ranges) => ranges,
        };
        let lengths = ranges.iter().map(|range| (range.end - range.start) as usize);
        let mut buffer = buffers.take(lengths.clone().sum());
        let mut rest = buffer.as_slice_mut();
        for (range, length) in ranges.iter().zip(lengths) {
            let (bytes, behind) = rest.split_at_mut(length);
            let read = file.file().read_exact(range.start, bytes);
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

    /// Takes back the buffers of a batch, unless they are shared.
    pub fn reuse(&mut self, samples: Samples) {
        for values in [samples.x1, samples.x2] {
            match values.into_inner().into_mutable() {
                Ok(buffer) if self.0.len() < 2 => self.0.push(buffer),
                _ => {}
            }
        }
    }
}
