//! The origin of an output: its input and the columns that were read.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::parquet_file::Input;

/// An input and the columns that are read of it, as the footer of the output keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputOrigin {
    /// Rows of the file; a stream's are not known beforehand, nor its bytes or footer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Size of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// SHA-256 of the file's footer: of every chunk's place, sizes and statistics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer_sha256: Option<String>,
    /// Column of modality 1.
    pub x1: String,
    /// Column of modality 2.
    pub x2: String,
    /// Column of the label.
    pub label: String,
}

impl InputOrigin {
    /// A file, and its columns x1, x2 and label.
    ///
    /// # Errors
    /// Of reading its footer.
    pub fn of_file(input: &Input, columns: [&str; 3]) -> Result<Self> {
        Ok(Self {
            rows: Some(input.rows()),
            bytes: Some(input.file().bytes()),
            footer_sha256: Some(format!("{:x}", Sha256::digest(input.footer()?))),
            ..Self::of_stream(columns)
        })
    }

    /// A stream, of which no more is known before its end than its columns x1, x2 and label.
    pub fn of_stream(columns: [&str; 3]) -> Self {
        let [x1, x2, label] = columns.map(str::to_owned);
        Self { rows: None, bytes: None, footer_sha256: None, x1, x2, label }
    }

    pub(super) fn to_json(&self) -> Result<String> {
        let Self { footer_sha256, x1, x2, label, .. } = self;
        if footer_sha256.is_none() {
            // In the order that footers of streams have always had.
            return Ok(serde_json::json!({ "x1": x1, "x2": x2, "label": label }).to_string());
        }
        serde_json::to_string(self).map_err(|e| Error::Internal(e.to_string()))
    }
}
