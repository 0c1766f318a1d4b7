//! The folder of an unfinished fit, beside its bundle: the training rows, and the state of the models
//! after the last pass. An interrupted fit continues from it; a finished one removes it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Place, Result};
use crate::samples::FateCounts;
use crate::storage::{open_at_once, read_regular};

/// The rows that are in the folder, all of them written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredRows {
    /// Everything that the rows and models depend on.
    pub identity: String,
    /// Rows of each fold.
    pub folds: Vec<usize>,
    /// Rows of each class.
    pub classes: Vec<u64>,
    /// Fates of all rows of the files.
    pub fates: FateCounts,
}

/// The folder, locked by this process.
pub(super) struct WorkFolder {
    path: PathBuf,
    _lock: File,
    /// Whether what it holds is worth keeping after a failure.
    is_resumable: bool,
}

impl WorkFolder {
    /// Opens or creates the folder of a bundle. With `resume`, also returns the rows of an unfinished
    /// fit of this identity; without, begins anew.
    ///
    /// # Errors
    /// [`Error::Transient`] while another process fits this bundle, [`Error::Usage`] to resume a fit of
    /// other rows or options, [`Error::CannotCreate`].
    pub fn open(bundle: &Path, identity: &str, resume: bool) -> Result<(Self, Option<StoredRows>)> {
        let name = bundle.file_name().unwrap_or_else(|| "bundle".as_ref()).to_string_lossy();
        let path = bundle.with_file_name(format!(".{name}.lsmi-fit"));
        let cannot = |source| Error::CannotCreate { path: path.clone(), source };
        // What it holds is removed later, and that must not be another folder's.
        if path.is_symlink() {
            return Err(cannot(io::Error::new(io::ErrorKind::InvalidInput, "it is a link; remove it")));
        }
        fs::create_dir_all(&path).map_err(cannot)?;
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        let lock = open_at_once(&mut options, &path.join("lock")).map_err(cannot)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let what = "another process is fitting this bundle; wait for its end".to_owned();
                return Err(Error::Transient { place: Place::file(bundle.display()), what });
            }
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
        }
        let mut folder = Self { path, _lock: lock, is_resumable: false };
        let stored: Option<StoredRows> = folder.load("rows.bin")?;
        match stored {
            Some(stored) if resume && stored.identity == identity => {
                folder.is_resumable = true;
                return Ok((folder, Some(stored)));
            }
            Some(_) if resume => {
                folder.is_resumable = true;
                let what = format!(
                    "{}: the unfinished fit is of other files or options; give the same ones, or fit without --resume",
                    folder.path.display()
                );
                return Err(Error::Usage(what));
            }
            Some(_) => tracing::warn!("an unfinished fit of this bundle begins anew (--resume continues it)"),
            None if resume => tracing::info!("there is no unfinished fit of this bundle to resume"),
            None => {}
        }
        folder.clear()?;
        Ok((folder, None))
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Notes that all rows are written: from now on the fit can be resumed.
    pub fn save_rows(&mut self, rows: &StoredRows) -> Result<()> {
        self.save("rows.bin", rows)?;
        self.is_resumable = true;
        Ok(())
    }

    /// Replaces the state of the models.
    pub fn save_state(&self, state: &impl Serialize) -> Result<()> {
        self.save("state.bin", state)
    }

    /// The last state of the models, where there is one.
    pub fn load_state<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        self.load("state.bin")
    }

    /// Removes the folder: the bundle is written.
    pub fn finish(mut self) {
        self.is_resumable = false;
    }

    fn save(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let path = self.path.join(name);
        let temporary = self.path.join(format!("{name}.tmp"));
        let bytes = rmp_serde::to_vec_named(value)
            .map_err(|error| Error::Internal(format!("the state of a fit: {error}")))?;
        let written = File::create(&temporary).and_then(|mut file| {
            io::Write::write_all(&mut file, &bytes)?;
            file.sync_data()
        });
        written.and_then(|()| fs::rename(&temporary, &path)).map_err(|source| Error::Io {
            place: Place::file(path.display()),
            doing: "write",
            source,
        })
    }

    fn load<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let path = self.path.join(name);
        match read_regular(&path, u64::MAX) {
            Ok(bytes) => Ok(rmp_serde::from_slice(&bytes)
                .inspect_err(|error| tracing::debug!("{}: {error}", path.display()))
                .ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Io { place: Place::file(path.display()), doing: "read", source }),
        }
    }

    /// Removes everything but the lock.
    fn clear(&self) -> Result<()> {
        let cannot = |source| Error::CannotCreate { path: self.path.clone(), source };
        for entry in fs::read_dir(&self.path).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            if entry.file_name() != "lock" {
                fs::remove_file(entry.path()).map_err(cannot)?;
            }
        }
        Ok(())
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        if self.is_resumable {
            tracing::info!("{} holds the unfinished fit; --resume continues it", self.path.display());
        } else if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!("{} can't be removed: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_fit_is_kept_and_another_is_told_from_it() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = folder.path().join("bundle");
        let rows = StoredRows {
            identity: "a".into(),
            folds: vec![3, 4],
            classes: vec![5, 2],
            fates: FateCounts::default(),
        };
        let (mut work, found) = WorkFolder::open(&bundle, "a", true).unwrap();
        assert!(found.is_none());
        assert!(matches!(WorkFolder::open(&bundle, "a", true), Err(Error::Transient { .. })));
        work.save_rows(&rows).unwrap();
        work.save_state(&[1.5, 2.5]).unwrap();
        drop(work);
        let (work, found) = WorkFolder::open(&bundle, "a", true).unwrap();
        assert_eq!(found.unwrap().folds, [3, 4]);
        assert_eq!(work.load_state::<[f64; 2]>().unwrap(), Some([1.5, 2.5]));
        drop(work);
        assert!(matches!(WorkFolder::open(&bundle, "b", true), Err(Error::Usage(_))));
        let (work, found) = WorkFolder::open(&bundle, "a", false).unwrap();
        assert!(found.is_none() && work.load_state::<[f64; 2]>().unwrap().is_none());
        let path = work.path().to_owned();
        drop(work);
        assert!(!path.exists());
    }
}
