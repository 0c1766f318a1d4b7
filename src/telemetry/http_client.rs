//! The HTTP client of the exporters: reqwest, as for object stores, on a runtime of its own. Warns
//! once of a collector that does not answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;

use crate::error::{Error, Result};
use crate::printable::redact;

use super::export_settings::variable;
use super::tls::with_tls;

/// The timeout of a request. Collectors are usually near.
const TIMEOUT: Duration = Duration::from_secs(2);

static WARNED: AtomicBool = AtomicBool::new(false);

/// Sends the requests of one signal's exporter.
#[derive(Debug)]
pub(super) struct CollectorClient {
    http: reqwest::Client,
    runtime: Handle,
}

impl CollectorClient {
    /// Creates the client for the collector of TRACES or METRICS.
    ///
    /// # Errors
    /// [`Error::Config`] where the certificates named by the environment are invalid.
    pub(super) fn new(runtime: Handle, signal: &str) -> Result<Self> {
        let builder = with_tls(reqwest::Client::builder().timeout(TIMEOUT), signal, &variable)?;
        let http = builder.build();
        let http =
            http.map_err(|e| Error::Config(format!("the HTTP client of the collector: {}", root_cause(&e))))?;
        Ok(Self { http, runtime })
    }
}

fn warn(collector: &str, why: &str) {
    if !WARNED.swap(true, Ordering::Relaxed) {
        tracing::warn!("{collector}: {why}; telemetry of this run is lost; the run continues");
    }
}

#[async_trait]
impl HttpClient for CollectorClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> std::result::Result<Response<Bytes>, HttpError> {
        let (scheme, host) = (request.uri().scheme_str(), request.uri().authority());
        // Without the path, which is a collector's secret at times.
        let collector = format!("{}://{}", scheme.unwrap_or("http"), host.map_or("", |host| host.as_str()));
        let collector = redact(&collector).into_owned();
        // The threads of the exporters have no runtime of their own.
        let answer = self.runtime.spawn(send(self.http.clone(), request)).await.map_err(HttpError::from);
        match answer.flatten() {
            Ok(response) => {
                if !response.status().is_success() {
                    warn(&collector, &format!("the collector answers {}", response.status()));
                }
                Ok(response)
            }
            Err(error) => {
                warn(&collector, &format!("the collector does not answer ({})", root_cause(error.as_ref())));
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

/// The root cause of an error: "connection refused", not "error sending request".
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .last()
        .map_or_else(String::new, ToString::to_string)
}
