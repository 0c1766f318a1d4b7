//! The output of one model on the rows of the check, and what holds for every model: as many
//! values as its role has, and none that depends on the other rows of a batch.

use std::ops::Range;

use crate::bundle::{OutputKind, RawModel};
use crate::engine::{BatchInputs, ModelSession};
use crate::error::Result;

use super::rows::ProbeRows;

/// Rounding of a fused graph as a multiple of that of a model: the order of its sums differs.
const FUSED: f64 = 10.0;

/// The values of a model, `[rows, width]`.
pub(super) struct ModelOutput {
    values: Vec<Vec<f64>>,
    near: usize,
    pub(super) rounding: f64,
}

impl ModelOutput {
    /// Runs the model; the inner `Err` says what is wrong with its output.
    pub(super) fn run(
        session: &mut dyn ModelSession,
        rows: &ProbeRows,
        width: usize,
        rounding: f64,
    ) -> Result<std::result::Result<Self, String>> {
        let (near, all) = (rows.near(), rows.len());
        let whole = match evaluate(session, rows, 0..all, width)? {
            Ok(values) => values,
            Err(what) => return Ok(Err(what)),
        };
        // The same rows in other batches and another order.
        let cut = near / 3;
        let mut again = Vec::new();
        for part in [cut..near, 0..cut] {
            match evaluate(session, rows, part.rev(), width)? {
                Ok(values) => again.extend(values),
                Err(what) => return Ok(Err(what)),
            }
        }
        let pairs = whole.iter().take(near).zip(again.iter().rev());
        for (row, (one, other)) in pairs.enumerate() {
            if !agree(one, other, rounding) {
                return Ok(Err(format!(
                    "a row's output depends on the other rows of its batch (row {row} of the check gives {} and {}): \
                     export the model for inference, without dropout and batch statistics, and with a softmax over \
                     the classes, not the rows",
                    shown(one),
                    shown(other)
                )));
            }
        }
        Ok(Ok(Self { values: whole, near, rounding }))
    }

    /// The rows near the data by group.
    pub(super) fn groups(&self) -> impl Iterator<Item = (&'static str, &[Vec<f64>])> {
        ProbeRows::groups().map(|(name, rows)| (name, self.rows(rows)))
    }

    /// The rows far from the data.
    pub(super) fn far(&self) -> &[Vec<f64>] {
        self.rows(self.near..self.values.len())
    }

    /// All values.
    pub(super) fn all(&self) -> impl Iterator<Item = f64> {
        self.values.iter().flatten().copied()
    }

    fn rows(&self, rows: Range<usize>) -> &[Vec<f64>] {
        self.values.get(rows).unwrap_or_default()
    }

    /// The row near the data at which a program differs by more than rounding from this output:
    /// h, or ln p of a row's class, where it is not about −∞ in both. Returns the row and both
    /// values.
    pub(super) fn differs(
        &self,
        fused: &[f32],
        model: &RawModel,
        class: impl Fn(usize) -> usize,
    ) -> Option<(usize, f64, f64)> {
        let rows = self.rows(0..self.near).iter().zip(fused).enumerate();
        let compare = |(row, (values, fused)): (usize, (&Vec<f64>, &f32))| {
            let at = |class: usize| values.get(class).copied().unwrap_or(f64::NAN);
            let own = match model.output {
                None => at(0),
                Some(OutputKind::LogProb) => at(class(row)),
                Some(OutputKind::Prob) => at(class(row)).ln(),
                Some(OutputKind::Logits) => at(class(row)) - log_sum_exp(values.iter().copied()),
            };
            let (fused, scale) = (f64::from(*fused), magnitude(values));
            // Overflow may come sooner in one of them.
            let is_finite = own.is_finite() && fused.is_finite();
            let least = model.output.map_or(f64::NEG_INFINITY, |_| model.least_log_prob);
            let distance = (own.max(least) - fused.max(least)).abs();
            let differs = is_finite && distance > FUSED * self.rounding * (1.0 + scale);
            differs.then_some((row, own, fused))
        };
        rows.filter_map(compare).next()
    }
}

fn evaluate(
    session: &mut dyn ModelSession,
    rows: &ProbeRows,
    which: impl ExactSizeIterator<Item = usize> + Clone,
    width: usize,
) -> Result<std::result::Result<Vec<Vec<f64>>, String>> {
    let count = which.len();
    let x = rows.values(which);
    let x: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
    let values = session.values(&BatchInputs { rows: count, x: &x, y: &[] })?;
    if values.len() != count * width {
        let found = values.len() as f64 / count as f64;
        if !values.len().is_multiple_of(count) {
            return Ok(Err(format!(
                "it gives {} values for {count} rows, whatever the number of rows: export the model with a dynamic \
                 batch dimension",
                values.len()
            )));
        }
        return Ok(Err(match width {
            1 => format!("it gives {found} values a row, and a density is one number, -ln p(x)"),
            _ => format!("it gives {found} values a row, and the label has {width} classes"),
        }));
    }
    let rows = values.chunks(width.max(1));
    Ok(Ok(rows.map(|row| row.iter().map(|v| f64::from(*v)).collect()).collect()))
}

/// Whether two rows are the same up to rounding of their largest number; values that are not
/// finite must be equal.
fn agree(one: &[f64], other: &[f64], rounding: f64) -> bool {
    let tolerance = rounding * (1.0 + magnitude(one));
    one.iter().zip(other).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance)
}

/// The largest absolute value.
pub(super) fn magnitude(row: &[f64]) -> f64 {
    row.iter().filter(|v| v.is_finite()).fold(0.0, |most, v| v.abs().max(most))
}

/// ln Σ exp.
pub(super) fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let max = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if max.is_finite() { max + values.map(|v| (v - max).exp()).sum::<f64>().ln() } else { max }
}

/// The first values of a row.
pub(super) fn shown(row: &[f64]) -> String {
    let first: Vec<String> = row.iter().take(3).map(|v| format!("{v:.4}")).collect();
    let more = if row.len() > 3 { ", …" } else { "" };
    format!("[{}{more}]", first.join(", "))
}
