//! A fit's figures by the quantities that they are of, under the names of these in JSON: means of the
//! columns of M modalities (of two r, u1, u2, s and i12, of three r, u1, u2, u3, s and i_123), and how far
//! two values of a column are apart.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::interaction::lattice::Lattice;
use crate::interaction::{Quantity, Subset};

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

/// Two values of the same rows: how far one is from the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Agreement {
    /// Mean of the one minus the other.
    pub mean_difference_nats: f64,
    /// Root of the mean square of their differences.
    pub rmse_nats: f64,
    /// Pearson's correlation; absent where one of them is constant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<f64>,
}

/// A figure that exists for several quantities.
pub trait Figure: Clone + Serialize + DeserializeOwned + JsonSchema {
    /// What follows the name of the column in JSON.
    const SUFFIX: &'static str;
    /// Whether the information of all modalities has one, beside r, u1 … uM and s.
    const OF_INFORMATION: bool;
}

impl Figure for MeanEstimate {
    const SUFFIX: &'static str = "";
    const OF_INFORMATION: bool = true;
}

/// A mean in nats without an error.
impl Figure for f64 {
    const SUFFIX: &'static str = "_nats";
    const OF_INFORMATION: bool = true;
}

impl Figure for Agreement {
    const SUFFIX: &'static str = "";
    const OF_INFORMATION: bool = false;
}

/// A figure for each default column, and for the information of all modalities where it has one.
#[derive(Debug, Clone, PartialEq)]
pub struct ByColumn<T> {
    modalities: usize,
    figures: Vec<T>,
}

/// Means with their errors.
pub type EstimatedMeans = ByColumn<MeanEstimate>;

impl<T: Figure> ByColumn<T> {
    /// The figures of the default columns in their order, and of the information of all modalities; `None`
    /// of another number than two to [`Lattice::MODALITIES`] modalities have.
    pub fn new(figures: Vec<T>) -> Option<Self> {
        let modalities =
            all_modalities().find(|modalities| quantities::<T>(*modalities).len() == figures.len())?;
        Some(Self { modalities, figures })
    }

    /// M.
    pub fn modalities(&self) -> usize {
        self.modalities
    }

    /// The quantities and their figures, in order.
    pub fn each(&self) -> impl Iterator<Item = (Quantity, &T)> {
        quantities::<T>(self.modalities).into_iter().zip(&self.figures)
    }

    /// The figure of a quantity.
    pub fn of(&self, quantity: Quantity) -> Option<&T> {
        self.each().find(|(other, _)| *other == quantity).map(|(_, figure)| figure)
    }

    /// The figure of the information of all modalities.
    pub fn of_all(&self) -> Option<&T> {
        self.of(Quantity::I(Subset::full(self.modalities)?))
    }

    /// The figures in order, each with the name of its column.
    pub fn by_column(&self) -> impl Iterator<Item = (Cow<'static, str>, &T)> {
        self.each().map(|(quantity, figure)| (quantity.name(self.modalities), figure))
    }

    /// The same with the symbols of means: R, U1, …, S, I12.
    pub fn by_symbol(&self) -> impl Iterator<Item = (String, &T)> {
        self.by_column().map(|(column, figure)| (symbol(&column), figure))
    }
}

fn all_modalities() -> impl DoubleEndedIterator<Item = usize> {
    2..=Lattice::MODALITIES
}

/// What so many modalities have a figure of.
fn quantities<T: Figure>(modalities: usize) -> Vec<Quantity> {
    let all = Subset::full(modalities).filter(|_| T::OF_INFORMATION).map(Quantity::I);
    Quantity::defaults(modalities).into_iter().chain(all).collect()
}

/// The names in JSON of the figures of so many modalities.
fn keys<T: Figure>(modalities: usize) -> Vec<String> {
    let key = |quantity: Quantity| format!("{}{}", quantity.name(modalities), T::SUFFIX);
    quantities::<T>(modalities).into_iter().map(key).collect()
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

impl<T: Figure> Serialize for ByColumn<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, figure) in keys::<T>(self.modalities).iter().zip(&self.figures) {
            map.serialize_entry(key, figure)?;
        }
        map.end()
    }
}

impl<'de, T: Figure> Deserialize<'de> for ByColumn<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = deserializer.deserialize_map(Figures(PhantomData::<T>))?;
        let of = |modalities: usize| -> Option<Vec<T>> {
            keys::<T>(modalities).iter().map(|key| found.get(key).cloned()).collect()
        };
        // Those of fewer modalities may be among those of more.
        let figures = all_modalities().rev().find_map(of);
        figures.and_then(Self::new).ok_or_else(|| {
            let [fewest, most] = [2, Lattice::MODALITIES].map(|modalities| keys::<T>(modalities).join(", "));
            D::Error::custom(format!("the figures are not of {fewest}, …, nor of {most}"))
        })
    }
}

/// Reads the figures among other entries.
struct Figures<T>(PhantomData<T>);

impl<'de, T: Figure> Visitor<'de> for Figures<T> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("figures by the names of columns")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let known: Vec<String> = all_modalities().flat_map(keys::<T>).collect();
        let mut found = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if known.contains(&key) {
                found.insert(key, map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

impl<T: Figure> JsonSchema for ByColumn<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("ByColumn_for_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let figure = generator.subschema_for::<T>().to_value();
        let mut properties = serde_json::Map::new();
        for modalities in all_modalities() {
            for (quantity, key) in quantities::<T>(modalities).into_iter().zip(keys::<T>(modalities)) {
                let mut schema = figure.clone();
                if let Some(schema) = schema.as_object_mut() {
                    schema.insert("description".to_owned(), description(modalities, quantity).into());
                }
                properties.insert(key, schema);
            }
        }
        let of_information = keys::<T>(2).pop().filter(|_| T::OF_INFORMATION);
        let mut required = keys::<T>(2);
        required.retain(|key| Some(key) != of_information.as_ref());
        json_schema!({
            "description": "A figure of r, of u1, u2, … of each modality, of s, and of the information of all modalities.",
            "type": "object",
            "properties": properties,
            "required": required
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
            let means = EstimatedMeans::new((0..modalities + 3).map(mean).collect()).unwrap();
            assert_eq!(means.modalities(), modalities);
            let named: Vec<_> = means.by_column().map(|(name, _)| name).collect();
            assert_eq!(named.join(" "), columns);
            assert_eq!(means.by_symbol().map(|(name, _)| name).collect::<Vec<_>>().join(" "), symbols);
            let ends = [means.of(Quantity::R), means.of_all()].map(|mean| mean.unwrap().mean_nats);
            assert_eq!(ends, [0.0, modalities as f64 + 2.0]);
            let mut json = serde_json::to_value(&means).unwrap();
            json["else"] = 1.into();
            assert_eq!(serde_json::from_value::<EstimatedMeans>(json.clone()).unwrap(), means);
            json.as_object_mut().unwrap().remove("s");
            assert!(serde_json::from_value::<EstimatedMeans>(json).is_err());
        }
        assert_eq!(EstimatedMeans::new(vec![mean(0); 4]), None);
    }

    #[test]
    fn figures_are_read_back_among_others() {
        let json = serde_json::json!({"s_nats": 3.5, "rows": 9, "r_nats": 0.5, "i_123_nats": 4.5, "u3_nats": 2.5,
                                      "u1_nats": -1.5, "u2_nats": 1.5});
        let found: ByColumn<f64> = serde_json::from_value(json).unwrap();
        assert_eq!(found.figures, [0.5, -1.5, 1.5, 2.5, 3.5, 4.5]);
        assert_eq!(
            serde_json::to_string(&found).unwrap(),
            r#"{"r_nats":0.5,"u1_nats":-1.5,"u2_nats":1.5,"u3_nats":2.5,"s_nats":3.5,"i_123_nats":4.5}"#
        );
        for modalities in 2..=4 {
            let figures = ByColumn::new(vec![Agreement::default(); modalities + 2]).unwrap();
            let json = serde_json::to_value(&figures).unwrap();
            assert_eq!(json.as_object().unwrap().len(), modalities + 2);
            assert_eq!(serde_json::from_value::<ByColumn<Agreement>>(json).unwrap(), figures);
        }
        let error = serde_json::from_str::<ByColumn<f64>>(r#"{"r_nats":0.5}"#).unwrap_err().to_string();
        assert!(error.contains("r_nats, u1_nats, u2_nats, s_nats, i12_nats"), "{error}");
    }
}
