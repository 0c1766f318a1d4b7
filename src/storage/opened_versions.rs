//! The versions of files that are opened several times: all of them must be the same.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Place, Result};

use super::file_version::FileVersion;
use super::source_file::SourceFile;

/// By path, the version that was opened first.
#[derive(Debug, Default)]
pub struct OpenedVersions(Mutex<HashMap<PathBuf, FileVersion>>);

impl OpenedVersions {
    /// Checks that a file is of the version that was opened first, which is this one if it is the first.
    ///
    /// # Errors
    /// [`Error::Transient`].
    pub fn check(&self, file: &SourceFile) -> Result<()> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = known.entry(file.path().to_owned()).or_insert_with(|| file.version().clone());
        if first == file.version() {
            return Ok(());
        }
        let what = "the input was changed while it was read".to_owned();
        Err(Error::Transient { place: Place::file(file.path().display()), what })
    }
}
