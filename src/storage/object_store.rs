//! Requests to object stores: a runtime for them, and classification of their errors.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use futures::TryStreamExt;
use object_store::path::Path as ObjectPath;
use object_store::{Error as StoreError, ObjectMeta, ObjectStore, ObjectStoreExt, ObjectStoreScheme};
use tokio::runtime::Runtime;

use crate::error::{Error, Place, Result};
use crate::printable::{redact, shown};
use crate::threads::{self, PerProcess};

use super::credentials::Cloud;
use super::key_listing::list_keys;
use super::regular_file::too_large;
use super::store_client::{connect, connect_listing, shared_client};
use super::store_url::{StoreUrl, escape_segments, object_path};

pub use super::store_url::{is_url, join_path};

/// Threads of the runtime for requests, which wait most of the time.
const THREADS: usize = 2;

/// Whether a file of this path, or an object of this URL, exists.
///
/// # Errors
/// [`Error::Transient`] if a store does not answer; [`Error::Usage`],
/// [`Error::Config`] and [`Error::CannotCreate`] as for an output.
pub fn exists(path: &Path) -> Result<bool> {
    if !is_url(path) {
        return Ok(path.exists());
    }
    let location = Location::open(path)?;
    location.writable_object()?;
    match location.head()? {
        Ok(_) => Ok(true),
        Err(StoreError::NotFound { .. }) => Ok(false),
        Err(error) => Err(location.write_error(error)),
    }
}

/// Removes a file, or an object of a store, if it exists.
///
/// # Errors
/// [`Error::Io`]; of stores as for [`exists`].
pub fn remove(path: &Path) -> Result<()> {
    if is_url(path) {
        return Location::open(path)?.remove();
    }
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(Place::file(path.display()), "removal", source))
        }
        _ => Ok(()),
    }
}

/// The URLs of all objects below a prefix.
///
/// # Errors
/// As for [`read_error`] and [`store_of`].
pub fn list_objects(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(Location::open(folder)?.list()?.into_iter().map(|object| object.url).collect())
}

/// All bytes of an object of at most this size, or `None` if it does not exist. May be called from
/// asynchronous code, whose thread it blocks.
///
/// # Errors
/// As for [`read_error`] and [`store_of`]; [`Error::BadData`] if its key can't be requested or it is
/// larger.
pub fn read_object(url: &Path, most_bytes: u64) -> Result<Option<Vec<u8>>> {
    let location = Location::open(url)?;
    let path = location.object()?;
    let store = location.store;
    let (sender, receiver) = mpsc::channel();
    runtime()?.spawn(async move {
        let read = async {
            let mut content = Vec::new();
            let mut chunks = store.get(&path).await?.into_stream();
            while let Some(chunk) = chunks.try_next().await? {
                content.extend_from_slice(&chunk);
                if content.len() as u64 > most_bytes {
                    return Ok(None);
                }
            }
            Ok(Some(content))
        };
        // The receiver waits below.
        let _ = sender.send(read.await);
    });
    match receiver.recv() {
        Ok(Ok(Some(content))) => Ok(Some(content)),
        Ok(Ok(None)) => Err(Error::bad_data(Place::file(url.display()), too_large(most_bytes))),
        Ok(Err(error)) if Cause::of(&error) == Cause::Missing => Ok(None),
        Ok(Err(error)) => Err(read_error(url, &error)),
        Err(_) => Err(Error::Internal("a request ended without an answer".to_owned())),
    }
}

/// A client of the store that a URL names, for requests of another runtime than this room's.
///
/// # Errors
/// [`Error::Usage`] if it is no URL of a store; [`Error::Config`] if the settings in the
/// environment are inconsistent.
pub fn store_of(url: &Path) -> Result<Arc<dyn ObjectStore>> {
    connect(&StoreUrl::parse(url)?)
}

/// Converts the error of a read request: [`Error::NoInput`] if the object does not exist or
/// is not readable; [`Error::Config`] if the store rejects the request; [`Error::Usage`] if
/// it does not support it; [`Error::Transient`] if it did not answer.
pub fn read_error(url: &Path, error: &StoreError) -> Error {
    let no_input = |kind| {
        let place = Place::file(url.display());
        Error::NoInput { place, source: io::Error::new(kind, one_line(error)) }
    };
    match Cause::of(error) {
        Cause::Missing => no_input(io::ErrorKind::NotFound),
        Cause::Forbidden => no_input(io::ErrorKind::PermissionDenied),
        cause => cause.to_error(url, error),
    }
}

/// An object or a prefix, and the client of its store.
#[derive(Debug, Clone)]
pub(super) struct Location {
    pub(super) url: PathBuf,
    pub(super) store: Arc<dyn ObjectStore>,
    parsed: StoreUrl,
}

/// An object of a listing.
#[derive(Debug, Clone)]
pub(super) struct ListedObject {
    /// Its URL.
    pub(super) url: PathBuf,
    /// The key below the prefix that was listed: as it is, or escaped if it can't be requested, so
    /// that it is a path below any folder.
    pub(super) relative: String,
    /// How its store names it, or its size if its key can't be requested: to open its URL is an
    /// error that says why.
    pub(super) object: std::result::Result<ObjectMeta, u64>,
}

impl ListedObject {
    /// Its size.
    pub(super) fn bytes(&self) -> u64 {
        self.object.as_ref().map_or_else(|bytes| *bytes, |object| object.size)
    }
}

impl Location {
    /// Parses a URL and connects to its store.
    ///
    /// # Errors
    /// As for [`store_of`].
    pub(super) fn open(url: &Path) -> Result<Self> {
        let parsed = StoreUrl::parse(url)?;
        Ok(Self { url: url.to_owned(), store: shared_client(&parsed)?, parsed })
    }

    /// Whether the URL can only be a prefix: it ends in a slash, or names a bucket.
    pub(super) fn is_folder(&self) -> bool {
        self.parsed.key.is_empty() || self.parsed.key.ends_with('/')
    }

    /// Whether the store has keys, which can be listed. HTTP servers have files, and few list them.
    pub(super) fn has_keys(&self) -> bool {
        !matches!(self.parsed.scheme, ObjectStoreScheme::Http)
    }

    /// Whether both are in one store, perhaps in different buckets.
    pub(super) fn is_in_store_of(&self, other: &Self) -> bool {
        self.parsed.scheme == other.parsed.scheme
    }

    /// The object, to read it.
    ///
    /// # Errors
    /// [`Error::BadData`] if its key can't be requested.
    pub(super) fn object(&self) -> Result<ObjectPath> {
        let copy =
            |why| Error::bad_data(Place::file(self.url.display()), format!("{why}; copy it to another key"));
        self.parsed.object_path().map_err(copy)
    }

    /// The object, to write it.
    ///
    /// # Errors
    /// [`Error::Usage`] if its key can't be requested.
    pub(super) fn writable_object(&self) -> Result<ObjectPath> {
        let choose = |why| Error::Usage(format!("{}: {why}; write to another key", shown(&self.url)));
        self.parsed.object_path().map_err(choose)
    }

    /// Size, modification time and ETag of the object.
    ///
    /// # Errors
    /// As for [`Self::object`].
    pub(super) fn head(&self) -> Result<std::result::Result<ObjectMeta, StoreError>> {
        block_on(self.store.head(&self.object()?))
    }

    /// Removes the object, if it exists.
    ///
    /// # Errors
    /// As for [`Self::writable_object`] and [`Self::write_error`].
    fn remove(&self) -> Result<()> {
        match block_on(self.store.delete(&self.writable_object()?))? {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.write_error(error)),
        }
    }

    /// All objects below this prefix.
    ///
    /// # Errors
    /// As for [`Self::read_error`].
    pub(super) fn list(&self) -> Result<Vec<ListedObject>> {
        let prefix = self.parsed.prefix();
        let listed = match connect_listing(&self.parsed)? {
            Some(store) => block_on(list_keys(store, &prefix, None))?,
            None => self.list_paths(&prefix)?,
        };
        let listed = listed.map_err(|error| self.read_error(error))?;
        let below = |(key, meta): (String, ObjectMeta)| {
            let below = key.strip_prefix(&prefix)?;
            let (relative, object) = match object_path(&key) {
                Ok(location) => (below.to_owned(), Ok(ObjectMeta { location, ..meta })),
                Err(_) => (escape_segments(below), Err(meta.size)),
            };
            Some(ListedObject { url: join_path(&self.url, Path::new(below)), relative, object })
        };
        // Tools leave empty objects in place of folders.
        let is_folder =
            |it: &ListedObject| it.relative.is_empty() || it.relative.ends_with('/') && it.bytes() == 0;
        Ok(listed.into_iter().filter_map(below).filter(|it| !is_folder(it)).collect())
    }

    /// Whether there are objects below this prefix.
    ///
    /// # Errors
    /// As for [`Self::read_error`].
    pub(super) fn has_objects(&self) -> Result<bool> {
        let Some(store) = connect_listing(&self.parsed)? else { return Ok(false) };
        let listed = block_on(list_keys(store, &self.parsed.prefix(), Some(1)))?;
        listed.map(|found| !found.is_empty()).map_err(|error| self.read_error(error))
    }

    /// The objects of a store that has paths instead of keys.
    fn list_paths(&self, prefix: &str) -> Result<object_store::Result<Vec<(String, ObjectMeta)>>> {
        let path = object_path(prefix.trim_end_matches('/')).ok();
        let listed = block_on(self.store.list(path.as_ref()).try_collect::<Vec<ObjectMeta>>())?;
        Ok(listed.map(|listed| listed.into_iter().map(|meta| (meta.location.to_string(), meta)).collect()))
    }

    /// The first bytes of an object below this prefix; fewer if it is shorter.
    ///
    /// # Errors
    /// As for [`Self::read_error`].
    pub(super) fn head_bytes(&self, object: &ObjectMeta, length: usize) -> Result<Vec<u8>> {
        let end = object.size.min(length as u64);
        if end == 0 {
            return Ok(Vec::new());
        }
        let bytes = block_on(self.store.get_range(&object.location, 0..end))?;
        bytes.map(Vec::from).map_err(|error| self.read_error(error))
    }

    /// See [`read_error`].
    pub(super) fn read_error(&self, error: StoreError) -> Error {
        read_error(&self.url, &error)
    }

    /// Converts the error of a write request: [`Error::CannotCreate`] if the bucket does not
    /// exist or is not writable; otherwise as for [`Self::read_error`].
    pub(super) fn write_error(&self, error: StoreError) -> Error {
        match Cause::of(&error) {
            Cause::Exists => Error::OutputExists(self.url.clone()),
            Cause::Missing | Cause::Forbidden => {
                let source = io::Error::new(io::ErrorKind::PermissionDenied, one_line(&error));
                Error::CannotCreate { path: self.url.clone(), source }
            }
            cause => cause.to_error(&self.url, &error),
        }
    }
}

/// The cause of a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Missing,
    Forbidden,
    /// The machine's metadata service gives no credentials, and the environment has none.
    NoCredentials(Cloud),
    Exists,
    Unsupported,
    /// The request itself is wrong, for example its region or a malformed key.
    BadRequest,
    Transient,
}

impl Cause {
    fn of(error: &StoreError) -> Self {
        if let Some(cloud) = no_credentials(&error.to_string()) {
            return Self::NoCredentials(cloud);
        }
        match error {
            StoreError::NotFound { .. } => Self::Missing,
            StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => Self::Forbidden,
            StoreError::AlreadyExists { .. } => Self::Exists,
            StoreError::NotSupported { .. } | StoreError::NotImplemented { .. } => Self::Unsupported,
            // The crate classifies only some responses, and the type that holds the status is
            // private.
            other => match http_status(&other.to_string()) {
                Some(404 | 410) => Self::Missing,
                Some(401 | 403) => Self::Forbidden,
                Some(408 | 425 | 429) | None => Self::Transient,
                Some(400..500) => Self::BadRequest,
                Some(_) => Self::Transient,
            },
        }
    }

    /// The error of a cause that is the same for reads and writes.
    fn to_error(self, url: &Path, error: &StoreError) -> Error {
        let (url, what) = (shown(url), one_line(error));
        match self {
            Self::Unsupported => {
                Error::Usage(format!("{url}: this store does not support the request: {what}"))
            }
            Self::BadRequest => Error::Config(format!("{url}: {what}")),
            Self::NoCredentials(cloud) => Error::Config(format!("{url}: {}", cloud.advice())),
            _ => Error::Transient { place: Place::file(url), what },
        }
    }
}

/// The cloud whose metadata service refused credentials or did not answer; not where its own fault may pass.
fn no_credentials(text: &str) -> Option<Cloud> {
    let cloud = Cloud::asked_for_credentials(text)?;
    (!matches!(http_status(text), Some(429 | 500..))).then_some(cloud)
}

/// The HTTP status in the text of an error.
fn http_status(text: &str) -> Option<u16> {
    text.split_once("status code: ")?.1.get(..3)?.parse().ok()
}

/// Runs a request to its end. Must not be called from asynchronous code.
pub(super) fn block_on<T>(request: impl Future<Output = T>) -> Result<T> {
    Ok(runtime()?.block_on(request))
}

/// The runtime of all requests.
pub(super) fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: PerProcess<Result<Runtime>> = PerProcess::new();
    RUNTIME.get(|| threads::runtime(Some(THREADS), "object-store")).as_ref().map_err(Error::clone)
}

/// The text of a store's error without line breaks, secrets and what only its crate's authors know: the request, how
/// often it was tried, and the innermost cause.
pub(super) fn one_line(error: &StoreError) -> String {
    let text = redact(&error.to_string()).split_whitespace().collect::<Vec<_>>().join(" ");
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    plain_request(&text, &redact(&innermost.to_string())).unwrap_or(text)
}

/// What a failed request says in plain words, where no server answered it.
fn plain_request(text: &str, innermost: &str) -> Option<String> {
    let (_, request) = text.split_once("Error performing ")?;
    let (request, reason) = request.split_once(" - ")?;
    let reason = reason.strip_prefix("HTTP error: ")?;
    let (request, tries) = match request.split_once(", after ") {
        Some((request, retries)) => (request, retries.split(' ').next()?.parse::<u32>().ok()? + 1),
        None => (request, 1),
    };
    let tried = if tries > 1 { format!(", tried {tries} times") } else { String::new() };
    let cause = if reason.contains(innermost) { String::new() } else { format!(" ({innermost})") };
    Some(format!("no answer to {request}{tried}: {reason}{cause}; check the address and the network"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_an_answer_is_said_in_plain_words() {
        let text = "Generic S3 error: Error performing HEAD http://127.0.0.1:1/b/x.parquet in 2.5s, after 10 retries, \
                    max_retries: 10, retry_timeout: 180s - HTTP error: error sending request";
        let plain = plain_request(text, "Connection refused (os error 111)").unwrap();
        assert_eq!(
            plain,
            "no answer to HEAD http://127.0.0.1:1/b/x.parquet in 2.5s, tried 11 times: error sending request \
             (Connection refused (os error 111)); check the address and the network"
        );
        let answered = "Generic S3 error: Error performing GET http://h/x in 1ms - Server returned non-2xx status code: 503";
        assert_eq!(plain_request(answered, "x"), None);
    }
}
