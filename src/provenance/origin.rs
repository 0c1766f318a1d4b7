//! The origin of an output: its input and the columns that were read.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::parquet_file::Input;

/// An input and the columns that are read of it, as the footer of the output keeps it.
/// In JSON the columns are `x1`, `x2`, … and `label`.
#[derive(Debug, Clone, PartialEq)]
pub struct InputOrigin {
    /// Rows of the file; a stream's are not known beforehand, nor its bytes or footer.
    pub rows: Option<u64>,
    /// Size of the file.
    pub bytes: Option<u64>,
    /// SHA-256 of the file's footer: of every chunk's place, sizes and statistics.
    pub footer_sha256: Option<String>,
    /// Columns of the modalities.
    pub x: Vec<String>,
    /// Column of the label.
    pub label: String,
}

impl InputOrigin {
    /// A file, and the columns of its modalities and of its label.
    ///
    /// # Errors
    /// Of reading its footer.
    pub fn of_file(input: &Input, x: &[&str], label: &str) -> Result<Self> {
        Ok(Self {
            rows: Some(input.rows()),
            bytes: Some(input.file().bytes()),
            footer_sha256: Some(format!("{:x}", Sha256::digest(input.footer()?))),
            ..Self::of_stream(x, label)
        })
    }

    /// A stream, of which no more is known before its end than the columns.
    pub fn of_stream(x: &[&str], label: &str) -> Self {
        let x = x.iter().map(|name| (*name).to_owned()).collect();
        Self { rows: None, bytes: None, footer_sha256: None, x, label: label.to_owned() }
    }

    pub(super) fn to_json(&self) -> Result<String> {
        let json = match self.footer_sha256 {
            Some(_) => serde_json::to_string(self),
            // Sorted by name, as footers of streams have always been.
            None => serde_json::to_value(self).map(|value| value.to_string()),
        };
        json.map_err(|e| Error::Internal(e.to_string()))
    }
}

impl Serialize for InputOrigin {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let Self { rows, bytes, footer_sha256, x, label } = self;
        let mut map = serializer.serialize_map(None)?;
        rows.iter().try_for_each(|rows| map.serialize_entry("rows", rows))?;
        bytes.iter().try_for_each(|bytes| map.serialize_entry("bytes", bytes))?;
        footer_sha256.iter().try_for_each(|sha256| map.serialize_entry("footer_sha256", sha256))?;
        for (index, column) in x.iter().enumerate() {
            map.serialize_entry(&format!("x{}", index + 1), column)?;
        }
        map.serialize_entry("label", label)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for InputOrigin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Read {
            rows: Option<u64>,
            bytes: Option<u64>,
            footer_sha256: Option<String>,
            label: String,
            #[serde(flatten)]
            others: BTreeMap<String, serde_json::Value>,
        }
        let Read { rows, bytes, footer_sha256, label, others } = Read::deserialize(deserializer)?;
        let named = (1..).map_while(|index| others.get(&format!("x{index}")));
        let x = named.map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
        let x = x.filter(|x| x.len() > 1).ok_or_else(|| D::Error::custom("no columns x1 and x2"))?;
        Ok(Self { rows, bytes, footer_sha256, x, label })
    }
}
