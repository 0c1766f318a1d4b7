//! The rows of each fold, by the hashes under which a bundle keeps them.

use crate::bundle::{FittedFolds, ModelSet};

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
    for (hash, fold) in set.row_hashes().zip(fold_of_row) {
        if let Some(rows) = rows.get_mut(usize::from(*fold)) {
            rows.push(hash);
        }
    }
    Some(FittedFolds { models, rows })
}
