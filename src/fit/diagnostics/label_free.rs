//! Expectations over the label against the values of the labels.

use crate::bundle::{ByColumn, LabelFreeCheck};

use super::agreement::agreement;
use super::out_of_fold::OutOfFold;

/// Compares them on all rows; `None` where there are no expectations.
pub(super) fn check(rows: &OutOfFold) -> Option<LabelFreeCheck> {
    let is_finite = |row: &usize| {
        rows.expected.get(*row).is_some_and(|expected| expected.parts.iter().all(|part| part.is_finite()))
    };
    let used: Vec<usize> = rows.rows().filter(is_finite).collect();
    let columns = rows.expected.get(*used.first()?)?.parts.len();
    let of = |column: usize| {
        agreement(used.iter().map(|&row| (rows.expected[row].parts[column], rows.values[row][column])))
    };
    let entropy: f64 = used.iter().map(|&row| rows.expected[row].entropy).sum();
    Some(LabelFreeCheck {
        rows: used.len(),
        columns: ByColumn::new((0..columns).map(of).collect())?,
        mean_entropy_nats: entropy / used.len() as f64,
    })
}
