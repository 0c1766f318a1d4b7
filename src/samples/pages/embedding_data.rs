//! The embeddings of one column of a batch: loaded, or segments of pages that the worker which computes
//! the batch converts into its own buffers.

use std::sync::Arc;

use arrow::buffer::{Buffer, MutableBuffer};

use crate::error::{Place, Result};
use crate::samples::batch::Samples;
use crate::samples::extract::{Embeddings, InvalidEmbedding, mark_non_finite};
use crate::storage::{SourceFile, io_errors};

use super::page_values::{PageValues, Segment};
use super::row_assembler::{AssembledRows, EqualRows, RowShape};

/// Embeddings of a batch.
#[derive(Debug)]
pub(in crate::samples) enum EmbeddingData {
    Loaded(Embeddings),
    Segments(Segments),
}

/// Embeddings in pages.
#[derive(Debug)]
pub(in crate::samples) struct Segments {
    file: Arc<SourceFile>,
    /// In the order of the rows.
    pub(super) segments: Vec<Segment>,
    /// Invalid rows, ascending, except those with values that are not finite.
    invalid: Vec<(usize, InvalidEmbedding)>,
    dim: usize,
    place: Place,
}

/// The read buffers of one worker. Reuse keeps them in the cache of its core.
#[derive(Debug, Default)]
pub struct ReadBuffers(Vec<MutableBuffer>);

impl Segments {
    /// The embeddings of rows; those that have another length than `dim`, or null elements, are invalid.
    pub(super) fn new(file: Arc<SourceFile>, mut found: AssembledRows, dim: usize, place: Place) -> Self {
        let (mut segments, mut invalid, mut row) = (Vec::new(), Vec::new(), 0);
        for rows in found.rows {
            let part = found.segments.take(rows.values());
            match invalid_shape(rows, dim) {
                None => segments.extend(part),
                Some(reason) => {
                    let elements = 0..rows.count * dim;
                    segments.push(Segment { values: PageValues::Missing, elements });
                    invalid.extend((row..row + rows.count).map(|row| (row, reason)));
                }
            }
            row += rows.count;
        }
        Self { file, segments, invalid, dim, place }
    }
}

fn invalid_shape(rows: EqualRows, dim: usize) -> Option<InvalidEmbedding> {
    match rows.shape {
        RowShape::Null => Some(InvalidEmbedding::Null),
        RowShape::List { length, .. } if length != dim => Some(InvalidEmbedding::WrongLength(length)),
        RowShape::List { nulls, .. } => (nulls > 0).then_some(InvalidEmbedding::NonFinite),
    }
}

impl EmbeddingData {
    pub(in crate::samples) fn read(self, buffers: &mut ReadBuffers) -> Result<Embeddings> {
        let Segments { file, segments, mut invalid, dim, place } = match self {
            Self::Loaded(embeddings) => return Ok(embeddings),
            Self::Segments(segments) => segments,
        };
        // A batch within a page that was decompressed is evaluated where it is.
        if let [segment] = &segments[..]
            && let Some(values) = segment.in_place()
        {
            return Ok(Embeddings::dense(values, dim));
        }
        let lengths = segments.iter().map(|segment| segment.elements.len());
        let mut buffer = buffers.take(lengths.clone().sum::<usize>() * size_of::<f32>());
        let mut rest = buffer.typed_data_mut::<f32>();
        let mut all_finite = true;
        for (segment, length) in segments.iter().zip(lengths) {
            let (values, behind) = rest.split_at_mut(length);
            let read = segment.read(values, &file);
            all_finite &= read.map_err(|error| io_errors::parquet(place.clone(), "read", error))?;
            rest = behind;
        }
        if !all_finite {
            mark_non_finite(buffer.typed_data(), dim, &mut invalid);
            invalid.sort_unstable_by_key(|(row, _)| *row);
        }
        Ok(Embeddings { values: Buffer::from(buffer).into(), invalid })
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
        let most = samples.x.len();
        for values in samples.x {
            match values.into_inner().into_mutable() {
                Ok(buffer) if self.0.len() < most => self.0.push(buffer),
                _ => {}
            }
        }
    }
}
