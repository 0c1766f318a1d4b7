//! The rows of each fold, by the hashes under which a bundle keeps them.

use std::collections::HashMap;

use crate::bundle::{FitWarning, FittedFolds, ModelSet};

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

/// Rows of one key that are worth a word, as a share of all and at least.
const LARGEST_SHARE: usize = 100;
const LARGEST_ROWS: usize = 20;

/// A warning where most rows share their key with others, or many share one: fresh rows of these keys
/// then count as rows that were trained on.
pub(super) fn repeated_keys(set: &TrainingSet<'_>, key: &[String]) -> Option<FitWarning> {
    let keys = set.keys?;
    let mut rows: HashMap<u64, usize> = HashMap::new();
    keys.iter().for_each(|&key| *rows.entry(key).or_default() += 1);
    let (distinct, largest) = (rows.len(), rows.values().copied().max().unwrap_or(0));
    let found = if 2 * distinct < keys.len() {
        format!("{distinct} distinct values in {} rows", keys.len())
    } else if largest > LARGEST_ROWS && largest > keys.len() / LARGEST_SHARE {
        format!("one value in {largest} of {} rows (null counts as a value)", keys.len())
    } else {
        return None;
    };
    Some(FitWarning {
        code: "repeated_keys".into(),
        text: format!(
            "--key {} has {found}: fresh rows of these values will count as trained on, and rows of one value are in \
             one fold; name columns that tell rows apart (--group keeps related rows together)",
            key.join(",")
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Place;
    use crate::fit::EmbeddingMatrix;

    #[test]
    fn a_key_that_most_rows_share_is_named() {
        let x = EmbeddingMatrix { column: "x", dim: 1, values: &[1.0, 2.0, 3.0, 4.0, 5.0] };
        let of = |keys: Option<&[u64]>| {
            let set = TrainingSet {
                place: Place::file("f"),
                x: vec![x, x],
                y: &[0, 1, 0, 1, 0],
                classes: 2,
                groups: None,
                keys,
            };
            repeated_keys(&set, &["source".to_owned(), "id".to_owned()]).map(|warning| warning.text)
        };
        assert_eq!((of(None), of(Some(&[1, 2, 3, 3, 3]))), (None, None));
        let text = of(Some(&[1, 1, 2, 2, 2])).unwrap();
        assert!(text.starts_with("--key source,id has 2 distinct values in 5 rows"), "{text}");
    }
}
