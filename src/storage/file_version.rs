//! Versions and identities of files. A version differs from that of every earlier or later content
//! of a path; an identity is that of the file under all its names.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use object_store::ObjectMeta;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Place, Result};

/// The version of a file or object. The time of the last write can be set at will and the size may be
/// the same; the system alone sets the time of the last change, and a file that is put in another's
/// place has its own inode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileVersion {
    bytes: u64,
    /// Time of the last write.
    modified_ns: Option<u64>,
    /// Time of the last change of the content, the name or the permissions (ctime).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed_ns: Option<u64>,
    // Without the device, whose number may differ between two mounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inode: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e_tag: Option<String>,
    /// The version of the object, in a bucket that keeps several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

impl FileVersion {
    /// The version of a local file.
    pub(super) fn of_file(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let (changed_ns, inode) = (changed_ns(metadata), Some(std::os::unix::fs::MetadataExt::ino(metadata)));
        #[cfg(not(unix))]
        let (changed_ns, inode) = (None, None);
        let modified_ns = metadata.modified().ok().and_then(nanoseconds);
        Self { bytes: metadata.len(), modified_ns, changed_ns, inode, e_tag: None, version: None }
    }

    /// The version of an object.
    pub(super) fn of_object(meta: &ObjectMeta) -> Self {
        Self {
            bytes: meta.size,
            modified_ns: nanoseconds(meta.last_modified.into()),
            changed_ns: None,
            inode: None,
            e_tag: meta.e_tag.clone(),
            version: meta.version.clone(),
        }
    }

    /// Whether two answers may be of one version of an object: by their ETags where both have one.
    pub(super) fn may_equal(&self, other: &Self) -> bool {
        match (&self.e_tag, &other.e_tag) {
            (Some(tag), Some(other_tag)) => (self.bytes, tag) == (other.bytes, other_tag),
            _ => (self.bytes, self.modified_ns) == (other.bytes, other.modified_ns),
        }
    }

    /// Size.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether this version of a path may have got there after another file was written. Equal times
    /// are no proof of the order: some clocks have whole seconds.
    pub(super) fn may_be_newer(&self, path: &Path, than: &Self) -> bool {
        let newest = self.newest_ns().max(newest_link_ns(path));
        newest.is_none() || newest >= than.modified_ns
    }

    /// Time of the last write or change.
    fn newest_ns(&self) -> Option<u64> {
        self.modified_ns.max(self.changed_ns)
    }
}

/// A path of a local file, and the version of the file that it named at some time.
#[derive(Debug, Clone)]
pub struct VersionedPath {
    path: PathBuf,
    version: FileVersion,
}

impl VersionedPath {
    /// The path with the version that it names now.
    ///
    /// # Errors
    /// As for [`std::fs::metadata`].
    pub fn now(path: &Path) -> io::Result<Self> {
        Ok(Self::new(path, &std::fs::metadata(path)?))
    }

    /// The path with the version of a file that it named when the file was opened.
    pub(super) fn new(path: &Path, metadata: &Metadata) -> Self {
        Self { path: path.to_owned(), version: FileVersion::of_file(metadata) }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The version.
    pub fn version(&self) -> &FileVersion {
        &self.version
    }

    /// Size of the version.
    pub fn bytes(&self) -> u64 {
        self.version.bytes()
    }

    /// Checks that the path still names the same file, and that it has not been changed since.
    ///
    /// # Errors
    /// [`Error::Transient`], because the write ends at some time.
    pub fn verify_unchanged(&self) -> Result<()> {
        let changed = |what: String| Error::Transient { place: Place::file(self.path.display()), what };
        let now = std::fs::metadata(&self.path)
            .map_err(|error| changed(format!("the input can no longer be found ({error})")))?;
        if FileVersion::of_file(&now) == self.version {
            Ok(())
        } else {
            Err(changed("the input was changed while it was read".to_owned()))
        }
    }
}

/// Whether a local file may have been written, or put in its place, after another was written; also
/// where one of them is not there.
pub fn may_be_newer(path: &Path, than: &Path) -> bool {
    let version = |path| std::fs::metadata(path).ok().as_ref().map(FileVersion::of_file);
    match (version(path), version(than)) {
        (Some(file), Some(other)) => file.may_be_newer(path, &other),
        _ => true,
    }
}

/// The time of the last change of a local file, that of its last write or later.
///
/// # Errors
/// Where the system has no such times.
pub fn last_change(metadata: &Metadata) -> io::Result<SystemTime> {
    let written = metadata.modified()?;
    let newest = FileVersion::of_file(metadata).newest_ns();
    Ok(newest.map_or(written, |ns| written.max(UNIX_EPOCH + Duration::from_nanos(ns))))
}

/// When the newest symbolic link in a path was made: what lies behind it may be older.
fn newest_link_ns(path: &Path) -> Option<u64> {
    let links = path.ancestors().filter_map(|above| above.symlink_metadata().ok());
    links.filter(Metadata::is_symlink).filter_map(|link| FileVersion::of_file(&link).newest_ns()).max()
}

fn nanoseconds(time: SystemTime) -> Option<u64> {
    let since_epoch = time.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since_epoch.as_nanos()).ok()
}

#[cfg(unix)]
fn changed_ns(metadata: &Metadata) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    let seconds = u64::try_from(metadata.ctime()).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(u64::try_from(metadata.ctime_nsec()).ok()?)
}

/// The identity of a local file or folder: equal for all paths that lead to it, through links, too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct FileId(Id);

/// Device and inode.
#[cfg(unix)]
type Id = (u64, u64);
/// The resolved path.
#[cfg(not(unix))]
type Id = std::path::PathBuf;

impl FileId {
    /// The identity of what a path leads to, by its metadata.
    #[cfg(unix)]
    pub(super) fn of(_: &Path, metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self((metadata.dev(), metadata.ino()))
    }

    /// The identity of what a path leads to.
    #[cfg(not(unix))]
    pub(super) fn of(path: &Path, _: &Metadata) -> Self {
        Self(path.canonicalize().unwrap_or_else(|_| path.to_owned()))
    }

    /// The identity of what a path leads to; `None` where nothing is there.
    pub(super) fn find(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|metadata| Self::of(path, &metadata))
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    use super::*;

    fn version(path: &Path) -> FileVersion {
        FileVersion::of_file(&fs::metadata(path).unwrap())
    }

    #[test]
    fn a_file_in_anothers_place_is_another_version_whatever_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["a", "b", "made"] {
            fs::write(path(name), "12345").unwrap();
        }
        let old = SystemTime::now() - Duration::from_secs(1000);
        for name in ["a", "b"] {
            File::options().write(true).open(path(name)).unwrap().set_modified(old).unwrap();
        }
        let before = version(&path("a"));
        assert_eq!(before, serde_json::from_slice(&serde_json::to_vec(&before).unwrap()).unwrap());
        fs::rename(path("b"), path("a")).unwrap();
        assert_ne!(before, version(&path("a")));
        // Its time of writing is long before, and yet it came later.
        assert!(may_be_newer(&path("a"), &path("made")));
        let later = SystemTime::now() + Duration::from_secs(1000);
        File::options().write(true).open(path("made")).unwrap().set_modified(later).unwrap();
        assert!(!may_be_newer(&path("a"), &path("made")));
        assert!(may_be_newer(&path("gone"), &path("made")) && may_be_newer(&path("a"), &path("gone")));
    }

    #[test]
    fn a_link_is_as_new_as_the_link() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("old")).unwrap();
        fs::write(path("old/a"), "").unwrap();
        assert_eq!(newest_link_ns(&path("old/a")), None);
        symlink("old", path("now")).unwrap();
        assert!(newest_link_ns(&path("now/a")) >= version(&path("old/a")).modified_ns);
        assert_eq!(FileId::find(&path("now/a")), FileId::find(&path("old/a")));
        assert_ne!(FileId::find(&path("now")), FileId::find(&path("old/a")));
        assert_eq!(FileId::find(&path("none")), None);
    }
}
