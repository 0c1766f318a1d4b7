//! Writers for results: text and JSON to stdout, summaries to files. A broken pipe on stdout
//! (`| head`) is not an error.

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::error::{Error, Place, Result};
use crate::printable;
use crate::storage::Staged;

/// Prints text for a person, with names out of data in it: without secrets and control characters.
pub(super) fn text(text: &str) -> Result<()> {
    print(&printable::message(text))
}

/// Prints text unchanged.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Error::io(Place::file("stdout"), "write", e)),
        _ => Ok(()),
    }
}

/// The width of the terminal that stdout is connected to; `None` for a file or a pipe.
pub(super) fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// Whether [`json`] has printed a result: a run whose files are bad, in part, has a summary and fails.
static HAS_RESULT: AtomicBool = AtomicBool::new(false);

/// Whether a result has been printed as JSON.
pub(super) fn has_result() -> bool {
    HAS_RESULT.load(Ordering::Relaxed)
}

/// Prints a value as one line of JSON.
pub(super) fn json(value: &impl Serialize) -> Result<()> {
    HAS_RESULT.store(true, Ordering::Relaxed);
    let mut line = serde_json::to_string(value).map_err(|e| Error::Internal(e.to_string()))?;
    line.push('\n');
    print(&line)
}

/// Writes the summary of a run where `--summary` and `--json` ask for it.
pub(super) fn results(value: &impl Serialize, file: Option<&Path>, to_stdout: bool) -> Result<()> {
    file.map_or(Ok(()), |file| summary(file, value))?;
    if to_stdout { json(value) } else { Ok(()) }
}

/// Writes a value as JSON to a file (`--summary`).
pub(super) fn summary(path: &Path, value: &impl Serialize) -> Result<()> {
    let json = serde_json::to_vec(value).map_err(|e| Error::Internal(e.to_string()))?;
    match replace(path, &json) {
        // A file that is mounted alone, as /dev/termination-log in Kubernetes, can't be replaced.
        Err(error) if path.is_file() && is_about_folder(&error) => {
            std::fs::write(path, json).map_err(|source| Error::CannotCreate { path: path.to_owned(), source })
        }
        written => written,
    }
}

fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let staged = Staged::create(path, true)?;
    let written = staged.writer()?.write_all(content);
    written.map_err(|e| Error::io(Place::file(path.display()), "write", e))?;
    staged.commit()
}

/// Whether no file can be created or renamed in a folder.
fn is_about_folder(error: &Error) -> bool {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    match error {
        Error::CannotCreate { source, .. } | Error::Io { source, .. } => {
            [CrossesDevices, PermissionDenied, ReadOnlyFilesystem, ResourceBusy].contains(&source.kind())
        }
        _ => false,
    }
}
