//! The provenance of an output, as its footer records it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use parquet::file::metadata::KeyValue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bundle::Units;
use crate::error::{Error, Result};
use crate::interaction::{self, ColumnPrefix, Interaction};
use crate::parquet_file::Input;
use crate::samples::FateCounts;

use super::keys;
use super::origin::InputOrigin;

/// The moments of every computed column over good rows, in nats (prior_y, p_y1 and so on: probability), by the
/// column's name; without moments where the footer is plain text and the columns are
/// encrypted.
pub type ColumnMoments = BTreeMap<String, Option<interaction::MomentSummary>>;

/// The `lsmi_etl.*` key-values of a footer. A value is absent where the footer has none, or
/// none that can be read; files of older versions lack the newer ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Provenance {
    /// The prefix of the columns that it is of, and a part of the keys.
    pub prefix: ColumnPrefix,
    /// The version of this program.
    pub version: Option<String>,
    /// SHA-256 of the bundle's manifest.
    pub bundle_sha256: Option<String>,
    /// The input and the columns that were read.
    pub input: Option<InputOrigin>,
    /// The adjustment of the dataset: `none` or `dataset`.
    pub adjust: Option<String>,
    /// The constant added to r and s and taken from u1 and u2, in nats.
    pub shift_nats: Option<f64>,
    /// How the old columns were copied: `spliced` or `re-encoded`.
    pub written: Option<String>,
    /// The engine, as "NAME (VERSION) on DEVICE".
    pub engine: Option<String>,
    /// The convention of h: `raw` or `centred`.
    pub units: Option<String>,
    /// The computed columns.
    pub columns: Option<ColumnMoments>,
    /// The moments of what rows are compared with the validation rows by beside the columns: h of each modality, and
    /// of more than two i of each and of all; absent where the footer is plain text and the columns are encrypted.
    pub information: Option<BTreeMap<String, interaction::MomentSummary>>,
    /// Rows by fate.
    pub rows: Option<FateCounts>,
    /// Good rows that the models were trained on, evaluated by models that have not seen them;
    /// absent where the bundle has no folds.
    pub trained_rows: Option<u64>,
    /// The treatment of rows that lack a modality: `reduce`; absent where they have no values.
    pub on_missing_modality: Option<String>,
    /// Good rows that lack a modality.
    pub reduced_rows: Option<u64>,
    /// The means before and after the shift.
    pub adjustment: Option<Adjustment>,
    /// The means of this file alone before the shift.
    pub unshifted: Option<UnshiftedMeans>,
}

impl Provenance {
    /// Reads what the footer of a file says of the columns of a prefix.
    pub fn read(input: &Input, prefix: &ColumnPrefix) -> Self {
        Self::of(key_values_of(input), prefix)
    }

    /// The prefixes of the columns of a file that its footer knows, sorted.
    pub fn prefixes(input: &Input) -> Vec<ColumnPrefix> {
        let of = |pair: &KeyValue| keys::prefix_of(&pair.key, keys::BUNDLE_SHA256)?.parse().ok();
        let mut found: Vec<ColumnPrefix> = key_values_of(input).iter().filter_map(of).collect();
        found.sort();
        found.dedup();
        found
    }

    /// The columns of a prefix that key-values say annotate has written, as the file has them.
    pub fn written_columns(pairs: &[KeyValue], prefix: &ColumnPrefix) -> Vec<String> {
        let columns = Self::of(pairs, prefix).columns.unwrap_or_default();
        columns.keys().map(|name| prefix.name(name)).collect()
    }

    /// The names of those key-values that are of the columns of a prefix.
    pub fn keys_of(pairs: &[KeyValue], prefix: &ColumnPrefix) -> Vec<String> {
        let own = keys::ALL.map(|key| keys::of(prefix, key));
        pairs.iter().filter(|pair| own.contains(&pair.key)).map(|pair| pair.key.clone()).collect()
    }

    fn of(pairs: &[KeyValue], prefix: &ColumnPrefix) -> Self {
        let text = |key: &str| {
            let key = keys::of(prefix, key);
            let mut found = pairs.iter().filter(|pair| pair.key == key);
            found.find_map(|pair| pair.value.clone())
        };
        fn json<T: for<'de> Deserialize<'de>>(text: Option<String>) -> Option<T> {
            text.and_then(|text| serde_json::from_str(&text).ok())
        }
        Self {
            prefix: prefix.clone(),
            version: text(keys::VERSION),
            bundle_sha256: text(keys::BUNDLE_SHA256),
            input: json(text(keys::INPUT)),
            adjust: text(keys::ADJUST),
            shift_nats: text(keys::SHIFT_NATS).and_then(|text| text.parse().ok()),
            written: text(keys::WRITTEN),
            engine: text(keys::ENGINE),
            units: text(keys::UNITS),
            columns: json(text(keys::COLUMNS)),
            information: json(text(keys::INFORMATION)),
            rows: json(text(keys::ROWS)),
            trained_rows: text(keys::TRAINED_ROWS).and_then(|text| text.parse().ok()),
            on_missing_modality: text(keys::ON_MISSING_MODALITY),
            reduced_rows: text(keys::REDUCED_ROWS).and_then(|text| text.parse().ok()),
            adjustment: json(text(keys::ADJUSTMENT)),
            unshifted: text(keys::UNSHIFTED).and_then(|text| text.parse().ok()),
        }
    }

    /// The key-values of the fields that are present. None depends on the time or the machine: the
    /// same work gives the same bytes.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn key_values(&self) -> Result<Vec<KeyValue>> {
        let input = self.input.as_ref().map(InputOrigin::to_json).transpose()?;
        let pairs = [
            (keys::VERSION, self.version.clone()),
            (keys::BUNDLE_SHA256, self.bundle_sha256.clone()),
            (keys::INPUT, input),
            (keys::ADJUST, self.adjust.clone()),
            // As text that parses to the same number, bit for bit.
            (keys::SHIFT_NATS, self.shift_nats.map(|shift| shift.to_string())),
            (keys::WRITTEN, self.written.clone()),
            (keys::ENGINE, self.engine.clone()),
            (keys::UNITS, self.units.clone()),
            (keys::COLUMNS, json(self.columns.as_ref())?),
            (keys::INFORMATION, json(self.information.as_ref())?),
            (keys::ROWS, json(self.rows.as_ref())?),
            (keys::TRAINED_ROWS, self.trained_rows.map(|rows| rows.to_string())),
            (keys::ON_MISSING_MODALITY, self.on_missing_modality.clone()),
            (keys::REDUCED_ROWS, self.reduced_rows.map(|rows| rows.to_string())),
            (keys::ADJUSTMENT, json(self.adjustment.as_ref())?),
            (keys::UNSHIFTED, self.unshifted.map(|means| means.to_string())),
        ];
        let pairs = pairs.into_iter().filter_map(|(key, value)| Some((key, value?)));
        Ok(pairs.map(|(key, value)| KeyValue::new(keys::of(&self.prefix, key), value)).collect())
    }
}

fn key_values_of(input: &Input) -> &[KeyValue] {
    input.metadata().file_metadata().key_value_metadata().map(Vec::as_slice).unwrap_or_default()
}

fn json<T: Serialize>(value: Option<&T>) -> Result<Option<String>> {
    value.map(serde_json::to_string).transpose().map_err(|e| Error::Internal(e.to_string()))
}

/// The name of a convention of units, as a footer has it.
pub(super) fn units_name(units: Units) -> &'static str {
    match units {
        Units::Raw => "raw",
        Units::Centred => "centred",
    }
}

/// The shift of `--adjust dataset`: added to r and s, taken from u1 and u2.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Adjustment {
    /// The constant, in nats.
    pub shift_nats: f64,
    /// The means as computed.
    pub before: Means,
    /// The means as written.
    pub after: Means,
}

/// Means over good rows, in nats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Means {
    /// Redundancy.
    pub r: f64,
    /// Uniqueness of x1.
    pub u1: f64,
    /// Uniqueness of x2.
    pub u2: f64,
    /// Synergy.
    pub s: f64,
}

impl From<Interaction> for Means {
    fn from(Interaction { r, u1, u2, s }: Interaction) -> Self {
        Self { r, u1, u2, s }
    }
}

/// The good rows of a file and their means R, U1, U2, S before any shift, in nats. Their
/// text parses to the same numbers, bit for bit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnshiftedMeans {
    /// Good rows.
    pub rows: u64,
    /// R, U1, U2, S.
    pub means: [f64; 4],
}

impl fmt::Display for UnshiftedMeans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, u1, u2, s] = self.means;
        write!(f, "{} {r} {u1} {u2} {s}", self.rows)
    }
}

impl FromStr for UnshiftedMeans {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let mut words = text.split(' ');
        let rows = words.next().and_then(|word| word.parse().ok()).ok_or(())?;
        let means: Vec<f64> =
            words.map(|word| word.parse().map_err(|_| ())).collect::<std::result::Result<_, _>>()?;
        Ok(Self { rows, means: means.try_into().map_err(|_| ())? })
    }
}

#[cfg(test)]
mod tests {
    use crate::interaction::Moments;

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let means = Means { r: 0.1 + 0.2, u1: -1.0 / 3.0, u2: 0.0, s: 1e-300 };
        let whole = Provenance {
            prefix: ColumnPrefix::default(),
            version: Some("1".to_owned()),
            bundle_sha256: Some("b".to_owned()),
            input: Some(InputOrigin::of_stream(&["x1", "x2"], "y")),
            adjust: Some("dataset".to_owned()),
            shift_nats: Some(-0.1 - 0.2),
            written: Some("spliced".to_owned()),
            engine: Some("e (1) on cpu".to_owned()),
            units: Some("raw".to_owned()),
            columns: Some(BTreeMap::from([("r".to_owned(), None)])),
            information: Some(BTreeMap::from([("i_1".to_owned(), Moments::default().summary())])),
            rows: Some(FateCounts::default()),
            on_missing_modality: Some("reduce".to_owned()),
            reduced_rows: Some(3),
            trained_rows: Some(7),
            adjustment: Some(Adjustment { shift_nats: 0.5, before: means, after: means }),
            unshifted: Some(UnshiftedMeans { rows: 3, means: [0.1 + 0.2, 1.0, 2.0, 3.0] }),
        };
        let pairs = whole.key_values().unwrap();
        assert_eq!(pairs.len(), 16);
        assert!(pairs.iter().all(|pair| pair.key.starts_with("lsmi_etl.")));
        assert_eq!(Provenance::of(&pairs, &ColumnPrefix::default()), whole);
        assert!(Provenance::default().key_values().unwrap().is_empty());
        assert_eq!(Provenance::of(&[], &ColumnPrefix::default()), Provenance::default());

        // Those of a prefix stand beside them.
        let prefix: ColumnPrefix = "img_".parse().unwrap();
        let of_prefix =
            Provenance { prefix: prefix.clone(), bundle_sha256: Some("c".to_owned()), ..whole.clone() };
        let both = [pairs, of_prefix.key_values().unwrap()].concat();
        assert_eq!(both[16].key, "lsmi_etl.img_.version");
        assert_eq!(Provenance::of(&both, &prefix), of_prefix);
        assert_eq!(Provenance::of(&both, &ColumnPrefix::default()), whole);
        let prefixes = both.iter().filter_map(|pair| keys::prefix_of(&pair.key, keys::BUNDLE_SHA256));
        assert_eq!(prefixes.collect::<Vec<_>>(), ["", "img_"]);
    }

    #[test]
    fn text_gives_back_the_same_numbers() {
        let unshifted =
            UnshiftedMeans { rows: 12_345, means: [0.1 + 0.2, -1.0 / 3.0, 1e-300, 1.434_567_890_123] };
        assert_eq!(unshifted.to_string().parse(), Ok(unshifted));
        for wrong in ["", "3", "3 1 2 3", "3 1 2 3 4 5", "x 1 2 3 4", "3 1 2 3 x"] {
            assert_eq!(wrong.parse::<UnshiftedMeans>(), Err(()), "{wrong}");
        }
    }
}
