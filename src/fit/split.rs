//! Seeded k-fold splits, stratified by class. A single held-out split is the first fold.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// One fold: training rows and held-out rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// Training rows, ascending.
    pub train: Vec<usize>,
    /// Held-out rows, ascending.
    pub held_out: Vec<usize>,
}

/// Split of the rows into training, held-out and test rows.
pub(crate) struct RowSplit {
    /// Training rows, and held-out rows for model selection.
    pub fit: Fold,
    /// Test rows, for the validation figures only.
    pub measure: Vec<usize>,
}

/// Divides `rows` into k folds: every row is held out in exactly one of them, the
/// held-out parts differ in size by one row at most, and so do their counts of each
/// class. `y` is indexed by row. At least two folds are made.
pub(crate) fn folds(rows: &[usize], y: &[u32], k: usize, rng: &mut ChaCha8Rng) -> Vec<Fold> {
    let k = k.max(2);
    let mut order = rows.to_vec();
    order.shuffle(rng);
    // A stable sort keeps the shuffled order within a class.
    order.sort_by_key(|&row| y[row]);
    (0..k)
        .map(|fold| {
            let part = |held_out: bool| {
                let mut part: Vec<usize> = order
                    .iter()
                    .enumerate()
                    .filter(|(position, _)| (position % k == fold) == held_out)
                    .map(|(_, &row)| row)
                    .collect();
                part.sort_unstable();
                part
            };
            Fold { train: part(false), held_out: part(true) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::random::{RandomStream, random_stream};

    #[test]
    fn every_row_is_held_out_once_and_classes_stay_balanced() {
        let y: Vec<u32> = (0..1003).map(|row| if row % 10 == 0 { 1 } else { 0 }).collect();
        let rows: Vec<usize> = (0..y.len()).filter(|row| row % 7 != 3).collect();
        let folds = folds(&rows, &y, 5, &mut random_stream(3, RandomStream::Split));
        let mut seen: Vec<usize> = folds.iter().flat_map(|fold| fold.held_out.clone()).collect();
        seen.sort_unstable();
        assert_eq!(seen, rows);
        let rare = |part: &[usize]| part.iter().filter(|&&row| y[row] == 1).count();
        for fold in &folds {
            assert_eq!(fold.train.len() + fold.held_out.len(), rows.len());
            assert!(fold.train.iter().all(|row| fold.held_out.binary_search(row).is_err()));
            assert!(rare(&fold.held_out).abs_diff(rare(&rows) / 5) <= 1);
            assert!(fold.held_out.len().abs_diff(rows.len() / 5) <= 1);
        }
    }

    #[test]
    fn a_seed_fixes_the_split() {
        let y = vec![0; 50];
        let rows: Vec<usize> = (0..50).collect();
        let split = |seed| folds(&rows, &y, 5, &mut random_stream(seed, RandomStream::Split));
        assert_eq!(split(1), split(1));
        assert_ne!(split(1), split(2));
    }
}
