//! Where an output comes from: what its footer says of it, by which a whole one is
//! known again, and what a journal says of itself, by which a part of one is.

use std::path::Path;
use std::time::UNIX_EPOCH;

use parquet::file::metadata::KeyValue;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::bundle::{Bundle, Units};
use crate::engine::Description;
use crate::error::{Error, Result};
use crate::interaction::Quantity;
use crate::output::CopyMethod;
use crate::parquet_file::Input;

use super::adjust::Unshifted;
use super::options::{Adjust, Options};

/// The columns a run reads and those it adds.
#[derive(Debug, Clone)]
pub(super) struct RequestedColumns {
    pub(super) x1: String,
    pub(super) x2: String,
    pub(super) label: String,
    pub(super) columns: Vec<Quantity>,
}

impl RequestedColumns {
    /// What the computed columns tell of, what they tell most of first.
    pub(super) fn secrets(&self) -> [&str; 3] {
        [&self.label, &self.x1, &self.x2]
    }
}

/// By what the columns were shifted, in nats: text that gives back the same number.
const SHIFT_KEY: &str = "lsmi_etl.shift_nats";
/// The file's [`Unshifted`] means, where there was a shift.
pub(super) const UNSHIFTED_KEY: &str = "lsmi_etl.unshifted";

/// What an output says of itself beyond what made it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ExistingOutput {
    shift_nats: Option<String>,
    pub(super) unshifted: Option<Unshifted>,
}

impl ExistingOutput {
    /// Whether it was shifted by this constant, or not at all.
    pub(super) fn is_shifted_by(&self, shift_nats: Option<f64>) -> bool {
        self.shift_nats == shift_nats.map(|shift| shift.to_string())
    }
}

/// An input and what is read of it, as the footer of the output keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Origin {
    rows: u64,
    bytes: u64,
    footer_sha256: String,
    x1: String,
    x2: String,
    label: String,
}

/// Everything that a computed value depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Identity {
    input: Origin,
    modified_ns: Option<u64>,
    bundle_sha256: String,
    pub(super) columns: Vec<String>,
    engine: String,
    version: String,
}

impl Identity {
    pub(super) fn new(
        input: &Input,
        bundle: &Bundle,
        asked: &RequestedColumns,
        engine: &Description,
    ) -> Result<Self> {
        let modified = input.file().modified().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(Self {
            input: Origin {
                rows: input.rows(),
                bytes: input.file().bytes(),
                footer_sha256: footer_sha256(input)?,
                x1: asked.x1.clone(),
                x2: asked.x2.clone(),
                label: asked.label.clone(),
            },
            modified_ns: modified.and_then(|time| u64::try_from(time.as_nanos()).ok()),
            bundle_sha256: bundle.digest().to_owned(),
            columns: asked.columns.iter().map(|column| column.name().to_owned()).collect(),
            engine: engine.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }

    /// In what another identity differs, for a message.
    pub(super) fn differences(&self, other: &Self) -> Vec<&'static str> {
        [
            ("input", self.input == other.input && self.modified_ns == other.modified_ns),
            ("bundle", self.bundle_sha256 == other.bundle_sha256),
            ("choice of columns", self.columns == other.columns),
            ("engine", self.engine == other.engine),
            ("version of this program", self.version == other.version),
        ]
        .into_iter()
        .filter_map(|(name, same)| (!same).then_some(name))
        .collect()
    }

    /// What the output's footer says. Nothing of the time or the machine: the same
    /// work gives the same bytes.
    pub(super) fn key_values(
        &self,
        units: Units,
        adjust: Adjust,
        shift_nats: Option<f64>,
        written: Option<CopyMethod>,
    ) -> Result<Vec<KeyValue>> {
        let mut pairs = self.recognised(adjust)?;
        pairs.extend(shift_nats.map(|shift| (SHIFT_KEY, shift.to_string())));
        pairs.extend(written.map(|written| ("lsmi_etl.written", written.name().to_owned())));
        Ok(with_engine(pairs, &self.engine, units))
    }

    /// What a file under the output's name says of itself where, by its footer, it is
    /// what this work would give but perhaps for the shift, and not older than the input.
    pub(super) fn made(&self, output: &Path, options: &Options) -> Result<Option<ExistingOutput>> {
        let Ok(there) = Input::open_with(output, options.keys.as_ref()) else { return Ok(None) };
        let age = there.file().modified().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let older = age.and_then(|age| u64::try_from(age.as_nanos()).ok()) < self.modified_ns;
        let footer = there.metadata().file_metadata();
        let found = |key: &str| {
            let pairs = footer.key_value_metadata().into_iter().flatten();
            pairs.filter(|pair| pair.key == key).find_map(|pair| pair.value.clone())
        };
        let same =
            self.recognised(options.adjust)?.iter().all(|(key, value)| found(key).as_ref() == Some(value));
        let columns = self.columns.iter().all(|name| there.column(name).is_ok());
        let added = serde_json::from_str(&found("lsmi_etl.columns").unwrap_or_default());
        let no_more = added
            .is_ok_and(|added: serde_json::Map<String, serde_json::Value>| added.len() == self.columns.len());
        let is_ours = !older && same && columns && no_more && there.rows() == self.input.rows;
        Ok(is_ours.then(|| ExistingOutput {
            shift_nats: found(SHIFT_KEY),
            unshifted: found(UNSHIFTED_KEY).and_then(|text| text.parse().ok()),
        }))
    }

    fn recognised(&self, adjust: Adjust) -> Result<Vec<(&'static str, String)>> {
        Ok(origin(&self.version, &self.bundle_sha256, to_json(&self.input)?, adjust))
    }
}

/// What is said of rows out of a stream, of which no more is known before they come.
pub(super) fn of_stream(
    bundle: &Bundle,
    asked: &RequestedColumns,
    engine: &Description,
) -> Result<Vec<KeyValue>> {
    let input = serde_json::json!({ "x1": asked.x1, "x2": asked.x2, "label": asked.label });
    let pairs = origin(env!("CARGO_PKG_VERSION"), bundle.digest(), input.to_string(), Adjust::None);
    Ok(with_engine(pairs, &engine.to_string(), bundle.manifest().modalities[0].units))
}

fn origin(version: &str, bundle: &str, input: String, adjust: Adjust) -> Vec<(&'static str, String)> {
    vec![
        ("lsmi_etl.version", version.to_owned()),
        ("lsmi_etl.bundle_sha256", bundle.to_owned()),
        ("lsmi_etl.input", input),
        ("lsmi_etl.adjust", adjust.name().to_owned()),
    ]
}

fn with_engine(mut pairs: Vec<(&'static str, String)>, engine: &str, units: Units) -> Vec<KeyValue> {
    let units = match units {
        Units::Raw => "raw",
        Units::Centred => "centred",
    };
    pairs.push(("lsmi_etl.engine", engine.to_owned()));
    pairs.push(("lsmi_etl.units", units.to_owned()));
    pairs.into_iter().map(|(key, value)| KeyValue::new(key.to_owned(), value)).collect()
}

/// The hash of a footer: of every chunk's place, sizes and statistics.
fn footer_sha256(input: &Input) -> Result<String> {
    Ok(format!("{:x}", Sha256::digest(input.footer()?)))
}

pub(super) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::Internal(e.to_string()))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An identity that differs from others by its bundle.
    pub(in crate::annotate) fn identity(bundle: &str, columns: usize) -> Identity {
        let text = str::to_owned;
        Identity {
            input: Origin {
                rows: 8,
                bytes: 100,
                footer_sha256: text("f"),
                x1: text("x1"),
                x2: text("x2"),
                label: text("y"),
            },
            modified_ns: Some(1),
            bundle_sha256: text(bundle),
            columns: (0..columns).map(|column| column.to_string()).collect(),
            engine: text("e"),
            version: text("v"),
        }
    }

    #[test]
    fn differences_are_named() {
        let (mine, mut other) = (identity("a", 2), identity("b", 3));
        assert_eq!(mine.differences(&other), ["bundle", "choice of columns"]);
        other = Identity { modified_ns: Some(2), ..identity("a", 2) };
        assert_eq!(mine.differences(&other), ["input"]);
    }
}
