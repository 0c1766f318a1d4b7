//! Classes that are so far apart that no training row is predicted wrongly: fresh rows are, seldom, and have finite
//! information near the true one.

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::recovery::{ExactRows, errors, estimate_by, fit};
use crate::fit::Recipe;
use crate::fit::random::{RandomStream, random_stream};

const DIM: usize = 4;
/// Distance of the class means of a modality from their middle, in standard deviations.
const FROM_MIDDLE: f64 = 2.25;

/// Two equally frequent classes whose means differ in the first value of each modality; without h.
fn rows(count: usize, seed: u64) -> ExactRows {
    let mut rng = random_stream(seed, RandomStream::Split);
    let mut out = ExactRows { dims: [DIM; 2], x: [vec![], vec![]], y: vec![], exact: vec![] };
    for _ in 0..count {
        let y = rng.random_range(0..2);
        let side = f64::from(y) * 2.0 - 1.0;
        let log_odds = [0, 1].map(|modality: usize| {
            let x: [f64; DIM] = std::array::from_fn(|j| {
                let noise: f64 = StandardNormal.sample(&mut rng);
                noise + if j == 0 { FROM_MIDDLE * side } else { 0.0 }
            });
            out.x[modality].extend(x.map(|x| x as f32));
            2.0 * FROM_MIDDLE * side * x[0]
        });
        let i = |log_odds: f64| 2.0_f64.ln() - (-log_odds).exp().ln_1p();
        let [one, two] = log_odds;
        out.exact.push([i(one), i(two), i(one + two), 0.0, 0.0]);
        out.y.push(y);
    }
    out
}

#[test]
fn fresh_rows_have_no_thousands_of_nats_against_them() {
    let fresh = rows(4_000, 99);
    for folds in [5, 1] {
        for seed in 0..4 {
            let models = fit(&rows(300, seed), 2, Recipe { seed, folds, ..Recipe::default() });
            let found = estimate_by(&models.models, &models.prior, &fresh);
            let [i1, i2, i12, ..] = errors(&found, &fresh.exact);
            for (square, mean) in [i1, i2, i12] {
                assert!(square < 0.6 && mean.abs() < 0.06, "{folds} folds, {seed}: {i1:?} {i2:?} {i12:?}");
            }
        }
    }
}
