//! How exporters reach a collector: the HTTP client that object stores are asked with, on a
//! runtime of its own. A collector that does not answer is warned of once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;

use crate::error::{Error, Result};

use super::settings::variable;
use super::tls::secured;

/// What a collector has to answer in. It should be near.
const PATIENCE: Duration = Duration::from_secs(2);

static WARNED: AtomicBool = AtomicBool::new(false);

/// Sends the requests of a signal's exporter.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    runtime: Handle,
}

impl Client {
    /// A client of the collector of TRACES or METRICS.
    ///
    /// # Errors
    /// [`Error::Config`] where the certificates that the environment names are of no use.
    pub(super) fn new(runtime: Handle, signal: &str) -> Result<Self> {
        let builder = secured(reqwest::Client::builder().timeout(PATIENCE), signal, &variable)?;
        let http = builder.build();
        let http = http.map_err(|e| Error::Config(format!("no way to a collector: {}", root(&e))))?;
        Ok(Self { http, runtime })
    }
}

fn warn(collector: &str, why: &str) {
    if !WARNED.swap(true, Ordering::Relaxed) {
        tracing::warn!("{collector}: {why}; telemetry of this run is lost, the run is not");
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> std::result::Result<Response<Bytes>, HttpError> {
        let url = request.uri();
        // A user and a password are nobody's business.
        let host = url.authority().map_or("", |authority| authority.as_str());
        let host = host.rsplit('@').next().unwrap_or_default();
        let collector = format!("{}://{host}{}", url.scheme_str().unwrap_or_default(), url.path());
        // The exporters' own threads know of no runtime.
        let answer = self.runtime.spawn(send(self.http.clone(), request)).await.map_err(HttpError::from);
        match answer.flatten() {
            Ok(response) => {
                if !response.status().is_success() {
                    warn(&collector, &format!("the collector answers {}", response.status()));
                }
                Ok(response)
            }
            Err(error) => {
                warn(&collector, &format!("the collector does not answer ({})", root(error.as_ref())));
                Err(error)
            }
        }
    }
}

async fn send(
    http: reqwest::Client,
    request: Request<Bytes>,
) -> std::result::Result<Response<Bytes>, HttpError> {
    let mut answer = http.execute(request.try_into()?).await?;
    let mut response = Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        std::mem::swap(headers, answer.headers_mut());
    }
    Ok(response.body(answer.bytes().await?)?)
}

/// What lies at the bottom of an error: "connection refused", not "error sending request".
fn root(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .last()
        .map_or_else(String::new, ToString::to_string)
}
