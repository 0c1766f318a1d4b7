//! The plan of a chosen list of atoms: which redundancies they need, and of those which models.

use crate::error::{Error, Result};

use super::{Antichain, Lattice, Subset};

/// What has to be computed for a chosen list of atoms. A value does not depend on what else is chosen.
#[derive(Debug, Clone)]
pub struct AtomPlan {
    pub(super) modalities: usize,
    /// The values that are computed, each from the sets at these positions among [`Subset::all`].
    pub(super) terms: Vec<Term>,
    /// Subtractions of terms from each other, in order.
    pub(super) steps: Vec<Step>,
    /// The term of every chosen atom.
    pub(super) outputs: Vec<usize>,
    /// Whether these are atoms of two modalities, which have a closed form.
    pub(super) is_pair: bool,
    /// The term that is the redundancy of all modalities, where it is among them.
    pub(super) bottom: Option<usize>,
    needs_information: Vec<usize>,
    needs_specificity: Vec<usize>,
}

/// A value that is computed from i and h of sets of modalities, as positions among [`Subset::all`].
#[derive(Debug, Clone)]
pub(super) enum Term {
    /// The redundancy of a node {A}: i_A, as h_A cancels.
    Information(usize),
    /// The redundancy of a node of several sets.
    Redundancy(Vec<usize>),
    /// The atom of the top, from all sets that lack one modality.
    Synergy { lacking_one: Vec<usize>, full: usize },
}

/// Takes one term from another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub from: usize,
    pub take: usize,
}

impl AtomPlan {
    /// The plan of the atoms of these nodes.
    ///
    /// # Errors
    /// [`Error::Internal`] for a node of another lattice.
    pub fn new(lattice: &Lattice, atoms: &[Antichain]) -> Result<Self> {
        Self::build(lattice, atoms, true)
    }

    /// The plan of the redundancies of these nodes, sums of the atoms of all nodes up to them.
    ///
    /// # Errors
    /// [`Error::Internal`] for a node of another lattice.
    pub fn redundancies(lattice: &Lattice, nodes: &[Antichain]) -> Result<Self> {
        Self::build(lattice, nodes, false)
    }

    fn build(lattice: &Lattice, chosen: &[Antichain], atoms: bool) -> Result<Self> {
        let (modalities, nodes) = (lattice.modalities(), lattice.nodes());
        let position = |node| {
            lattice.position(node).ok_or_else(|| {
                Error::Internal(format!("{node:?} is no node of the lattice of {modalities} modalities"))
            })
        };
        let chosen = chosen.iter().map(position).collect::<Result<Vec<_>>>()?;

        // From the last step to the first: one is taken if its result is needed, and then needs
        // what it subtracts. The top is a term of its own (`Synergy`).
        let top = nodes.len() - 1;
        let is_synergy = |node: usize| atoms && modalities > 1 && node == top;
        let mut needed = vec![false; nodes.len()];
        for &node in &chosen {
            needed[node] = true;
        }
        let mut covers = Vec::new();
        for &cover in lattice.covers().iter().rev() {
            if atoms && needed[cover.upper] && !is_synergy(cover.upper) {
                needed[cover.lower] = true;
                covers.push(cover);
            }
        }
        let needed: Vec<usize> = (0..nodes.len()).filter(|&node| needed[node]).collect();
        let term_of = |node: usize| needed.partition_point(|&other| other < node);

        let index = |set: &Subset| set.index(modalities);
        let terms: Vec<Term> = needed
            .iter()
            .map(|&node| {
                if is_synergy(node) {
                    let full = (1 << modalities) - 2;
                    Term::Synergy { lacking_one: (full - modalities..full).collect(), full }
                } else if let Some(set) = nodes[node].single() {
                    Term::Information(index(&set))
                } else {
                    Term::Redundancy(nodes[node].sets().iter().map(index).collect())
                }
            })
            .collect();
        let covers = covers.into_iter().rev();
        let (needs_information, needs_specificity) = needs(&terms);
        Ok(Self {
            modalities,
            steps: covers.map(|c| Step { from: term_of(c.upper), take: term_of(c.lower) }).collect(),
            outputs: chosen.into_iter().map(term_of).collect(),
            is_pair: atoms && modalities == 2,
            bottom: (needed.first() == Some(&0)).then_some(0),
            terms,
            needs_information,
            needs_specificity,
        })
    }

    /// The number of modalities.
    pub fn modalities(&self) -> usize {
        self.modalities
    }

    /// The number of chosen atoms.
    pub fn columns(&self) -> usize {
        self.outputs.len()
    }

    /// The sets whose information i is needed: their classifiers. Positions among [`Subset::all`],
    /// ascending.
    pub fn needs_information(&self) -> &[usize] {
        &self.needs_information
    }

    /// The sets whose specificity h is needed: their densities. Positions among [`Subset::proper`],
    /// ascending.
    pub fn needs_specificity(&self) -> &[usize] {
        &self.needs_specificity
    }
}

/// The sets whose i, and those whose h the terms are computed from.
fn needs(terms: &[Term]) -> (Vec<usize>, Vec<usize>) {
    let (mut information, mut specificity) = (Vec::new(), Vec::new());
    for term in terms {
        match term {
            Term::Information(set) => information.push(*set),
            Term::Redundancy(sets) => {
                information.extend(sets);
                specificity.extend(sets);
            }
            Term::Synergy { lacking_one, full } => {
                information.extend(lacking_one);
                information.push(*full);
                specificity.extend(lacking_one);
            }
        }
    }
    for sets in [&mut information, &mut specificity] {
        sets.sort_unstable();
        sets.dedup();
    }
    (information, specificity)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sets whose i, and those whose h a list of columns needs.
    fn needs_of(modalities: usize, columns: &[&str]) -> [String; 2] {
        let lattice = Lattice::new(modalities).unwrap();
        let nodes: Vec<Antichain> = columns.iter().map(|name| name.parse().unwrap()).collect();
        let plan = AtomPlan::new(&lattice, &nodes).unwrap();
        let sets = Subset::all(modalities);
        [plan.needs_information(), plan.needs_specificity()].map(|needs| {
            needs.iter().map(|&position| sets[position].to_string()).collect::<Vec<_>>().join(" ")
        })
    }

    #[test]
    fn columns_need_few_models() {
        assert_eq!(needs_of(2, &["1_2", "1", "2", "12"]), ["1 2 12", "1 2"]);
        assert_eq!(needs_of(3, &["1_2_3"]), ["1 2 3", "1 2 3"]);
        assert_eq!(needs_of(3, &["2"]), ["2 13", "2 13"]);
        assert_eq!(needs_of(3, &["123"]), ["12 13 23 123", "12 13 23"]);
        // r, u1 … u4 and s need no pair of four modalities.
        assert_eq!(
            needs_of(4, &["1_2_3_4", "1", "2", "3", "4", "1234"]),
            ["1 2 3 4 123 124 134 234 1234", "1 2 3 4 123 124 134 234"]
        );
        assert_eq!(needs_of(1, &["1"]), ["1", ""]);
    }

    #[test]
    fn a_node_of_another_lattice_is_refused() {
        let nodes = ["1_4".parse().unwrap()];
        let error = AtomPlan::new(&Lattice::new(3).unwrap(), &nodes).unwrap_err();
        assert!(error.to_string().contains("{1}{4} is no node of the lattice of 3"), "{error}");
    }
}
