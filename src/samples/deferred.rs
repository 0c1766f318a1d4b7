//! Batches that have been found in a file and are not read yet: whoever computes reads
//! them, into memory that stays in his core's cache.

use std::sync::Arc;

use arrow::array::ArrayRef;

use crate::error::Result;

use super::batch::Samples;
use super::label::LabelIndex;
use super::pages::found::{EmbeddingData, ReadBuffers};

/// A batch of samples that has been found.
#[derive(Debug)]
pub struct DeferredSamples(State);

#[derive(Debug)]
enum State {
    Read(Samples),
    Deferred {
        index: Arc<LabelIndex>,
        first_row: usize,
        x1: EmbeddingData,
        x2: Option<EmbeddingData>,
        label: ArrayRef,
    },
}

impl DeferredSamples {
    /// Samples of three columns; where there is no second embedding, it is the first.
    pub(super) fn new(
        index: &Arc<LabelIndex>,
        first_row: usize,
        x1: EmbeddingData,
        x2: Option<EmbeddingData>,
        label: ArrayRef,
    ) -> Self {
        Self(State::Deferred { index: Arc::clone(index), first_row, x1, x2, label })
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`Error::BadData`](crate::Error::BadData) or [`Error::Io`](crate::Error::Io) with
    /// file, row group and column.
    pub fn read(self, memory: &mut ReadBuffers) -> Result<Samples> {
        match self.0 {
            State::Read(samples) => Ok(samples),
            State::Deferred { index, first_row, x1, x2, label } => {
                let x1 = x1.read(memory)?;
                let x2 = x2.map_or_else(|| Ok(x1.clone()), |x2| x2.read(memory))?;
                Samples::assemble(&index, first_row, x1, x2, label)
            }
        }
    }
}

impl From<Samples> for DeferredSamples {
    fn from(samples: Samples) -> Self {
        Self(State::Read(samples))
    }
}
