//! The lock file of an output, which is its journal: one run at a time writes an output.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{Error, Place, Result};
use crate::printable::without_secrets;
use crate::storage::{is_url, open_at_once};

/// `.OUT.lsmi-journal` in the output's folder. Object stores do not support appending: the journal
/// of a URL is in the system's folder of temporary files, named by the hash of the URL without its
/// secrets, which may be others when the run is resumed.
pub(super) fn path_for(output: &Path) -> Result<PathBuf> {
    if is_url(output) {
        let name = Sha256::digest(without_secrets(output));
        return Ok(std::env::temp_dir().join(format!(".{name:x}.lsmi-journal")));
    }
    let name = output.file_name().ok_or_else(|| Error::CannotCreate {
        path: output.to_owned(),
        source: io::ErrorKind::InvalidFilename.into(),
    })?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".lsmi-journal");
    Ok(output.with_file_name(hidden))
}

/// Opens the file under this path and locks it.
pub(super) fn lock(path: &Path, output: &Path) -> Result<File> {
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
                return Err(Error::Transient { place: Place::file(output.display()), what });
            }
            Err(TryLockError::Error(e)) => return Err(cannot(e)),
        }
        // Its last owner may have removed it between our two calls.
        if is_same_file(&file, path) {
            return Ok(file);
        }
    }
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
