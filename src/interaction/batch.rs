//! Decomposition of a batch: f32 model outputs in, f32 columns out. Arithmetic in f64, so
//! that the identities hold to f32 rounding of the results and not of the h.

use crate::error::{Error, Result};

use super::{Cases, Pointwise, decompose};

/// Outputs of the five models for n samples, each slice of length n. All in nats.
#[derive(Debug, Clone, Copy)]
pub struct ModelOutputs<'a> {
    /// −ln p(x1).
    pub h1: &'a [f32],
    /// −ln p(x2).
    pub h2: &'a [f32],
    /// ln p(y|x1), y the sample's own label.
    pub log_p1: &'a [f32],
    /// ln p(y|x2).
    pub log_p2: &'a [f32],
    /// ln p(y|x1,x2).
    pub log_p12: &'a [f32],
    /// ln p(y), the bundle's prior.
    pub log_prior: &'a [f64],
}

/// Output slices of the four columns, each of length n. In nats.
#[derive(Debug)]
pub struct Columns<'a> {
    /// Redundancy.
    pub r: &'a mut [f32],
    /// Uniqueness of x1.
    pub u1: &'a mut [f32],
    /// Uniqueness of x2.
    pub u2: &'a mut [f32],
    /// Synergy.
    pub s: &'a mut [f32],
}

/// Decomposes a batch row by row ([`decompose`]) and counts the cases of r. Rows with
/// NaN come out as NaN.
///
/// # Errors
/// [`Error::Internal`] where the slices differ in length.
pub fn decompose_batch(inputs: ModelOutputs<'_>, out: Columns<'_>) -> Result<Cases> {
    let ModelOutputs { h1, h2, log_p1, log_p2, log_p12, log_prior } = inputs;
    let Columns { r, u1, u2, s } = out;
    let n = h1.len();
    let lengths = [
        h2.len(),
        log_p1.len(),
        log_p2.len(),
        log_p12.len(),
        log_prior.len(),
        r.len(),
        u1.len(),
        u2.len(),
        s.len(),
    ];
    if lengths.iter().any(|&length| length != n) {
        return Err(Error::Internal(format!("a batch of {n} rows came with slices of {lengths:?}")));
    }

    // Slices of one known length: the compiler removes the bounds checks of the loop.
    let (h2, log_p1, log_p2) = (&h2[..n], &log_p1[..n], &log_p2[..n]);
    let (log_p12, log_prior) = (&log_p12[..n], &log_prior[..n]);
    let (r, u1, u2, s) = (&mut r[..n], &mut u1[..n], &mut u2[..n], &mut s[..n]);
    let mut cases = Cases::default();
    for row in 0..n {
        let prior = log_prior[row];
        let p = Pointwise {
            i1: f64::from(log_p1[row]) - prior,
            i2: f64::from(log_p2[row]) - prior,
            i12: f64::from(log_p12[row]) - prior,
            h1: f64::from(h1[row]),
            h2: f64::from(h2[row]),
        };
        let parts = decompose(p);
        cases.push(&p, &parts);
        r[row] = parts.r as f32;
        u1[row] = parts.u1 as f32;
        u2[row] = parts.u2 as f32;
        s[row] = parts.s as f32;
    }
    Ok(cases)
}

/// Pointwise information of a batch, i = ln p(y|x) − ln p(y): the column i1, i2 or i12.
/// All slices of length n, in nats.
///
/// # Errors
/// [`Error::Internal`] where the slices differ in length.
pub fn pointwise_information(log_prob: &[f32], log_prior: &[f64], out: &mut [f32]) -> Result<()> {
    if log_prob.len() != out.len() || log_prior.len() != out.len() {
        return Err(Error::Internal(format!(
            "a batch of {} rows came with {} priors and room for {}",
            log_prob.len(),
            log_prior.len(),
            out.len()
        )));
    }
    for ((i, log_p), prior) in out.iter_mut().zip(log_prob).zip(log_prior) {
        *i = (f64::from(*log_p) - prior) as f32;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    struct Batch {
        h1: Vec<f32>,
        h2: Vec<f32>,
        log_p: [Vec<f32>; 3],
        log_prior: Vec<f64>,
    }

    /// h in the thousands, as at 4 096 dimensions, and differences of a few nats.
    fn batch(rows: usize) -> Batch {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let h1: Vec<f32> = (0..rows).map(|_| rng.random_range(2000.0..6000.0)).collect();
        let h2 = h1.iter().map(|h| h + rng.random_range(-3.0..3.0f32)).collect();
        let mut log_prob = || (0..rows).map(|_| rng.random_range(-6.0..0.0f32)).collect();
        let log_p = [log_prob(), log_prob(), log_prob()];
        let log_prior = (0..rows).map(|row| (1.0 + (row % 5) as f64).ln() - 15f64.ln()).collect();
        Batch { h1, h2, log_p, log_prior }
    }

    impl Batch {
        fn outputs(&self) -> ModelOutputs<'_> {
            let Batch { h1, h2, log_p: [log_p1, log_p2, log_p12], log_prior } = self;
            ModelOutputs { h1, h2, log_p1, log_p2, log_p12, log_prior }
        }
    }

    fn run(outputs: ModelOutputs<'_>) -> (Cases, [Vec<f32>; 4]) {
        let n = outputs.h1.len();
        let mut columns = [vec![0f32; n], vec![0f32; n], vec![0f32; n], vec![0f32; n]];
        let [r, u1, u2, s] = &mut columns;
        let cases = decompose_batch(outputs, Columns { r, u1, u2, s }).unwrap();
        (cases, columns)
    }

    #[test]
    fn f32_with_h_in_the_thousands_agrees_with_f64() {
        let batch = batch(10_000);
        let outputs = batch.outputs();
        let (cases, [r, u1, u2, s]) = run(outputs);
        assert_eq!(cases.total(), 10_000);
        assert!(cases.between > 1_000 && cases.first > 1_000 && cases.second > 1_000, "{cases:?}");

        for row in 0..10_000 {
            let i = |log_p: &[f32]| f64::from(log_p[row]) - outputs.log_prior[row];
            let (i1, i2, i12) = (i(outputs.log_p1), i(outputs.log_p2), i(outputs.log_p12));
            let (h1, h2) = (f64::from(outputs.h1[row]), f64::from(outputs.h2[row]));
            let exact = h1.min(h2) - (h1 - i1).min(h2 - i2);
            let [r, u1, u2, s] = [r[row], u1[row], u2[row], s[row]].map(f64::from);
            assert!((r - exact).abs() < 1e-6, "row {row}: {r} for {exact}");
            assert!((r + u1 - i1).abs() < 1e-6);
            assert!((r + u2 - i2).abs() < 1e-6);
            assert!((r + u1 + u2 + s - i12).abs() < 2e-6);
        }
    }

    #[test]
    fn information_is_the_excess_over_the_prior() {
        let mut i = [0f32; 2];
        pointwise_information(&[-0.5, -2.0], &[-1.5, -1.5], &mut i).unwrap();
        assert_eq!(i, [1.0, -0.5]);
        assert!(pointwise_information(&[-0.5], &[-1.5, -1.5], &mut i).is_err());
    }

    #[test]
    fn slices_of_different_lengths_are_refused() {
        let batch = batch(4);
        let short = ModelOutputs { log_p2: &batch.log_p[1][..3], ..batch.outputs() };
        let mut columns = [vec![0f32; 4], vec![0f32; 4], vec![0f32; 4], vec![0f32; 4]];
        let [r, u1, u2, s] = &mut columns;
        let error = decompose_batch(short, Columns { r, u1, u2, s }).unwrap_err();
        assert!(error.to_string().contains("a batch of 4 rows"), "{error}");
    }
}
