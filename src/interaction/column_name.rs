//! The name of a column that is added on request, before the number of modalities is known.

use std::fmt;
use std::str::FromStr;

use super::Quantity;
use super::lattice::{Antichain, Lattice, Subset};

/// The former name of `prior_y`.
const FORMER_PRIOR: &str = "p_y";

/// A column, or a group of them, that is added on request: `i12` or `i_12`, `h1`, `a_1_23`, `atoms`, `prior_y`,
/// `p_y12`, `top_class`, `fold`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ColumnName {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kind {
    Information(Subset),
    Specificity(Subset),
    Atom(Antichain),
    Atoms,
    Prior,
    Posterior(Subset),
    TopClass,
    TopProbability,
    Fold,
}

impl ColumnName {
    /// The quantities of so many modalities.
    ///
    /// # Errors
    /// What is wrong, where these modalities have no such column.
    pub fn resolve(&self, modalities: usize) -> Result<Vec<Quantity>, String> {
        let found = match &self.kind {
            Kind::Information(set) => Some(Quantity::I(*set)),
            Kind::Specificity(set) => Some(Quantity::H(*set)),
            Kind::Atom(node) => {
                Quantity::atoms(modalities).into_iter().find(|atom| atom.node(modalities) == Some(node))
            }
            Kind::Prior => Some(Quantity::Prior),
            Kind::Posterior(set) => Some(Quantity::Posterior(*set)),
            Kind::TopClass => Some(Quantity::TopClass),
            Kind::TopProbability => Some(Quantity::TopProbability),
            Kind::Fold => Some(Quantity::Fold),
            Kind::Atoms => return Ok(Quantity::atoms(modalities)),
        };
        let extras = Quantity::extras(modalities);
        let is_known =
            |quantity: &Quantity| extras.contains(quantity) || matches!(quantity, Quantity::Atom(_));
        found.filter(is_known).map(|quantity| vec![quantity]).ok_or_else(|| {
            let names = extras.iter().map(|extra| extra.name(modalities)).collect::<Vec<_>>().join(", ");
            let atoms = if modalities > 2 { ", atoms, and those of atoms (a_1_2 …)" } else { "" };
            format!("no column {} of {modalities} modalities; there are {names}{atoms}", self.text)
        })
    }

    /// Whether it is the fold of a trained row.
    pub fn is_fold(&self) -> bool {
        self.kind == Kind::Fold
    }

    /// Whether it is of the most probable class, for which the models are evaluated at every class.
    pub fn is_of_top_class(&self) -> bool {
        matches!(self.kind, Kind::TopClass | Kind::TopProbability)
    }

    /// Whether it is a probability of the row's label, which has to be read.
    pub fn is_of_label(&self) -> bool {
        matches!(self.kind, Kind::Prior | Kind::Posterior(_))
    }

    /// Whether it is the prior by its former name, which reads as the posterior's.
    pub fn is_former_prior(&self) -> bool {
        self.text == FORMER_PRIOR
    }
}

impl FromStr for ColumnName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // In a list, behind a comma.
        let text = text.trim();
        let set = |prefix: &str| {
            let rest = text.strip_prefix(prefix)?;
            let set: Subset = rest.strip_prefix('_').unwrap_or(rest).parse().ok()?;
            Some(set).filter(|set| set.members().all(|member| member < Lattice::MODALITIES))
        };
        let kind = match text {
            "atoms" => Some(Kind::Atoms),
            "prior_y" | FORMER_PRIOR => Some(Kind::Prior),
            "top_class" => Some(Kind::TopClass),
            "p_top" => Some(Kind::TopProbability),
            "fold" => Some(Kind::Fold),
            _ => None,
        };
        let kind = kind
            .or_else(|| set("i").map(Kind::Information))
            .or_else(|| set("h").map(Kind::Specificity))
            .or_else(|| set("p_y").map(Kind::Posterior))
            .or_else(|| text.strip_prefix("a_")?.parse().ok().map(Kind::Atom));
        kind.map(|kind| Self { text: text.to_owned(), kind }).ok_or_else(|| {
            "expected one of i1, i2, i12, h1, h2, prior_y, p_y1, p_y2, p_y12, top_class, p_top, fold, and for more than \
             two modalities of i_1, i_123, h_23 …, a_1_23 …, atoms, prior_y, p_y_1 …, top_class, p_top, fold"
                .to_owned()
        })
    }
}

impl fmt::Display for ColumnName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str, modalities: usize) -> Result<String, String> {
        let quantities = text.parse::<ColumnName>()?.resolve(modalities)?;
        Ok(quantities.iter().map(|it| it.name(modalities)).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn either_notation_is_read_and_the_columns_are_those_of_the_modalities() {
        for (text, modalities, name) in [
            ("i12", 2, "i12"),
            ("i_12", 2, "i12"),
            (" i12", 2, "i12"),
            ("i12", 3, "i_12"),
            ("h_23", 3, "h_23"),
            ("a_1_23", 3, "a_1_23"),
            ("atoms", 2, "a_1_2 a_1 a_2 a_12"),
            ("fold", 3, "fold"),
        ] {
            assert_eq!(resolved(text, modalities).unwrap(), name);
        }
        for (text, modalities) in [("i3", 2), ("h12", 2), ("h_123", 3), ("a_1_23", 2), ("i_4", 3)] {
            assert!(resolved(text, modalities).unwrap_err().contains(text), "{text}");
        }
        for text in ["i", "i0", "i5", "i21", "x", "a_", "a_12_1", "I1", ""] {
            assert!(text.parse::<ColumnName>().is_err(), "{text}");
        }
    }
}
