//! Training rows in memory: an embedding matrix of each modality and the classes, with their validation.

use std::borrow::Cow;

use crate::bundle::RowHasher;
use crate::error::{Error, Place, Result};
use crate::interaction::Subset;

/// Minimum number of rows, for three non-empty parts.
pub(super) const LEAST_ROWS: usize = 30;

/// One embedding column of the training rows.
#[derive(Debug, Clone, Copy)]
pub struct EmbeddingMatrix<'a> {
    /// The column's name, for messages.
    pub column: &'a str,
    /// d, the length of an embedding.
    pub dim: usize,
    /// `[n, d]` row-major, finite.
    pub values: &'a [f32],
}

impl<'a> EmbeddingMatrix<'a> {
    /// n.
    pub(crate) fn len(&self) -> usize {
        self.values.len() / self.dim.max(1)
    }

    /// One row.
    pub(crate) fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.dim..][..self.dim]
    }
}

/// Rows for training.
#[derive(Debug, Clone)]
pub struct TrainingSet<'a> {
    /// The source of the rows, for messages.
    pub place: Place,
    /// The modalities, two or more.
    pub x: Vec<EmbeddingMatrix<'a>>,
    /// Each row's class, an index below `classes`.
    pub y: &'a [u32],
    /// C, the number of classes.
    pub classes: usize,
    /// The group of each row, where rows are related: a group never lies in two folds. Rows with
    /// identical embeddings are of one group in any case.
    pub groups: Option<&'a [u64]>,
    /// The hash of each row's key, where a bundle is to know the rows by it and not by their
    /// embeddings: rows of one key never lie in two folds.
    pub keys: Option<&'a [u64]>,
}

/// The embeddings of some modalities side by side: what their density is fitted on.
pub(super) struct JoinedEmbeddings<'a> {
    column: Cow<'a, str>,
    dim: usize,
    values: Cow<'a, [f32]>,
}

impl JoinedEmbeddings<'_> {
    /// The values as one matrix.
    pub fn matrix(&self) -> EmbeddingMatrix<'_> {
        EmbeddingMatrix { column: &self.column, dim: self.dim, values: &self.values }
    }
}

impl<'a> TrainingSet<'a> {
    /// The matrices of some modalities, in their order.
    pub(super) fn matrices(&self, modalities: Subset) -> Vec<EmbeddingMatrix<'a>> {
        modalities.members().filter_map(|index| self.x.get(index).copied()).collect()
    }

    /// The embeddings of some modalities side by side; a copy where there are several.
    pub(super) fn joined(&self, modalities: Subset) -> JoinedEmbeddings<'a> {
        let parts = self.matrices(modalities);
        if let [x] = parts[..] {
            return JoinedEmbeddings { column: x.column.into(), dim: x.dim, values: x.values.into() };
        }
        let dim = parts.iter().map(|x| x.dim).sum();
        let mut values = Vec::with_capacity(dim * self.y.len());
        (0..self.y.len()).for_each(|row| parts.iter().for_each(|x| values.extend_from_slice(x.row(row))));
        let columns: Vec<&str> = parts.iter().map(|x| x.column).collect();
        JoinedEmbeddings { column: columns.join(", ").into(), dim, values: values.into() }
    }

    /// The hash of each row's embeddings, by which a bundle knows its training rows again unless they
    /// have keys.
    pub(super) fn row_hashes(&self) -> impl Iterator<Item = u64> {
        let mut hasher = RowHasher::default();
        (0..self.y.len()).map(move |row| hasher.hash(self.x.iter().map(|x| x.row(row))))
    }
}

/// Validates the training rows.
pub(super) fn check(set: &TrainingSet<'_>) -> Result<()> {
    let rows = set.y.len();
    let bad = |column: Option<&str>, what: String| {
        let place = set.place.clone();
        Err(Error::bad_data(column.map_or(place.clone(), |column| place.column(column)), what))
    };
    if rows < LEAST_ROWS {
        return bad(None, format!("{rows} usable rows are too few to fit on; give at least {LEAST_ROWS}"));
    }
    for x in &set.x {
        if x.dim == 0 || x.values.len() != rows * x.dim {
            let message = format!("{} values are not {rows} rows of {}", x.values.len(), x.dim);
            return Err(Error::Internal(message));
        }
        if let Some(at) = x.values.iter().position(|value| !value.is_finite()) {
            let row = at / x.dim;
            return bad(Some(x.column), format!("training row {row} holds NaN or infinity; leave it out"));
        }
    }
    if set.y.iter().any(|&class| class as usize >= set.classes) {
        return Err(Error::Internal(format!("a label is not one of {} classes", set.classes)));
    }
    if set.y.iter().all(|class| Some(class) == set.y.first()) {
        return bad(
            None,
            "all labels are the same, so there is nothing to predict; give rows of at least two classes"
                .into(),
        );
    }
    Ok(())
}
