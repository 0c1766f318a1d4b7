//! Seeded k-fold splits, stratified by class, with or without groups of rows. A single held-out split is
//! the first fold.

use std::collections::HashMap;

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

/// [`folds`] that never separate rows of one group (`groups` is indexed by row): the largest groups
/// first, each goes where its classes are rarest. Folds that would stay empty are left out.
pub(crate) fn grouped_folds(
    rows: &[usize],
    y: &[u32],
    groups: &[usize],
    k: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<Fold> {
    let k = k.max(2);
    let mut order = rows.to_vec();
    order.shuffle(rng);
    // Groups in the order of their first rows, with the shuffled order within a class.
    order.sort_by_key(|&row| y[row]);
    let mut place = HashMap::new();
    let mut members: Vec<Vec<usize>> = Vec::new();
    for row in order {
        let at = *place.entry(groups[row]).or_insert(members.len());
        match members.get_mut(at) {
            Some(group) => group.push(row),
            None => members.push(vec![row]),
        }
    }
    members.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let classes = rows.iter().map(|&row| y[row] as usize + 1).max().unwrap_or(0);
    let mut of_class = vec![0usize; k * classes];
    let mut of_fold = vec![0usize; k];
    let mut fold_of = HashMap::with_capacity(rows.len());
    for group in &members {
        let rarest = |fold: &usize| {
            let same: usize = group.iter().map(|&row| of_class[fold * classes + y[row] as usize]).sum();
            (same, of_fold[*fold])
        };
        let fold = (0..k).min_by_key(rarest).unwrap_or(0);
        for &row in group {
            of_class[fold * classes + y[row] as usize] += 1;
            of_fold[fold] += 1;
            fold_of.insert(row, fold);
        }
    }
    (0..k)
        .filter(|&fold| of_fold[fold] > 0)
        .map(|fold| {
            let (mut held_out, mut train): (Vec<usize>, Vec<usize>) =
                rows.iter().partition(|row| fold_of.get(row) == Some(&fold));
            held_out.sort_unstable();
            train.sort_unstable();
            Fold { train, held_out }
        })
        .collect()
}

/// The folds of rows that are assigned to one of k each.
pub(crate) fn assigned_folds(fold_of_row: &[u8], k: usize) -> Vec<Fold> {
    (0..k)
        .map(|fold| {
            let rows = 0..fold_of_row.len();
            let (held_out, train) = rows.partition(|&row| usize::from(fold_of_row[row]) == fold);
            Fold { train, held_out }
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
    fn no_group_is_in_two_folds_and_classes_stay_balanced() {
        // Single rows, and every third in a group of seven.
        let y: Vec<u32> = (0..1000).map(|row| u32::from(row % 4 == 0)).collect();
        let groups: Vec<usize> =
            (0..1000).map(|row| if row % 3 == 0 { row / 21 } else { 1000 + row }).collect();
        let rows: Vec<usize> = (0..1000).collect();
        let folds = grouped_folds(&rows, &y, &groups, 5, &mut random_stream(3, RandomStream::Split));
        let mut fold_of_group = HashMap::new();
        for (at, fold) in folds.iter().enumerate() {
            assert_eq!(fold.train.len() + fold.held_out.len(), 1000);
            assert!(fold.held_out.len().abs_diff(200) <= 4, "{}", fold.held_out.len());
            let rare = fold.held_out.iter().filter(|&&row| y[row] == 1).count();
            assert!(rare.abs_diff(50) <= 4, "{rare}");
            for &row in &fold.held_out {
                assert_eq!(*fold_of_group.entry(groups[row]).or_insert(at), at);
            }
        }
        // One group fills one fold.
        let one = grouped_folds(&rows, &y, &[0; 1000], 5, &mut random_stream(3, RandomStream::Split));
        assert_eq!((one.len(), one[0].train.len()), (1, 0));
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
