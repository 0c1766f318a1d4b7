//! The answer to `lsmi-etl --version --json`: what a program was built from, for bug reports and for
//! scripts that must know what it can do.

use std::ffi::OsStr;

use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;

use crate::engine::EngineChoice;
use crate::error::Result;

use super::output;

/// The build of the program.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Version")]
struct Build {
    /// The version, as `--version` prints it.
    version: &'static str,
    /// The commit that a release was built from; null where the build did not state it in `LSMI_ETL_COMMIT`.
    commit: Option<&'static str>,
    /// The operating system that the program was built for.
    os: &'static str,
    /// The processor architecture that the program was built for.
    arch: &'static str,
    /// Cargo features that are compiled in.
    features: Vec<&'static str>,
    /// Engines that can run the models; ONNX Runtime needs its library, which `lsmi-etl doctor` looks for.
    engines: Vec<String>,
}

/// The JSON Schema of what `--version --json` prints.
pub fn version_schema() -> Schema {
    schema_for!(Build)
}

/// Whether arguments ask for the version as JSON.
pub(super) fn is_json(mut args: impl Iterator<Item = impl AsRef<OsStr>>) -> bool {
    args.any(|arg| arg.as_ref() == "--json")
}

/// Prints the build as one line of JSON.
///
/// # Errors
/// [`crate::error::Error::Io`] where stdout can't be written.
pub(super) fn print() -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    // Not from a build script: that would compile the crate again after each commit.
    let commit = option_env!("LSMI_ETL_COMMIT").filter(|commit| !commit.is_empty());
    let features = if cfg!(feature = "cluster") { vec!["cluster"] } else { Vec::new() };
    let engines = [EngineChoice::OnnxRuntime, EngineChoice::Embedded].map(|engine| engine.to_string());
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    output::json(&Build { version, commit, os, arch, features, engines: engines.to_vec() })
}
