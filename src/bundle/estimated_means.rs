//! The estimated means of a fit with their errors, by their names in JSON, which are those of the columns:
//! of two modalities r, u1, u2, s and i12, of three r, u1, u2, u3, s and i_123.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::interaction::{Quantity, Subset};

use super::program::MOST_MODALITIES;

/// A mean with its standard errors, in nats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeanEstimate {
    /// Mean over the rows.
    pub mean_nats: f64,
    /// Standard error that comes of the rows, for these models: a bootstrap over groups of rows.
    pub rows_error_nats: f64,
    /// Standard error that comes of the models: the spread of the folds' means beyond that of their
    /// rows. A lower bound: the folds' models share most of their rows, and a bias of all is not in it.
    pub models_error_nats: f64,
    /// Both together.
    pub error_nats: f64,
}

/// Means of the default columns, and of the information of all modalities.
#[derive(Debug, Clone, PartialEq)]
pub struct EstimatedMeans {
    /// R, redundancy.
    pub r: MeanEstimate,
    /// U, the uniqueness of each modality.
    pub u: Vec<MeanEstimate>,
    /// S, synergy.
    pub s: MeanEstimate,
    /// I, the information of all modalities.
    pub i: MeanEstimate,
}

impl EstimatedMeans {
    /// The means in the order of the columns; `None` of fewer than five.
    pub fn new(means: &[MeanEstimate]) -> Option<Self> {
        match means {
            [r, u @ .., s, i] if u.len() > 1 => Some(Self { r: *r, u: u.to_vec(), s: *s, i: *i }),
            _ => None,
        }
    }

    /// M.
    pub fn modalities(&self) -> usize {
        self.u.len()
    }

    /// The means in the order of the columns, each with the column's name.
    pub fn by_column(&self) -> Vec<(String, MeanEstimate)> {
        let values = std::iter::once(&self.r).chain(&self.u).chain([&self.s, &self.i]);
        columns(self.modalities()).into_iter().zip(values.copied()).collect()
    }

    /// The same with the symbols of means: R, U1, …, S, I12.
    pub fn by_symbol(&self) -> Vec<(String, MeanEstimate)> {
        self.by_column().into_iter().map(|(column, mean)| (symbol(&column), mean)).collect()
    }
}

/// What the means of so many modalities are of.
fn quantities(modalities: usize) -> Vec<Quantity> {
    let all = Subset::full(modalities).map(Quantity::I);
    Quantity::defaults(modalities).into_iter().chain(all).collect()
}

/// The names of the columns of so many modalities.
fn columns(modalities: usize) -> Vec<String> {
    let name = |quantity: Quantity| quantity.name(modalities).into_owned();
    quantities(modalities).into_iter().map(name).collect()
}

/// The symbol of a mean by the column's name: I12 of i12, I123 of i_123.
fn symbol(column: &str) -> String {
    column.to_uppercase().replace('_', "")
}

fn description(modalities: usize, quantity: Quantity) -> String {
    let what = match quantity {
        Quantity::R => "redundancy".to_owned(),
        Quantity::U(index) => format!("uniqueness of x{}", u16::from(index) + 1),
        Quantity::S => "synergy".to_owned(),
        _ if modalities == 2 => "the information of both modalities".to_owned(),
        _ => "the information of all modalities".to_owned(),
    };
    format!("{}, {what}.", symbol(&quantity.name(modalities)))
}

impl Serialize for EstimatedMeans {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (column, mean) in self.by_column() {
            map.serialize_entry(&column, &mean)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for EstimatedMeans {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = deserializer.deserialize_map(ByColumn)?;
        let of = |modalities: &usize| -> Option<Vec<MeanEstimate>> {
            columns(*modalities).iter().map(|column| found.get(column).copied()).collect()
        };
        // The name of the information tells the number of modalities.
        let means = (2..=MOST_MODALITIES).find_map(|modalities| of(&modalities));
        let means = means.as_deref().and_then(Self::new);
        means.ok_or_else(|| D::Error::custom("the means are not r, u1, u2, …, s and i of all modalities"))
    }
}

/// Reads the means among other entries.
struct ByColumn;

impl<'de> Visitor<'de> for ByColumn {
    type Value = BTreeMap<String, MeanEstimate>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("means by the names of columns")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let known: Vec<String> = (2..=MOST_MODALITIES).flat_map(columns).collect();
        let mut found = BTreeMap::new();
        while let Some(column) = map.next_key::<String>()? {
            if known.contains(&column) {
                found.insert(column, map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

impl JsonSchema for EstimatedMeans {
    fn schema_name() -> Cow<'static, str> {
        "EstimatedMeans".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mean = generator.subschema_for::<MeanEstimate>().to_value();
        let all = (2..=MOST_MODALITIES).flat_map(|modalities| {
            quantities(modalities).into_iter().map(move |quantity| (modalities, quantity))
        });
        let described = all.map(|(modalities, quantity)| {
            let mut schema = mean.clone();
            if let Some(schema) = schema.as_object_mut() {
                schema.insert("description".to_owned(), description(modalities, quantity).into());
            }
            (quantity.name(modalities).into_owned(), schema)
        });
        let properties: serde_json::Map<_, _> = described.collect();
        json_schema!({
            "description": "Means of r, of u1, u2, … of each modality, of s, and of the information of all modalities.",
            "type": "object",
            "properties": properties,
            "required": ["r", "u1", "u2", "s"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_have_the_names_of_columns() {
        let mean = |value: usize| MeanEstimate { mean_nats: value as f64, ..MeanEstimate::default() };
        for (modalities, columns, symbols) in
            [(2, "r u1 u2 s i12", "R U1 U2 S I12"), (3, "r u1 u2 u3 s i_123", "R U1 U2 U3 S I123")]
        {
            let means: Vec<MeanEstimate> = (0..modalities + 3).map(mean).collect();
            let means = EstimatedMeans::new(&means).unwrap();
            let joined = |named: Vec<(String, MeanEstimate)>| {
                named.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(" ")
            };
            assert_eq!(joined(means.by_column()), columns);
            assert_eq!(joined(means.by_symbol()), symbols);
            let mut json = serde_json::to_value(&means).unwrap();
            json["else"] = 1.into();
            assert_eq!(serde_json::from_value::<EstimatedMeans>(json.clone()).unwrap(), means);
            json.as_object_mut().unwrap().remove("s");
            assert!(serde_json::from_value::<EstimatedMeans>(json).is_err());
        }
        assert_eq!(EstimatedMeans::new(&[mean(0); 4]), None);
    }
}
