//! Tests of the generators against their closed forms: exact rows and means over a million rows,
//! computed apart from this program (tests/fixtures/synthetic_truth.json).

use std::collections::BTreeMap;

use rand::SeedableRng;
use rayon::prelude::*;
use serde::Deserialize;

use super::super::{Interaction, Moments, Pointwise, decompose};
use super::*;

#[derive(Deserialize)]
struct Golden {
    prior: Vec<f64>,
    rows: Vec<Row>,
    means_1e6: Values,
    stderr_1e6: Values,
}

#[derive(Deserialize)]
struct Row {
    x1: Vec<f64>,
    x2: Vec<f64>,
    y: usize,
    #[serde(flatten)]
    values: Values,
}

#[derive(Deserialize)]
struct Values {
    #[serde(flatten)]
    parts: Interaction,
    #[serde(flatten)]
    pointwise: Pointwise,
}

const NAMES: [&str; 9] = ["r", "u1", "u2", "s", "i1", "i2", "i12", "h1", "h2"];

fn list(t: Interaction, p: Pointwise) -> [f64; 9] {
    [t.r, t.u1, t.u2, t.s, p.i1, p.i2, p.i12, p.h1, p.h2]
}

/// The values of two modalities.
fn pair<T: Copy + Into<f64>>(generator: &Generator, x1: &[T], x2: &[T], y: usize) -> Pointwise {
    let SubsetValues { i, h } = generator.exact(&[x1, x2], y);
    assert_eq!((i.len(), h.len()), (3, 2));
    Pointwise { i1: i[0], i2: i[1], i12: i[2], h1: h[0], h2: h[1] }
}

impl Values {
    fn list(&self) -> [f64; 9] {
        list(self.parts, self.pointwise)
    }
}

fn golden() -> BTreeMap<String, Golden> {
    serde_json::from_str(include_str!("../../../tests/fixtures/synthetic_truth.json")).unwrap()
}

fn gaussian(prior: Prior, rho: f64, sigma: f64) -> Generator {
    Generator::Gaussian(Gaussian::new(2, prior, rho, sigma).unwrap())
}

fn generator(name: &str, prior: &[f64]) -> Generator {
    let prior = Prior::new(prior.to_vec()).unwrap();
    match name {
        "paper10" | "paper2" => gaussian(prior, 0.5, 0.5),
        "paper10_rho0.9_noise0.3_imbalanced" => gaussian(prior, 0.9, 0.3),
        "xor" => Generator::Xor(Xor::new().unwrap()),
        "rdn" => Generator::Rdn(Rdn::new().unwrap()),
        "unq" => Generator::Unq(Unq::new().unwrap()),
        other => panic!("no generator {other}"),
    }
}

/// Moments of the nine values over `rows` rows.
fn population(generator: &Generator, rows: u64) -> [Moments; 9] {
    const PART: u64 = 5_000;
    let parts: Vec<[Moments; 9]> = (0..rows / PART)
        .into_par_iter()
        .map(|part| {
            let mut rng = ChaCha8Rng::seed_from_u64(2025);
            rng.set_stream(part);
            let dims = generator.dims();
            let (mut x1, mut x2) = (vec![0f32; dims[0]], vec![0f32; dims[1]]);
            let mut moments = [Moments::default(); 9];
            for _ in 0..PART {
                let y = generator.sample(&mut rng, &mut [&mut x1, &mut x2]);
                let p = pair(generator, &x1, &x2, y);
                moments.iter_mut().zip(list(decompose(p), p)).for_each(|(m, value)| m.push(value));
            }
            moments
        })
        .collect();
    let mut total = [Moments::default(); 9];
    for part in &parts {
        total.iter_mut().zip(part).for_each(|(total, part)| total.merge(part));
    }
    total
}

fn assert_within(name: &str, got: &Moments, expected: f64, expected_error: f64) {
    let (mean, error) = (got.mean().unwrap(), got.std_error().unwrap().hypot(expected_error));
    // Where a value is exactly zero on every row its error is zero too.
    assert!((mean - expected).abs() <= 4.0 * error + 1e-12, "{name}: {mean} for {expected} ± {error}");
}

#[test]
fn golden_rows_are_exact() {
    let mut compared = 0;
    for (name, set) in golden() {
        let generator = generator(&name, &set.prior);
        assert_eq!(generator.prior().probabilities(), set.prior, "{name}");
        for (at, row) in set.rows.iter().enumerate() {
            let p = pair(&generator, &row.x1, &row.x2, row.y);
            for (i, (got, expected)) in list(decompose(p), p).into_iter().zip(row.values.list()).enumerate() {
                assert!(
                    (got - expected).abs() < 1e-10,
                    "{name}, row {at}, {}: {got} for {expected}",
                    NAMES[i]
                );
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 6 * 16 * 9);
}

#[test]
fn means_over_many_rows_are_the_golden_ones() {
    for (name, set) in golden() {
        let moments = population(&generator(&name, &set.prior), 100_000);
        let (means, errors) = (set.means_1e6.list(), set.stderr_1e6.list());
        for i in 0..9 {
            assert_within(&format!("{name}, {}", NAMES[i]), &moments[i], means[i], errors[i]);
        }
    }
}

#[test]
fn means_over_many_rows_are_the_tables() {
    let tables = [
        (10, [1.4346, -0.0938, -0.0939, 0.3528, 1.3409, 1.3408, 1.5998, 8.597]),
        (2, [0.5690, -0.0686, -0.0692, 0.1319, 0.5004, 0.4998, 0.5631, 1.952]),
    ];
    for (classes, means) in tables {
        let moments = population(&gaussian(Prior::uniform(classes).unwrap(), 0.5, 0.5), 100_000);
        for (i, mean) in means.into_iter().enumerate() {
            assert_within(&format!("{classes} classes, {}", NAMES[i]), &moments[i], mean, 7e-4);
        }
    }
}

#[test]
fn single_rows_are_the_tables() {
    #[rustfmt::skip]
    let rows = [
        ([1.0, 0.0], [0.5, 0.5], 0, [0.6749972526, 0.0, -0.6749972526, 0.6259714045,
            0.6749972526, 0.0, 0.6259714045, 1.1265799579, 1.4515827053]),
        ([0.2, 0.9], [1.0, 0.1], 0, [0.6661900876, -2.8320757333, 0.0, 2.3974103337,
            -2.1658856457, 0.6661900876, 0.2315246879, 1.1856970596, 1.1377727928]),
        ([-0.3, 0.4], [0.6, 0.2], 1, [0.0092464397, 0.6248679146, -1.1, 0.7879321603,
            0.6341143543, -1.0907535603, 0.3220465146, 1.9856970596, 1.3608291450]),
        ([1.5, -0.5], [0.9, 1.1], 1, [0.0528117742, -7.36, 0.2692347404, 2.9229045986,
            -7.3071882258, 0.3220465146, -4.1150488868, 2.1443944795, 2.4136292199]),
    ];
    let generator = gaussian(Prior::uniform(2).unwrap(), 0.5, 0.5);
    for (x1, x2, y, expected) in rows {
        let p = pair::<f64>(&generator, &x1, &x2, y);
        for (got, expected) in list(decompose(p), p).into_iter().zip(expected) {
            assert!((got - expected).abs() < 2e-10, "{x1:?}, {x2:?}: {got} for {expected}");
        }
    }
}

#[test]
fn wide_modalities_inform_and_the_pair_informs_more() {
    let shape = WideShape {
        dims: vec![64, 96],
        prior: Prior::uniform(10).unwrap(),
        rho: 0.5,
        sigma: 0.5,
        distribution_seed: 0,
    };
    let moments = population(&Generator::Wide(Wide::new(shape).unwrap()), 20_000);
    let [i1, i2, i12] = [4, 5, 6].map(|i| moments[i].mean().unwrap());
    assert!(i1 > 0.5 && i2 > 0.5 && i12 > i1.max(i2) && i12 < 10f64.ln(), "{i1} {i2} {i12}");
}

/// An invertible map leaves i alone; the mean of h is the entropy, which two generators' histograms
/// would give as well: here the density integrates to one over a grid.
#[test]
fn a_warped_generator_keeps_i_and_has_a_density() {
    let inner = gaussian(Prior::uniform(2).unwrap(), 0.5, 0.5);
    let warped = Generator::Warped(Box::new(inner.clone()), Warp::new(&[2, 2], 7));
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut z1, mut z2) = ([0f32; 2], [0f32; 2]);
    for _ in 0..200 {
        let mut same = rng.clone();
        let y = inner.sample(&mut rng, &mut [&mut z1, &mut z2]);
        let (mut x1, mut x2) = ([0f32; 2], [0f32; 2]);
        assert_eq!(warped.sample(&mut same, &mut [&mut x1, &mut x2]), y);
        let (truth, found) = (pair(&inner, &z1, &z2, y), pair(&warped, &x1, &x2, y));
        for (a, b) in [(truth.i1, found.i1), (truth.i2, found.i2), (truth.i12, found.i12)] {
            assert!((a - b).abs() < 1e-4, "{truth:?} {found:?}");
        }
    }
    let step = 0.05f64;
    let axis = || (-400..=400).map(|at| f64::from(at) * step);
    let mass: f64 = axis()
        .flat_map(|a| axis().map(move |b| [a, b]))
        .map(|x| (-pair(&warped, &x, &[0.0, 0.0], 0).h1).exp() * step * step)
        .sum();
    assert!((mass - 1.0).abs() < 2e-3, "{mass}");
}
