//! Means of the training rows' decomposition, with their errors.

use crate::bundle::Estimates;
use crate::interaction::{Interaction, Pointwise};

use super::bootstrap::{Rows, Values};
use super::out_of_fold::OutOfFold;
use super::redundancy;

/// The estimates; `None` where no row has values. `groups` are those of all rows.
pub(super) fn of(rows: &OutOfFold, groups: &[usize], seed: u64) -> Option<Estimates> {
    let used: Vec<usize> = rows.rows().collect();
    let values: Vec<Values<5>> = used
        .iter()
        .map(|&row| {
            let Interaction { r, u1, u2, s } = rows.parts[row];
            [r, u1, u2, s, rows.points[row].i12]
        })
        .collect();
    if values.is_empty() {
        return None;
    }
    let groups: Vec<usize> = used.iter().map(|&row| groups[row]).collect();
    let folds: Vec<u8> = used.iter().map(|&row| rows.folds[row]).collect();
    let points: Vec<Pointwise> = used.iter().map(|&row| rows.points[row]).collect();
    let ([r, u1, u2, s, i12], groups) =
        Rows { values: &values, groups: &groups, folds: &folds }.estimate(seed);
    Some(Estimates {
        rows: used.len(),
        groups,
        r,
        u1,
        u2,
        s,
        i12,
        redundancy_shares: redundancy::shares(&points),
        redundancy_by_shift: redundancy::by_shift(&points),
    })
}
