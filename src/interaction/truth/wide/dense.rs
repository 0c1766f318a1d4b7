//! Tests of `wide` against the same distribution in dense form: dense means and
//! covariances, densities by Cholesky.

use super::*;

fn wide(dims: [usize; 2], classes: usize, rho: f64) -> Wide {
    let weights: Vec<f64> = (1..=classes).map(|k| k as f64).collect();
    let total: f64 = weights.iter().sum();
    let prior = Prior::new(weights.iter().map(|w| w / total).collect()).unwrap();
    Wide::new(WideShape { dims, prior, rho, sigma: 0.4, distribution_seed: 11 }).unwrap()
}

/// Mean of the pair given k, length d1 + d2.
fn mean(w: &Wide, k: usize) -> Vec<f64> {
    w.modalities.iter().flat_map(|m| m.frame.iter().map(|row| dot(&row[..RANK], &w.codes[k]))).collect()
}

/// Covariance of the pair given the class.
fn covariance(w: &Wide) -> Vec<Vec<f64>> {
    let rows: Vec<(usize, &[f64; AXES])> = w
        .modalities
        .iter()
        .enumerate()
        .flat_map(|(m, modality)| modality.frame.iter().map(move |row| (m, row)))
        .collect();
    let variance = w.sigma * w.sigma;
    let entry = |(i, (m, a)): (usize, &(usize, &[f64; AXES])),
                 (j, (n, b)): (usize, &(usize, &[f64; AXES]))| {
        if m != n {
            return w.rho * variance * dot(&a[..RANK], &b[..RANK]);
        }
        let nuisance: f64 =
            (0..NUISANCE).map(|t| a[RANK + t] * b[RANK + t] * w.modalities[*m].tau[t].powi(2)).sum();
        nuisance + if i == j { variance } else { 0.0 }
    };
    rows.iter().enumerate().map(|a| rows.iter().enumerate().map(|b| entry(a, b)).collect()).collect()
}

/// ln N(x; mean, covariance).
fn log_density(x: &[f64], mean: &[f64], covariance: &[Vec<f64>]) -> f64 {
    let n = x.len();
    let mut l = vec![vec![0.0; n]; n];
    let mut z = vec![0.0; n];
    let mut result = -0.5 * n as f64 * ln_2pi();
    for i in 0..n {
        for j in 0..=i {
            let rest = covariance[i][j] - dot(&l[i][..j], &l[j][..j]);
            l[i][j] = if i == j { rest.sqrt() } else { rest / l[j][j] };
        }
        z[i] = (x[i] - mean[i] - dot(&l[i][..i], &z[..i])) / l[i][i];
        result -= 0.5 * z[i] * z[i] + l[i][i].ln();
    }
    result
}

fn dense_exact(w: &Wide, x1: &[f32], x2: &[f32], y: usize) -> Pointwise {
    let x: Vec<f64> = x1.iter().chain(x2).map(|&x| f64::from(x)).collect();
    let sigma = covariance(w);
    let of = |block: std::ops::Range<usize>| {
        let sigma: Vec<Vec<f64>> =
            sigma[block.clone()].iter().map(|row| row[block.clone()].to_vec()).collect();
        let (i, mixture) =
            evidence(&w.prior, y, |k| log_density(&x[block.clone()], &mean(w, k)[block.clone()], &sigma));
        (i, -mixture)
    };
    let (i1, h1) = of(0..x1.len());
    let (i2, h2) = of(x1.len()..x.len());
    Pointwise { i1, i2, i12: of(0..x.len()).0, h1, h2 }
}

#[test]
fn agrees_with_dense_densities() {
    for (dims, classes, rho) in [([9, 14], 3, 0.5), ([20, 16], 12, -0.7), ([1, 5], 2, 0.9), ([3, 2], 4, 0.0)]
    {
        let w = wide(dims, classes, rho);
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let (mut x1, mut x2) = (vec![0f32; dims[0]], vec![0f32; dims[1]]);
        for _ in 0..20 {
            let y = w.sample(&mut rng, &mut x1, &mut x2);
            let (got, dense) = (w.exact(&x1, &x2, y), dense_exact(&w, &x1, &x2, y));
            let pairs = [
                (got.i1, dense.i1),
                (got.i2, dense.i2),
                (got.i12, dense.i12),
                (got.h1, dense.h1),
                (got.h2, dense.h2),
            ];
            for (a, b) in pairs {
                assert!((a - b).abs() < 1e-9, "{dims:?}: {got:?} for {dense:?}");
            }
        }
    }
}

#[test]
fn rows_have_the_mean_and_covariance_of_the_densities() {
    const ROWS: usize = 40_000;
    let w = wide([9, 14], 3, 0.5);
    let (sigma, means) = (covariance(&w), [0, 1, 2].map(|k| mean(&w, k)));
    let n = sigma.len();
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let mut x = vec![0f32; n];
    let mut first = vec![0.0; n];
    let mut second = vec![vec![0.0; n]; n];
    for _ in 0..ROWS {
        let (x1, x2) = x.split_at_mut(9);
        let y = w.sample(&mut rng, x1, x2);
        let noise: Vec<f64> = x.iter().zip(&means[y]).map(|(x, mean)| f64::from(*x) - mean).collect();
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

#[test]
fn a_distribution_is_its_seed() {
    assert_eq!(wide([5, 6], 3, 0.5), wide([5, 6], 3, 0.5));
    let shape = WideShape {
        dims: [5, 6],
        prior: Prior::uniform(3).unwrap(),
        rho: 0.5,
        sigma: 0.5,
        distribution_seed: 1,
    };
    let other = WideShape { distribution_seed: 2, ..shape.clone() };
    assert_ne!(Wide::new(shape.clone()).unwrap(), Wide::new(other).unwrap());
    assert_eq!(Wide::new(WideShape { dims: [5, 0], ..shape }).unwrap_err().exit_code(), 64);
}
