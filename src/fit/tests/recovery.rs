//! Tests that training recovers exact values: data from Gaussian generators with closed-form
//! densities; errors of h, i, r and s on fresh rows.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::bundle::ModelSet;
use crate::error::{Error, Place};
use crate::fit::inference::log_sum_exp;
use crate::fit::random::{RandomStream, random_stream};
use crate::fit::softmax::log_softmax_rows;
use crate::fit::{DensityFit, EmbeddingMatrix, FitProgress, FittedModels, Recipe, TrainingSet, train};

pub(super) struct Silent;

impl FitProgress for Silent {
    fn stage(&self, _: &str) {}
    fn epoch(&self, _: &str, _: usize, _: usize, _: f64) {}
}

/// Rows with their exact i and h.
pub(super) struct ExactRows {
    pub dims: [usize; 2],
    pub x: [Vec<f32>; 2],
    pub y: Vec<u32>,
    /// i_1, i_2, i_12, h_1, h_2.
    pub exact: Vec<[f64; 5]>,
}

/// The reference's generator, C classes in C dimensions, at ρ = σ = 0.5 and any prior:
/// x1 = e_y + σU, x2 = e_y + σ(ρU + √(1−ρ²)V).
pub(super) fn gaussian(rows: usize, prior: &[f64], seed: u64) -> ExactRows {
    let (rho, sigma, c) = (0.5f64, 0.5f64, prior.len());
    let mut rng = random_stream(seed, RandomStream::Split);
    let mut out = ExactRows { dims: [c; 2], x: [vec![], vec![]], y: vec![], exact: vec![] };
    for _ in 0..rows {
        let y = draw(prior, &mut rng);
        let mut x = [vec![], vec![]];
        for j in 0..c {
            let mean = if j == y { 1.0 } else { 0.0 };
            let (u, v): (f64, f64) = (StandardNormal.sample(&mut rng), StandardNormal.sample(&mut rng));
            x[0].push(mean + sigma * u);
            x[1].push(mean + sigma * (rho * u + (1.0 - rho * rho).sqrt() * v));
        }
        let variance = sigma * sigma;
        let i = |logits: Vec<f64>| {
            let mut logits: Vec<f64> = logits.iter().zip(prior).map(|(l, p)| l + p.ln()).collect();
            log_softmax_rows(&mut logits, c);
            logits[y] - prior[y].ln()
        };
        let h = |x: &[f64]| {
            let square: f64 = x.iter().map(|x| x * x).sum();
            let logits: Vec<f64> = x.iter().zip(prior).map(|(x, p)| x / variance + p.ln()).collect();
            let noise = 0.5 * c as f64 * (2.0 * std::f64::consts::PI * variance).ln();
            noise + (square + 1.0) / (2.0 * variance) - log_sum_exp(&logits)
        };
        let both = |j: usize| (x[0][j] + x[1][j]) / (variance * (1.0 + rho));
        out.exact.push([
            i(x[0].iter().map(|x| x / variance).collect()),
            i(x[1].iter().map(|x| x / variance).collect()),
            i((0..c).map(both).collect()),
            h(&x[0]),
            h(&x[1]),
        ]);
        out.y.push(y as u32);
        for (all, x) in out.x.iter_mut().zip(&x) {
            all.extend(x.iter().map(|&x| x as f32));
        }
    }
    out
}

fn draw(prior: &[f64], rng: &mut ChaCha8Rng) -> usize {
    let mut left = rng.random::<f64>();
    prior
        .iter()
        .take(prior.len() - 1)
        .take_while(|p| {
            left -= **p;
            left > 0.0
        })
        .count()
}

pub(super) fn fit(rows: &ExactRows, classes: usize, recipe: Recipe) -> FittedModels {
    let modality =
        |m: usize| EmbeddingMatrix { column: ["x1", "x2"][m], dim: rows.dims[m], values: &rows.x[m] };
    let set = TrainingSet {
        place: Place::file("test"),
        x: vec![modality(0), modality(1)],
        y: &rows.y,
        classes,
        groups: None,
        keys: None,
    };
    train(&set, &recipe, &Silent).unwrap()
}

/// i_1, i_2, i_12, h_1, h_2 of each row by the models.
fn estimate(models: &FittedModels, rows: &ExactRows) -> Vec<[f64; 5]> {
    estimate_by(&models.models, &models.prior, rows)
}

/// [`estimate`] by given models.
pub(super) fn estimate_by(models: &ModelSet, prior: &[f64], rows: &ExactRows) -> Vec<[f64; 5]> {
    let [x1, x2] = [rows.x[0].as_slice(), rows.x[1].as_slice()];
    let [one, two, both] = &models.classifiers[..] else { panic!("not of two modalities") };
    let log_prob = [one.log_prob(&[x1]), two.log_prob(&[x2]), both.log_prob(&[x1, x2])];
    let h = [0, 1].map(|m| models.densities[m].specificity([x1, x2][m]));
    let classes = prior.len();
    (0..rows.y.len())
        .map(|row| {
            let y = rows.y[row] as usize;
            let [i1, i2, i12] = [0, 1, 2].map(|k| log_prob[k][row * classes + y] - prior[y].ln());
            [i1, i2, i12, h[0][row], h[1][row]]
        })
        .collect()
}

/// r, u1, u2, s.
pub(super) fn interactions([i1, i2, i12, h1, h2]: [f64; 5]) -> [f64; 4] {
    let (high, low, gap) = if i1 >= i2 { (i1, i2, h1 - h2) } else { (i2, i1, h2 - h1) };
    let r = high - gap.clamp(0.0, high - low);
    [r, i1 - r, i2 - r, i12 - i1 - i2 + r]
}

/// Root mean square and mean of the differences, column by column.
pub(super) fn errors<const N: usize>(found: &[[f64; N]], truth: &[[f64; N]]) -> [(f64, f64); N] {
    let n = found.len() as f64;
    std::array::from_fn(|j| {
        let differences = found.iter().zip(truth).map(|(a, b)| a[j] - b[j]);
        let (square, sum) = differences.fold((0.0, 0.0), |(q, s), e| (q + e * e, s + e));
        ((square / n).sqrt(), sum / n)
    })
}

fn report(
    train_on: &ExactRows,
    fresh: &ExactRows,
    classes: usize,
    recipe: Recipe,
) -> ([(f64, f64); 5], [(f64, f64); 4]) {
    let models = fit(train_on, classes, recipe);
    let found = estimate(&models, fresh);
    let shares = |rows: &[[f64; 5]]| rows.iter().map(|&row| interactions(row)).collect::<Vec<_>>();
    (errors(&found, &fresh.exact), errors(&shares(&found), &shares(&fresh.exact)))
}

#[test]
fn the_exact_gaussian_table_holds_for_the_closed_forms() {
    let rows = gaussian(200_000, &[0.5; 2], 1);
    let mean = |of: &dyn Fn([f64; 5]) -> f64| {
        rows.exact.iter().map(|&row| of(row)).sum::<f64>() / rows.exact.len() as f64
    };
    assert!((mean(&|row| interactions(row)[0]) - 0.5690).abs() < 0.005);
    assert!((mean(&|row| interactions(row)[3]) - 0.1319).abs() < 0.005);
    assert!((mean(&|row| row[3]) - 1.952).abs() < 0.01);
}

#[test]
fn a_gaussian_is_recovered() {
    let prior = [0.25; 4];
    let (rows, fresh) = (gaussian(4_000, &prior, 1), gaussian(10_000, &prior, 2));
    let (_, [r, u1, u2, s]) = report(&rows, &fresh, 4, Recipe { seed: 7, ..Recipe::default() });
    assert!(r.0 < 0.12 && s.0 < 0.16, "root mean squares of r {} and s {}", r.0, s.0);
    for mean in [r.1, u1.1, u2.1, s.1] {
        assert!(mean.abs() < 0.03, "mean errors {:?}", [r.1, u1.1, u2.1, s.1]);
    }
}

#[test]
fn gradient_descent_comes_close_and_a_seed_fixes_all() {
    let prior = [0.7, 0.2, 0.1];
    let (rows, fresh) = (gaussian(1_500, &prior, 3), gaussian(4_000, &prior, 4));
    let recipe = Recipe { seed: 1, density_fit: DensityFit::Sgd, ..Recipe::default() };
    let (estimates, [r, ..]) = report(&rows, &fresh, 3, recipe);
    assert!(r.0 < 0.25 && estimates[3].0 < 0.25, "r {} h {}", r.0, estimates[3].0);
    let recipe = Recipe::default();
    assert_eq!(fit(&rows, 3, recipe), fit(&rows, 3, recipe));
}

/// Rows with all kinds of awkward columns, and their classes.
fn awkward(n: usize, width: usize) -> (Vec<f32>, Vec<u32>) {
    let mut rng = random_stream(1, RandomStream::Split);
    let mut x = Vec::new();
    let y: Vec<u32> = (0..n as u32).map(|row| if row == 0 { 2 } else { row % 2 }).collect();
    for &class in &y {
        let z: f32 = StandardNormal.sample(&mut rng);
        let signal = z + class as f32;
        for j in 0..width {
            x.push(match j % 7 {
                0 => 3.5,
                1 => 1e6 * signal + 1e7,
                2 => 1e-6 * signal,
                3 => signal,
                4 => {
                    if rng.random::<f32>() < 0.01 {
                        16.0
                    } else {
                        0.0
                    }
                }
                5 => rng.random_range(0..3) as f32,
                _ => StandardNormal.sample(&mut rng),
            });
        }
    }
    (x, y)
}

#[test]
fn awkward_columns_give_finite_models() {
    for (n, width) in [(300, 14), (60, 100), (40, 1)] {
        let (x, y) = awkward(n, width);
        // The same modality twice.
        let rows = ExactRows { dims: [width; 2], x: [x.clone(), x], y, exact: vec![] };
        let models = fit(&rows, 3, Recipe::default());
        for row in estimate(&models, &rows) {
            assert!(row.iter().all(|value| value.is_finite()), "{n} rows of {width}: {row:?}");
        }
        let figures = &models.figures;
        assert!(figures.densities.iter().all(|density| density.mean_nats.is_finite()), "{figures:?}");
        assert!(figures.classifiers.iter().all(|c| c.cross_entropy_nats.is_finite()), "{figures:?}");
    }
}

#[test]
fn a_constant_column_changes_no_density() {
    let rows = gaussian(600, &[0.5; 2], 5);
    let wider: Vec<f32> = rows.x[0].chunks(2).flat_map(|x| [x[0], 9.0, x[1]]).collect();
    let density = |dim, values: &[f32]| {
        let x = vec![
            EmbeddingMatrix { column: "x1", dim, values },
            EmbeddingMatrix { column: "x2", dim: 2, values: &rows.x[1] },
        ];
        let set =
            TrainingSet { place: Place::file("test"), x, y: &rows.y, classes: 2, groups: None, keys: None };
        train(&set, &Recipe::default(), &Silent).unwrap().models.densities[0].specificity(values)
    };
    for (plain, wide) in density(2, &rows.x[0]).iter().zip(density(3, &wider)) {
        assert!((plain - wide).abs() < 1e-9, "{plain} {wide}");
    }
}

#[test]
fn rows_nothing_can_be_learned_from_are_refused() {
    let x: Vec<f32> = (0..100).map(|i| i as f32).collect();
    let refused = |x: &[f32], y: &[u32], stop: bool| {
        struct Stopper(bool);
        impl FitProgress for Stopper {
            fn stage(&self, _: &str) {}
            fn epoch(&self, _: &str, _: usize, _: usize, _: f64) {}
            fn interrupted(&self) -> bool {
                self.0
            }
        }
        let modality = |column| EmbeddingMatrix { column, dim: 1, values: x };
        let x = vec![modality("left"), modality("right")];
        let set = TrainingSet { place: Place::file("f.parquet"), x, y, classes: 2, groups: None, keys: None };
        train(&set, &Recipe::default(), &Stopper(stop)).unwrap_err()
    };
    let y: Vec<u32> = (0..100).map(|i| i % 2).collect();
    let mut spoiled = x.clone();
    spoiled[17] = f32::NAN;
    let error = refused(&spoiled, &y, false);
    assert!(matches!(error, Error::BadData { .. }) && error.to_string().contains("\"left\""), "{error}");
    assert!(matches!(refused(&x, &[1; 100], false), Error::BadData { .. }));
    assert!(matches!(refused(&x[..10], &y[..10], false), Error::BadData { .. }));
    assert!(matches!(refused(&x, &y, true), Error::Interrupted));
}
