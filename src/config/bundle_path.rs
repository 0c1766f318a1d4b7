//! The location of a bundle: a folder, or a URL of an object store or a web server.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use clap::builder::{MapValueParser, PathBufValueParser, TypedValueParser, ValueParserFactory};
use serde::{Deserialize, Serialize};

/// The folder to which `fit` writes and from which all other commands read by default.
pub const DEFAULT_BUNDLE: &str = "lsmi-bundle";

/// The location of a bundle, [`DEFAULT_BUNDLE`] by default.
/// [`open_bundle`](crate::evaluate::open_bundle) opens either kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BundlePath(PathBuf);

impl Default for BundlePath {
    fn default() -> Self {
        Self(DEFAULT_BUNDLE.into())
    }
}

/// Parses as a path does: an empty value is refused.
impl ValueParserFactory for BundlePath {
    type Parser = MapValueParser<PathBufValueParser, fn(PathBuf) -> Self>;

    fn value_parser() -> Self::Parser {
        PathBufValueParser::new().map(Self)
    }
}

impl Deref for BundlePath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}
