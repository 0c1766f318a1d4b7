//! The extreme rows of each quantity, as the report lists them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::interaction::lattice::Lattice;

use super::parts::{Information, Parts, described};

/// Extreme rows, the most extreme first. In JSON the keys are key, limit, redundant, unique_1 … unique_M,
/// synergistic and contradicted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    /// Names of the columns in `key`; none where rows are identified by file and position.
    pub key: Vec<String>,
    /// The number of rows that a list may hold.
    pub limit: usize,
    /// Largest r of rows with r > 0 and, where it is known, the information of each modality > 0.
    pub redundant: Vec<Sample>,
    /// Largest u of each modality, of rows with u > 0 and, where it is known, the information of that
    /// modality > 0.
    pub unique: Vec<Vec<Sample>>,
    /// Largest s of rows with s > 0 and, where it is known, the information of all modalities > 0.
    pub synergistic: Vec<Sample>,
    /// Smallest information of all modalities together of rows where it is < 0, so that they contradict
    /// the label; none where it is not known.
    pub contradicted: Option<Vec<Sample>>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Sample {
    /// Values of the key's columns, as text.
    pub key: Vec<String>,
    /// The file that holds the row.
    pub file: String,
    /// Its position in the file, from zero.
    pub row: u64,
    /// Whether the models were trained on it, where the files have the column fold. Its values are then
    /// those of the models that have not seen it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trained_on: Option<bool>,
    /// A SQL query of the row, for `lsmi-etl sql`.
    pub query: String,
    /// The link from `--link-template`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Its label; empty without one.
    pub class: String,
    /// r, u1 … uM and s in nats.
    pub parts: Parts<f64>,
    /// The information of all modalities together in nats, where it is known.
    #[serde(flatten)]
    pub information: Information<f64>,
}

impl Samples {
    /// The lists in order: redundant, unique to each modality, synergistic, contradicted.
    pub fn each(&self) -> impl Iterator<Item = &Vec<Sample>> {
        std::iter::once(&self.redundant)
            .chain(&self.unique)
            .chain([&self.synergistic])
            .chain(&self.contradicted)
    }
}

/// Key of the rows that are unique to a modality, counted from 0.
fn unique_key(index: usize) -> String {
    format!("unique_{}", index + 1)
}

impl Serialize for Samples {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("key", &self.key)?;
        map.serialize_entry("limit", &self.limit)?;
        map.serialize_entry("redundant", &self.redundant)?;
        for (index, list) in self.unique.iter().enumerate() {
            map.serialize_entry(&unique_key(index), list)?;
        }
        map.serialize_entry("synergistic", &self.synergistic)?;
        if let Some(contradicted) = &self.contradicted {
            map.serialize_entry("contradicted", contradicted)?;
        }
        map.end()
    }
}

impl JsonSchema for Samples {
    fn schema_name() -> Cow<'static, str> {
        "Samples".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = serde_json::Map::new();
        let key = "Names of the columns in `key`; none where rows are identified by file and position.";
        properties.insert("key".to_owned(), described::<Vec<String>>(generator, key.to_owned()));
        let limit = "The number of rows that a list may hold.";
        properties.insert("limit".to_owned(), described::<usize>(generator, limit.to_owned()));
        let mut list = |name: String, description: String| {
            properties.insert(name, described::<Vec<Sample>>(generator, description));
        };
        let redundant =
            "Largest r of rows with r > 0 and, where it is known, the information of each modality > 0.";
        list("redundant".to_owned(), redundant.to_owned());
        for index in 1..=Lattice::MODALITIES {
            let unique =
                format!("Largest u{index} of rows with u{index} > 0 and, where it is known, i{index} > 0.");
            list(unique_key(index - 1), unique);
        }
        let synergistic =
            "Largest s of rows with s > 0 and, where it is known, the information of all modalities > 0.";
        list("synergistic".to_owned(), synergistic.to_owned());
        let contradicted = "Smallest information of all modalities together of rows where it is < 0, so that they \
                            contradict the label; absent where it is not known.";
        list("contradicted".to_owned(), contradicted.to_owned());
        json_schema!({
            "description": "Extreme rows, the most extreme first.",
            "type": "object",
            "properties": properties,
            "required": ["key", "limit", "redundant", "unique_1", "unique_2", "synergistic"]
        })
    }
}
