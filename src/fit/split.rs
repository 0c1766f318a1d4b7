//! Which rows train and which are held out: seeded, stratified by class, and laid
//! out as k folds of which a single held-out split is the first.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// One way of dividing rows into those that are learned from and those that are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// Rows to learn from, ascending.
    pub train: Vec<usize>,
    /// Rows not learned from, ascending.
    pub held_out: Vec<usize>,
}

/// Divides `rows` into k folds: every row is held out in exactly one of them, the
/// held-out parts differ in size by one row at most, and so do their counts of each
/// class. `y` is indexed by row. At least two folds are made.
pub(crate) fn folds(rows: &[usize], y: &[u32], k: usize, rng: &mut ChaCha8Rng) -> Vec<Fold> {
    let k = k.max(2);
    let mut order = rows.to_vec();
    order.shuffle(rng);
    // Stable, so that within a class the shuffled order stays.
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
    use crate::fit::random::{Chance, chance};

    #[test]
    fn every_row_is_held_out_once_and_classes_stay_balanced() {
        let y: Vec<u32> = (0..1003).map(|row| if row % 10 == 0 { 1 } else { 0 }).collect();
        let rows: Vec<usize> = (0..y.len()).filter(|row| row % 7 != 3).collect();
        let folds = folds(&rows, &y, 5, &mut chance(3, Chance::Split));
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
        let split = |seed| folds(&rows, &y, 5, &mut chance(seed, Chance::Split));
        assert_eq!(split(1), split(1));
        assert_ne!(split(1), split(2));
    }
}
