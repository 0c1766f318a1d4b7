//! The metrics file for node_exporter's textfile collector. It is replaced atomically; the time of
//! the last success is carried over when a run fails.

use std::io::Write;
use std::path::Path;

use crate::error::{Error, Place, Result};
use crate::storage::{Staged, read_text};

/// The metric that is carried over when a run fails.
const LAST_SUCCESS: &str = "lsmi_etl_last_success_timestamp_seconds";

/// Checks that the file can be written.
///
/// # Errors
/// [`Error::CannotCreate`].
pub(super) fn check(path: &Path) -> Result<()> {
    Staged::create(path, true).map(drop)
}

/// The labels of the series: the name of the file, since series of different files in one folder
/// must differ.
pub(super) fn labels(path: &Path) -> Vec<(&'static str, String)> {
    vec![("pipeline", path.file_stem().unwrap_or_default().to_string_lossy().into_owned())]
}

/// Writes the metrics of a finished run.
///
/// # Errors
/// [`Error::CannotCreate`], [`Error::Io`].
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    let staged = Staged::create(path, true)?;
    let written = staged.writer()?.write_all(text.as_bytes());
    written.map_err(|e| Error::io(Place::file(path.display()), "write", e))?;
    staged.commit()
}

/// The time of the last success in seconds since the epoch, from the file of an earlier run.
pub(super) fn last_success(path: &Path) -> Option<f64> {
    let text = read_text(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(LAST_SUCCESS))?;
    line.rsplit(' ').next()?.parse().ok()
}
