//! Tests on discrete distributions, whose lattice is that of Finn and Lizier: every node's redundancy
//! and mean atom as computed by another program (tests/fixtures/m3_discrete_truth.json and
//! m4_discrete_truth.json). h = −log p(x_A), in bits.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Antichain, AtomPlan, Lattice, Subset};

#[derive(Deserialize)]
struct Golden {
    distributions: BTreeMap<String, Distribution>,
}

#[derive(Deserialize)]
struct Distribution {
    /// `('0', '1', '1', '0')`: x1, x2, x3, y.
    outcomes: Vec<String>,
    p: Vec<f64>,
    /// By `{1,2}{1,3}`: redundancy and atom.
    atoms: BTreeMap<String, [f64; 2]>,
}

/// A table of outcomes (x1, …, xM, y) with their probabilities.
struct Table {
    outcomes: Vec<(Vec<char>, f64)>,
}

impl Table {
    fn new(distribution: &Distribution) -> Self {
        let letters = |text: &String| text.chars().filter(|c| c.is_alphanumeric()).collect::<Vec<_>>();
        Self {
            outcomes: distribution.outcomes.iter().map(letters).zip(distribution.p.iter().copied()).collect(),
        }
    }

    fn modalities(&self) -> usize {
        self.outcomes[0].0.len() - 1
    }

    /// The probability of what the outcome has in these places.
    fn p(&self, outcome: &[char], places: &[usize]) -> f64 {
        let agrees = |other: &[char]| places.iter().all(|&place| other[place] == outcome[place]);
        self.outcomes.iter().filter(|(other, _)| agrees(other)).map(|(_, p)| p).sum()
    }

    /// i of all sets and h of the proper ones.
    fn point(&self, outcome: &[char]) -> (Vec<f64>, Vec<f64>) {
        let (y, log_py) = (self.modalities(), self.p(outcome, &[self.modalities()]).log2());
        let places = |set: &Subset| set.members().collect::<Vec<_>>();
        let h = |set: &Subset| -self.p(outcome, &places(set)).log2();
        let i = |set: &Subset| {
            let joint = self.p(outcome, &[places(set), vec![y]].concat());
            joint.log2() + h(set) - log_py
        };
        (Subset::all(y).iter().map(i).collect(), Subset::proper(y).iter().map(h).collect())
    }

    /// The mean of every value of a plan.
    fn mean(&self, plan: &AtomPlan) -> Vec<f64> {
        let mut mean = vec![0.0; plan.columns()];
        for (outcome, weight) in &self.outcomes {
            let (i, h) = self.point(outcome);
            let values = plan.decompose(&i, &h).unwrap();
            mean.iter_mut().zip(values).for_each(|(mean, value)| *mean += weight * value);
        }
        mean
    }
}

fn node(braces: &str) -> Antichain {
    let sets = braces.trim_matches(['{', '}']).split("}{");
    Antichain::new(sets.map(|set| set.replace(',', "").parse().unwrap())).unwrap()
}

fn check(golden: &str, systems: usize) {
    let golden: Golden = serde_json::from_str(golden).unwrap();
    assert_eq!(golden.distributions.len(), systems);
    for (name, distribution) in golden.distributions {
        let table = Table::new(&distribution);
        let lattice = Lattice::new(table.modalities()).unwrap();
        assert_eq!(distribution.atoms.len(), lattice.nodes().len());
        let redundancies = table.mean(&AtomPlan::redundancies(&lattice, lattice.nodes()).unwrap());
        let atoms = table.mean(&AtomPlan::new(&lattice, lattice.nodes()).unwrap());
        let default = table.mean(&AtomPlan::new(&lattice, &lattice.default_nodes()).unwrap());
        for (braces, expected) in &distribution.atoms {
            let position = lattice.position(&node(braces)).unwrap();
            let got = [redundancies[position], atoms[position]];
            let close = got.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-10);
            assert!(close, "{name} {braces}: {got:?} for {expected:?}");
        }
        for (node, value) in lattice.default_nodes().iter().zip(default) {
            assert_eq!(value, atoms[lattice.position(node).unwrap()], "{name} {node:?}");
        }
    }
}

#[test]
fn three_variables_are_decomposed_as_by_finn_and_lizier() {
    check(include_str!("../../../tests/fixtures/m3_discrete_truth.json"), 7);
}

#[test]
fn four_variables_are_decomposed_as_by_finn_and_lizier() {
    check(include_str!("../../../tests/fixtures/m4_discrete_truth.json"), 1);
}
