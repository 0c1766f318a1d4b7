//! Softmax, log-softmax and log-sum-exp of rows of logits: the maximum of a row, exp over many
//! rows at once, the sum of a row.

use crate::vectors::vectorised;

use super::lanes::{Real, maximum, sum};

/// Values per tile: it stays in the first cache between the passes.
const TILE: usize = 2048;

/// Turns rows of logits into probabilities, in place.
pub(crate) fn softmax_rows<T: Real>(values: &mut [T], columns: usize) {
    vectorised(
        #[inline(always)]
        || {
            for tile in values.chunks_mut(tile(columns)) {
                exponentiate(tile, columns, |_, _| ());
                for row in tile.chunks_exact_mut(columns) {
                    let total = sum(row);
                    row.iter_mut().for_each(|value| *value = *value / total);
                }
            }
        },
    );
}

/// Turns rows of logits into log-probabilities, in place.
pub(crate) fn log_softmax_rows<T: Real>(values: &mut [T], columns: usize) {
    let mut totals = vec![T::ZERO; tile(columns) / columns];
    for tile in values.chunks_mut(tile(columns)) {
        let totals = &mut totals[..tile.len() / columns];
        log_sum_exp_rows(tile, columns, totals);
        for (row, &total) in tile.chunks_exact_mut(columns).zip(&*totals) {
            row.iter_mut().for_each(|value| *value = *value - total);
        }
    }
}

/// ln Σ exp(v) of each row, into `out` of one value a row; −∞ where all are.
pub(crate) fn log_sum_exp_rows<T: Real>(values: &[T], columns: usize, out: &mut [T]) {
    let mut scratch = vec![T::ZERO; tile(columns).min(values.len())];
    vectorised(
        #[inline(always)]
        || {
            let rows = tile(columns) / columns;
            for (tile, out) in values.chunks(tile(columns)).zip(out.chunks_mut(rows)) {
                let scratch = &mut scratch[..tile.len()];
                scratch.copy_from_slice(tile);
                exponentiate(scratch, columns, |row, top| out[row] = top);
                for (row, out) in scratch.chunks_exact(columns).zip(out) {
                    *out += sum(row).ln();
                }
            }
        },
    );
}

/// Turns rows of logits into the derivatives of the loss, scale·(p − one-hot label), in place,
/// and returns the unscaled loss Σ −ln p(label).
pub(crate) fn residual_rows(logits: &mut [f32], labels: &[u32], columns: usize, scale: f32) -> f64 {
    let mut loss = 0.0;
    vectorised(
        #[inline(always)]
        || {
            let rows = tile(columns) / columns;
            for (tile, labels) in logits.chunks_mut(tile(columns)).zip(labels.chunks(rows)) {
                for (row, &label) in tile.chunks_exact(columns).zip(labels) {
                    loss -= f64::from(row[label as usize]);
                }
                exponentiate(tile, columns, |_, top| loss += f64::from(top));
                for (row, &label) in tile.chunks_exact_mut(columns).zip(labels) {
                    let total = sum(row);
                    loss += f64::from(total).ln();
                    let share = scale / total;
                    row.iter_mut().for_each(|value| *value *= share);
                    row[label as usize] -= scale;
                }
            }
        },
    );
    loss
}

/// Whole rows of about [`TILE`] values.
#[inline(always)]
fn tile(columns: usize) -> usize {
    columns * (TILE / columns).max(1)
}

/// exp(v − top) of each row's values; `on_row` gets the row's index and its top.
#[inline(always)]
fn exponentiate<T: Real>(tile: &mut [T], columns: usize, mut on_row: impl FnMut(usize, T)) {
    for (index, row) in tile.chunks_exact_mut(columns).enumerate() {
        let top = maximum(row);
        on_row(index, top);
        // Of a row of −∞ nothing can be subtracted: its sum is zero.
        let shift = if top == T::LEAST { T::ZERO } else { top };
        row.iter_mut().for_each(|value| *value = *value - shift);
    }
    tile.iter_mut().for_each(|value| *value = value.exp());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logits(rows: usize, columns: usize) -> Vec<f64> {
        (0..rows * columns).map(|i| ((i * 7919) % 1009) as f64 / 37.0 - 13.0).collect()
    }

    #[test]
    fn rows_of_any_width_sum_to_one_and_agree() {
        for columns in [1, 2, 10, 16, 33, 100, 3000] {
            let z = logits(300, columns);
            let mut p = z.clone();
            softmax_rows(&mut p, columns);
            let mut log_p = z.clone();
            log_softmax_rows(&mut log_p, columns);
            let mut total = vec![0.0; 300];
            log_sum_exp_rows(&z, columns, &mut total);
            for (row, z) in z.chunks_exact(columns).enumerate() {
                let top = z.iter().copied().fold(f64::MIN, f64::max);
                let truth = top + z.iter().map(|z| (z - top).exp()).sum::<f64>().ln();
                assert!((total[row] - truth).abs() < 1e-12, "{columns} {row}");
                for (column, z) in z.iter().enumerate() {
                    let (p, log_p) = (p[row * columns + column], log_p[row * columns + column]);
                    assert!((log_p - (z - truth)).abs() < 1e-12 && (p - log_p.exp()).abs() < 1e-14);
                }
            }
        }
    }

    #[test]
    fn residuals_are_the_slopes_of_the_loss() {
        let z: Vec<f32> = logits(70, 10).iter().map(|&z| z as f32).collect();
        let labels: Vec<u32> = (0..70).map(|row| row % 10).collect();
        let mut residuals = z.clone();
        let loss = residual_rows(&mut residuals, &labels, 10, 0.5);
        let mut log_p: Vec<f64> = z.iter().map(|&z| f64::from(z)).collect();
        log_softmax_rows(&mut log_p, 10);
        let truth: f64 = labels.iter().enumerate().map(|(row, &y)| -log_p[row * 10 + y as usize]).sum();
        assert!((loss - truth).abs() < 1e-4, "{loss} {truth}");
        for (at, (found, log_p)) in residuals.iter().zip(&log_p).enumerate() {
            let one = if labels[at / 10] as usize == at % 10 { 1.0 } else { 0.0 };
            assert!((f64::from(*found) - 0.5 * (log_p.exp() - one)).abs() < 1e-6, "{at}");
        }
    }

    #[test]
    fn infinite_and_undefined_logits() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let z = [-inf, 0.0, -inf, -inf, nan, 1.0, 900.0, -900.0];
        let mut total = [0.0; 4];
        log_sum_exp_rows(&z, 2, &mut total);
        assert_eq!((total[0], total[1], total[3]), (0.0, -inf, 900.0));
        assert!(total[2].is_nan());
        let mut p = z;
        softmax_rows(&mut p, 2);
        assert_eq!((p[0], p[1], p[6], p[7]), (0.0, 1.0, 1.0, 0.0));
        assert!(p[2].is_nan() && p[4].is_nan() && p[5].is_nan());
    }
}
