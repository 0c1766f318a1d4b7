//! What killed runs leave beside their outputs: temporary files and folders, `.NAME.XXXXXX.partial`. Whoever
//! writes one holds its lock, which ends with the process, so that the next run can tell it from
//! another's work.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// How often a temporary file is created anew that a sweep has removed before it was locked.
const TRIES: usize = 10;

/// The end of the names of temporary files.
pub(super) const SUFFIX: &str = ".partial";

/// The beginning of the names of an output's temporary files; they end with [`SUFFIX`].
pub(super) fn prefix(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    prefix
}

/// Creates what is locked at once: `create` gives it with a handle.
pub(super) fn create_locked<T>(create: impl Fn() -> io::Result<(T, File)>) -> io::Result<(T, File)> {
    for _ in 0..TRIES {
        let (created, handle) = create()?;
        // File systems without locks are never swept.
        _ = handle.lock();
        if is_linked(&handle) {
            return Ok((created, handle));
        }
    }
    Err(io::Error::other("the temporary file is removed again and again"))
}

/// Removes what nobody writes. Best effort: a leftover does no harm.
pub(super) fn sweep(output: &Path) {
    let Some(name) = output.file_name() else { return };
    let prefix = prefix(name);
    for entry in fs::read_dir(folder_of(output)).into_iter().flatten().flatten() {
        let file = entry.file_name();
        let Some(rest) = file.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes()) else { continue };
        // Another output's name may begin with this one's.
        let is_ours = rest
            .strip_suffix(SUFFIX.as_bytes())
            .is_some_and(|random| !random.is_empty() && !random.contains(&b'.'));
        let is_plain = entry.file_type().is_ok_and(|kind| kind.is_file() || kind.is_dir());
        if is_ours && is_plain {
            let Ok(left) = File::open(entry.path()) else { continue };
            if left.try_lock().is_ok() {
                let is_folder = left.metadata().is_ok_and(|metadata| metadata.is_dir());
                let path = entry.path();
                _ = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            }
        }
    }
}

/// The folder of a path.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Whether a file still has a name.
#[cfg(unix)]
fn is_linked(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|metadata| metadata.nlink() > 0)
}

/// An open file can't be removed here.
#[cfg(not(unix))]
fn is_linked(_: &File) -> bool {
    true
}
