//! The plan of the columns of a batch: where the values of each come from.

use crate::error::{Error, Result};
use crate::interaction::lattice::{AtomPlan, Lattice, SubsetOutputs};
use crate::interaction::{PairPart, Quantity, Subset};

/// Parts of a pair: r, the two u, s.
const PAIR_PARTS: usize = 4;

/// Where the values of a column come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// An atom of the lattice or a part of a pair, by its place among those of the plan.
    Atom(usize),
    /// The classifier of a set of modalities, by its place.
    Information(usize),
    /// The density of a set of modalities, by its place.
    Specificity(usize),
    Prior,
    /// The classifier of a set of modalities, by its place.
    Posterior(usize),
    TopClass,
    TopProbability,
    Fold,
    LabelEntropy,
    Missing,
}

/// The values of a model, by its place.
fn of<'a>(outputs: &[&'a [f32]], place: usize) -> &'a [f32] {
    outputs.get(place).copied().unwrap_or_default()
}

/// The columns of a batch, and the atoms that are computed for them.
#[derive(Debug)]
pub(super) struct ColumnPlan {
    columns: Vec<Quantity>,
    sources: Vec<Source>,
    atoms: AtomPlan,
    defaults: usize,
    pairs: Vec<Pair>,
    /// The parts of two modalities.
    of_pair: AtomPlan,
}

/// A pair of modalities, by the places of its sets.
#[derive(Debug)]
struct Pair {
    set: Subset,
    /// Of the two, among the densities and among the classifiers.
    members: Vec<usize>,
    /// Of both, among the classifiers.
    both: usize,
}

impl Pair {
    fn new(set: Subset, modalities: usize) -> Self {
        let single = |index| Some(Subset::new([index])?.index(modalities));
        Self { set, members: set.members().filter_map(single).collect(), both: set.index(modalities) }
    }

    /// The place of a part among those of the pair.
    fn place(&self, part: PairPart) -> usize {
        match part {
            PairPart::R => 0,
            PairPart::U(index) => {
                1 + self.set.members().position(|member| member == usize::from(index)).unwrap_or(0)
            }
            PairPart::S => PAIR_PARTS - 1,
        }
    }
}

impl ColumnPlan {
    /// The plan of these columns of M modalities. r, u1 … uM and s are computed in any case: a row is good
    /// where they are finite.
    ///
    /// # Errors
    /// [`Error::Internal`] for a column that M modalities do not have.
    pub(super) fn new(columns: &[Quantity], modalities: usize) -> Result<Self> {
        let unknown = |column: &Quantity| {
            Error::Internal(format!("{column:?} is no column of {modalities} modalities"))
        };
        let mut atoms = Quantity::defaults(modalities);
        let defaults = atoms.len();
        let mut pairs: Vec<Pair> = Vec::new();
        for column in columns {
            match column {
                Quantity::Pair(set, _) if pairs.iter().all(|pair| pair.set != *set) => {
                    pairs.push(Pair::new(*set, modalities));
                }
                Quantity::Atom(_) if !atoms.contains(column) => atoms.push(*column),
                _ => {}
            }
        }
        let mut sources = Vec::with_capacity(columns.len());
        for column in columns {
            sources.push(match column {
                Quantity::I(set) => Source::Information(set.index(modalities)),
                Quantity::H(set) => Source::Specificity(set.index(modalities)),
                Quantity::Prior => Source::Prior,
                Quantity::Posterior(set) => Source::Posterior(set.index(modalities)),
                Quantity::TopClass => Source::TopClass,
                Quantity::TopProbability => Source::TopProbability,
                Quantity::Fold => Source::Fold,
                Quantity::LabelEntropy => Source::LabelEntropy,
                Quantity::Missing => Source::Missing,
                Quantity::Pair(set, part) => {
                    let found = pairs.iter().enumerate().find(|(_, pair)| pair.set == *set);
                    let (place, pair) = found.ok_or_else(|| unknown(column))?;
                    Source::Atom(atoms.len() + place * PAIR_PARTS + pair.place(*part))
                }
                atom => {
                    let place = atoms.iter().position(|known| known == atom);
                    Source::Atom(place.ok_or_else(|| unknown(column))?)
                }
            });
        }
        let nodes = atoms.iter().map(|atom| atom.node(modalities).cloned().ok_or_else(|| unknown(atom)));
        let nodes = nodes.collect::<Result<Vec<_>>>()?;
        let atoms = AtomPlan::new(Lattice::of(modalities)?, &nodes)?;
        let two = Lattice::of(2)?;
        let of_pair = AtomPlan::new(two, &two.default_nodes())?;
        Ok(Self { columns: columns.to_vec(), sources, atoms, defaults, pairs, of_pair })
    }

    /// The values of all atoms, and behind them those of the pairs.
    ///
    /// # Errors
    /// As for [`AtomPlan::decompose_batch`].
    pub(super) fn decompose(&self, outputs: SubsetOutputs<'_>) -> Result<Vec<Vec<f32>>> {
        let SubsetOutputs { h, log_p, log_prior } = outputs;
        let count = self.atoms.columns() + self.pairs.len() * PAIR_PARTS;
        let mut values = vec![vec![0.0_f32; log_prior.len()]; count];
        let mut out: Vec<&mut [f32]> = values.iter_mut().map(Vec::as_mut_slice).collect();
        let (atoms, pairs) = out.split_at_mut(self.atoms.columns());
        self.atoms.decompose_batch(outputs, atoms)?;
        for (pair, parts) in self.pairs.iter().zip(pairs.chunks_mut(PAIR_PARTS)) {
            let h: Vec<&[f32]> = pair.members.iter().map(|place| of(h, *place)).collect();
            let places = pair.members.iter().chain([&pair.both]);
            let log_p: Vec<&[f32]> = places.map(|place| of(log_p, *place)).collect();
            self.of_pair.decompose_batch(SubsetOutputs { h: &h, log_p: &log_p, log_prior }, parts)?;
        }
        Ok(values)
    }

    /// The columns, in their order.
    pub(super) fn columns(&self) -> &[Quantity] {
        &self.columns
    }

    /// Where the values of each column come from.
    pub(super) fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// How many of the atoms are those of the default columns, which come first.
    pub(super) fn defaults(&self) -> usize {
        self.defaults
    }
}
