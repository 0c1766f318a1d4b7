//! Tests of `wide` against the same distribution in dense form: dense means and
//! covariances, densities by Cholesky.

use super::super::dense_normal::log_density;
use super::*;

fn wide(dims: &[usize], classes: usize, rho: f64) -> Wide {
    let weights: Vec<f64> = (1..=classes).map(|k| k as f64).collect();
    let total: f64 = weights.iter().sum();
    let prior = Prior::new(weights.iter().map(|w| w / total).collect()).unwrap();
    Wide::new(WideShape { dims: dims.to_vec(), prior, rho, sigma: 0.4, distribution_seed: 11 }).unwrap()
}

/// Mean of all modalities given k, one after the other.
fn mean(w: &Wide, k: usize) -> Vec<f64> {
    w.modalities.iter().flat_map(|m| m.frame.iter().map(|row| dot(&row[..RANK], &w.codes[k]))).collect()
}

/// Covariance of all modalities given the class.
fn covariance(w: &Wide, rho: f64) -> Vec<Vec<f64>> {
    let rows: Vec<(usize, &[f64; AXES])> = w
        .modalities
        .iter()
        .enumerate()
        .flat_map(|(m, modality)| modality.frame.iter().map(move |row| (m, row)))
        .collect();
    let variance = w.noise.variance();
    let entry = |(i, (m, a)): (usize, &(usize, &[f64; AXES])),
                 (j, (n, b)): (usize, &(usize, &[f64; AXES]))| {
        if m != n {
            return rho * variance * dot(&a[..RANK], &b[..RANK]);
        }
        let nuisance: f64 =
            (0..NUISANCE).map(|t| a[RANK + t] * b[RANK + t] * w.modalities[*m].tau[t].powi(2)).sum();
        nuisance + if i == j { variance } else { 0.0 }
    };
    rows.iter().enumerate().map(|a| rows.iter().enumerate().map(|b| entry(a, b)).collect()).collect()
}

/// The coordinates of a set of modalities among those of all.
fn coordinates(dims: &[usize], set: Subset) -> Vec<usize> {
    set.members().flat_map(|m| dims[..m].iter().sum()..dims[..=m].iter().sum()).collect()
}

fn dense_exact(w: &Wide, rho: f64, x: &[Vec<f32>], y: usize) -> SubsetValues {
    let sigma = covariance(w, rho);
    let all: Vec<f64> = x.iter().flatten().map(|&x| f64::from(x)).collect();
    let of_set = |set: Subset| {
        let at = coordinates(&w.dims(), set);
        let of = |values: &[f64]| at.iter().map(|&j| values[j]).collect::<Vec<f64>>();
        let block: Vec<Vec<f64>> = at.iter().map(|&j| of(&sigma[j])).collect();
        evidence(&w.prior, y, |k| log_density(&of(&all), &of(&mean(w, k)), &block))
    };
    SubsetValues::new(x.len(), of_set, |_| 0.0)
}

fn draw(w: &Wide, rng: &mut ChaCha8Rng) -> (Vec<Vec<f32>>, usize) {
    let mut x: Vec<Vec<f32>> = w.dims().into_iter().map(|d| vec![0f32; d]).collect();
    let y = w.sample(rng, &mut x.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>());
    (x, y)
}

#[test]
fn agrees_with_dense_densities() {
    let shapes: [(&[usize], usize, f64); 8] = [
        (&[9, 14], 3, 0.5),
        (&[20, 16], 12, -0.7),
        (&[1, 5], 2, 0.9),
        (&[3, 2], 4, 0.0),
        (&[9, 14, 12], 3, 0.5),
        (&[16, 5, 20], 12, -0.4),
        (&[1, 2, 3], 4, 0.8),
        (&[9, 2, 13, 4], 5, -0.3),
    ];
    for (dims, classes, rho) in shapes {
        let w = wide(dims, classes, rho);
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for _ in 0..20 {
            let (x, y) = draw(&w, &mut rng);
            let rows: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
            let (got, dense) = (w.exact(&rows, y), dense_exact(&w, rho, &x, y));
            let pairs = got.i.iter().zip(&dense.i).chain(got.h.iter().zip(&dense.h));
            assert_eq!(pairs.clone().count(), 2 * (1 << dims.len()) - 3);
            for (a, b) in pairs {
                assert!((a - b).abs() < 1e-9, "{dims:?}: {got:?} for {dense:?}");
            }
        }
    }
}

#[test]
fn rows_have_the_mean_and_covariance_of_the_densities() {
    const ROWS: usize = 40_000;
    for (dims, rho) in [(&[9, 14][..], 0.5), (&[7, 4, 6], -0.3)] {
        let w = wide(dims, 3, rho);
        let (sigma, means) = (covariance(&w, rho), [0, 1, 2].map(|k| mean(&w, k)));
        let n = sigma.len();
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let mut first = vec![0.0; n];
        let mut second = vec![vec![0.0; n]; n];
        for _ in 0..ROWS {
            let (x, y) = draw(&w, &mut rng);
            let noise: Vec<f64> =
                x.iter().flatten().zip(&means[y]).map(|(x, mean)| f64::from(*x) - mean).collect();
            for i in 0..n {
                first[i] += noise[i] / ROWS as f64;
                for j in 0..n {
                    second[i][j] += noise[i] * noise[j] / ROWS as f64;
                }
            }
        }
        for i in 0..n {
            assert!(first[i].abs() < 5.0 * (sigma[i][i] / ROWS as f64).sqrt(), "mean of {i}: {}", first[i]);
            for j in 0..n {
                let error = ((sigma[i][i] * sigma[j][j] + sigma[i][j].powi(2)) / ROWS as f64).sqrt();
                assert!((second[i][j] - sigma[i][j]).abs() < 5.0 * error, "covariance of {i} and {j}");
            }
        }
    }
}

#[test]
fn a_distribution_is_its_seed() {
    assert_eq!(wide(&[5, 6], 3, 0.5), wide(&[5, 6], 3, 0.5));
    let shape = WideShape {
        dims: vec![5, 6],
        prior: Prior::uniform(3).unwrap(),
        rho: 0.5,
        sigma: 0.5,
        distribution_seed: 1,
    };
    let other = WideShape { distribution_seed: 2, ..shape.clone() };
    assert_ne!(Wide::new(shape.clone()).unwrap(), Wide::new(other).unwrap());
    assert_eq!(Wide::new(WideShape { dims: vec![5, 0], ..shape }).unwrap_err().exit_code(), 64);
}
