//! Verification of a fold: the mixture against the original graph, on rows near its
//! components, between them and far away, in f64 and in f32.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use tract_onnx::pb::ModelProto;

use super::super::Mixture;
use super::super::density::{density_graph, log_scales};
use super::double_precision::DensityGraph;

/// Standard deviations of the test rows around each mean.
const SCALES: [f64; 4] = [0.3, 1.0, 3.0, 10.0];
/// Maximum number of components whose means get test rows.
const MOST_MEANS: usize = 12;
/// Rounding tolerance in f64, relative to 1 + |h|: parameters have errors of about 1e-12, at
/// the worst condition number that f32 can represent.
const EXACT: f64 = 1e-7;
/// Rounding tolerance in f32, relative to 1 + |h|.
const SINGLE: f64 = 2e-5;

/// The largest differences of h.
pub(super) struct Agreement {
    pub(super) rows: usize,
    pub(super) exact_nats: f64,
    pub(super) single_nats: f64,
}

/// Compares mixture and graph; `Err` where they differ by more than rounding.
pub(super) fn check(
    model: &ModelProto,
    source: &DensityGraph,
    mixture: &Mixture,
) -> Result<Agreement, String> {
    let dim = mixture.dim;
    // Rows rounded to f32, so that all evaluations have the same input.
    let x: Vec<f64> = rows(mixture).iter().map(|&v| f64::from(v as f32)).collect();
    let count = x.len() / dim;
    let evaluate = |source: &DensityGraph| -> Result<Vec<f64>, String> {
        let value = source.plan(&[source.output()], count)?.run(&x)?.pop().flatten();
        value
            .map(|value| value.values)
            .filter(|h| h.len() == count)
            .ok_or_else(|| "its output can't be read".into())
    };
    let truth = evaluate(source)?;
    let folded: Vec<f64> = x.chunks_exact(dim).map(|x| h(mixture, x)).collect();
    let single = evaluate(&DensityGraph::new(&density_graph(mixture, &[dim]), dim, false)?)?;
    let before = evaluate(&DensityGraph::new(model, dim, false)?);

    let mut agreement = Agreement { rows: 0, exact_nats: 0.0, single_nats: 0.0 };
    let (mut exact, mut rounding, mut rounding_before) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (row, (&truth, &folded)) in truth.iter().zip(&folded).enumerate() {
        // Rows where the graph itself is not finite give no reference.
        if !truth.is_finite() {
            continue;
        }
        let (h32, size) = (single[row], 1.0 + truth.abs());
        let difference = |h: f64| if h.is_finite() { (h - truth).abs() } else { f64::INFINITY };
        agreement.rows += 1;
        agreement.exact_nats = agreement.exact_nats.max(difference(folded));
        agreement.single_nats = agreement.single_nats.max(difference(h32));
        exact = exact.max(difference(folded) / size);
        rounding = rounding.max(difference(h32) / size);
        if let Ok(before) = &before {
            rounding_before = rounding_before.max(difference(before[row]) / size);
        }
    }
    if 2 * agreement.rows < count {
        return Err("it gives infinite values near its own means".into());
    }
    if exact > EXACT {
        return Err(format!(
            "the mixture found in it gives other values (by {:.1e} nats)",
            agreement.exact_nats
        ));
    }
    if rounding > SINGLE.max(rounding_before) {
        return Err(format!("folded, f32 would lose digits ({:.1e} nats)", agreement.single_nats));
    }
    Ok(agreement)
}

/// Rows around the means, between them and around all of them.
fn rows(mixture: &Mixture) -> Vec<f64> {
    let dim = mixture.dim;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut x = Vec::new();
    let means: Vec<&[f64]> = mixture.means.chunks_exact(dim).collect();
    for (k, mean) in means.iter().enumerate().take(MOST_MEANS) {
        let factor = &mixture.factors[k * dim * dim..(k + 1) * dim * dim];
        for scale in SCALES {
            let z: Vec<f64> = (0..dim).map(|_| scale * normal(&mut rng)).collect();
            x.extend(solve(factor, &z).iter().zip(*mean).map(|(step, mean)| mean + step));
        }
        let next = means[(k + 1) % means.len()];
        x.extend(mean.iter().zip(next).map(|(a, b)| (a + b) / 2.0));
    }
    for scale in SCALES {
        x.extend(mixture.center.iter().map(|center| center + scale * normal(&mut rng)));
    }
    x
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}

/// The solution x of A x = y, A lower triangular.
pub(super) fn solve(factor: &[f64], y: &[f64]) -> Vec<f64> {
    let dim = y.len();
    let mut x = Vec::with_capacity(dim);
    for (i, (row, y)) in factor.chunks_exact(dim).zip(y).enumerate() {
        let known: f64 = row.iter().zip(&x).map(|(a, x)| a * x).sum();
        x.push((y - known) / row[i]);
    }
    x
}

/// |z_k|² of one row for each component.
pub(super) fn squares(mixture: &Mixture, x: &[f64]) -> Vec<f64> {
    let dim = mixture.dim;
    let components = mixture.factors.chunks_exact(dim * dim).zip(mixture.means.chunks_exact(dim));
    components
        .map(|(factor, mean)| {
            let v: Vec<f64> = x.iter().zip(mean).map(|(x, mean)| x - mean).collect();
            let z = |(i, row): (usize, &[f64])| -> f64 { row[..=i].iter().zip(&v).map(|(a, v)| a * v).sum() };
            factor.chunks_exact(dim).enumerate().map(|row| z(row).powi(2)).sum()
        })
        .collect()
}

/// −ln p of one row.
fn h(mixture: &Mixture, x: &[f64]) -> f64 {
    let squares = squares(mixture, x);
    let terms: Vec<f64> = squares.iter().zip(log_scales(mixture)).map(|(q, scale)| scale - q / 2.0).collect();
    -log_sum_exp(&terms)
}

/// ln Σ exp.
pub(super) fn log_sum_exp(terms: &[f64]) -> f64 {
    let max = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if max == f64::NEG_INFINITY { max } else { max + terms.iter().map(|t| (t - max).exp()).sum::<f64>().ln() }
}
