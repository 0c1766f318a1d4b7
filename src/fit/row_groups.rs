//! Groups of related rows, which no split separates: rows of one group id or of one key, and rows with
//! identical embeddings: by the hash under which a bundle knows them again, so that no row is known in
//! two folds.

use std::collections::HashSet;

use super::training_set::TrainingSet;

/// A group of each row: equal numbers are one group. Where identical embeddings would join all rows,
/// there is nothing to learn from them, and only group ids and keys count.
pub(crate) fn row_groups(set: &TrainingSet<'_>) -> Vec<usize> {
    let groups = |with_copies: bool| -> Vec<usize> {
        let mut parent: Vec<usize> = (0..set.y.len()).collect();
        if with_copies {
            join_equal(&mut parent, set.row_hashes());
        }
        for ids in [set.groups, set.keys].into_iter().flatten() {
            join_equal(&mut parent, ids.iter().copied());
        }
        (0..set.y.len()).map(|row| root(&mut parent, row)).collect()
    };
    let all = groups(true);
    if all.iter().collect::<HashSet<_>>().len() > 1 { all } else { groups(false) }
}

/// Joins the rows of equal keys.
fn join_equal(parent: &mut [usize], keys: impl Iterator<Item = u64>) {
    let mut order: Vec<(u64, usize)> = keys.zip(0..).collect();
    order.sort_unstable();
    for pair in order.windows(2) {
        if let [(first, a), (second, b)] = pair
            && first == second
        {
            let (a, b) = (root(parent, *a), root(parent, *b));
            parent[a.max(b)] = a.min(b);
        }
    }
}

/// The representative of a row's group, with the path to it halved.
fn root(parent: &mut [usize], mut row: usize) -> usize {
    while parent[row] != row {
        parent[row] = parent[parent[row]];
        row = parent[row];
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Place;
    use crate::fit::EmbeddingMatrix;

    #[test]
    fn equal_embeddings_and_equal_ids_are_joined() {
        const X1: [f32; 6] = [1.0, 2.0, 1.0, 1.0, 5.0, 6.0];
        const X2: [f32; 6] = [0.0, 0.0, 0.0, 7.0, 8.0, 9.0];
        let modality = |values: &'static [f32; 6]| EmbeddingMatrix { column: "x", dim: 1, values };
        let mut set = TrainingSet {
            place: Place::file("test"),
            x: vec![modality(&X1), modality(&X2)],
            y: &[0, 1, 0, 1, 0, 1],
            classes: 2,
            groups: None,
            keys: None,
        };
        assert_eq!(row_groups(&set), [0, 1, 0, 3, 4, 5]);
        set.keys = Some(&[1, 1, 2, 3, 4, 4]);
        assert_eq!(row_groups(&set), [0, 0, 0, 3, 4, 4]);
        set.keys = None;
        set.groups = Some(&[1, 2, 3, 4, 3, 4]);
        assert_eq!(row_groups(&set), [0, 1, 0, 3, 0, 3]);
        // A bundle knows no sign of zero.
        set.groups = None;
        set.x = vec![modality(&[0.0, -0.0, 1.0, 2.0, 3.0, 4.0]), modality(&X2)];
        assert_eq!(row_groups(&set), [0, 0, 2, 3, 4, 5]);
        set.groups = Some(&[1, 2, 3, 4, 3, 4]);
        set.x = vec![modality(&[1.0; 6]), modality(&[1.0; 6])];
        assert_eq!(row_groups(&set), [0, 1, 2, 3, 2, 3]);
        set.groups = None;
        assert_eq!(row_groups(&set), [0, 1, 2, 3, 4, 5]);
    }
}
