//! Values by part, by set of modalities and by node of the redundancy lattice. In JSON each stands under
//! the name of its column: r, u1 … uM, s; i1, i12 or i_1, i_123; a_1_23.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::interaction::lattice::{Antichain, Lattice};
use crate::interaction::{Quantity, Subset};

/// Names of the uniquenesses; also their classes in the style sheet.
const UNIQUE: [&str; Lattice::MODALITIES] = ["u1", "u2", "u3", "u4"];

/// A value for each part: redundancy, the uniqueness of each modality, synergy. In JSON the keys are
/// r, u1 … uM and s.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts<T> {
    /// Redundancy.
    pub r: T,
    /// Uniqueness of each modality.
    pub u: Vec<T>,
    /// Synergy.
    pub s: T,
}

/// Names of the parts of so many modalities, in order; also their classes in the style sheet.
pub(super) fn part_names(modalities: usize) -> Vec<&'static str> {
    let unique = UNIQUE.into_iter().take(modalities);
    std::iter::once("r").chain(unique).chain(["s"]).collect()
}

/// Name of the uniqueness of the modality of this index from 0.
pub(super) fn unique_name(index: usize) -> Option<&'static str> {
    UNIQUE.get(index).copied()
}

impl<T> Parts<T> {
    /// The values in order.
    pub fn each(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.r).chain(&self.u).chain([&self.s])
    }

    /// The values of an iterator, in order; `None` where it has fewer than two.
    pub fn from_values(values: impl IntoIterator<Item = T>) -> Option<Self> {
        let mut values = values.into_iter();
        let r = values.next()?;
        let mut u: Vec<T> = values.collect();
        let s = u.pop()?;
        Some(Self { r, u, s })
    }

    /// The number of modalities.
    pub fn modalities(&self) -> usize {
        self.u.len()
    }

    /// The values with the names of their columns, in order.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &T)> {
        part_names(self.modalities()).into_iter().zip(self.each())
    }

    /// A value for each pair of values of the same part.
    pub(super) fn zip_with<U>(&self, other: &Self, of: impl Fn(&T, &T) -> U) -> Parts<U> {
        Parts {
            r: of(&self.r, &other.r),
            u: self.u.iter().zip(&other.u).map(|(mine, theirs)| of(mine, theirs)).collect(),
            s: of(&self.s, &other.s),
        }
    }
}

/// A value for the mutual information of sets of modalities and the label. Of two modalities all three
/// are there; of more, those that the files hold. In JSON the keys are i1, i2 and i12; of more than two
/// modalities i_1 … i_123.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Information<T> {
    modalities: usize,
    values: Vec<(Subset, T)>,
}

impl<T> Information<T> {
    /// The values of sets of so many modalities.
    pub fn new(modalities: usize, values: impl IntoIterator<Item = (Subset, T)>) -> Self {
        Self { modalities, values: values.into_iter().collect() }
    }

    /// The sets and their values, in order.
    pub fn each(&self) -> impl Iterator<Item = (Subset, &T)> {
        self.values.iter().map(|(set, value)| (*set, value))
    }

    /// The value of a set, where it is known.
    pub fn of(&self, set: Subset) -> Option<&T> {
        self.each().find(|(other, _)| *other == set).map(|(_, value)| value)
    }

    /// The value of all modalities together, where it is known.
    pub fn full(&self) -> Option<&T> {
        self.of(Subset::full(self.modalities)?)
    }

    /// The values with the names of their columns, in order.
    pub fn named(&self) -> impl Iterator<Item = (Cow<'static, str>, &T)> {
        self.each().map(|(set, value)| (Quantity::I(set).name(self.modalities), value))
    }

    /// A value for each set that both have.
    pub(super) fn zip_with<U>(&self, other: &Self, of: impl Fn(&T, &T) -> U) -> Information<U> {
        let pairs = self.each().filter_map(|(set, mine)| Some((set, of(mine, other.of(set)?))));
        Information::new(self.modalities, pairs)
    }
}

/// A value for each node of the redundancy lattice. In JSON the keys are a_1_2_3 … a_123, in the order
/// of the lattice, the most redundant first.
#[derive(Debug, Clone, PartialEq)]
pub struct Atoms<T> {
    modalities: usize,
    values: Vec<T>,
}

impl<T> Atoms<T> {
    /// The values of all nodes, in the order of [`Lattice::nodes`].
    pub fn new(modalities: usize, values: impl IntoIterator<Item = T>) -> Self {
        Self { modalities, values: values.into_iter().collect() }
    }

    /// The number of modalities.
    pub fn modalities(&self) -> usize {
        self.modalities
    }

    /// The nodes and their values, in order.
    pub fn each(&self) -> impl Iterator<Item = (&'static Antichain, &T)> {
        let nodes = Quantity::atoms(self.modalities).into_iter().map(|atom| atom.node(self.modalities));
        nodes.zip(&self.values).filter_map(|(node, value)| Some((node?, value)))
    }

    /// The value of a node.
    pub fn of(&self, node: &Antichain) -> Option<&T> {
        self.each().find(|(other, _)| *other == node).map(|(_, value)| value)
    }
}

impl<T: Serialize> Serialize for Parts<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.named())
    }
}

impl<T: Serialize> Serialize for Information<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.named())
    }
}

impl<T: Serialize> Serialize for Atoms<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.each().map(|(node, value)| (format!("a_{node}"), value)))
    }
}

/// A property with a description, which may stand beside a reference.
pub(super) fn described<T: JsonSchema>(generator: &mut SchemaGenerator, description: String) -> Value {
    let mut schema = generator.subschema_for::<T>();
    schema.insert("description".to_owned(), description.into());
    schema.to_value()
}

impl<T: JsonSchema> JsonSchema for Parts<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Parts_for_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let description = |name: &str| match name.strip_prefix('u') {
            Some(modality) => format!("Uniqueness of modality {modality}."),
            None if name == "r" => "Redundancy.".to_owned(),
            None => "Synergy.".to_owned(),
        };
        let mut properties = serde_json::Map::new();
        for name in part_names(Lattice::MODALITIES) {
            properties.insert(name.to_owned(), described::<T>(generator, description(name)));
        }
        json_schema!({
            "description": "A value for each part; u3 and u4 of data of so many modalities.",
            "type": "object",
            "properties": properties,
            "required": part_names(2)
        })
    }
}

impl<T: JsonSchema> JsonSchema for Information<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Information_for_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = serde_json::Map::new();
        for (name, description) in [
            ("i1", "Of two modalities: of modality 1 and the label, r + u1."),
            ("i2", "Of two modalities: of modality 2 and the label, r + u2."),
            ("i12", "Of two modalities: of both and the label, r + u1 + u2 + s."),
        ] {
            properties.insert(name.to_owned(), described::<T>(generator, description.to_owned()));
        }
        let of_more =
            "Of more than two modalities: of this set of them and the label, where the files hold it.";
        json_schema!({
            "description": "A value for each mutual information.",
            "type": "object",
            "properties": properties,
            "patternProperties": { "^i_[1-4]+$": described::<T>(generator, of_more.to_owned()) }
        })
    }
}

impl<T: JsonSchema> JsonSchema for Atoms<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Atoms_for_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let atom = "Information of this node of the lattice that no node below it holds: a_1_23 of {1}{23}.";
        json_schema!({
            "description": "A value for each node of the redundancy lattice, the most redundant first.",
            "type": "object",
            "patternProperties": { "^a(_[1-4]+)+$": described::<T>(generator, atom.to_owned()) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &impl Serialize) -> String {
        serde_json::to_string(value).unwrap()
    }

    #[test]
    fn values_stand_under_the_names_of_their_columns() {
        let parts = |values: &[f64]| Parts::from_values(values.iter().copied()).unwrap();
        assert_eq!(json(&parts(&[1.0, 2.0, 3.0, 4.0])), r#"{"r":1.0,"u1":2.0,"u2":3.0,"s":4.0}"#);
        assert_eq!(
            json(&parts(&[1.0, 2.0, 3.0, 4.0, 5.0])),
            r#"{"r":1.0,"u1":2.0,"u2":3.0,"u3":4.0,"s":5.0}"#
        );
        let information =
            |modalities| Information::new(modalities, Subset::all(modalities).into_iter().zip(1..));
        assert_eq!(json(&information(2)), r#"{"i1":1,"i2":2,"i12":3}"#);
        assert_eq!(
            json(&information(3)),
            r#"{"i_1":1,"i_2":2,"i_3":3,"i_12":4,"i_13":5,"i_23":6,"i_123":7}"#
        );
        assert_eq!((information(3).full(), Information::<i32>::new(3, []).full()), (Some(&7), None));
        let atoms = Atoms::new(3, 1..=18);
        assert!(json(&atoms).starts_with(r#"{"a_1_2_3":1,"a_1_2":2,"#), "{}", json(&atoms));
        assert_eq!(atoms.of(&"123".parse().unwrap()), Some(&18));
        assert_eq!(Parts::from_values([1]), None);
    }
}
