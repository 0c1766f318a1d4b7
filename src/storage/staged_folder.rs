//! A folder that is published atomically: its name refers to the complete folder or to the one before.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tempfile::{Builder, TempDir};

use crate::error::{Error, Place, Result};

use super::leftovers::{self, SUFFIX, folder_of};

/// A folder being filled, `.NAME.XXXXXX.partial` beside its final name. Dropping it without
/// [`StagedFolder::commit`] removes it.
#[derive(Debug)]
pub struct StagedFolder {
    path: PathBuf,
    temporary: TempDir,
    /// Holds the lock, and syncs the names of the files.
    handle: File,
}

impl StagedFolder {
    /// Creates the temporary folder, and the folders above it. Removes what killed runs have left of
    /// this folder.
    ///
    /// # Errors
    /// [`Error::CannotCreate`].
    pub fn create(path: &Path) -> Result<Self> {
        let cannot = |source| Error::CannotCreate { path: path.to_owned(), source };
        let path = &behind_link(path).map_err(cannot)?;
        let name = path.file_name().ok_or_else(|| cannot(std::io::ErrorKind::InvalidFilename.into()))?;
        fs::create_dir_all(folder_of(path)).map_err(cannot)?;
        leftovers::sweep(path);
        let prefix = leftovers::prefix(name);
        let mut builder = Builder::new();
        builder.prefix(&prefix).suffix(SUFFIX);
        // Temporary folders are private by default; this one becomes the output.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        let create = || {
            let folder = builder.tempdir_in(folder_of(path))?;
            let handle = File::open(folder.path())?;
            Ok((folder, handle))
        };
        let (temporary, handle) = leftovers::create_locked(create).map_err(cannot)?;
        Ok(Self { path: path.to_owned(), temporary, handle })
    }

    /// Where to write the files. Each has to be synced by its writer.
    pub fn folder(&self) -> &Path {
        self.temporary.path()
    }

    /// Gives the folder its name. A folder of this name is replaced.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::CannotCreate`].
    pub fn commit(self) -> Result<()> {
        let Self { path, temporary, handle } = self;
        let failed = |doing, source| Error::io(Place::file(path.display()), doing, source);
        sync(&handle).map_err(|source| failed("fsync", source))?;
        if path.exists() {
            // What was there is in the temporary folder then, which is removed.
            exchange(temporary.path(), &path).map_err(|source| failed("rename", source))?;
        } else {
            fs::rename(temporary.path(), &path).map_err(|source| failed("rename", source))?;
            _ = temporary.keep();
        }
        // Without it the rename may not survive a power cut.
        let above = File::open(folder_of(&path)).and_then(|above| sync(&above));
        above.map_err(|source| failed("fsync", source))
    }
}

/// The path of the folder that a link leads to; otherwise the same path. A rename would take the link for the folder.
fn behind_link(path: &Path) -> std::io::Result<PathBuf> {
    // A slash at the end would follow the link.
    let plain: PathBuf = path.components().collect();
    if plain.is_symlink() { plain.canonicalize() } else { Ok(plain) }
}

/// Exchanges two folders' names, so that there is no moment without the folder.
fn exchange(fresh: &Path, path: &Path) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        match renameat_with(CWD, fresh, CWD, path, RenameFlags::EXCHANGE) {
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => {}
            done => return Ok(done?),
        }
    }
    // Where a file system can't exchange, the folder is gone for a moment.
    let old = fresh.with_extension("old");
    fs::rename(path, &old)?;
    fs::rename(fresh, path)?;
    fs::rename(old, fresh)
}

#[cfg(unix)]
fn sync(folder: &File) -> std::io::Result<()> {
    folder.sync_all()
}

/// Folders can't be synced here.
#[cfg(not(unix))]
fn sync(_: &File) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_replaced_as_a_whole_and_leftovers_go() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("bundle");
        let names = || {
            let entries = fs::read_dir(above.path()).unwrap();
            let mut names: Vec<_> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        for content in ["a", "b"] {
            let staged = StagedFolder::create(&path).unwrap();
            fs::write(staged.folder().join("file"), content).unwrap();
            staged.commit().unwrap();
            assert_eq!(fs::read_to_string(path.join("file")).unwrap(), content);
            assert_eq!(names(), ["bundle"]);
        }
        let alive = StagedFolder::create(&path).unwrap();
        fs::create_dir_all(above.path().join(".bundle.dead00.partial/deep")).unwrap();
        fs::create_dir(above.path().join(".bundle.more.dead00.partial")).unwrap();
        let another = StagedFolder::create(&path).unwrap();
        assert_eq!(names().len(), 4, "{:?}", names());
        assert!(alive.folder().exists() && another.folder().exists());
        drop((alive, another));
        assert_eq!(names(), [".bundle.more.dead00.partial", "bundle"]);
    }
}
