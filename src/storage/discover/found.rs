//! A file that a search has found, and which names a search passes over.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Place};

/// A file that was found, and its path below the folder that was searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) relative: PathBuf,
    pub(super) bytes: u64,
}

/// Whether a file below a searched folder is one to read.
pub(super) fn is_data(relative: &Path) -> bool {
    let visible = |name: &str| !(name.starts_with('.') || name.starts_with('_') && !name.contains('='));
    relative.iter().all(|name| visible(&name.to_string_lossy()))
        && relative.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"))
}

pub(super) fn no_input(path: &Path, source: io::Error) -> Error {
    Error::NoInput { place: Place::file(path.display()), source }
}
