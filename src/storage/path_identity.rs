//! The identity of a path: equal for all paths that lead to one file or object, and for those that
//! would, if it existed.

use std::path::{Path, PathBuf};

use super::file_version::FileId;
use super::store_url::{StoreLocation, is_url, locate};

/// The identity of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathIdentity(Target);

/// What a path leads to, or would.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Target {
    /// A file or folder that exists.
    File(FileId),
    /// The resolved path of one that does not.
    Absent(PathBuf),
    /// An object.
    Object(StoreLocation),
    /// A URL that names no object.
    Text(PathBuf),
}

impl PathIdentity {
    /// The identity of a path or URL. Connects to no store.
    pub fn of(path: &Path) -> Self {
        if is_url(path) {
            return Self(locate(path).map_or_else(|_| Target::Text(path.to_owned()), Target::Object));
        }
        Self(FileId::find(path).map_or_else(|| Target::Absent(resolve(path)), Target::File))
    }
}

/// The absolute path, with symbolic links resolved in the part of it that exists.
pub(super) fn resolve(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let real = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    match real {
        Some((above, real)) => real.join(path.strip_prefix(above).unwrap_or(Path::new(""))),
        None => path,
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_to_one_place_are_equal() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("a")).unwrap();
        std::fs::write(path("a/f"), "").unwrap();
        std::os::unix::fs::symlink("a", path("link")).unwrap();
        std::os::unix::fs::symlink("a/f", path("g")).unwrap();
        std::fs::hard_link(path("a/f"), path("h")).unwrap();
        let same = |one: &str, other: &str| PathIdentity::of(&path(one)) == PathIdentity::of(&path(other));
        for name in ["link/f", "g", "h", "a/../a/./f"] {
            assert!(same("a/f", name), "{name}");
        }
        assert!(same("a/new", "link/new") && same("no/such/f", "no/such/./f"));
        assert!(!same("a/f", "a/new") && !same("a/new", "a/newer") && !same("a", "a/f"));
    }

    #[test]
    fn urls_are_compared_as_stores_read_them() {
        let of = |url: &str| PathIdentity::of(Path::new(url));
        assert_eq!(of("s3://data/a.parquet"), of("S3://data/a.parquet"));
        assert_eq!(of("https://Host/a%20b"), of("https://host:443/a b"));
        assert_ne!(of("s3://data/a//b"), of("s3://data/a/b"));
        assert_eq!(of("s3://data/"), of("s3://data/"));
    }
}
