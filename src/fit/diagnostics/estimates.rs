//! Means of the training rows' decomposition, with their errors.

use crate::bundle::{EstimatedMeans, Estimates, Redundancy};

use super::bootstrap::Rows;
use super::out_of_fold::OutOfFold;
use super::redundancy::{self, SinglePoint};

/// The estimates; `None` where no row has values. `groups` are those of all rows.
pub(super) fn of(rows: &OutOfFold, groups: &[usize], seed: u64) -> Option<Estimates> {
    let used: Vec<usize> = rows.rows().collect();
    let values: Vec<Vec<f64>> = used.iter().map(|&row| rows.values[row].clone()).collect();
    if values.is_empty() {
        return None;
    }
    let groups: Vec<usize> = used.iter().map(|&row| groups[row]).collect();
    let folds: Vec<u8> = used.iter().map(|&row| rows.folds[row]).collect();
    let points: Vec<&SinglePoint> = used.iter().map(|&row| &rows.points[row]).collect();
    let (means, groups) = Rows { values: &values, groups: &groups, folds: &folds }.estimate(seed);
    Some(Estimates {
        rows: used.len(),
        groups,
        means: EstimatedMeans::new(means)?,
        redundancy: Some(Redundancy {
            shares: redundancy::shares(&points),
            by_shift: redundancy::by_shift(&points),
        }),
    })
}
