//! The rows of each fold, by the hashes under which a bundle keeps them.

use crate::bundle::{FittedFolds, ModelSet, RowHasher};

use super::training_set::TrainingSet;

/// What cross-fitting adds to a bundle: the models that have not seen a fold, and the hashes of its
/// rows. `None` without folds.
pub(super) fn fitted_folds(
    set: &TrainingSet<'_>,
    models: Vec<ModelSet>,
    fold_of_row: &[u8],
) -> Option<FittedFolds> {
    if models.is_empty() {
        return None;
    }
    let mut rows = vec![Vec::new(); models.len()];
    let mut hasher = RowHasher::default();
    for (row, fold) in fold_of_row.iter().enumerate() {
        if let Some(rows) = rows.get_mut(usize::from(*fold)) {
            rows.push(hasher.hash(set.x[0].row(row), set.x[1].row(row)));
        }
    }
    Some(FittedFolds { models, rows })
}
