//! A batch of samples whose embeddings are read later, by the worker that computes them, into
//! buffers that stay in the cache of its core.

use std::sync::Arc;

use arrow::array::ArrayRef;

use crate::error::Result;

use super::batch::Samples;
use super::label::LabelIndex;
use super::label_type::LabelPlace;
use super::pages::embedding_data::{EmbeddingData, ReadBuffers};

/// A batch of samples that may have to be read yet.
#[derive(Debug)]
pub struct DeferredSamples(State);

#[derive(Debug)]
enum State {
    Loaded(Samples),
    Deferred {
        index: Arc<LabelIndex>,
        first_row: usize,
        x1: EmbeddingData,
        x2: Option<EmbeddingData>,
        label: ArrayRef,
        at: LabelPlace,
        key: Vec<ArrayRef>,
    },
}

impl DeferredSamples {
    /// A batch of three columns, of which the label's is at `at`, and those of a key; without `x2`, x1 is both embeddings.
    pub(super) fn new(
        index: &Arc<LabelIndex>,
        first_row: usize,
        x1: EmbeddingData,
        x2: Option<EmbeddingData>,
        label: ArrayRef,
        at: LabelPlace,
        key: Vec<ArrayRef>,
    ) -> Self {
        Self(State::Deferred { index: Arc::clone(index), first_row, x1, x2, label, at, key })
    }

    /// Reads the embeddings, unless they are loaded.
    ///
    /// # Errors
    /// [`Error::BadData`](crate::Error::BadData) or [`Error::Io`](crate::Error::Io) with
    /// file, row group and column.
    pub fn read(self, buffers: &mut ReadBuffers) -> Result<Samples> {
        match self.0 {
            State::Loaded(samples) => Ok(samples),
            State::Deferred { index, first_row, x1, x2, label, at, key } => {
                let x1 = x1.read(buffers)?;
                let x2 = x2.map_or_else(|| Ok(x1.clone()), |x2| x2.read(buffers))?;
                Samples::assemble(&index, first_row, x1, x2, label, &at, &key)
            }
        }
    }
}

impl From<Samples> for DeferredSamples {
    fn from(samples: Samples) -> Self {
        Self(State::Loaded(samples))
    }
}
