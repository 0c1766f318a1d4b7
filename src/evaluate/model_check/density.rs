//! The check of a density: h = −ln p(x) is finite, depends on x, and does not fall without
//! bound far from all data.

use super::probe::ModelOutput;
use super::rows::{DISTANCES, PAIRS};

/// Relative spread below which values count as constant.
const CONSTANT: f64 = 1e-6;

/// Returns warnings, or what is wrong.
pub(super) fn check(output: &ModelOutput) -> Result<Vec<String>, String> {
    let bad = |rows: &[Vec<f64>]| rows.iter().flatten().filter(|h| !h.is_finite()).count();
    let not_finite = output.groups().map(|(name, rows)| (name, bad(rows), rows));
    let not_finite: Vec<_> = not_finite.filter(|(_, bad, _)| *bad > 0).collect();
    let describe = |(name, bad, rows): &(&str, usize, &[Vec<f64>])| {
        let first = rows.iter().flatten().find(|h| !h.is_finite()).copied().unwrap_or(f64::NAN);
        format!("{bad} of {} rows {name} ({first})", rows.len())
    };
    let described: Vec<String> = not_finite.iter().map(describe).collect();
    // A density may overflow at one scale, and one of non-negative values has no logarithm
    // elsewhere; none fails on rows of every kind.
    if not_finite.len() == output.groups().count() {
        return Err(format!(
            "h = -ln p(x) is not finite on {}; compute it from logarithms, with the maximum subtracted before exp",
            described.join(", ")
        ));
    }
    let finite = output.all().filter(|h| h.is_finite());
    let (least, most) =
        finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), h| (least.min(h), most.max(h)));
    if most - least <= CONSTANT * most.abs().max(least.abs()) {
        return Err(format!("h = -ln p(x) is {most} on every row: the model does not depend on x"));
    }
    if falls_far_away(output.far()) {
        return Err(
            "its output falls without bound far from any data, where p(x) vanishes and -ln p(x) grows: it is ln p(x); \
             negate it"
                .to_owned(),
        );
    }
    let vanishes = output.far().iter().flatten().all(|h| *h == 0.0);
    if vanishes && output.all().all(|h| h >= 0.0) {
        return Err(
            "its output is positive and vanishes far from any data, where -ln p(x) grows: it is p(x); return its \
             negative logarithm"
                .to_owned(),
        );
    }
    Ok(described.iter().map(|rows| format!("h is not finite on {rows}")).collect())
}

/// Whether h falls with the distance, summed over each pair of opposite points. For a density
/// with its mass anywhere, the sum grows.
fn falls_far_away(far: &[Vec<f64>]) -> bool {
    let h: Vec<f64> = far.iter().flatten().copied().collect();
    let sum = |distance: usize, pair: usize| -> f64 {
        let first = 2 * (distance * PAIRS + pair);
        h.get(first..first + 2).unwrap_or_default().iter().sum()
    };
    let falls = |pair: usize| {
        (1..DISTANCES.len()).all(|distance| {
            let (near, far) = (sum(distance - 1, pair), sum(distance, pair));
            far.is_finite() && far < near - CONSTANT * (near.abs() + far.abs())
        })
    };
    !h.is_empty() && (0..PAIRS).all(falls)
}
