//! A batch of samples whose embeddings are read later, by the worker that computes them, into
//! buffers that stay in the cache of its core.

use std::sync::Arc;

use arrow::array::ArrayRef;

use crate::error::{Error, Result};

use super::batch::Samples;
use super::extract::Embeddings;
use super::label::LabelIndex;
use super::label_type::LabelPlace;
use super::on_missing::OnMissingModality;
use super::pages::embedding_data::{EmbeddingData, ReadBuffers};

/// A batch of samples that may have to be read yet.
#[derive(Debug)]
pub struct DeferredSamples(State);

#[derive(Debug)]
enum State {
    Loaded(Samples),
    Deferred {
        index: Arc<LabelIndex>,
        on_missing: OnMissingModality,
        first_row: usize,
        x: Vec<DeferredEmbedding>,
        label: ArrayRef,
        at: LabelPlace,
        key: Vec<ArrayRef>,
    },
}

/// The embedding of a modality.
#[derive(Debug)]
pub(super) enum DeferredEmbedding {
    /// A column of its own.
    Own(EmbeddingData),
    /// The column of an earlier modality, by its index.
    SameAs(usize),
}

impl DeferredSamples {
    /// A batch of embeddings, a label at `at`, and the columns of a key.
    pub(super) fn new(
        (index, on_missing): (&Arc<LabelIndex>, OnMissingModality),
        first_row: usize,
        x: Vec<DeferredEmbedding>,
        label: ArrayRef,
        at: LabelPlace,
        key: Vec<ArrayRef>,
    ) -> Self {
        Self(State::Deferred { index: Arc::clone(index), on_missing, first_row, x, label, at, key })
    }

    /// Reads the embeddings, unless they are loaded.
    ///
    /// # Errors
    /// [`Error::BadData`](crate::Error::BadData) or [`Error::Io`](crate::Error::Io) with
    /// file, row group and column.
    pub fn read(self, buffers: &mut ReadBuffers) -> Result<Samples> {
        match self.0 {
            State::Loaded(samples) => Ok(samples),
            State::Deferred { index, on_missing, first_row, x, label, at, key } => {
                let mut read: Vec<Embeddings> = Vec::with_capacity(x.len());
                for embedding in x {
                    read.push(match embedding {
                        DeferredEmbedding::Own(data) => data.read(buffers)?,
                        DeferredEmbedding::SameAs(earlier) => read
                            .get(earlier)
                            .cloned()
                            .ok_or_else(|| Error::Internal(format!("no embedding {earlier} is read yet")))?,
                    });
                }
                Samples::assemble(&index, first_row, read, label, &at, &key, on_missing)
            }
        }
    }
}

impl From<Samples> for DeferredSamples {
    fn from(samples: Samples) -> Self {
        Self(State::Loaded(samples))
    }
}
