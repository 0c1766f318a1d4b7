//! Description of a loaded engine, for the log and the footer.

use std::path::PathBuf;

use serde::Serialize;

/// Name, version, device and library of an engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EngineDescription {
    /// "onnxruntime" or "embedded".
    pub name: String,
    /// The engine's version.
    pub version: String,
    /// "cpu", or "cuda:N" of every GPU, "with TF32" where that may round.
    pub device: String,
    /// The library that was loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub library: Option<PathBuf>,
}

impl std::fmt::Display for EngineDescription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}) on {}", self.name, self.version, self.device)
    }
}
