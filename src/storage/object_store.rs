//! Object stores: resolution of URLs, a runtime for requests, and classification of their
//! errors. Failed requests that may succeed later are retried with back-off, for three
//! minutes or `LSMI_ETL_RETRY_SECONDS`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, mpsc};
use std::time::Duration;

use futures::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::path::Path as ObjectPath;
use object_store::{
    ClientOptions, Error as StoreError, ObjectMeta, ObjectStore, ObjectStoreExt, ObjectStoreScheme,
    RetryConfig,
};
use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, Place, Result};

/// Threads of the runtime for requests, which wait most of the time.
const THREADS: usize = 2;

/// Whether a path is a URL, such as `s3://bucket/key`.
pub fn is_url(path: &Path) -> bool {
    let scheme = path.to_str().and_then(|text| text.split_once("://")).map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric()))
}

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
    match location.head()? {
        Ok(_) => Ok(true),
        Err(StoreError::NotFound { .. }) => Ok(false),
        Err(error) => Err(location.write_error(error)),
    }
}

/// All bytes of an object, or `None` if it does not exist. May be called from asynchronous
/// code, whose thread it blocks.
///
/// # Errors
/// As for [`read_error`] and [`store_of`].
pub fn read_object(url: &Path) -> Result<Option<Vec<u8>>> {
    let Location { store, path, .. } = Location::open(url)?;
    let (sender, receiver) = mpsc::channel();
    runtime()?.spawn(async move {
        let bytes = async { store.get(&path).await?.bytes().await };
        // The receiver waits below.
        let _ = sender.send(bytes.await);
    });
    match receiver.recv() {
        Ok(Ok(bytes)) => Ok(Some(bytes.into())),
        Ok(Err(error)) if Cause::of(&error) == Cause::Missing => Ok(None),
        Ok(Err(error)) => Err(read_error(url, &error)),
        Err(_) => Err(Error::Internal("a request ended without an answer".to_owned())),
    }
}

/// The client of the store that a URL names.
///
/// # Errors
/// [`Error::Usage`] if it is no URL of a store; [`Error::Config`] if the settings in the
/// environment are inconsistent.
pub fn store_of(url: &Path) -> Result<Arc<dyn ObjectStore>> {
    Ok(Location::open(url)?.store)
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
    pub(super) path: ObjectPath,
}

impl Location {
    /// Creates the client for a URL. Credentials and settings come from the environment
    /// variables that the stores' own tools read (`AWS_…`, `GOOGLE_…`, `AZURE_…`).
    ///
    /// # Errors
    /// As for [`store_of`].
    pub(super) fn open(url: &Path) -> Result<Self> {
        let text = url.to_string_lossy();
        let Some((scheme, path)) = parse(&text) else {
            return Err(Error::Usage(format!(
                "{text} is no URL of a store; use s3://, gs://, az://, https:// or http://, or a path"
            )));
        };
        let store = connect(&scheme, &text).map_err(|error| Error::Config(format!("{text}: {error}")))?;
        let store = store.ok_or_else(|| Error::Usage(format!("{text}: give a local file by its path")))?;
        Ok(Self { url: url.to_owned(), store, path })
    }

    /// Size, modification time and ETag of the object.
    pub(super) fn head(&self) -> Result<std::result::Result<ObjectMeta, StoreError>> {
        block_on(self.store.head(&self.path))
    }

    /// All objects below this prefix, with their paths relative to it.
    ///
    /// # Errors
    /// As for [`Self::read_error`].
    pub(super) fn list(&self) -> Result<Vec<(String, ObjectMeta)>> {
        let prefix = (!self.path.as_ref().is_empty()).then_some(&self.path);
        let listed = block_on(self.store.list(prefix).try_collect::<Vec<ObjectMeta>>())?;
        let listed = listed.map_err(|error| self.read_error(error))?;
        let relative = |object: ObjectMeta| {
            let parts: Vec<_> = object.location.prefix_match(&self.path)?.collect();
            let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
            Some((parts.join("/"), object))
        };
        Ok(listed.into_iter().filter_map(relative).filter(|(relative, _)| !relative.is_empty()).collect())
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
    Exists,
    Unsupported,
    /// The request itself is wrong, for example its region or a malformed key.
    BadRequest,
    Transient,
}

impl Cause {
    fn of(error: &StoreError) -> Self {
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
        let (url, what) = (url.display(), one_line(error));
        match self {
            Self::Unsupported => {
                Error::Usage(format!("{url}: this store does not support the request: {what}"))
            }
            Self::BadRequest => Error::Config(format!("{url}: {what}")),
            _ => Error::Transient { place: Place::file(url), what },
        }
    }
}

/// The HTTP status in the text of an error.
fn http_status(text: &str) -> Option<u16> {
    text.split_once("status code: ")?.1.get(..3)?.parse().ok()
}

/// Joins a folder or URL with a relative path.
pub fn join_path(folder: &Path, relative: &Path) -> PathBuf {
    if !is_url(folder) {
        return folder.join(relative);
    }
    let mut url = folder.to_string_lossy().trim_end_matches('/').to_owned();
    for part in relative.iter() {
        url.push('/');
        // Reserved characters of URLs, which may occur in values of Hive partitions.
        url.push_str(&part.to_string_lossy().replace('%', "%25").replace('?', "%3F").replace('#', "%23"));
    }
    url.into()
}

/// Runs a request to its end. Must not be called from asynchronous code.
pub(super) fn block_on<T>(request: impl Future<Output = T>) -> Result<T> {
    Ok(runtime()?.block_on(request))
}

/// The runtime of all requests.
pub(super) fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
        Builder::new_multi_thread().worker_threads(THREADS).thread_name("object-store").enable_all().build()
    });
    RUNTIME.as_ref().map_err(|error| Error::Internal(format!("no threads for object stores: {error}")))
}

/// The text of a store's error without line breaks.
pub(super) fn one_line(error: &StoreError) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn parse(url: &str) -> Option<(ObjectStoreScheme, ObjectPath)> {
    let url = url.parse().ok()?;
    ObjectStoreScheme::parse(&url).ok()
}

fn connect(
    scheme: &ObjectStoreScheme,
    url: &str,
) -> std::result::Result<Option<Arc<dyn ObjectStore>>, StoreError> {
    Ok(Some(match scheme {
        ObjectStoreScheme::AmazonS3 => {
            let mut builder = AmazonS3Builder::from_env().with_url(url).with_retry(retry());
            // An endpoint without TLS was configured on purpose.
            let endpoint =
                ["AWS_ENDPOINT_URL", "AWS_ENDPOINT"].iter().find_map(|key| std::env::var(key).ok());
            if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
                builder = builder.with_allow_http(true);
            }
            Arc::new(builder.build()?)
        }
        ObjectStoreScheme::GoogleCloudStorage => {
            Arc::new(GoogleCloudStorageBuilder::from_env().with_url(url).with_retry(retry()).build()?)
        }
        ObjectStoreScheme::MicrosoftAzure => {
            Arc::new(MicrosoftAzureBuilder::from_env().with_url(url).with_retry(retry()).build()?)
        }
        ObjectStoreScheme::Http => {
            let host = url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
            let client = ClientOptions::new().with_allow_http(true);
            let builder = HttpBuilder::new().with_url(host).with_client_options(client);
            Arc::new(builder.with_retry(retry()).build()?)
        }
        _ => return Ok(None),
    }))
}

fn retry() -> RetryConfig {
    let seconds = std::env::var("LSMI_ETL_RETRY_SECONDS").ok().and_then(|text| text.parse().ok());
    let default = RetryConfig::default();
    RetryConfig { retry_timeout: seconds.map_or(default.retry_timeout, Duration::from_secs), ..default }
}
