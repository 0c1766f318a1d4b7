//! Detection of a mixture of Gaussians by evaluation of a graph: a value z that is affine in
//! x with d numbers per component, and a value that equals ±½|z_k|² up to a constant. Unit
//! vectors as inputs then give the coefficients of the affine map.

use std::f64::consts::PI;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use tract_onnx::pb::ModelProto;

use super::super::{Mixture, Scales};
use super::agreement::{self, Agreement, log_sum_exp};
use super::double_precision::{DensityGraph, TensorValue};

/// Relative error of f64 sums with mild cancellation.
const ROUNDING: f64 = 1e-9;
/// Maximum number of components.
const MOST_COMPONENTS: usize = 1024;
/// Rows per probing batch.
const PROBES: usize = 64;

/// A detected mixture and its agreement with the original graph.
pub(super) struct MixtureMatch {
    pub(super) mixture: Mixture,
    pub(super) agreement: Agreement,
}

/// A value of the graph, split into one vector per row.
struct RowValues {
    name: String,
    /// The axis of the rows.
    axis: usize,
    rows: Vec<Vec<f64>>,
}

/// An affine value z and its layout.
struct AffineValue<'a> {
    value: &'a RowValues,
    components: usize,
    /// Whether the numbers of a component are contiguous.
    component_major: bool,
}

/// The mixture whose −ln p a graph computes; `Err` gives the reason why none was found.
pub(super) fn mixture(model: &ModelProto, dim: usize) -> Result<MixtureMatch, String> {
    let source = DensityGraph::new(model, dim, true)?;
    let rows = batch_size(&source, dim);
    let names = source.values();
    let x = test_rows(rows, dim);
    let values = source.plan(&names, rows)?.run(&x)?;
    let values: Vec<RowValues> =
        names.iter().zip(values).filter_map(|(name, value)| by_row(name, value?, rows)).collect();
    let h = values.iter().rfind(|value| value.name == source.output());
    let h = h
        .filter(|h| h.rows.iter().all(|row| row.len() == 1))
        .ok_or("its output is not one finite number a row")?;

    let mut refusal = "no mixture of Gaussians is recognised in it".to_owned();
    for z in values.iter().rev().filter_map(|value| affine(value, dim)).flatten() {
        let squares: Vec<Vec<f64>> = z.value.rows.iter().map(|row| z.squares(row, dim)).collect();
        for energy in values.iter().rev() {
            let Some(sign) = [-1.0, 1.0].into_iter().find(|&sign| follows(energy, &squares, sign, h)) else {
                continue;
            };
            match extract(model, &source, &z, energy, sign, dim) {
                Ok(found) => return Ok(found),
                Err(what) => refusal = what,
            }
        }
    }
    Err(refusal)
}

/// A batch size that differs from all other sizes in the graph, so that the row axis is
/// unambiguous.
fn batch_size(source: &DensityGraph, dim: usize) -> usize {
    let taken = source.sizes();
    [7, 11, 13, 17, 19, 23, 29, 31].into_iter().find(|n| *n != dim && !taken.contains(n)).unwrap_or(37)
}

/// Test rows: 0, a, b, a + b and rows of several scales.
fn test_rows(rows: usize, dim: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut row = |scale: f64| -> Vec<f64> {
        (0..dim)
            .map(|_| scale * <StandardNormal as Distribution<f64>>::sample(&StandardNormal, &mut rng))
            .collect()
    };
    let (a, b) = (row(1.0), row(1.0));
    let sum = a.iter().zip(&b).map(|(a, b)| a + b).collect();
    let mut x = [vec![0.0; dim], a, b, sum].concat();
    for index in 4..rows {
        x.extend(row([0.1, 1.0, 3.0][index % 3]));
    }
    x
}

fn by_row(name: &str, value: TensorValue, rows: usize) -> Option<RowValues> {
    let mut axes = value.shape.iter().enumerate().filter(|&(_, &size)| size == rows);
    let (Some((axis, _)), None) = (axes.next(), axes.next()) else { return None };
    let rows = split(&value, axis);
    rows.iter().flatten().all(|v| v.is_finite()).then(|| RowValues { name: name.into(), axis, rows })
}

/// The numbers of each row, with the other axes in order.
fn split(value: &TensorValue, axis: usize) -> Vec<Vec<f64>> {
    let size = value.shape.get(axis).copied().unwrap_or(1).max(1);
    let inner = value.shape.iter().skip(axis + 1).product::<usize>().max(1);
    let mut rows = vec![Vec::with_capacity(value.values.len() / size); size];
    for block in value.values.chunks_exact(inner * size) {
        for (row, part) in rows.iter_mut().zip(block.chunks_exact(inner)) {
            row.extend_from_slice(part);
        }
    }
    rows
}

/// The possible layouts of a value as z: affine in x, not constant, d numbers per component.
fn affine(value: &RowValues, dim: usize) -> Option<Vec<AffineValue<'_>>> {
    let [zero, a, b, sum, ..] = &value.rows[..] else { return None };
    let components = zero.len() / dim;
    if !zero.len().is_multiple_of(dim) || !(1..=MOST_COMPONENTS).contains(&components) || zero == a {
        return None;
    }
    let largest = value.rows.iter().take(4).flatten().fold(0.0, |m: f64, v| m.max(v.abs()));
    let mut terms = zero.iter().zip(a).zip(b.iter().zip(sum));
    let holds = terms.all(|((zero, a), (b, sum))| (a + b - zero - sum).abs() <= ROUNDING * largest);
    let layouts: &[bool] = if components == 1 { &[true] } else { &[true, false] };
    let layout = |&component_major: &bool| AffineValue { value, components, component_major };
    holds.then(|| layouts.iter().map(layout).collect())
}

impl AffineValue<'_> {
    /// Index of number `i` of component `k`.
    fn at(&self, k: usize, i: usize, dim: usize) -> usize {
        if self.component_major { k * dim + i } else { i * self.components + k }
    }

    /// |z_k|² for each component.
    fn squares(&self, row: &[f64], dim: usize) -> Vec<f64> {
        let square = |k: usize| (0..dim).map(|i| row[self.at(k, i, dim)].powi(2)).sum();
        (0..self.components).map(square).collect()
    }
}

/// Whether a value is `c_k + sign·½|z_k|²` with the same c in all rows, and h is
/// −ln Σ exp(−½|z_k|² − sign·c_k) up to one constant.
fn follows(energy: &RowValues, squares: &[Vec<f64>], sign: f64, h: &RowValues) -> bool {
    let components = squares.first().map_or(0, Vec::len);
    if energy.rows.iter().any(|row| row.len() != components) {
        return false;
    }
    let constants = |row: &[f64], squares: &[f64]| -> Vec<f64> {
        row.iter().zip(squares).map(|(e, q)| e - sign * q / 2.0).collect()
    };
    let Some(first) = energy.rows.first().zip(squares.first()).map(|(row, q)| constants(row, q)) else {
        return false;
    };
    let largest = squares.iter().flatten().fold(1.0, |m: f64, v| m.max(*v));
    let same = |a: f64, b: f64| (a - b).abs() <= ROUNDING * (largest + a.abs());
    let mut level = None;
    energy.rows.iter().zip(squares).zip(&h.rows).all(|((row, squares), h)| {
        let terms: Vec<f64> = first.iter().zip(squares).map(|(c, q)| -sign * c - q / 2.0).collect();
        let rest = h.first().copied().unwrap_or(f64::NAN) + log_sum_exp(&terms);
        constants(row, squares).iter().zip(&first).all(|(a, b)| same(*a, *b))
            && same(rest, *level.get_or_insert(rest))
    })
}

/// Extracts the parameters of the mixture and verifies them.
fn extract(
    model: &ModelProto,
    source: &DensityGraph,
    z: &AffineValue<'_>,
    energy: &RowValues,
    sign: f64,
    dim: usize,
) -> Result<MixtureMatch, String> {
    let components = z.components;
    let zero = z.value.rows.first().ok_or("there are no rows")?;
    let mut factors = vec![0.0; components * dim * dim];
    let probes = PROBES.min(dim);
    let plan = source.plan(std::slice::from_ref(&z.value.name), probes)?;
    for start in (0..dim).step_by(probes) {
        let mut x = vec![0.0; probes * dim];
        for (row, column) in (start..dim).enumerate().take(probes) {
            x[row * dim + column] = 1.0;
        }
        let value = plan.run(&x)?.pop().flatten().ok_or("a value of it can't be read")?;
        for (column, row) in (start..dim).zip(split(&value, z.value.axis)) {
            for (k, factor) in factors.chunks_exact_mut(dim * dim).enumerate() {
                for i in 0..dim {
                    let at = z.at(k, i, dim);
                    factor[i * dim + column] = row[at] - zero[at];
                }
            }
        }
    }
    let mut offsets: Vec<f64> = (0..components)
        .flat_map(|k| (0..dim).map(move |i| (k, i)))
        .map(|(k, i)| zero[z.at(k, i, dim)])
        .collect();
    for (factor, offset) in factors.chunks_exact_mut(dim * dim).zip(offsets.chunks_exact_mut(dim)) {
        lower_triangular(factor, offset, dim)?;
    }
    let means: Vec<f64> = factors
        .chunks_exact(dim * dim)
        .zip(offsets.chunks_exact(dim))
        .flat_map(|(factor, offset)| agreement::solve(factor, &offset.iter().map(|o| -o).collect::<Vec<_>>()))
        .collect();
    if !means.iter().all(|m| m.is_finite()) {
        return Err("its means are not finite".into());
    }

    // At the mean of component k, |z_k| is 0: the value equals its constant.
    let mut mixture = Mixture {
        dim,
        log_weights: vec![0.0; components],
        means,
        factors,
        center: vec![0.0; dim],
        scales: Scales::default(),
    };
    let at_means = |name: &str| -> Result<TensorValue, String> {
        let value = source.plan(&[name.to_owned()], components)?.run(&mixture.means)?.pop().flatten();
        value.ok_or_else(|| "a value of it can't be read".into())
    };
    let (energies, h) = (split(&at_means(&energy.name)?, energy.axis), at_means(&source.output())?);
    let constants: Vec<f64> = (0..components)
        .map(|k| -sign * energies.get(k).and_then(|row| row.get(k)).copied().unwrap_or(f64::NAN))
        .collect();
    let squares = agreement::squares(&mixture, &mixture.means[..dim]);
    let terms: Vec<f64> = constants.iter().zip(&squares).map(|(c, q)| c - q / 2.0).collect();
    let level = h.values.first().copied().unwrap_or(f64::NAN) + log_sum_exp(&terms);
    let half_log = dim as f64 / 2.0 * (2.0 * PI).ln();
    for (k, constant) in constants.iter().enumerate() {
        let factor = &mixture.factors[k * dim * dim..(k + 1) * dim * dim];
        let log_det: f64 = (0..dim).map(|i| factor[i * dim + i].ln()).sum();
        mixture.log_weights[k] = constant - level - log_det + half_log;
    }
    let total = log_sum_exp(&mixture.log_weights);
    for (k, mean) in mixture.means.chunks_exact(dim).enumerate() {
        let weight = (mixture.log_weights[k] - total).exp();
        mixture.center.iter_mut().zip(mean).for_each(|(center, mean)| *center += weight * mean);
    }
    let agreement = agreement::check(model, source, &mixture)?;
    Ok(MixtureMatch { mixture, agreement })
}

/// Clears rounding noise above the diagonal and makes the diagonal positive.
fn lower_triangular(factor: &mut [f64], offset: &mut [f64], dim: usize) -> Result<(), String> {
    for (i, (row, offset)) in factor.chunks_exact_mut(dim).zip(offset).enumerate() {
        let largest = row.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        // The subtraction of z at 0 contributes rounding noise too.
        let noise = ROUNDING * (largest + 1e-4 * offset.abs());
        if row[i + 1..].iter().any(|v| v.abs() > noise) {
            return Err("its factors are not lower triangular".into());
        }
        if row[i].abs() <= noise {
            return Err("one of its factors is singular".into());
        }
        row[i + 1..].fill(0.0);
        if row[i] < 0.0 {
            row.iter_mut().for_each(|v| *v = -*v);
            *offset = -*offset;
        }
    }
    Ok(())
}
