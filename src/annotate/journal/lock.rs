//! The lock file of an output, which is its journal: one run at a time writes an output.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::error::{Error, Place, Result};
use crate::printable::without_secrets;
use crate::storage::{is_url, open_at_once};

/// The interval at which a lock is tried.
const LOCK_POLL: Duration = Duration::from_millis(200);

/// What a journal belongs to: an output, or row groups of it that are computed on their own.
#[derive(Debug, Clone)]
pub(in crate::annotate) struct JournalKey<'a> {
    output: &'a Path,
    part: Option<Range<usize>>,
    patience: Option<LockPatience<'a>>,
}

impl<'a> JournalKey<'a> {
    /// The journal of a whole output.
    pub(in crate::annotate) fn of(output: &'a Path) -> Self {
        Self { output, part: None, patience: None }
    }

    /// The journal of row groups of an output.
    pub(in crate::annotate) fn of_part(output: &'a Path, row_groups: Range<usize>) -> Self {
        Self { part: Some(row_groups), ..Self::of(output) }
    }

    /// As it is, with the time to wait for its lock.
    pub(in crate::annotate) fn waiting(self, patience: LockPatience<'a>) -> Self {
        Self { patience: Some(patience), ..self }
    }

    /// Opens the file and locks it, once another run has given it up.
    pub(super) fn lock(&self) -> Result<(PathBuf, File)> {
        let (path, start) = (self.path()?, Instant::now());
        loop {
            match (self.try_lock(&path), self.patience) {
                (Err(Error::Transient { .. }), Some(patience)) if start.elapsed() < patience.time => {
                    if patience.stop.load(Ordering::Relaxed) {
                        return Err(Error::Interrupted);
                    }
                    std::thread::sleep(LOCK_POLL);
                }
                (locked, _) => return locked.map(|file| (path, file)),
            }
        }
    }

    /// `.OUT.lsmi-journal` in the output's folder. Object stores do not support appending: the journal
    /// of a URL is in the system's folder of temporary files, named by the hash of the URL without its
    /// secrets, which may be others when the run is resumed.
    pub(super) fn path(&self) -> Result<PathBuf> {
        let Self { output, part, .. } = self;
        let part = part.as_ref().map_or(String::new(), |Range { start, end }| format!(".{start}-{end}"));
        if is_url(output) {
            let name = Sha256::digest(without_secrets(output));
            return Ok(std::env::temp_dir().join(format!(".{name:x}{part}.lsmi-journal")));
        }
        let name = output.file_name().ok_or_else(|| Error::CannotCreate {
            path: (*output).to_owned(),
            source: io::ErrorKind::InvalidFilename.into(),
        })?;
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(part);
        hidden.push(".lsmi-journal");
        Ok(output.with_file_name(hidden))
    }

    /// Opens the file and locks it, unless another run holds it.
    pub(super) fn try_lock(&self, path: &Path) -> Result<File> {
        let cannot = |source| Error::CannotCreate { path: path.to_owned(), source };
        loop {
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(false);
            // The journal holds labels and values of columns that may be encrypted.
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = open_at_once(&mut options, path).map_err(cannot)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let what = "another run is writing this output; wait for its end".to_owned();
                    return Err(Error::Transient { place: Place::file(self.output.display()), what });
                }
                Err(TryLockError::Error(e)) => return Err(cannot(e)),
            }
            // Its last owner may have removed it between our two calls.
            if is_same_file(&file, path) {
                return Ok(file);
            }
        }
    }
}

/// How long a run waits for a lock, and the flag that ends it.
#[derive(Debug, Clone, Copy)]
pub(in crate::annotate) struct LockPatience<'a> {
    pub(in crate::annotate) time: Duration,
    pub(in crate::annotate) stop: &'a AtomicBool,
}

#[cfg(unix)]
fn is_same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(there)) => identity(ours) == identity(there),
        _ => false,
    }
}

/// An open file can't be removed here.
#[cfg(not(unix))]
fn is_same_file(_: &File, _: &Path) -> bool {
    true
}
