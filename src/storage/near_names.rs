//! The error of a local input that is not there, with the most similar name that is.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Place};
use crate::printable::shown;

use super::object_store::is_url;

/// Entries of a folder that are compared; a folder of more is not searched for slips.
const MOST_ENTRIES: usize = 10_000;

/// The error of an input that cannot be opened. Where it is not there, the reason names the most similar
/// path that is.
pub fn no_input(path: &Path, source: io::Error) -> Error {
    let is_missing = matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    let near = if is_missing && !path.exists() { near_path(path, |_| true) } else { None };
    let source = match near {
        Some(near) => io::Error::new(source.kind(), format!("{source}; did you mean '{}'?", shown(&near))),
        None => source,
    };
    Error::NoInput { place: Place::file(path.display()), source }
}

/// The existing path that is most similar to one that does not exist, if there is one of almost the same
/// name that is `meant`. The first folder that is missing may be the slip, too.
pub fn near_path(path: &Path, meant: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    if is_url(path) {
        return None;
    }
    let is_folder = |above: &&Path| above.as_os_str().is_empty() || above.is_dir();
    let folder = path.ancestors().skip(1).find(is_folder)?;
    let mut below = path.strip_prefix(folder).ok()?.iter();
    let (missing, rest) = (below.next()?, below.as_path());
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut entries = std::fs::read_dir(listed).ok()?.take(MOST_ENTRIES + 1).flatten().collect::<Vec<_>>();
    if entries.len() > MOST_ENTRIES {
        return None;
    }
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let candidates = entries.iter().filter_map(|entry| {
        let name = entry.file_name();
        let distance = distance(missing, &name)?;
        let path = folder.join(&name).join(rest);
        // An empty rest leaves a slash at the end.
        let path = if rest.as_os_str().is_empty() { folder.join(&name) } else { path };
        let is_other = name.as_encoded_bytes().rsplit(|b| *b == b'.').next() != Some(b"parquet");
        (path.exists() && meant(&path)).then_some((distance, is_other, path))
    });
    candidates.min_by_key(|(distance, is_other, _)| (*distance, *is_other)).map(|(.., path)| path)
}

/// How far a name is from the one that was typed, where it may be a slip of it: at most one edit in three
/// letters of the stem. Names of another ending come after those of the same.
fn distance(typed: &OsStr, name: &OsStr) -> Option<usize> {
    let parts = |name: &OsStr| {
        let name = Path::new(name);
        let text = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().to_lowercase();
        (text(name.file_stem()), text(name.extension()))
    };
    let is_hidden = |name: &OsStr| name.as_encoded_bytes().first() == Some(&b'.');
    if typed == name || is_hidden(typed) != is_hidden(name) {
        return None;
    }
    let ((typed, typed_ending), (stem, ending)) = (parts(typed), parts(name));
    let edits = strsim::damerau_levenshtein(&typed, &stem);
    (edits * 3 <= typed.chars().count()).then_some(2 * edits + usize::from(typed_ending != ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_told_from_other_names() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("data")).unwrap();
        for name in
            ["train.parquet", "train.csv", ".trian.parquet.lsmi-journal", "b.parquet", "data/x.parquet"]
        {
            std::fs::write(at(name), "").unwrap();
        }
        for (typed, near) in [
            ("trian.parquet", Some("train.parquet")),
            ("train", Some("train.parquet")),
            ("train.pq", Some("train.parquet")),
            ("tran.csv", Some("train.csv")),
            ("TRAIN.parquet", Some("train.parquet")),
            ("dta/x.parquet", Some("data/x.parquet")),
            ("data/y.parquet", None),
            ("dta/y.parquet", None),
            ("a.parquet", None),
            ("test.parquet", None),
            ("train.parquet/x", None),
        ] {
            assert_eq!(near_path(&at(typed), |_| true), near.map(at), "{typed}");
        }
        assert_eq!(near_path(&at("dat"), Path::is_file), None);
        assert_eq!(near_path(&at("dat"), Path::is_dir), Some(at("data")));
        assert_eq!(near_path(Path::new("s3://bucket/trian.parquet"), |_| true), None);
        let missing = || io::Error::from_raw_os_error(2);
        let error = no_input(&at("trian.parquet"), missing()).to_string();
        assert!(error.ends_with(&format!("(os error 2); did you mean '{}'?", at("train.parquet").display())));
        assert!(no_input(&at("zzz"), missing()).to_string().ends_with("(os error 2)"));
    }
}
