//! Tests against the definitions, on numbers whose sums are exact: whole 1/1024ths.

use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::{Columns, ModelOutputs, Pointwise, decompose, decompose_batch};
use super::{Antichain, AtomPlan, Lattice, LatticeCases, Subset, SubsetOutputs};

/// i of all sets and h of the proper ones.
#[derive(Debug, Clone)]
struct Point {
    modalities: usize,
    i: Vec<f64>,
    h: Vec<f64>,
}

fn exact(range: std::ops::Range<i32>) -> impl Strategy<Value = f64> {
    range.prop_map(|number| f64::from(number) / 1024.0)
}

/// h in the thousands; of half the sets close together, where the densities matter. Ties of i.
fn point(modalities: usize) -> impl Strategy<Value = Point> {
    let i = prop_oneof![4 => exact(-8192..3072), 1 => Just(0.0), 1 => Just(1.0)];
    let h = prop_oneof![exact(4_096_000..4_100_000), exact(2_000_000..6_000_000)];
    let sets = (1 << modalities) - 1;
    let values = (prop::collection::vec(i, sets), prop::collection::vec(h, sets - 1));
    values.prop_map(move |(i, h)| Point { modalities, i, h })
}

fn points() -> impl Strategy<Value = Point> {
    (1usize..=4).prop_flat_map(point)
}

impl Point {
    fn lattice(&self) -> Lattice {
        Lattice::new(self.modalities).unwrap()
    }

    fn atoms(&self, nodes: &[Antichain]) -> Vec<f64> {
        AtomPlan::new(&self.lattice(), nodes).unwrap().decompose(&self.i, &self.h).unwrap()
    }

    /// The redundancy of a node by definition. The h of the full set cancels.
    fn redundancy(&self, node: &Antichain) -> f64 {
        let index = |set: &Subset| set.index(self.modalities);
        let least = |value: &dyn Fn(usize) -> f64| {
            node.sets().iter().map(index).map(value).fold(f64::INFINITY, f64::min)
        };
        match node.single() {
            Some(set) => self.i[index(&set)],
            None => least(&|set| self.h[set]) - least(&|set| self.h[set] - self.i[set]),
        }
    }

    /// Atoms by definition: what the nodes strictly below do not have.
    fn atoms_by_definition(&self) -> Vec<f64> {
        let lattice = self.lattice();
        let nodes = lattice.nodes();
        let mut atoms: Vec<f64> = Vec::new();
        for node in nodes {
            let below = nodes.iter().zip(&atoms).filter(|(lower, _)| *lower < node);
            atoms.push(self.redundancy(node) - below.map(|(_, atom)| atom).sum::<f64>());
        }
        atoms
    }

    fn permuted(&self, order: &[usize]) -> Self {
        let mut permuted = self.clone();
        for (position, set) in Subset::all(self.modalities).into_iter().enumerate() {
            let to = rename(set, order).index(self.modalities);
            permuted.i[to] = self.i[position];
            if let Some(h) = self.h.get(position) {
                permuted.h[to] = *h;
            }
        }
        permuted
    }
}

fn rename(set: Subset, order: &[usize]) -> Subset {
    Subset::new(set.members().map(|index| order[index])).unwrap()
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

proptest! {
    #[test]
    fn values_are_those_of_the_definition(p in points()) {
        let lattice = p.lattice();
        let plan = AtomPlan::redundancies(&lattice, lattice.nodes()).unwrap();
        let redundancies: Vec<_> = lattice.nodes().iter().map(|node| p.redundancy(node)).collect();
        prop_assert_eq!(plan.decompose(&p.i, &p.h).unwrap(), redundancies.clone());
        let atoms = p.atoms(lattice.nodes());
        prop_assert_eq!(&atoms, &p.atoms_by_definition());
        let mut inverted = redundancies;
        lattice.invert(&mut inverted);
        prop_assert_eq!(&inverted, &atoms);
    }

    #[test]
    fn atoms_below_a_set_sum_to_its_information(p in points()) {
        let lattice = p.lattice();
        let atoms = p.atoms(lattice.nodes());
        for (set, i) in Subset::all(p.modalities).into_iter().zip(&p.i) {
            let set = Antichain::from(set);
            let below = lattice.nodes().iter().zip(&atoms).filter(|(node, _)| **node <= set);
            prop_assert_eq!(below.map(|(_, atom)| atom).sum::<f64>(), *i);
        }
    }

    #[test]
    fn names_of_modalities_do_not_matter(p in points(), order in Just(vec![0, 1, 2, 3]).prop_shuffle()) {
        let order: Vec<_> = order.into_iter().filter(|&index| index < p.modalities).collect();
        let lattice = p.lattice();
        let renamed = lattice.nodes().iter().map(|node| {
            Antichain::new(node.sets().iter().map(|&set| rename(set, &order))).unwrap()
        });
        let renamed: Vec<_> = renamed.collect();
        prop_assert_eq!(p.permuted(&order).atoms(&renamed), p.atoms(lattice.nodes()));
    }

    #[test]
    fn a_value_does_not_depend_on_what_else_is_chosen(p in points(), k in any::<prop::sample::Index>()) {
        let lattice = p.lattice();
        // Not exact numbers, so that another order of operations would show.
        let p = Point { i: p.i.iter().map(|i| i / 3.0).collect(), ..p };
        let (k, all) = (k.index(lattice.nodes().len()), p.atoms(lattice.nodes()));
        prop_assert_eq!(bits(&p.atoms(&lattice.nodes()[k..=k])), bits(&all[k..=k]));
    }

    #[test]
    fn two_modalities_are_the_closed_form(p in point(2), thirds in any::<bool>()) {
        let scale = if thirds { 3.0 } else { 1.0 };
        let i: Vec<_> = p.i.iter().map(|i| i / scale).collect();
        let parts = decompose(Pointwise { i1: i[0], i2: i[1], i12: i[2], h1: p.h[0], h2: p.h[1] });
        let lattice = p.lattice();
        let atoms = AtomPlan::new(&lattice, lattice.nodes()).unwrap().decompose(&i, &p.h).unwrap();
        prop_assert_eq!(bits(&atoms), bits(&[parts.r, parts.u1, parts.u2, parts.s]));
        // The general form: the same bits but for s, which rounds otherwise.
        let plan = AtomPlan::redundancies(&lattice, lattice.nodes()).unwrap();
        let mut general = plan.decompose(&i, &p.h).unwrap();
        lattice.invert(&mut general);
        prop_assert_eq!(&general[..3], &[parts.r, parts.u1, parts.u2]);
        prop_assert!((general[3] - parts.s).abs() < 2e-14);
    }

    #[test]
    fn uniqueness_is_that_of_a_modality_and_the_rest(p in point(3)) {
        // Of a modality and all others as one.
        let atoms = p.atoms(&p.lattice().default_nodes());
        for (m, rest) in [(0, 5), (1, 4), (2, 3)] {
            let pair = Pointwise { i1: p.i[m], i2: p.i[rest], i12: p.i[6], h1: p.h[m], h2: p.h[rest] };
            prop_assert_eq!(atoms[1 + m], decompose(pair).u1);
        }
    }
}

/// The sets whose i, and those whose h enter an atom: those of the nodes with a coefficient in the
/// Möbius inversion.
fn dependencies(lattice: &Lattice, atom: usize) -> [Vec<usize>; 2] {
    let nodes = lattice.nodes();
    let mut coefficients = vec![0i64; nodes.len()];
    coefficients[atom] = 1;
    for lower in (0..atom).rev() {
        let between = (lower + 1..=atom).filter(|&k| nodes[lower] < nodes[k] && nodes[k] <= nodes[atom]);
        coefficients[lower] = -between.map(|k| coefficients[k]).sum::<i64>();
    }
    let used = nodes.iter().zip(coefficients).filter(|(_, coefficient)| *coefficient != 0);
    let [mut i, mut h] = [Vec::new(), Vec::new()];
    for (node, _) in used {
        let sets = node.sets().iter().map(|set| set.index(lattice.modalities()));
        i.extend(sets.clone());
        h.extend(sets.filter(|_| node.single().is_none()));
    }
    [i, h].map(|mut sets| {
        sets.sort_unstable();
        sets.dedup();
        sets
    })
}

#[test]
fn nan_is_in_all_that_depends_on_it_and_in_nothing_else() {
    for modalities in 1..=4 {
        let lattice = Lattice::new(modalities).unwrap();
        let plan = AtomPlan::new(&lattice, lattice.nodes()).unwrap();
        let sets = (1 << modalities) - 1;
        let depends: Vec<_> = (0..lattice.nodes().len()).map(|atom| dependencies(&lattice, atom)).collect();
        for broken in 0..2 * sets - 1 {
            let mut values: Vec<f64> = (0..2 * sets - 1).map(|k| (k * 7 % 5) as f64).collect();
            values[broken] = f64::NAN;
            let (i, h) = values.split_at(sets);
            let atoms = plan.decompose(i, h).unwrap();
            for (k, atom) in atoms.iter().enumerate() {
                let [on_i, on_h] = &depends[k];
                let is_broken = on_i.contains(&broken) || on_h.iter().any(|set| set + sets == broken);
                assert_eq!(atom.is_nan(), is_broken, "{:?} of value {broken}", lattice.nodes()[k]);
                let alone = AtomPlan::new(&lattice, &lattice.nodes()[k..=k]).unwrap();
                assert_eq!((alone.needs_information(), alone.needs_specificity()), (&on_i[..], &on_h[..]));
            }
        }
    }
}

#[test]
fn an_infinite_specificity_takes_no_part() {
    let i: Vec<f64> = (0..7).map(|k| f64::from(k) / 4.0).collect();
    let mut h: Vec<f64> = (0..6).map(|k| f64::from(k * 5 % 7)).collect();
    let lattice = Lattice::new(3).unwrap();
    let plan = AtomPlan::redundancies(&lattice, lattice.nodes()).unwrap();
    h[0] = f64::INFINITY;
    let infinite = plan.decompose(&i, &h).unwrap();
    h[0] = 1e6;
    assert_eq!(infinite, plan.decompose(&i, &h).unwrap());
}

/// Columns of f32 for any number of rows.
struct Batch {
    h: Vec<Vec<f32>>,
    log_p: Vec<Vec<f32>>,
    log_prior: Vec<f64>,
}

impl Batch {
    /// h in the thousands, and differences of a few nats.
    fn new(modalities: usize, rows: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut columns = |count: usize, range: std::ops::Range<f32>| {
            let mut column = |_| (0..rows).map(|_| rng.random_range(range.clone())).collect();
            (0..count).map(&mut column).collect()
        };
        let sets = (1 << modalities) - 1;
        let log_prior = (0..rows).map(|row| -(1.0 + (row % 5) as f64).ln()).collect();
        Self { h: columns(sets - 1, 4000.0..4006.0), log_p: columns(sets, -6.0..0.0), log_prior }
    }

    fn run(&self, plan: &AtomPlan) -> (LatticeCases, Vec<Vec<f32>>) {
        let [h, log_p] =
            [&self.h, &self.log_p].map(|columns| columns.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let mut columns = vec![vec![0f32; self.log_prior.len()]; plan.columns()];
        let mut out: Vec<_> = columns.iter_mut().map(Vec::as_mut_slice).collect();
        let inputs = SubsetOutputs { h: &h, log_p: &log_p, log_prior: &self.log_prior };
        let cases = plan.decompose_batch(inputs, &mut out).unwrap();
        (cases, columns)
    }
}

#[test]
fn a_batch_is_its_rows() {
    for modalities in 1..=4 {
        let lattice = Lattice::new(modalities).unwrap();
        for rows in [0, 1, 15, 16, 17, 50] {
            for nodes in [lattice.nodes().to_vec(), lattice.default_nodes()] {
                let mut batch = Batch::new(modalities, rows);
                if rows > 20 {
                    batch.log_p[0][20] = f32::NAN;
                    batch.h.iter_mut().for_each(|h| h[21] = f32::INFINITY);
                }
                let plan = AtomPlan::new(&lattice, &nodes).unwrap();
                let (cases, columns) = batch.run(&plan);
                let mut total = 0;
                for row in 0..rows {
                    let i = batch.log_p.iter().map(|log_p| f64::from(log_p[row]) - batch.log_prior[row]);
                    let h = batch.h.iter().map(|h| f64::from(h[row]));
                    let values = plan.decompose(&i.collect::<Vec<_>>(), &h.collect::<Vec<_>>()).unwrap();
                    total += u64::from(!values[0].is_nan());
                    for (column, value) in columns.iter().zip(values) {
                        let value = value as f32;
                        assert!(
                            column[row].to_bits() == value.to_bits()
                                || column[row].is_nan() && value.is_nan()
                        );
                    }
                }
                assert_eq!((cases.total(), cases.at.len()), (total, modalities));
            }
        }
    }
}

#[test]
fn a_batch_that_does_not_fit_is_refused() {
    let lattice = Lattice::new(3).unwrap();
    let plan = AtomPlan::new(&lattice, &["123".parse().unwrap()]).unwrap();
    let (rows, none) = ([0f32; 4], [0f32; 0]);
    // Of the single modalities s needs nothing.
    let h = [&none[..], &none, &none, &rows, &rows, &rows];
    let log_p = [&none[..], &none, &none, &rows, &rows, &rows, &rows];
    let log_prior = [-1.0; 4];
    let run = |inputs, out: &mut [&mut [f32]]| plan.decompose_batch(inputs, out).map_err(|e| e.to_string());
    let inputs = SubsetOutputs { h: &h, log_p: &log_p, log_prior: &log_prior };
    assert_eq!(run(inputs, &mut [&mut [0.0; 4]]), Ok(LatticeCases::new(3)));

    let mut short = log_p;
    short[6] = &rows[..3];
    let misfits = [
        (SubsetOutputs { log_p: &short, ..inputs }, 4),
        (SubsetOutputs { h: &h[..5], ..inputs }, 4),
        (SubsetOutputs { log_prior: &log_prior[..3], ..inputs }, 4),
        (inputs, 5),
    ];
    for (inputs, rows) in misfits {
        let error = run(inputs, &mut [&mut vec![0.0; rows]]).unwrap_err();
        assert!(error.contains("rows and 3 modalities came with"), "{error}");
    }
    run(inputs, &mut []).unwrap_err();
    let error = plan.decompose(&[0.0; 7], &[0.0; 7]).unwrap_err().to_string();
    assert!(error.contains("3 modalities came with 7 values of i and 7 of h"), "{error}");
}

#[test]
fn a_batch_of_two_modalities_has_the_bits_of_the_closed_form() {
    let batch = Batch::new(2, 1000);
    let lattice = Lattice::new(2).unwrap();
    let (cases, columns) = batch.run(&AtomPlan::new(&lattice, &lattice.default_nodes()).unwrap());

    let inputs = ModelOutputs {
        h1: &batch.h[0],
        h2: &batch.h[1],
        log_p1: &batch.log_p[0],
        log_p2: &batch.log_p[1],
        log_p12: &batch.log_p[2],
        log_prior: &batch.log_prior,
    };
    let mut expected = [vec![0f32; 1000], vec![0f32; 1000], vec![0f32; 1000], vec![0f32; 1000]];
    let [r, u1, u2, s] = &mut expected;
    let pair_cases = decompose_batch(inputs, Columns { r, u1, u2, s }).unwrap();
    assert_eq!(columns, expected);
    assert_eq!(cases.at, [pair_cases.first, pair_cases.second]);
    assert_eq!((cases.several, cases.between), (pair_cases.both, pair_cases.between));
    assert!(cases.at.iter().all(|&count| count > 50) && cases.between > 50, "{cases:?}");
}
