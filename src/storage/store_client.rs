//! Clients of object stores. Credentials and settings come from the environment variables that the
//! stores' own tools read (`AWS_…`, `GOOGLE_…`, `AZURE_…`). Failed requests that may succeed later
//! are retried with back-off: up to ten times within three minutes, or for `LSMI_ETL_RETRY_SECONDS`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::list::PaginatedListStore;
use object_store::{ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig};

use crate::error::{Error, Result};
use crate::printable::shown;
use crate::threads::PerProcess;

use super::credentials::{require_azure, require_google, require_s3};
use super::key_listing::KeyEncoder;
use super::store_url::StoreUrl;

/// The client of a store that all requests of this room share, with its connections and
/// credentials: a run may open thousands of objects.
///
/// # Errors
/// As for [`connect`].
pub(super) fn shared_client(url: &StoreUrl) -> Result<Arc<dyn ObjectStore>> {
    static CLIENTS: PerProcess<Mutex<BTreeMap<String, Arc<dyn ObjectStore>>>> = PerProcess::new();
    let mut clients = CLIENTS.get(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(client) = clients.get(&url.bucket) {
        return Ok(Arc::clone(client));
    }
    let client = connect(url)?;
    clients.insert(url.bucket.clone(), Arc::clone(&client));
    Ok(client)
}

/// A client of the store that a URL names.
///
/// # Errors
/// [`Error::Usage`] if it names no store; [`Error::Config`] if the settings in the environment are
/// inconsistent, or hold no credentials where the machine has none of its own.
pub(super) fn connect(url: &StoreUrl) -> Result<Arc<dyn ObjectStore>> {
    let store: object_store::Result<Arc<dyn ObjectStore>> = match url.scheme {
        ObjectStoreScheme::AmazonS3 => s3(url)?.build().map(|store| Arc::new(store) as _),
        ObjectStoreScheme::GoogleCloudStorage => google(url)?.build().map(|store| Arc::new(store) as _),
        ObjectStoreScheme::MicrosoftAzure => azure(url)?.build().map(|store| Arc::new(store) as _),
        ObjectStoreScheme::Http => http(url).build().map(|store| Arc::new(store) as _),
        _ => {
            let slash = if url.bucket.ends_with('/') { "" } else { "/" };
            let path = format!("{}{slash}{}", url.bucket, url.key);
            let what =
                format!("{}: give a local file by its path, without the scheme", shown(Path::new(&path)));
            return Err(Error::Usage(what));
        }
    };
    store.map_err(|error| wrong_settings(url, &error))
}

/// A client that lists keys as they are (see [`KeyEncoder`]). `None` if the store has no keys.
///
/// # Errors
/// As for [`connect`].
pub(super) fn connect_listing(url: &StoreUrl) -> Result<Option<Arc<dyn PaginatedListStore>>> {
    let store: object_store::Result<Arc<dyn PaginatedListStore>> = match url.scheme {
        ObjectStoreScheme::AmazonS3 => {
            s3(url)?.with_http_connector(KeyEncoder::S3).build().map(|store| Arc::new(store) as _)
        }
        ObjectStoreScheme::GoogleCloudStorage => {
            google(url)?.with_http_connector(KeyEncoder::S3).build().map(|store| Arc::new(store) as _)
        }
        ObjectStoreScheme::MicrosoftAzure => {
            azure(url)?.with_http_connector(KeyEncoder::AZURE).build().map(|store| Arc::new(store) as _)
        }
        _ => return Ok(None),
    };
    store.map(Some).map_err(|error| wrong_settings(url, &error))
}

fn wrong_settings(url: &StoreUrl, error: &object_store::Error) -> Error {
    let what = match error.to_string() {
        what if what.ends_with("Account must be specified") => {
            "no storage account: set AZURE_STORAGE_ACCOUNT_NAME, or name it in the URL \
             (abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/KEY)"
                .to_owned()
        }
        what => format!("{what}; correct the variables of the environment (AWS_…, GOOGLE_…, AZURE_…)"),
    };
    Error::Config(format!("{}: {what}", shown(Path::new(&url.bucket))))
}

fn s3(url: &StoreUrl) -> Result<AmazonS3Builder> {
    let builder = AmazonS3Builder::from_env().with_url(&url.bucket).with_retry(retry());
    // An endpoint without TLS was configured on purpose.
    let endpoint = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT"].iter().find_map(|key| std::env::var(key).ok());
    require_s3(url, &builder)?;
    Ok(match endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        true => builder.with_allow_http(true),
        false => builder,
    })
}

fn google(url: &StoreUrl) -> Result<GoogleCloudStorageBuilder> {
    let builder = GoogleCloudStorageBuilder::from_env().with_url(&url.bucket).with_retry(retry());
    require_google(url, &builder).map(|()| builder)
}

fn azure(url: &StoreUrl) -> Result<MicrosoftAzureBuilder> {
    let builder = MicrosoftAzureBuilder::from_env().with_url(&url.bucket).with_retry(retry());
    require_azure(url, &builder).map(|()| builder)
}

fn http(url: &StoreUrl) -> HttpBuilder {
    let client = ClientOptions::new().with_allow_http(true);
    HttpBuilder::new().with_url(&url.bucket).with_client_options(client).with_retry(retry())
}

fn retry() -> RetryConfig {
    let seconds = std::env::var("LSMI_ETL_RETRY_SECONDS").ok().and_then(|text| text.parse().ok());
    match seconds {
        // The time alone is the limit that was asked for.
        Some(seconds) => RetryConfig {
            retry_timeout: Duration::from_secs(seconds),
            max_retries: usize::MAX,
            ..RetryConfig::default()
        },
        None => RetryConfig::default(),
    }
}
