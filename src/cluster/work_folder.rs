//! The folder of an executor's results: a temporary one that is locked while its process lives, so that the
//! next executor on the machine removes what killed ones have left.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::{Error, Place, Result};

/// How the names of the folders begin.
const PREFIX: &str = "lsmi-etl-executor-";
/// The file that is locked.
const LOCK: &str = "lock";
/// The folder of results, which holds nothing but Ballista's own.
const RESULTS: &str = "results";

/// The folder of results of an executor.
pub(super) struct WorkFolder {
    results: PathBuf,
    /// Where it is temporary. The folder is removed, then the lock released.
    _temporary: Option<(TempDir, File)>,
}

impl WorkFolder {
    /// The named folder, or a temporary one that is removed at the end.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn open(named: Option<&Path>) -> Result<Self> {
        let Some(folder) = named else { return Self::temporary(&std::env::temp_dir()) };
        let failed = |e| Error::io(Place::file(folder.display()), "create", e);
        fs::create_dir_all(folder).map_err(failed)?;
        Ok(Self { results: folder.to_owned(), _temporary: None })
    }

    /// A folder that is removed at the end, in this one.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn temporary(parent: &Path) -> Result<Self> {
        let failed = |e| Error::io(Place::file(parent.display()), "create a temporary folder in", e);
        remove_abandoned(parent);
        loop {
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent).map_err(failed)?;
            let results = folder.path().join(RESULTS);
            // Another executor may take the folder for an abandoned one until it is locked.
            if let Some(lock) = locked(folder.path(), true).map_err(failed)?
                && fs::create_dir(&results).is_ok()
                && folder.path().join(LOCK).exists()
            {
                return Ok(Self { results, _temporary: Some((folder, lock)) });
            }
        }
    }

    /// The folder's path.
    pub(super) fn path(&self) -> &Path {
        &self.results
    }
}

/// Locks a folder; `None` where another process holds it, or it is gone.
fn locked(folder: &Path, creates: bool) -> io::Result<Option<File>> {
    match File::options().write(true).create(creates).truncate(false).open(folder.join(LOCK)) {
        Ok(lock) => Ok(lock.try_lock().is_ok().then_some(lock)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Removes the folders of executors that were killed. Those of other users can't be opened, and stay.
fn remove_abandoned(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && let Ok(Some(_lock)) = locked(&entry.path(), false) {
            match fs::remove_dir_all(entry.path()) {
                Ok(()) => tracing::debug!("{} of a killed executor is removed", entry.path().display()),
                Err(e) => tracing::warn!("{} of a killed executor stays: {e}", entry.path().display()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stays_while_it_is_locked() {
        let parent = tempfile::tempdir().unwrap();
        let first = WorkFolder::temporary(parent.path()).unwrap();
        let (folder, lock) = WorkFolder::temporary(parent.path()).unwrap()._temporary.unwrap();
        // As if its process had been killed.
        let left = folder.keep();
        fs::write(left.join(RESULTS).join("data"), "rows").unwrap();
        drop(lock);
        let other = parent.path().join("lsmi-etl-executor-of-a-stranger");
        fs::create_dir(&other).unwrap();

        let third = WorkFolder::temporary(parent.path()).unwrap();
        assert!(first.path().exists() && third.path().exists() && other.exists());
        assert!(!left.exists());
        drop((first, third));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
