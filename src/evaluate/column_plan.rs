//! The plan of the columns of a batch: where the values of each come from.

use crate::error::{Error, Result};
use crate::interaction::Quantity;
use crate::interaction::lattice::{AtomPlan, Lattice};

/// Where the values of a column come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// An atom of the lattice, by its place among those of the plan.
    Atom(usize),
    /// The classifier of a set of modalities, by its place.
    Information(usize),
    /// The density of a set of modalities, by its place.
    Specificity(usize),
    Prior,
    Fold,
    LabelEntropy,
}

/// The columns of a batch, and the atoms that are computed for them.
#[derive(Debug)]
pub(super) struct ColumnPlan {
    columns: Vec<Quantity>,
    sources: Vec<Source>,
    atoms: AtomPlan,
    defaults: usize,
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
        let mut sources = Vec::with_capacity(columns.len());
        for column in columns {
            sources.push(match column {
                Quantity::I(set) => Source::Information(set.index(modalities)),
                Quantity::H(set) => Source::Specificity(set.index(modalities)),
                Quantity::PY => Source::Prior,
                Quantity::Fold => Source::Fold,
                Quantity::LabelEntropy => Source::LabelEntropy,
                atom => Source::Atom(atoms.iter().position(|known| known == atom).unwrap_or_else(|| {
                    atoms.push(*atom);
                    atoms.len() - 1
                })),
            });
        }
        let nodes = atoms.iter().map(|atom| atom.node(modalities).cloned().ok_or_else(|| unknown(atom)));
        let nodes = nodes.collect::<Result<Vec<_>>>()?;
        let atoms = AtomPlan::new(&Lattice::new(modalities)?, &nodes)?;
        Ok(Self { columns: columns.to_vec(), sources, atoms, defaults })
    }

    /// The columns, in their order.
    pub(super) fn columns(&self) -> &[Quantity] {
        &self.columns
    }

    /// Where the values of each column come from.
    pub(super) fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The atoms that are computed.
    pub(super) fn atoms(&self) -> &AtomPlan {
        &self.atoms
    }

    /// How many of the atoms are those of the default columns, which come first.
    pub(super) fn defaults(&self) -> usize {
        self.defaults
    }
}
