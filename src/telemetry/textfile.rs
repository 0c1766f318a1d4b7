//! The file for node_exporter's textfile collector. It is replaced as a whole; what is only
//! known of runs that went well stays in it when one does not.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Place, Result};
use crate::storage::Staged;

/// The line that outlives a run that fails.
const LAST_SUCCESS: &str = "lsmi_etl_last_success_timestamp_seconds";

/// Fails where the file could not be written.
///
/// # Errors
/// [`Error::CannotCreate`].
pub(super) fn check(path: &Path) -> Result<()> {
    Staged::create(path, true).map(drop)
}

/// What tells the series of this file from those of others in its folder, which must not be
/// the same: its name.
pub(super) fn labels(path: &Path) -> Vec<(&'static str, String)> {
    vec![("pipeline", path.file_stem().unwrap_or_default().to_string_lossy().into_owned())]
}

/// Writes the numbers of a run that has ended.
///
/// # Errors
/// [`Error::CannotCreate`], [`Error::Io`].
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    let staged = Staged::create(path, true)?;
    let written = staged.writer()?.write_all(text.as_bytes());
    written.map_err(|e| Error::io(Place::file(path.display()), "write", e))?;
    staged.commit()
}

/// When a run last went well, in seconds of the epoch, by the file of an earlier one.
pub(super) fn last_success(path: &Path) -> Option<f64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(LAST_SUCCESS))?;
    line.rsplit(' ').next()?.parse().ok()
}
