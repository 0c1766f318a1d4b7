//! The folders of outputs: those that must be there before a run begins, and those of a data set, in which no
//! other output may lie.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

use super::path_identity::resolve;
use super::store_url::{is_url, join_path};

/// Checks that a file can be created under this name: its folder is there, or is one that the run creates.
///
/// # Errors
/// [`Error::CannotCreate`].
pub(super) fn require_folder(path: &Path, created: &[PathBuf]) -> Result<()> {
    let cannot = |source| Err(Error::CannotCreate { path: path.to_owned(), source });
    if is_url(path) {
        return Ok(());
    }
    let ends_in_separator = path.as_os_str().as_encoded_bytes().last();
    if ends_in_separator.is_some_and(|last| std::path::is_separator(char::from(*last))) {
        return cannot(io::Error::new(io::ErrorKind::IsADirectory, "the name is that of a folder"));
    }
    if path.is_dir() {
        return cannot(io::ErrorKind::IsADirectory.into());
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => return Ok(()),
    };
    let is_created = || {
        let folder = resolve(folder);
        created.iter().any(|created| resolve(created).starts_with(&folder))
    };
    match std::fs::metadata(folder) {
        Ok(there) if there.is_dir() => Ok(()),
        Ok(_) => cannot(io::ErrorKind::NotADirectory.into()),
        Err(source) if source.kind() == io::ErrorKind::NotFound && is_created() => Ok(()),
        Err(source) => cannot(source),
    }
}

/// Whether a path or URL lies below a folder, by whatever names.
pub fn lies_in(path: &Path, folder: &Path) -> bool {
    match (is_url(path), is_url(folder)) {
        (false, false) => resolve(path).starts_with(resolve(folder)),
        (true, true) => {
            // Of paths, starts_with would take `//` for `/`.
            let folder = join_path(folder, Path::new(""));
            path.to_str().zip(folder.to_str()).is_some_and(|(path, folder)| path.starts_with(folder))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_there_or_is_created() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("file"), "").unwrap();
        let of =
            |name: &str, created: &[PathBuf]| require_folder(&path(name), created).map_err(|e| e.exit_code());
        assert_eq!(of("new.json", &[]), Ok(()));
        for name in ["no/new.json", "file/new.json", "no/deep/new.json"] {
            assert_eq!(of(name, &[path("other")]), Err(73), "{name}");
        }
        assert_eq!(require_folder(dir.path(), &[]).unwrap_err().exit_code(), 73);
        assert_eq!(of("outd/", &[]), Err(73));
        assert_eq!(of("no/new.json", &[path("no/deep")]), Ok(()));
        assert_eq!(of("no/deep/new.json", &[path("no/deep")]), Ok(()));
        assert_eq!(require_folder(Path::new("new.json"), &[]).map_err(|e| e.exit_code()), Ok(()));
        assert_eq!(
            require_folder(Path::new("s3://data/no/new.json"), &[]).map_err(|e| e.exit_code()),
            Ok(())
        );
    }

    #[test]
    fn paths_lie_in_folders_and_urls_below_prefixes() {
        for (path, folder, lies) in [
            ("out/a.parquet", "out", true),
            ("out/../out/b/a.csv", "./out/", true),
            ("outer/a.parquet", "out", false),
            ("out", "out/a", false),
            ("s3://data/out/a", "s3://data/out", true),
            ("s3://data/outer/a", "s3://data/out", false),
            ("s3://data/out/a", "out", false),
        ] {
            assert_eq!(lies_in(Path::new(path), Path::new(folder)), lies, "{path} {folder}");
        }
    }
}
