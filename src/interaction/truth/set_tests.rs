//! Tests of the values of every set of three and four modalities: against dense densities, integrals over
//! a modality, means over many rows, and the sums of the lattice.

use rand::SeedableRng;

use super::super::Moments;
use super::super::lattice::{Antichain, AtomPlan, Lattice};
use super::dense_normal::log_density;
use super::mixture::evidence;
use super::*;

fn gaussian(modalities: usize, rho: f64, sigma: f64) -> Generator {
    let prior = Prior::new(vec![0.7, 0.3]).unwrap();
    Generator::Gaussian(Gaussian::new(modalities, prior, rho, sigma).unwrap())
}

fn wide(dims: &[usize], rho: f64, sigma: f64) -> Generator {
    let prior = Prior::new(vec![0.5, 0.3, 0.2]).unwrap();
    let shape = WideShape { dims: dims.to_vec(), prior, rho, sigma, distribution_seed: 3 };
    Generator::Wide(Wide::new(shape).unwrap())
}

fn clusters(dims: &[usize], sigma: f64) -> Generator {
    let prior = Prior::new(vec![0.5, 0.3, 0.2]).unwrap();
    let shape = ClustersShape { dims: dims.to_vec(), prior, sigma, distribution_seed: 3 };
    Generator::Clusters(Clusters::new(shape).unwrap())
}

fn warped(inner: Generator) -> Generator {
    let warp = Warp::new(&inner.dims(), 9);
    Generator::Warped(Box::new(inner), warp)
}

/// A row of the n-th stream of a seed.
fn draw(generator: &Generator, row: u64) -> (Vec<Vec<f32>>, usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(77);
    rng.set_stream(row);
    let mut x: Vec<Vec<f32>> = generator.dims().into_iter().map(|d| vec![0f32; d]).collect();
    let y = generator.sample(&mut rng, &mut x.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>());
    (x, y)
}

fn exact<T: Copy + Into<f64>>(generator: &Generator, x: &[Vec<T>], y: usize) -> SubsetValues {
    generator.exact(&x.iter().map(Vec::as_slice).collect::<Vec<_>>(), y)
}

#[test]
fn gaussian_sets_agree_with_dense_densities() {
    for (modalities, rho, sigma) in [(2, 0.5, 0.5), (3, 0.5, 0.5), (3, -0.45, 0.8), (4, 0.9, 0.3)] {
        let generator = gaussian(modalities, rho, sigma);
        for row in 0..20 {
            let (x, y) = draw(&generator, row);
            let found = exact(&generator, &x, y);
            for (at, set) in Subset::all(modalities).into_iter().enumerate() {
                let axes: Vec<(usize, usize)> = set.members().flat_map(|m| [(m, 0), (m, 1)]).collect();
                let values: Vec<f64> = axes.iter().map(|&(m, axis)| f64::from(x[m][axis])).collect();
                let entry = |(m, a): (usize, usize), (n, b): (usize, usize)| match (a == b, m == n) {
                    (false, _) => 0.0,
                    (true, true) => sigma * sigma,
                    (true, false) => rho * sigma * sigma,
                };
                let covariance: Vec<Vec<f64>> =
                    axes.iter().map(|&a| axes.iter().map(|&b| entry(a, b)).collect()).collect();
                let (i, mixture) = evidence(generator.prior(), y, |class| {
                    let mean: Vec<f64> =
                        axes.iter().map(|&(_, axis)| if axis == class { 1.0 } else { 0.0 }).collect();
                    log_density(&values, &mean, &covariance)
                });
                assert!((found.i[at] - i).abs() < 1e-10, "{modalities}, {rho}, {set}: {found:?}, {i}");
                let h_agrees = |h: &f64| (h + mixture).abs() < 1e-10;
                assert!(found.h.get(at).is_none_or(h_agrees), "{modalities}, {rho}, {set}: {found:?}");
            }
        }
    }
}

/// p(x1, x2) = ∫ p(x1, x2, x3) dx3, and the same with y, by sums over a grid: h of triples is a value of
/// four modalities.
#[test]
fn the_density_of_a_set_is_the_integral_of_that_of_a_larger_one() {
    let cases = [gaussian(4, 0.4, 0.5), wide(&[3, 2, 2, 4], -0.2, 0.6), clusters(&[3, 1, 2, 2], 0.7)];
    let step = 0.125;
    let axis = || (-48..=48).map(|at| f64::from(at) * step);
    for generator in cases {
        let at = |name: &str| name.parse::<Subset>().unwrap().index(4);
        let (x, y) = draw(&generator, 5);
        let mut x: Vec<Vec<f64>> = x.iter().map(|x| x.iter().map(|&x| f64::from(x)).collect()).collect();
        let expected = exact(&generator, &x, y);
        let (mut density, mut with_y) = (0.0, 0.0);
        for a in axis() {
            for b in axis() {
                x[2].copy_from_slice(&[a, b]);
                let found = exact(&generator, &x, y);
                let h = found.h[at("123")];
                density += (-h).exp() * step * step;
                with_y += (found.i[at("123")] - h).exp() * step * step;
            }
        }
        let (i, h) = (expected.i[at("12")], expected.h[at("12")]);
        assert!((density.ln() + h).abs() < 1e-6, "{generator:?}: {} for {}", density.ln(), -h);
        assert!((with_y.ln() - i + h).abs() < 1e-6, "{generator:?}: {} for {}", with_y.ln(), i - h);
    }
}

/// The mean of exp(−i_A) = p(y)/p(y|x_A) over the rows is one, if they are drawn from these densities. Of so
/// much noise that its variance is small.
#[test]
fn rows_are_drawn_from_the_densities() {
    for generator in [
        gaussian(3, 0.5, 0.9),
        gaussian(4, -0.2, 2.5),
        wide(&[9, 12, 8], 0.5, 0.9),
        clusters(&[4, 6, 5], 1.5),
        warped(gaussian(3, -0.3, 2.0)),
    ] {
        let mut moments = vec![Moments::default(); (1 << generator.dims().len()) - 1];
        for row in 0..20_000 {
            let (x, y) = draw(&generator, row);
            let i = exact(&generator, &x, y).i;
            moments.iter_mut().zip(i).for_each(|(moments, i)| moments.push((-i).exp()));
        }
        for (moments, set) in moments.iter().zip(Subset::all(generator.dims().len())) {
            let (mean, error) = (moments.mean().unwrap(), moments.std_error().unwrap());
            assert!((mean - 1.0).abs() < 5.0 * error && error < 0.05, "{set}: {mean} ± {error}");
        }
    }
}

#[test]
fn a_warp_adds_the_determinants_of_the_modalities_of_a_set() {
    let inner = gaussian(3, 0.5, 0.5);
    let outer = warped(inner.clone());
    for row in 0..50 {
        let ((z, y), (x, same)) = (draw(&inner, row), draw(&outer, row));
        assert_eq!(y, same);
        let (before, after) = (exact(&inner, &z, y), exact(&outer, &x, y));
        for (a, b) in before.i.iter().zip(&after.i) {
            assert!((a - b).abs() < 1e-4, "{before:?} {after:?}");
        }
        let added: Vec<f64> = after.h.iter().zip(&before.h).map(|(after, before)| after - before).collect();
        for (at, set) in Subset::proper(3).into_iter().enumerate() {
            let of_members: f64 = set.members().map(|m| added[m]).sum();
            assert!((added[at] - of_members).abs() < 1e-4, "{set}: {added:?}");
        }
    }
}

#[test]
fn atoms_below_a_set_sum_to_its_information() {
    for generator in [gaussian(3, 0.5, 0.5), clusters(&[4, 6, 5], 0.5), wide(&[20, 30, 9, 14], -0.2, 0.5)] {
        let lattice = Lattice::new(generator.dims().len()).unwrap();
        let plan = AtomPlan::new(&lattice, lattice.nodes()).unwrap();
        for row in 0..100 {
            let (x, y) = draw(&generator, row);
            let SubsetValues { i, h } = exact(&generator, &x, y);
            let atoms = plan.decompose(&i, &h).unwrap();
            for (set, i) in Subset::all(lattice.modalities()).into_iter().zip(i) {
                let below =
                    lattice.nodes().iter().zip(&atoms).filter(|(node, _)| **node <= Antichain::from(set));
                let sum: f64 = below.map(|(_, atom)| atom).sum();
                assert!((sum - i).abs() < 1e-9, "{set}: {sum} for {i}");
            }
        }
    }
}
