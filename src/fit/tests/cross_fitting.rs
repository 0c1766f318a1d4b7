//! Tests of cross-fitting: errors on fresh rows where classes are clusters, honest values for trained
//! rows, and groups.

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::recovery::{ExactRows, Silent, errors, estimate_by, fit, gaussian, interactions};
use crate::bundle::ModelSet;
use crate::error::{Error, Place};
use crate::fit::inference::log_sum_exp;
use crate::fit::random::{RandomStream, random_stream};
use crate::fit::{EmbeddingMatrix, FittedModels, Recipe, TrainingSet, train};

/// Equally likely clusters, each of one class, with a centre in each modality and noise σ.
struct Clusters {
    centres: [Vec<Vec<f64>>; 2],
    class: Vec<usize>,
    classes: usize,
    sigma: f64,
}

impl Clusters {
    /// Centres whose first `rank` values are normal with deviation 0.5.
    fn drawn(dims: [usize; 2], rank: usize, classes: usize, of_class: usize, sigma: f64) -> Self {
        let mut rng = random_stream(11, RandomStream::Split);
        let clusters = classes * of_class;
        let mut draw = |dim: usize| -> Vec<f64> {
            let normal = StandardNormal.sample_iter(&mut rng).take(rank).map(|z: f64| 0.5 * z);
            normal.chain(std::iter::repeat(0.0)).take(dim).collect()
        };
        let centres = dims.map(|dim| (0..clusters).map(|_| draw(dim)).collect());
        Self { centres, class: (0..clusters).map(|k| k % classes).collect(), classes, sigma }
    }

    /// The label is whether the signs of the modalities' first values differ.
    fn xor() -> Self {
        let centre = |sign: f64| [&[1.5 * sign][..], &[0.0; 7]].concat();
        let centres =
            [[-1.0, -1.0, 1.0, 1.0], [-1.0, 1.0, -1.0, 1.0]].map(|signs| signs.map(centre).to_vec());
        Self { centres, class: vec![0, 1, 1, 0], classes: 2, sigma: 0.6 }
    }

    fn rows(&self, n: usize, seed: u64) -> ExactRows {
        let mut rng = random_stream(seed, RandomStream::Sample);
        let dims = [0, 1].map(|m| self.centres[m][0].len());
        let mut rows = ExactRows { dims, x: [vec![], vec![]], y: vec![], exact: vec![] };
        let variance = self.sigma * self.sigma;
        for _ in 0..n {
            let cluster = rng.random_range(0..self.class.len());
            let x = [0, 1].map(|m| -> Vec<f64> {
                let centre = self.centres[m][cluster].iter();
                centre.map(|c| c + self.sigma * rng.sample::<f64, _>(StandardNormal)).collect()
            });
            let log_joint = [0, 1].map(|m| -> Vec<f64> {
                let noise = 0.5 * dims[m] as f64 * (std::f64::consts::TAU * variance).ln();
                let square = |c: &Vec<f64>| -> f64 { x[m].iter().zip(c).map(|(x, c)| (x - c).powi(2)).sum() };
                let uniform = (self.class.len() as f64).ln();
                self.centres[m].iter().map(|c| -square(c) / (2.0 * variance) - noise - uniform).collect()
            });
            let y = self.class[cluster];
            let i = |terms: &[f64]| {
                let own: Vec<f64> = terms
                    .iter()
                    .zip(&self.class)
                    .filter(|(_, class)| **class == y)
                    .map(|(t, _)| *t)
                    .collect();
                log_sum_exp(&own) - log_sum_exp(terms) + (self.classes as f64).ln()
            };
            let both: Vec<f64> = log_joint[0].iter().zip(&log_joint[1]).map(|(a, b)| a + b).collect();
            let [h1, h2] = log_joint.each_ref().map(|terms| -log_sum_exp(terms));
            rows.exact.push([i(&log_joint[0]), i(&log_joint[1]), i(&both), h1, h2]);
            rows.y.push(y as u32);
            for (all, x) in rows.x.iter_mut().zip(&x) {
                all.extend(x.iter().map(|&x| x as f32));
            }
        }
        rows
    }
}

/// Root mean squares of r and s, and the mean error of i12.
fn figures(found: &[[f64; 5]], exact: &[[f64; 5]]) -> [f64; 3] {
    let shares = |rows: &[[f64; 5]]| rows.iter().map(|&row| interactions(row)).collect::<Vec<_>>();
    let [r, _, _, s] = errors(&shares(found), &shares(exact));
    [r.0, s.0, errors(found, exact)[2].1]
}

/// The estimates of the trained rows, each by the models that have not seen it.
fn out_of_fold(models: &FittedModels, rows: &ExactRows) -> Vec<[f64; 5]> {
    let by_fold: Vec<Vec<[f64; 5]>> =
        models.folds.iter().map(|fold: &ModelSet| estimate_by(fold, &models.prior, rows)).collect();
    models.fold_of_row.iter().enumerate().map(|(row, &fold)| by_fold[fold as usize][row]).collect()
}

#[test]
fn synergy_of_signs_is_recovered() {
    let data = Clusters::xor();
    let (rows, fresh) = (data.rows(2_000, 1), data.rows(10_000, 2));
    let models = fit(&rows, 2, Recipe::default());
    let [r, s, _] = figures(&estimate_by(&models.models, &models.prior, &fresh), &fresh.exact);
    assert!(r < 0.06 && s < 0.1, "r {r} s {s}");
}

#[test]
fn clusters_within_classes_are_recovered_where_one_split_fails() {
    let data = Clusters::drawn([16, 32], 16, 5, 2, 0.75);
    let (rows, fresh) = (data.rows(2_000, 1), data.rows(10_000, 2));
    let [crossed, split] = [5, 1].map(|folds| {
        let models = fit(&rows, 5, Recipe { folds, ..Recipe::default() });
        figures(&estimate_by(&models.models, &models.prior, &fresh), &fresh.exact)
    });
    assert!(crossed[0] < 0.25 && crossed[1] < 0.3, "{crossed:?}");
    assert!(split[1] > 1.5 * crossed[1], "{split:?} {crossed:?}");
}

#[test]
fn trained_rows_get_honest_values() {
    let prior = [0.1; 10];
    let (rows, fresh) = (gaussian(2_000, &prior, 1), gaussian(10_000, &prior, 2));
    let models = fit(&rows, 10, Recipe::default());
    let of_fresh = figures(&estimate_by(&models.models, &prior, &fresh), &fresh.exact);
    let of_trained = figures(&out_of_fold(&models, &rows), &rows.exact);
    assert!(of_fresh[0] < 0.21 && of_fresh[1] < 0.24, "{of_fresh:?}");
    assert!((of_fresh[2] - of_trained[2]).abs() < 0.02, "{of_fresh:?} {of_trained:?}");
    // The figures of the fit say the same of fresh rows, within their errors.
    for (which, figures) in models.figures.classifiers.iter().enumerate() {
        let losses = estimate_by(&models.models, &models.prior, &fresh).into_iter();
        let nats = losses.map(|row| -row[which]).sum::<f64>() / fresh.y.len() as f64 + 10f64.ln();
        let error = figures.standard_error_nats.unwrap();
        let gap = figures.cross_entropy_nats - nats;
        assert!(gap.abs() < 0.03 + 3.0 * error, "{which}: {gap} ± {error}");
        assert!(figures.in_sample_nats.unwrap() < figures.cross_entropy_nats, "{figures:?}");
    }
    assert!(models.figures.densities.iter().all(|d| d.in_sample_nats.unwrap() < d.mean_nats));
}

#[test]
fn groups_and_copies_stay_in_one_fold() {
    let mut rows = gaussian(300, &[0.5; 2], 3);
    // The last hundred rows repeat the first.
    for x in &mut rows.x {
        x.copy_within(..200, 400);
    }
    rows.y.copy_within(..100, 200);
    let groups: Vec<u64> = (0..300).map(|row| if row % 2 == 0 { row / 4 } else { 1000 + row }).collect();
    let modality = |m: usize| EmbeddingMatrix { column: "x", dim: 2, values: &rows.x[m] };
    let mut set = TrainingSet {
        place: Place::file("test"),
        x: vec![modality(0), modality(1)],
        y: &rows.y,
        classes: 2,
        groups: Some(&groups),
        keys: None,
    };
    let models = train(&set, &Recipe { folds: 3, ..Recipe::default() }, &Silent).unwrap();
    assert_eq!((models.folds.len(), models.fold_of_row.len()), (3, 300));
    for row in 0..300 {
        let fold = models.fold_of_row[row];
        assert!(row < 200 || fold == models.fold_of_row[row - 200], "{row} and its copy");
        assert!(row % 4 != 2 || fold == models.fold_of_row[row - 2], "{row} and its group");
    }
    set.groups = Some(&[7; 300]);
    let error = train(&set, &Recipe::default(), &Silent).unwrap_err();
    assert!(matches!(error, Error::BadData { .. }) && error.to_string().contains("--folds 1"), "{error}");
    let one = train(&set, &Recipe { folds: 1, ..Recipe::default() }, &Silent).unwrap();
    assert!(one.folds.is_empty() && one.fold_of_row.is_empty());
}

#[test]
fn classes_that_no_other_fold_has_are_refused_and_few_rows_of_a_class_are_not() {
    // Of 40 rows with 8 classes, and groups that are the classes, or all but one row of them.
    for (n, classes, group_rows) in [(40, 8, 0), (60, 3, 60), (90, 2, 90), (400, 3, 30), (90, 3, 89)] {
        let mut rows = gaussian(n, &vec![1.0 / classes as f64; classes], 5);
        rows.y.iter_mut().enumerate().for_each(|(row, y)| *y = (row % classes) as u32);
        let group = |(row, &class): (usize, &u32)| {
            if row < group_rows { u64::from(class) } else { 1000 + row as u64 }
        };
        let groups: Vec<u64> = rows.y.iter().enumerate().map(group).collect();
        let modality = |m: usize| EmbeddingMatrix { column: "x", dim: classes, values: &rows.x[m] };
        let set = TrainingSet {
            place: Place::file("test"),
            x: vec![modality(0), modality(1)],
            y: &rows.y,
            classes,
            groups: (group_rows > 0).then_some(&groups),
            keys: None,
        };
        let trained = train(&set, &Recipe::default(), &Silent);
        if group_rows * 2 > n {
            let error = trained.unwrap_err();
            assert!(
                matches!(error, Error::BadData { .. }) && error.to_string().contains("lie in one fold"),
                "{error}"
            );
            let one = Recipe { folds: 1, ..Recipe::default() };
            assert!(train(&set, &one, &Silent).is_ok());
            continue;
        }
        let models = trained.unwrap();
        assert_eq!(models.folds.len(), 5);
        for fold in models.folds.iter().chain([&models.models]) {
            for row in estimate_by(fold, &models.prior, &rows) {
                assert!(row.iter().all(|value| value.is_finite()), "{n} rows, {classes} classes: {row:?}");
            }
        }
    }
}
