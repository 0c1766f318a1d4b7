//! Object stores: what a URL leads to, where to wait for its answers, and what its
//! failures mean. Requests are repeated with back-off where that can help, for three
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

/// Threads that talk to stores; they wait most of the time.
const THREADS: usize = 2;

/// Whether a path is a URL, such as `s3://bucket/key`.
pub fn is_url(path: &Path) -> bool {
    let scheme = path.to_str().and_then(|text| text.split_once("://")).map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Whether there is a file of this path, or an object of this URL.
///
/// # Errors
/// [`Error::Transient`] where a store does not answer; [`Error::Usage`],
/// [`Error::Config`] and [`Error::CannotCreate`] as for an output.
pub fn exists(path: &Path) -> Result<bool> {
    if !is_url(path) {
        return Ok(path.exists());
    }
    let location = Location::open(path)?;
    match location.head()? {
        Ok(_) => Ok(true),
        Err(StoreError::NotFound { .. }) => Ok(false),
        Err(error) => Err(location.writing(error)),
    }
}

/// All bytes of an object, or `None` where there is none. May be called from asynchronous
/// code, whose thread waits.
///
/// # Errors
/// As for [`unreadable`], and those of [`store_of`].
pub fn read(url: &Path) -> Result<Option<Vec<u8>>> {
    let Location { store, path, .. } = Location::open(url)?;
    let (answer, asked) = mpsc::channel();
    runtime()?.spawn(async move {
        let bytes = async { store.get(&path).await?.bytes().await };
        // Whoever asked is waiting.
        let _ = answer.send(bytes.await);
    });
    match asked.recv() {
        Ok(Ok(bytes)) => Ok(Some(bytes.into())),
        Ok(Err(error)) if Cause::of(&error) == Cause::Missing => Ok(None),
        Ok(Err(error)) => Err(unreadable(url, &error)),
        Err(_) => Err(Error::Internal("a request ended without an answer".to_owned())),
    }
}

/// The store that a URL leads to, for who talks to it directly.
///
/// # Errors
/// [`Error::Usage`] where it is no URL of a store; [`Error::Config`] where the
/// environment's settings do not fit together.
pub fn store_of(url: &Path) -> Result<Arc<dyn ObjectStore>> {
    Ok(Location::open(url)?.store)
}

/// What a failed request to read a URL means: [`Error::NoInput`] where there is nothing
/// or it may not be read; [`Error::Config`] where the store refuses the request;
/// [`Error::Usage`] where it can't do that; [`Error::Transient`] where it did not answer.
pub fn unreadable(url: &Path, error: &StoreError) -> Error {
    let no_input = |kind| {
        let place = Place::file(url.display());
        Error::NoInput { place, source: io::Error::new(kind, one_line(error)) }
    };
    match Cause::of(error) {
        Cause::Missing => no_input(io::ErrorKind::NotFound),
        Cause::Forbidden => no_input(io::ErrorKind::PermissionDenied),
        cause => cause.other(url, error),
    }
}

/// An object, or a folder of them.
#[derive(Debug, Clone)]
pub(super) struct Location {
    pub(super) url: PathBuf,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) path: ObjectPath,
}

impl Location {
    /// Finds the store of a URL. Credentials and settings come from the environment
    /// variables that the stores' own tools read (`AWS_…`, `GOOGLE_…`, `AZURE_…`).
    ///
    /// # Errors
    /// [`Error::Usage`] where it is no URL of a store; [`Error::Config`] where the
    /// environment's settings do not fit together.
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

    /// Size, time and tag of the object.
    pub(super) fn head(&self) -> Result<std::result::Result<ObjectMeta, StoreError>> {
        wait(self.store.head(&self.path))
    }

    /// All objects below this folder, with their paths below it.
    ///
    /// # Errors
    /// As for [`Self::reading`].
    pub(super) fn list(&self) -> Result<Vec<(String, ObjectMeta)>> {
        let prefix = (!self.path.as_ref().is_empty()).then_some(&self.path);
        let listed = wait(self.store.list(prefix).try_collect::<Vec<ObjectMeta>>())?;
        let listed = listed.map_err(|error| self.reading(error))?;
        let relative = |object: ObjectMeta| {
            let parts: Vec<_> = object.location.prefix_match(&self.path)?.collect();
            let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
            Some((parts.join("/"), object))
        };
        Ok(listed.into_iter().filter_map(relative).filter(|(relative, _)| !relative.is_empty()).collect())
    }

    /// See [`unreadable`].
    pub(super) fn reading(&self, error: StoreError) -> Error {
        unreadable(&self.url, &error)
    }

    /// What a failed request to write means: [`Error::CannotCreate`] where there is no
    /// such bucket or it may not be written to; otherwise as for [`Self::reading`].
    pub(super) fn writing(&self, error: StoreError) -> Error {
        match Cause::of(&error) {
            Cause::Exists => Error::OutputExists(self.url.clone()),
            Cause::Missing | Cause::Forbidden => {
                let source = io::Error::new(io::ErrorKind::PermissionDenied, one_line(&error));
                Error::CannotCreate { path: self.url.clone(), source }
            }
            cause => cause.other(&self.url, &error),
        }
    }
}

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Missing,
    Forbidden,
    Exists,
    Unsupported,
    /// The request itself is wrong: a region, a key that does not parse.
    Refused,
    Passing,
}

impl Cause {
    fn of(error: &StoreError) -> Self {
        match error {
            StoreError::NotFound { .. } => Self::Missing,
            StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => Self::Forbidden,
            StoreError::AlreadyExists { .. } => Self::Exists,
            StoreError::NotSupported { .. } | StoreError::NotImplemented { .. } => Self::Unsupported,
            // The crate sorts the answers to some requests only, and keeps the type that
            // holds the status to itself.
            other => match status(&other.to_string()) {
                Some(404 | 410) => Self::Missing,
                Some(401 | 403) => Self::Forbidden,
                Some(408 | 425 | 429) | None => Self::Passing,
                Some(400..500) => Self::Refused,
                Some(_) => Self::Passing,
            },
        }
    }

    fn other(self, url: &Path, error: &StoreError) -> Error {
        let (url, what) = (url.display(), one_line(error));
        match self {
            Self::Unsupported => Error::Usage(format!("{url}: this store can't do that: {what}")),
            Self::Refused => Error::Config(format!("{url}: {what}")),
            _ => Error::Transient { place: Place::file(url), what },
        }
    }
}

/// The HTTP status that an error's text tells.
fn status(text: &str) -> Option<u16> {
    text.split_once("status code: ")?.1.get(..3)?.parse().ok()
}

/// A path below a folder, which either may be a URL.
pub fn below(folder: &Path, relative: &Path) -> PathBuf {
    if !is_url(folder) {
        return folder.join(relative);
    }
    let mut url = folder.to_string_lossy().trim_end_matches('/').to_owned();
    for part in relative.iter() {
        url.push('/');
        // What a URL would take for something else; hive values may have it.
        url.push_str(&part.to_string_lossy().replace('%', "%25").replace('?', "%3F").replace('#', "%23"));
    }
    url.into()
}

/// Waits for an answer. Not to be called from asynchronous code.
pub(super) fn wait<T>(answer: impl Future<Output = T>) -> Result<T> {
    Ok(runtime()?.block_on(answer))
}

/// What requests run on.
pub(super) fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
        Builder::new_multi_thread().worker_threads(THREADS).thread_name("object-store").enable_all().build()
    });
    RUNTIME.as_ref().map_err(|error| Error::Internal(format!("no threads for object stores: {error}")))
}

/// A store's error without line breaks.
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
            // Whoever names such an endpoint has allowed it.
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
