//! URLs of object stores, and the keys in them. The text after the bucket of `s3://`, `gs://` and
//! `az://` is the key as it is, without escapes; `http://` and `https://` URLs follow the rules of
//! URLs.

use std::path::{Component, Path, PathBuf};

use object_store::ObjectStoreScheme;
use object_store::path::{Path as ObjectPath, PathPart};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use url::{Position, Url};

use crate::error::{Error, Place, Result};
use crate::printable::shown;

/// Whether a path is a URL, such as `s3://bucket/key`.
pub fn is_url(path: &Path) -> bool {
    let text = path.as_os_str().as_encoded_bytes();
    let scheme = text.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    scheme > 0 && text.get(scheme..).is_some_and(|rest| rest.starts_with(b"://"))
}

/// Joins a folder or URL with a relative path. Different paths stay different: keys are joined as
/// they are, and a path below a local folder stays below it.
pub fn join_path(folder: &Path, relative: &Path) -> PathBuf {
    if !is_url(folder) {
        // A key may begin with a slash.
        let below = |part: &Component<'_>| !matches!(part, Component::RootDir | Component::Prefix(_));
        return folder.join(relative.components().skip_while(|part| !below(part)).collect::<PathBuf>());
    }
    let mut url = folder.as_os_str().to_owned();
    if !url.as_encoded_bytes().ends_with(b"/") {
        url.push("/");
    }
    match has_escapes(folder) {
        true => url.push(escape(relative.as_os_str().as_encoded_bytes())),
        false => url.push(relative),
    }
    url.into()
}

/// Whether a URL is one of HTTP, whose special characters are escaped.
fn has_escapes(url: &Path) -> bool {
    let text = url.as_os_str().as_encoded_bytes();
    text.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"http"))
}

/// Escapes all but the characters that no part of a URL takes for its own, and `/` and `=`.
fn escape(path: &[u8]) -> String {
    const ESCAPED: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'=');
    percent_encode(path, ESCAPED).to_string()
}

/// A key as a relative path in which every segment is a name.
pub(super) fn escape_segments(key: &str) -> String {
    let name = |segment: &str| match segment {
        "." | ".." => segment.replace('.', "%2E"),
        segment => escape(segment.as_bytes()),
    };
    key.split('/').map(name).collect::<Vec<_>>().join("/")
}

/// A file or object as an [`ObjectStore`](object_store::ObjectStore) names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StoreLocation {
    /// The store: `scheme://bucket/`, `scheme://host/` or `file:///`.
    pub base: Url,
    /// The object in it. The path holds the key as it is, never escaped.
    pub key: ObjectPath,
}

/// Checks that a folder to write to is a local one.
///
/// # Errors
/// [`Error::Usage`] if it is a URL.
pub fn require_local_folder(folder: &Path) -> Result<()> {
    match is_url(folder) {
        true => Err(Error::Usage(format!(
            "{}: this is written to a local folder only; name one, and copy that to the store",
            shown(folder)
        ))),
        false => Ok(()),
    }
}

/// The store of a path or URL: `scheme://bucket/`, `scheme://host/` or `file:///`. The URL may be
/// that of a folder or a pattern.
///
/// # Errors
/// [`Error::Usage`] if it is no URL of a store; [`Error::BadData`] if it is not UTF-8.
pub fn store_base(path: &Path) -> Result<Url> {
    match is_url(path) {
        true => Ok(StoreUrl::parse(path)?.base),
        false => Url::parse("file:///").map_err(|error| Error::Internal(format!("file:///: {error}"))),
    }
}

/// Locates a local file, or the object of a URL. Connects to nothing.
///
/// # Errors
/// [`Error::Usage`] if it is no URL of a store; [`Error::BadData`] if its key or name can't be
/// requested; [`Error::NoInput`] if the path of a local file can't be resolved.
pub fn locate(path: &Path) -> Result<StoreLocation> {
    if is_url(path) {
        let url = StoreUrl::parse(path)?;
        let key = url.object_path().map_err(|why| {
            Error::bad_data(Place::file(path.display()), format!("{why}; copy it to another key"))
        })?;
        return Ok(StoreLocation { base: url.base, key });
    }
    let place = || Place::file(path.display());
    let failed = |source| Error::NoInput { place: place(), source };
    let absolute = match path.components().any(|part| part == Component::ParentDir) {
        true => path.canonicalize(),
        false => std::path::absolute(path),
    };
    let key = ObjectPath::from_absolute_path(absolute.map_err(failed)?).map_err(|why| {
        let has_control = path.to_string_lossy().contains(char::is_control);
        let what = match has_control {
            true => "SQL reads no file with a tab, a line feed or another control character in its path"
                .to_owned(),
            false => why.to_string(),
        };
        Error::bad_data(place(), format!("{what}; rename it"))
    })?;
    Ok(StoreLocation { base: store_base(path)?, key })
}

impl StoreLocation {
    /// The path or URL of a key in the same store, as a user writes it: [`locate`] leads back to
    /// the key.
    pub fn path_of(&self, key: &ObjectPath) -> PathBuf {
        match self.base.scheme() {
            "file" if cfg!(windows) => PathBuf::from(key.as_ref()),
            "file" => Path::new("/").join(key.as_ref()),
            _ => join_path(Path::new(self.base.as_str()), Path::new(key.as_ref())),
        }
    }
}

/// A URL of a store, apart in the store and the key.
#[derive(Debug, Clone)]
pub(super) struct StoreUrl {
    pub(super) scheme: ObjectStoreScheme,
    /// The URL without the key. Of a store's own `https://` endpoint it has no bucket.
    pub(super) base: Url,
    /// The URL that names store and bucket.
    pub(super) bucket: String,
    /// The key, or the prefix of keys. Empty for the whole bucket.
    pub(super) key: String,
}

impl StoreUrl {
    /// # Errors
    /// [`Error::Usage`] if it is no URL of a store; [`Error::BadData`] if it is not UTF-8.
    pub(super) fn parse(url: &Path) -> Result<Self> {
        let no_store = || {
            Error::Usage(format!(
                "{} is no URL of a store; use s3://, gs://, az://, https:// or http://, or a path",
                shown(url)
            ))
        };
        let not_utf8 =
            || Error::bad_data(Place::file(url.display()), "a key is UTF-8 and this is not; rename it");
        let text = url.to_str().ok_or_else(not_utf8)?;
        if has_escapes(url) {
            return Self::parse_http(text);
        }
        let start = text.find("://").map_or(0, |colon| colon + 3);
        let end = text.get(start..).and_then(|rest| rest.find('/')).map_or(text.len(), |slash| start + slash);
        let (bucket, key) = text.split_at_checked(end).ok_or_else(no_store)?;
        let base = Url::parse(&format!("{bucket}/")).map_err(|_| no_store())?;
        if base.query().is_some() || base.fragment().is_some() {
            return Err(Error::Usage(format!("{}: this is no name of a bucket", shown(url))));
        }
        let (scheme, _) = ObjectStoreScheme::parse(&base).map_err(|_| no_store())?;
        let key = key.strip_prefix('/').unwrap_or(key).to_owned();
        Ok(Self { scheme, bucket: base.as_str().to_owned(), base, key })
    }

    fn parse_http(text: &str) -> Result<Self> {
        let wrong = |what: &str| Error::Usage(format!("{}: {what}", shown(Path::new(text))));
        let parsed = Url::parse(text).map_err(|error| wrong(&format!("not a URL: {error}")))?;
        if parsed.query().is_some() {
            return Err(wrong("a URL with a query (?…) can't be opened; download the file, or write %3F"));
        }
        if parsed.fragment().is_some() {
            return Err(wrong("a URL with a fragment (#…) can't be opened; write %23"));
        }
        let (scheme, key) = ObjectStoreScheme::parse(&parsed)
            .map_err(|error| wrong(&format!("not a URL of a file: {error}")))?;
        let base = Url::parse(&parsed[..Position::BeforePath]).map_err(|error| wrong(&error.to_string()))?;
        let bucket = match scheme {
            ObjectStoreScheme::Http => base.as_str().trim_end_matches('/').to_owned(),
            // The bucket is in the host, or the first part of the path.
            _ => text.splitn(5, '/').take(4).collect::<Vec<_>>().join("/"),
        };
        let slash = if text.ends_with('/') && !key.as_ref().is_empty() { "/" } else { "" };
        Ok(Self { scheme, base, bucket, key: format!("{key}{slash}") })
    }

    /// The prefix of all keys below this one, with its slash at the end.
    pub(super) fn prefix(&self) -> String {
        match self.key.as_str() {
            "" => String::new(),
            key if key.ends_with('/') => key.to_owned(),
            key => format!("{key}/"),
        }
    }

    /// The key as the `object_store` crate names it, or why it can't.
    pub(super) fn object_path(&self) -> std::result::Result<ObjectPath, String> {
        if self.scheme == ObjectStoreScheme::MicrosoftAzure && self.key.contains('\\') {
            return Err("Azure takes \\ for /, which makes this another key".to_owned());
        }
        object_path(&self.key)
    }
}

/// A key as the `object_store` crate names it, or why it can't: requests name keys by URLs, in which
/// `.` and `..` have a meaning, and the crate has no paths with a slash at either end.
pub(super) fn object_path(key: &str) -> std::result::Result<ObjectPath, String> {
    let refused = |what: &str| Err(what.to_owned());
    if key.is_empty() || key.ends_with('/') {
        return refused("this names a folder, not an object");
    }
    if key.starts_with('/') {
        return refused("a key that begins with / can't be requested");
    }
    let mut path = ObjectPath::ROOT;
    for segment in key.split('/') {
        match PathPart::parse(segment) {
            Ok(part) => path = path.join(part),
            Err(_) if segment == "." || segment == ".." => {
                return refused("a key with . or .. between slashes can't be requested");
            }
            Err(_) => return Err(format!("the key {key:?} has control characters and can't be requested")),
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys that stores accept and URLs would change.
    const KEYS: [&str; 16] = [
        "a#b.parquet",
        "a?b=c.parquet",
        "%41.parquet",
        "a%20b.parquet",
        "a b.parquet",
        "a+b&c;d.parquet",
        "in//a.parquet",
        "in///a.parquet",
        "a.parquet ",
        " a.parquet",
        "[1]*{2}.parquet",
        "größe/日本.parquet",
        "a\\b.parquet",
        "day=1%2F2/…/a.parquet",
        "a:b@c~d|e^f`g<h>\"i'.parquet",
        "s3://in/a.parquet",
    ];

    fn location(url: &str) -> StoreLocation {
        locate(Path::new(url)).unwrap()
    }

    #[test]
    fn a_key_is_what_follows_the_bucket() {
        let bases = ["s3://data", "gs://data", "az://data", "abfss://data@account.dfs.core.windows.net"];
        for base in bases {
            let mut seen = std::collections::HashSet::new();
            for key in KEYS.into_iter().filter(|key| !(base.starts_with('a') && key.contains('\\'))) {
                let url = format!("{base}/{key}");
                let located = location(&url);
                assert_eq!(located.key.as_ref(), key);
                assert_eq!(located.base.as_str(), format!("{base}/"));
                assert_eq!(located.path_of(&located.key).to_str().unwrap(), url);
                assert!(seen.insert(located.key));
            }
        }
    }

    #[test]
    fn what_is_joined_is_found_again() {
        for folder in ["s3://data", "s3://data/", "s3://data/out", "s3://data/out/", "s3://data/out//"] {
            for key in KEYS {
                let url = join_path(Path::new(folder), Path::new(key));
                let below = folder.strip_prefix("s3://data").unwrap().trim_start_matches('/');
                let slash = if below.is_empty() || below.ends_with('/') { "" } else { "/" };
                assert_eq!(locate(&url).unwrap().key.as_ref(), format!("{below}{slash}{key}"));
            }
        }
        for key in KEYS.iter().filter(|key| !key.contains("//")) {
            let url = join_path(Path::new("https://host/in"), Path::new(key));
            assert_eq!(locate(&url).unwrap().key.as_ref(), format!("in/{key}"), "{}", url.display());
        }
    }

    #[test]
    fn urls_of_http_follow_the_rules_of_urls() {
        let located = location("https://host:8443/a%20b/%2541%23.parquet");
        assert_eq!((located.key.as_ref(), located.base.as_str()), ("a b/%41#.parquet", "https://host:8443/"));
        let back = located.path_of(&located.key);
        assert_eq!(back.to_str().unwrap(), "https://host:8443/a%20b/%2541%23.parquet");
        for url in ["http://host/a.parquet?b", "http://host/a#b", "http://host/a//b", "http://"] {
            let error = locate(Path::new(url)).unwrap_err();
            assert_eq!(error.exit_code(), 64, "{error}");
        }
    }

    #[test]
    fn what_has_no_name_says_so() {
        for url in ["s3://data", "s3://data/", "s3://data/in//", "s3://data/in/../[1]*", "s3://data//?"] {
            assert_eq!(store_base(Path::new(url)).unwrap().as_str(), "s3://data/");
        }
        for (url, code, words) in [
            ("s3://data//a.parquet", 65, "begins with /"),
            ("s3://data/in/../a.parquet", 65, ".."),
            ("s3://data/./a.parquet", 65, ". or .."),
            ("s3://data/in/a\u{1}b.parquet", 65, "the key \"in/a\\u{1}b.parquet\" has control characters"),
            ("az://data/in\\a.parquet", 65, "Azure takes \\ for /"),
            ("s3://data/in/", 65, "folder"),
            ("s3://data", 65, "folder"),
            ("s3://data?x/a", 64, "bucket"),
            ("s3:///a", 64, "no URL of a store"),
            ("ftp://data/a", 64, "no URL of a store"),
        ] {
            let error = locate(Path::new(url)).unwrap_err();
            assert_eq!(error.exit_code(), code, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn escaped_keys_are_paths_below_a_folder() {
        for (key, path) in [("../a/./b..c", "%2E%2E/a/%2E/b..c"), ("/a\u{1} b", "/a%01%20b"), ("a//", "a//")]
        {
            assert_eq!(escape_segments(key), path);
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_not_text_stay_apart() {
        use std::os::unix::ffi::OsStrExt;
        let name = |byte: u8| PathBuf::from(std::ffi::OsStr::from_bytes(&[b'a', byte]));
        let joined = |byte| join_path(Path::new("s3://data/out"), &name(byte));
        assert_ne!(joined(0xfe), joined(0xff));
        assert!(is_url(&joined(0xff)));
        assert_eq!(locate(&joined(0xff)).unwrap_err().exit_code(), 65);
    }

    #[test]
    fn local_files_are_located_by_their_absolute_paths() {
        let located = locate(Path::new("/in/a#b ?%41.parquet")).unwrap();
        assert_eq!((located.key.as_ref(), located.base.as_str()), ("in/a#b ?%41.parquet", "file:///"));
        assert_eq!(located.path_of(&located.key), Path::new("/in/a#b ?%41.parquet"));
        assert_eq!(join_path(Path::new("out"), Path::new("/a/b")), Path::new("out/a/b"));
        assert_eq!(join_path(Path::new("out"), Path::new("")), Path::new("out"));
    }
}
