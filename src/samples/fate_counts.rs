//! Rows by fate. In JSON each count stands under the name of its fate; those of the embeddings of a run are
//! always there, at least of two.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::interaction::lattice::Lattice;

use super::fate::{Fate, Modality};

/// The fewest modalities whose counts are listed.
const LISTED: u8 = 2;

/// Rows by fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FateCounts {
    /// Rows that were computed.
    pub good: u64,
    /// Rows without values; none is zero.
    bad: BTreeMap<Order, u64>,
    /// The modalities whose counts are listed, zeros too.
    listed: u8,
}

impl Default for FateCounts {
    fn default() -> Self {
        Self { good: 0, bad: BTreeMap::new(), listed: LISTED }
    }
}

/// The place of a reason among all.
type Order = (u8, u8);

impl FateCounts {
    /// No rows yet of so many modalities, whose counts are listed.
    pub fn of_modalities(modalities: usize) -> Self {
        let most = modalities.clamp(usize::from(LISTED), Lattice::MODALITIES);
        Self { listed: most as u8, ..Self::default() }
    }

    /// Counts one row.
    pub fn add(&mut self, fate: Fate) {
        self.add_rows(fate, 1);
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.good += other.good;
        self.listed = self.listed.max(other.listed);
        for (order, rows) in &other.bad {
            *self.bad.entry(*order).or_default() += rows;
        }
    }

    /// The modalities whose counts are listed.
    pub fn modalities(&self) -> usize {
        usize::from(self.listed)
    }

    fn add_rows(&mut self, fate: Fate, rows: u64) {
        match order(fate) {
            None => self.good += rows,
            Some(_) if rows == 0 => {}
            Some(order) => *self.bad.entry(order).or_default() += rows,
        }
    }

    /// Rows of a fate.
    pub fn of(&self, fate: Fate) -> u64 {
        order(fate).map_or(self.good, |order| self.bad.get(&order).copied().unwrap_or(0))
    }

    /// Rows that could not be computed.
    pub fn bad(&self) -> u64 {
        self.bad.values().sum()
    }

    /// The reasons of bad rows with their numbers, as in "3 null label, 2 null x1".
    pub fn reasons(&self) -> String {
        let reasons = self.bad_by_reason();
        let reasons = reasons.iter().filter(|(_, rows)| *rows > 0);
        reasons.map(|(fate, rows)| format!("{rows} {fate}")).collect::<Vec<_>>().join(", ")
    }

    /// All rows counted.
    pub fn rows(&self) -> u64 {
        self.good + self.bad()
    }

    /// Every reason with its number of rows: those of the listed modalities with zeros, those of others where
    /// there are such rows.
    pub fn bad_by_reason(&self) -> Vec<(Fate, u64)> {
        let counted = all_bad().into_iter().map(|fate| (fate, self.of(fate)));
        counted.filter(|(fate, rows)| *rows > 0 || is_listed(*fate, self.listed)).collect()
    }
}

/// All fates but the good one, in their order.
fn all_bad() -> Vec<Fate> {
    let of_each = |fate: fn(Modality) -> Fate| (0..Lattice::MODALITIES).map(move |m| fate(Modality(m as u8)));
    let embeddings =
        of_each(Fate::NullEmbedding).chain(of_each(Fate::WrongLength)).chain(of_each(Fate::NonFinite));
    [Fate::NullLabel, Fate::UnknownLabel]
        .into_iter()
        .chain(embeddings)
        .chain([Fate::NonFiniteResult])
        .collect()
}

/// The place of a fate among the bad ones; `None` of the good one.
fn order(fate: Fate) -> Option<Order> {
    match fate {
        Fate::Good => None,
        Fate::NullLabel => Some((0, 0)),
        Fate::UnknownLabel => Some((1, 0)),
        Fate::NullEmbedding(Modality(m)) => Some((2, m)),
        Fate::WrongLength(Modality(m)) => Some((3, m)),
        Fate::NonFinite(Modality(m)) => Some((4, m)),
        Fate::NonFiniteResult => Some((5, 0)),
    }
}

/// Whether a fate is listed where those of so many modalities are.
fn is_listed(fate: Fate, listed: u8) -> bool {
    modality_of(fate).is_none_or(|Modality(m)| m < listed)
}

/// The modality whose embedding is at fault.
fn modality_of(fate: Fate) -> Option<Modality> {
    match fate {
        Fate::NullEmbedding(modality) | Fate::WrongLength(modality) | Fate::NonFinite(modality) => {
            Some(modality)
        }
        Fate::Good | Fate::NullLabel | Fate::UnknownLabel | Fate::NonFiniteResult => None,
    }
}

impl Serialize for FateCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(Fate::Good.name(), &self.good)?;
        for (fate, rows) in self.bad_by_reason() {
            map.serialize_entry(fate.name(), &rows)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for FateCounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = BTreeMap::<String, u64>::deserialize(deserializer)?;
        let mut counts = Self::default();
        for (name, rows) in read {
            let all = all_bad().into_iter().chain([Fate::Good]);
            let fate = all.into_iter().find(|fate| fate.name() == name);
            let fate = fate.ok_or_else(|| D::Error::custom(format!("no fate of a row is named {name:?}")))?;
            counts.add_rows(fate, rows);
            let listed = modality_of(fate).map_or(0, |Modality(m)| m + 1);
            counts.listed = counts.listed.max(listed);
        }
        Ok(counts)
    }
}

impl JsonSchema for FateCounts {
    fn schema_name() -> Cow<'static, str> {
        "FateCounts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let count = |fate: Fate| {
            let schema = json_schema!({
                "description": description(fate), "type": "integer", "format": "uint64", "minimum": 0
            });
            (fate.name().to_owned(), schema.to_value())
        };
        let all = || [Fate::Good].into_iter().chain(all_bad());
        let properties: serde_json::Map<_, _> = all().map(count).collect();
        let required: Vec<&str> = all().filter(|fate| is_listed(*fate, LISTED)).map(Fate::name).collect();
        json_schema!({
            "description": "Rows by fate.",
            "type": "object",
            "properties": properties,
            "required": required
        })
    }
}

fn description(fate: Fate) -> String {
    match fate {
        Fate::Good => "Rows that were computed.".to_owned(),
        Fate::NullLabel => "Rows whose label is null.".to_owned(),
        Fate::UnknownLabel => "Rows whose label is none of the bundle's classes.".to_owned(),
        Fate::NullEmbedding(Modality(m)) => format!("Rows whose embedding x{} is null.", m + 1),
        Fate::WrongLength(Modality(m)) => {
            format!("Rows whose embedding x{} has another length than the bundle's.", m + 1)
        }
        Fate::NonFinite(Modality(m)) => {
            format!("Rows whose embedding x{} holds NaN, an infinity or a null element.", m + 1)
        }
        Fate::NonFiniteResult => "Rows for which the models gave NaN or an infinity.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_kept_under_the_fates_names() {
        let mut counts = FateCounts::default();
        counts.add(Fate::Good);
        for (rank, (fate, _)) in FateCounts::default().bad_by_reason().into_iter().enumerate() {
            (0..=rank).for_each(|_| counts.add(fate));
        }
        let mut twice = counts.clone();
        twice.merge(&counts);
        assert_eq!((twice.good, twice.bad(), twice.rows()), (2, 90, 92));
        let json = serde_json::to_value(&counts).unwrap();
        for (fate, rows) in counts.bad_by_reason() {
            assert_eq!(json[fate.name()], rows, "{fate}");
        }
        assert_eq!(serde_json::from_value::<FateCounts>(json).unwrap(), counts);
    }

    #[test]
    fn the_modalities_of_a_run_are_listed_and_others_where_they_have_rows() {
        let three = FateCounts::of_modalities(3);
        let json = serde_json::to_string(&three).unwrap();
        assert!(json.contains(r#""null_x3":0"#) && !json.contains("x4"), "{json}");
        assert_eq!(serde_json::from_str::<FateCounts>(&json).unwrap(), three);
        let mut merged = FateCounts::default();
        merged.merge(&three);
        assert_eq!(merged, three);

        let mut counts = FateCounts::default();
        assert_eq!(
            serde_json::to_string(&counts).unwrap(),
            r#"{"good":0,"null_label":0,"unknown_label":0,"null_x1":0,"null_x2":0,"wrong_length_x1":0,"#
                .to_owned()
                + r#""wrong_length_x2":0,"non_finite_x1":0,"non_finite_x2":0,"non_finite_result":0}"#
        );
        counts.add(Fate::WrongLength(Modality(2)));
        let json = serde_json::to_string(&counts).unwrap();
        assert!(json.contains(r#""wrong_length_x2":0,"wrong_length_x3":1,"non_finite_x1":0"#), "{json}");
        let read = serde_json::from_str::<FateCounts>(&json).unwrap();
        assert_eq!((read.of(Fate::WrongLength(Modality(2))), read.bad()), (1, 1));
        assert!(serde_json::from_str::<FateCounts>(r#"{"lost":1}"#).is_err());
        assert_eq!(counts.reasons(), "1 wrong_length_x3");
    }
}
