//! Freshness of outputs by modification time, as in make: decides whether an output has to be
//! made again.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use crate::storage::find_files;

/// Whether a file exists and is at least as new as all its sources, which are files, folders or
/// globs. A source that is in an object store or can't be found counts as newer.
pub(super) fn is_fresh<'a>(output: &Path, mut sources: impl Iterator<Item = &'a Path>) -> bool {
    let Some(made) = modified(output) else { return false };
    sources.all(|source| match find_files(source) {
        Ok(files) if !files.is_empty() => {
            files.iter().all(|file| modified(file).is_some_and(|changed| changed <= made))
        }
        _ => false,
    })
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_file_is_fresh_until_a_source_is_newer() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str, seconds: u64| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            fs::File::create(&path).unwrap().set_modified(time).unwrap();
            path
        };
        let (report, one, pipeline) = (at("r.html", 20), at("out/a.parquet", 10), at("p.toml", 20));
        let sources = [dir.path().join("out"), pipeline.clone()];
        let fresh = || is_fresh(&report, sources.iter().map(|path| path.as_path()));
        assert!(fresh());
        at("out/deep/b.parquet", 21);
        assert!(!fresh());
        fs::remove_dir_all(dir.path().join("out/deep")).unwrap();
        at("p.toml", 30);
        assert!(!fresh());
        assert!(!is_fresh(&dir.path().join("absent.html"), [one.as_path()].into_iter()));
        assert!(!is_fresh(&report, [Path::new("s3://bucket/out/")].into_iter()));
        assert!(!is_fresh(&report, [dir.path().join("gone").as_path()].into_iter()));
    }
}
