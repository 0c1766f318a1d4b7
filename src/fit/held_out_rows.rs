//! The rows of each fold, by the hashes under which a bundle keeps them.

use crate::bundle::{FittedFolds, ModelSet};

use super::training_set::TrainingSet;

/// What cross-fitting adds to a bundle: the models that have not seen a fold, and the hashes of its
/// rows' keys, where they have some, else of their embeddings. `None` without folds.
pub(super) fn fitted_folds(
    set: &TrainingSet<'_>,
    models: Vec<ModelSet>,
    fold_of_row: &[u8],
    key: &[String],
) -> Option<FittedFolds> {
    if models.is_empty() {
        return None;
    }
    let mut rows = vec![Vec::new(); models.len()];
    let mut add = |hash: u64, fold: u8| {
        if let Some(rows) = rows.get_mut(usize::from(fold)) {
            rows.push(hash);
        }
    };
    match set.keys {
        Some(keys) => keys.iter().zip(fold_of_row).for_each(|(key, fold)| add(*key, *fold)),
        None => set.row_hashes().zip(fold_of_row).for_each(|(hash, fold)| add(hash, *fold)),
    }
    Some(FittedFolds { models, rows, key: key.to_vec() })
}
