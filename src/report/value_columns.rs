//! The columns of values that annotate wrote: how many modalities they are of, which of them all files
//! have, and the SQL of the quantities that follow from them.

use crate::interaction::lattice::Antichain;
use crate::interaction::{ColumnPrefix, Quantity, Subset};

use super::parts::part_names;
use super::written_columns::WrittenColumns;

/// The value columns that all files of a data set have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ValueColumns {
    /// The number of modalities.
    pub(super) modalities: usize,
    /// Sets of more than two modalities whose i is a column.
    information: Vec<Subset>,
    /// Whether the atoms of all nodes of more than two modalities are columns.
    pub(super) has_atoms: bool,
    /// Whether h of every single modality is a column.
    pub(super) has_specificity: bool,
    /// Whether the fold of the rows that the models were trained on is a column.
    pub(super) has_fold: bool,
}

impl ValueColumns {
    /// The columns of a file.
    pub(super) fn of(written: &WrittenColumns<'_>) -> Self {
        let modalities = written.modalities();
        let has = |quantity: Quantity| written.has(&quantity.name(modalities));
        // Of two modalities r, u1, u2 and s hold them all.
        let is_lattice = modalities > 2;
        let sets = Subset::all(modalities).into_iter().filter(|_| is_lattice);
        Self {
            modalities,
            information: sets.filter(|set| has(Quantity::I(*set))).collect(),
            has_atoms: is_lattice && atom_columns(modalities).iter().all(|name| written.has(name)),
            has_specificity: Subset::singles(modalities).all(|set| has(Quantity::H(set))),
            has_fold: written.lists(&Quantity::Fold.name(modalities)),
        }
    }

    /// The columns that both have, of the same number of modalities.
    pub(super) fn and(self, other: &Self) -> Self {
        let common = self.information.into_iter().filter(|set| other.information.contains(set));
        Self {
            modalities: self.modalities,
            information: common.collect(),
            has_atoms: self.has_atoms && other.has_atoms,
            has_specificity: self.has_specificity && other.has_specificity,
            has_fold: self.has_fold && other.has_fold,
        }
    }

    /// The columns that the quantities are computed from.
    pub(super) fn read(&self) -> Vec<String> {
        let mut columns: Vec<String> = part_names(self.modalities).into_iter().map(str::to_owned).collect();
        let name = |quantity: Quantity| quantity.name(self.modalities).into_owned();
        if self.has_specificity {
            columns.extend(Subset::singles(self.modalities).map(Quantity::H).map(name));
        }
        columns.extend(self.information.iter().copied().map(Quantity::I).map(name));
        if self.has_atoms {
            columns.extend(atom_columns(self.modalities));
        }
        columns
    }

    /// SQL condition of a computed row: r, u1 … uM or s is there, and no column of values is NaN or infinite.
    pub(super) fn is_computed(&self) -> String {
        let finite = self.read().into_iter().map(|name| format!("({name} IS NULL OR abs({name}) < 1e300)"));
        let some = format!("coalesce({}) IS NOT NULL", part_names(self.modalities).join(", "));
        finite.chain([some]).collect::<Vec<_>>().join(" AND ")
    }

    /// SQL of the information of every set for which it is known, in order.
    pub(super) fn information(&self) -> Vec<(Subset, String)> {
        let sets = Subset::all(self.modalities).into_iter();
        sets.filter_map(|set| Some((set, self.information_of(set)?))).collect()
    }

    /// SQL of the information of a set, where it is known.
    pub(super) fn information_of(&self, set: Subset) -> Option<String> {
        if self.information.contains(&set) {
            return Some(Quantity::I(set).name(self.modalities).into_owned());
        }
        if self.modalities > 2 && !self.has_atoms {
            return None;
        }
        // The sum of the atoms of all nodes up to that of the set.
        let node = Antichain::from(set);
        let below = atoms(self.modalities).filter(|(other, _)| *other <= &node);
        Some(below.map(|(_, column)| column).collect::<Vec<_>>().join(" + "))
    }

    /// SQL of the information of each modality, where it is known.
    pub(super) fn information_of_singles(&self) -> Vec<Option<String>> {
        Subset::singles(self.modalities).map(|set| self.information_of(set)).collect()
    }

    /// SQL of whether the models were trained on a row; null where the files do not tell.
    pub(super) fn is_trained(&self, prefix: &ColumnPrefix) -> String {
        match self.has_fold {
            true => format!("\"{}\" IS NOT NULL", prefix.name(&Quantity::Fold.name(self.modalities))),
            false => "CAST(NULL AS BOOLEAN)".to_owned(),
        }
    }

    /// SQL of the information of all modalities together, where it is known.
    pub(super) fn information_of_all(&self) -> Option<String> {
        self.information_of(Subset::full(self.modalities)?)
    }

    /// Columns of the i of each modality of more than two, where all files have them.
    pub(super) fn single_information(&self) -> Vec<String> {
        let are_columns = Subset::singles(self.modalities).all(|set| self.information.contains(&set));
        if are_columns { Quantity::single_names(Quantity::I, self.modalities) } else { Vec::new() }
    }

    /// Columns of the h of each modality, where all files have them.
    pub(super) fn specificity(&self) -> Vec<String> {
        if self.has_specificity { Quantity::single_names(Quantity::H, self.modalities) } else { Vec::new() }
    }

    /// Columns of the atoms of all nodes in order, where all files have them.
    pub(super) fn atoms(&self) -> Vec<String> {
        atoms(self.modalities).map(|(_, column)| column).filter(|_| self.has_atoms).collect()
    }
}

/// Every node of the lattice and the column of its atom: r, u1 … uM and s are always there.
fn atoms(modalities: usize) -> impl Iterator<Item = (&'static Antichain, String)> {
    let nodes = Quantity::atoms(modalities).into_iter();
    nodes.filter_map(move |atom| {
        let node = atom.node(modalities)?;
        let mut defaults = Quantity::defaults(modalities).into_iter();
        let named = defaults.find(|quantity| quantity.node(modalities) == Some(node)).unwrap_or(atom);
        Some((node, named.name(modalities).into_owned()))
    })
}

/// The columns of the atoms that are not among r, u1 … uM and s.
fn atom_columns(modalities: usize) -> Vec<String> {
    let names = part_names(modalities);
    atoms(modalities).map(|(_, column)| column).filter(|column| !names.contains(&column.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{DataType, Field, Schema};

    use crate::provenance::Provenance;

    fn columns(modalities: usize, more: &[&str]) -> ValueColumns {
        let names = part_names(modalities).into_iter().chain(more.iter().copied());
        let fields: Vec<Field> = names.map(|name| Field::new(name, DataType::Float32, true)).collect();
        let columns = ValueColumns::of(&WrittenColumns::new(&Schema::new(fields), &Provenance::default()));
        assert_eq!(columns.modalities, modalities);
        columns
    }

    fn sql(columns: &ValueColumns) -> Vec<String> {
        columns.information().into_iter().map(|(set, sql)| format!("{set}: {sql}")).collect()
    }

    #[test]
    fn of_two_modalities_the_parts_hold_all() {
        let plain = columns(2, &["i1"]);
        assert_eq!(sql(&plain), ["1: r + u1", "2: r + u2", "12: r + u1 + u2 + s"]);
        assert_eq!(plain.read(), ["r", "u1", "u2", "s"]);
        assert!(plain.atoms().is_empty() && plain.specificity().is_empty());
        let with_h = columns(2, &["h1", "h2"]);
        assert_eq!(with_h.specificity(), ["h1", "h2"]);
        let computed = with_h.is_computed();
        assert!(computed.starts_with("(r IS NULL OR abs(r) < 1e300) AND (u1 IS NULL OR"), "{computed}");
        let end = "(h2 IS NULL OR abs(h2) < 1e300) AND coalesce(r, u1, u2, s) IS NOT NULL";
        assert!(computed.ends_with(end), "{computed}");
    }

    #[test]
    fn of_three_the_files_columns_decide() {
        assert!(sql(&columns(3, &[])).is_empty());
        let some = columns(3, &["i_1", "i_123", "h_1", "h_2"]);
        assert_eq!(sql(&some), ["1: i_1", "123: i_123"]);
        assert!(!some.has_specificity && !some.has_atoms);
        assert_eq!(some.information_of_singles(), [Some("i_1".to_owned()), None, None]);
        let others = atom_columns(3);
        let names: Vec<&str> = others.iter().map(String::as_str).collect();
        let all = columns(3, &names);
        assert_eq!(all.atoms().len(), 18);
        let information = sql(&all);
        assert_eq!(information[0], "1: r + a_1_2 + a_1_3 + a_1_23 + u1");
        assert!(
            information[6].starts_with("123: r + ") && information[6].ends_with(" + s"),
            "{information:?}"
        );
        assert_eq!(information[6].matches(" + ").count(), 17);
        assert_eq!(some.clone().and(&all), columns(3, &[]));
        assert_eq!(all.clone().and(&all), all);
        assert!(!columns(3, &names[1..]).has_atoms);
    }
}
