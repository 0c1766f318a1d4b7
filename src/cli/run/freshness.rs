//! Freshness of outputs by time, as in make: decides whether an output has to be made again.

use std::path::Path;

use crate::sql::data_files_of;
use crate::storage::{PathIdentity, is_url, may_be_newer};

/// Whether a file exists and is newer than all its sources, which are files, folders or globs: newer
/// than their last write, and than the rename or link that put them in their places. Of a folder also than the last change
/// of itself and of those below, which may be the removal of a file, but for one in which the output stands. A source that
/// is in an object store or can't be found counts as newer.
pub(super) fn is_fresh<'a>(output: &Path, mut sources: impl Iterator<Item = &'a Path>) -> bool {
    let here = output.parent().map(|parent| PathIdentity::of(&Path::new(".").join(parent)));
    let is_newer = |path: &Path| may_be_newer(path, output);
    let is_older = |source: &Path| {
        data_files_of(source).is_ok_and(|found| {
            let mut folders = found.folders.iter().filter(|folder| Some(PathIdentity::of(folder)) != here);
            !found.files.iter().any(|file| is_newer(&file.path)) && !folders.any(|folder| is_newer(folder))
        })
    };
    sources.all(|source| !is_url(source) && is_older(source))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_file_is_fresh_until_a_source_is_newer() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str, seconds: u64| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let time = SystemTime::now() + Duration::from_secs(seconds);
            fs::File::create(&path).unwrap().set_modified(time).unwrap();
            path
        };
        let (one, pipeline, report) = (at("out/a.parquet", 0), at("p.toml", 20), at("r.html", 30));
        let sources = [dir.path().join("out"), pipeline.clone()];
        let fresh = || is_fresh(&report, sources.iter().map(|path| path.as_path()));
        assert!(fresh());
        at("out/deep/b.parquet", 40);
        assert!(!fresh());
        fs::remove_dir_all(dir.path().join("out/deep")).unwrap();
        let removed = |folder: &str, seconds: u64| {
            let time = SystemTime::now() + Duration::from_secs(seconds);
            fs::File::open(dir.path().join(folder)).unwrap().set_modified(time).unwrap();
        };
        assert!(fresh());
        removed("out", 40);
        assert!(!fresh());
        assert!(is_fresh(&at("out/of-query.csv", 30), [dir.path().join("out").as_path()].into_iter()));
        fs::remove_file(dir.path().join("out/of-query.csv")).unwrap();
        removed("out", 0);
        assert!(fresh());
        // The last file of a folder.
        fs::create_dir(dir.path().join("out/empty")).unwrap();
        removed("out/empty", 40);
        removed("out", 0);
        assert!(!fresh());
        fs::remove_dir(dir.path().join("out/empty")).unwrap();
        removed("out", 0);
        at("p.toml", 40);
        assert!(!fresh());
        assert!(!is_fresh(&dir.path().join("absent.html"), [one.as_path()].into_iter()));
        assert!(!is_fresh(&report, [Path::new("s3://bucket/out/")].into_iter()));
        assert!(!is_fresh(&report, [dir.path().join("gone").as_path()].into_iter()));
    }

    #[test]
    fn a_source_that_was_put_in_anothers_place_is_newer_whatever_its_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["a.parquet", "b.parquet", "r.html"] {
            fs::write(path(name), name).unwrap();
        }
        let long_ago = SystemTime::now() - Duration::from_secs(10_000);
        fs::File::options().write(true).open(path("b.parquet")).unwrap().set_modified(long_ago).unwrap();
        fs::rename(path("b.parquet"), path("a.parquet")).unwrap();
        assert!(!is_fresh(&path("r.html"), [path("a.parquet").as_path()].into_iter()));
    }
}
