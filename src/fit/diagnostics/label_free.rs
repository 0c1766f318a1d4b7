//! Expectations over the label against the values of the labels.

use crate::bundle::{Agreement, LabelFreeCheck};
use crate::interaction::Interaction;

use super::agreement::agreement;
use super::out_of_fold::OutOfFold;

/// Compares them on all rows; `None` where there are no expectations.
pub(super) fn check(rows: &OutOfFold) -> Option<LabelFreeCheck> {
    let is_finite = |row: &usize| {
        rows.expected.get(*row).is_some_and(|expected| (expected.parts.r + expected.parts.s).is_finite())
    };
    let used: Vec<usize> = rows.rows().filter(is_finite).collect();
    if used.is_empty() {
        return None;
    }
    let of = |part: fn(&Interaction) -> f64| -> Agreement {
        agreement(used.iter().map(|&row| (part(&rows.expected[row].parts), part(&rows.interaction(row)))))
    };
    let entropy: f64 = used.iter().map(|&row| rows.expected[row].entropy).sum();
    Some(LabelFreeCheck {
        rows: used.len(),
        r: of(|parts| parts.r),
        u1: of(|parts| parts.u1),
        u2: of(|parts| parts.u2),
        s: of(|parts| parts.s),
        mean_entropy_nats: entropy / used.len() as f64,
    })
}
