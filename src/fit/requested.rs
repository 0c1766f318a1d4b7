//! The two embeddings of a request: `fit` trains models of two modalities.

use crate::samples::ColumnRequest;

/// The lengths of the two embeddings of a request.
pub(super) fn dims(request: &ColumnRequest<'_>) -> [usize; 2] {
    [0, 1].map(|m| request.x.get(m).map_or(0, |(_, dim)| *dim))
}

/// The columns of the two embeddings of a request.
pub(super) fn columns<'a>(request: &ColumnRequest<'a>) -> [&'a str; 2] {
    [0, 1].map(|m| request.x.get(m).map_or("", |(name, _)| name.as_str()))
}
