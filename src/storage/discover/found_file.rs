//! A file found by a search, and the filter of file names.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Place};

/// A file with its path relative to the searched folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundFile {
    pub(super) path: PathBuf,
    pub(super) relative: PathBuf,
    pub(super) bytes: u64,
}

/// Whether a path below a searched folder names a data file: `*.parquet`, and neither hidden
/// nor below a hidden folder.
pub(super) fn is_data_file(relative: &Path) -> bool {
    let visible = |name: &str| !(name.starts_with('.') || name.starts_with('_') && !name.contains('='));
    relative.iter().all(|name| visible(&name.to_string_lossy()))
        && relative.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"))
}

pub(super) fn no_input(path: &Path, source: io::Error) -> Error {
    Error::NoInput { place: Place::file(path.display()), source }
}
