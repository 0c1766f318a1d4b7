//! An output that is published atomically: its name refers to the complete file or to nothing.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::error::{Error, Place, Result};

use super::direct::DirectFile;
use super::leftovers::{self, SUFFIX, folder_of};
use super::output::Output;
use super::regular_file::require_regular;
use super::store_url::is_url;
use super::upload::Upload;

/// An output being written: a temporary file `.NAME.XXXXXX.partial` beside its final name,
/// or a multipart upload. Dropping it without [`Staged::commit`] removes it.
#[derive(Debug)]
pub struct Staged {
    path: PathBuf,
    target: Target,
}

#[derive(Debug)]
enum Target {
    Local { temporary: NamedTempFile, overwrite: bool },
    Remote(Upload),
}

impl Staged {
    /// Creates the temporary file, or starts the upload if `path` is a URL. Removes what killed runs have
    /// left of this output.
    ///
    /// # Errors
    /// [`Error::OutputExists`] if the output exists and `overwrite` is not given;
    /// [`Error::CannotCreate`] if the folder or bucket is missing or not writable, or
    /// the output is a folder; for a URL also [`Error::Transient`], [`Error::Usage`] and
    /// [`Error::Config`].
    pub fn create(path: &Path, overwrite: bool) -> Result<Self> {
        let target = if is_url(path) {
            Target::Remote(Upload::begin(path, overwrite)?)
        } else {
            Target::Local { temporary: create_temporary(path, overwrite)?, overwrite }
        };
        Ok(Self { path: path.to_owned(), target })
    }

    /// The final name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A writer of the content.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn writer(&self) -> Result<Box<dyn Output>> {
        Ok(match &self.target {
            Target::Local { temporary, .. } => {
                let file = temporary.as_file().try_clone().map_err(failed(&self.path, "write"))?;
                Box::new(DirectFile::new(file))
            }
            Target::Remote(upload) => Box::new(upload.writer()),
        })
    }

    /// Bytes written so far.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn bytes(&self) -> Result<u64> {
        match &self.target {
            Target::Local { temporary, .. } => {
                Ok(temporary.as_file().metadata().map_err(failed(&self.path, "write"))?.len())
            }
            Target::Remote(upload) => Ok(upload.bytes()),
        }
    }

    /// Publishes the output: fsync and rename, or completion of the upload.
    ///
    /// # Errors
    /// [`Error::OutputExists`] if an output of this name has appeared meanwhile and
    /// `overwrite` was not given; [`Error::Io`]; [`Error::Transient`] of a store.
    pub fn commit(self) -> Result<()> {
        match self.target {
            Target::Local { temporary, overwrite } => publish(temporary, self.path, overwrite),
            Target::Remote(upload) => upload.commit(),
        }
    }
}

fn create_temporary(path: &Path, overwrite: bool) -> Result<NamedTempFile> {
    let cannot = |source| Error::CannotCreate { path: path.to_owned(), source };
    let name = path.file_name().ok_or_else(|| cannot(io::ErrorKind::InvalidFilename.into()))?;
    if path
        .as_os_str()
        .as_encoded_bytes()
        .last()
        .is_some_and(|last| std::path::is_separator(char::from(*last)))
    {
        return Err(cannot(io::Error::new(io::ErrorKind::IsADirectory, "the name is that of a folder")));
    }
    match std::fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => return Err(cannot(io::ErrorKind::IsADirectory.into())),
        Ok(_) if !overwrite => return Err(Error::OutputExists(path.to_owned())),
        // The rename would take the place of a pipe or device.
        Ok(_) => match std::fs::metadata(path) {
            Ok(there) if !there.is_dir() => require_regular(&there).map_err(cannot)?,
            _ => {}
        },
        _ => {}
    }
    let prefix = leftovers::prefix(name);
    let mut builder = Builder::new();
    builder.prefix(&prefix).suffix(SUFFIX);
    // Temporary files are private by default; this one becomes the output.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    // Checked first: an error of the temporary file would name that file, not the folder.
    std::fs::metadata(folder_of(path)).map_err(cannot)?;
    leftovers::sweep(path);
    let create = || {
        let file = builder.tempfile_in(folder_of(path))?;
        let handle = file.as_file().try_clone()?;
        Ok((file, handle))
    };
    // The lock is that of the file itself, which the writers hold open.
    leftovers::create_locked(create).map(|(file, _)| file).map_err(cannot)
}

fn publish(temporary: NamedTempFile, path: PathBuf, overwrite: bool) -> Result<()> {
    temporary.as_file().sync_all().map_err(failed(&path, "fsync"))?;
    let renamed = if overwrite { temporary.persist(&path) } else { temporary.persist_noclobber(&path) };
    match renamed {
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(Error::OutputExists(path));
        }
        Err(error) => return Err(failed(&path, "rename")(error.error)),
        Ok(_) => {}
    }
    // Without fsync of the folder the rename may not survive a power cut.
    #[cfg(unix)]
    File::open(folder_of(&path)).and_then(|folder| folder.sync_all()).map_err(failed(&path, "fsync"))?;
    Ok(())
}

fn failed(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Error {
    let place = Place::file(path.display());
    move |source| Error::io(place, doing, source)
}

/// The folder for temporary files beside an output.
pub(crate) fn temporary_folder(output: &Path) -> PathBuf {
    match output.parent() {
        _ if is_url(output) => std::env::temp_dir(),
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => ".".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn the_name_appears_on_commit_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.parquet");
        let staged = Staged::create(&path, false).unwrap();
        staged.writer().unwrap().write_all(b"abc").unwrap();
        let [hidden] = &names(folder.path())[..] else { panic!("one file") };
        assert!(hidden.starts_with(".out.parquet.") && hidden.ends_with(".partial"), "{hidden}");
        drop(staged);
        assert!(names(folder.path()).is_empty());

        let staged = Staged::create(&path, false).unwrap();
        staged.writer().unwrap().write_all(b"abc").unwrap();
        staged.commit().unwrap();
        assert_eq!(names(folder.path()), ["out.parquet"]);
        assert_eq!(std::fs::read(&path).unwrap(), b"abc");
    }

    #[test]
    fn what_a_dead_writer_has_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let alive = Staged::create(&path, false).unwrap();
        for name in [".out.dead00.partial", ".out.more.dead00.partial", ".outdead.partial"] {
            std::fs::write(folder.path().join(name), b"half").unwrap();
        }
        let another = Staged::create(&path, false).unwrap();
        assert_eq!(names(folder.path()).len(), 4, "{:?}", names(folder.path()));
        drop((alive, another));
        let mut left = names(folder.path());
        left.sort();
        assert_eq!(left, [".out.more.dead00.partial", ".outdead.partial"]);
    }

    #[test]
    fn an_existing_output_is_kept_unless_told_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let early = Staged::create(&path, false).unwrap();
        std::fs::write(&path, b"mine").unwrap();
        assert_eq!(Staged::create(&path, false).unwrap_err().exit_code(), 73);
        assert!(matches!(early.commit().unwrap_err(), Error::OutputExists(_)));
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        Staged::create(&path, true).unwrap().commit().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn where_nothing_can_be_created() {
        let folder = tempfile::tempdir().unwrap();
        let exit_code = |path: &Path| Staged::create(path, true).unwrap_err().exit_code();
        assert_eq!(exit_code(&folder.path().join("no/such/folder/out")), 73);
        assert_eq!(exit_code(folder.path()), 73);
        assert_eq!(exit_code(Path::new("/")), 73);
    }

    #[cfg(unix)]
    #[test]
    fn the_output_is_as_readable_as_any_new_file() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        let (plain, staged) = (folder.path().join("plain"), folder.path().join("staged"));
        std::fs::write(&plain, b"").unwrap();
        Staged::create(&staged, false).unwrap().commit().unwrap();
        assert_eq!(mode(&plain), mode(&staged));
    }
}
