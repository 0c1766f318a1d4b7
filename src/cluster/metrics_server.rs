//! The HTTP server of a process of a cluster for Prometheus and for probes: `/metrics`, `/healthz` and
//! `/readyz`, without TLS, since neither of them shows certificates.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use futures::future::BoxFuture;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use crate::error::{Error, Place, Result};

/// The type of the text format of Prometheus.
pub(super) const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a process says of itself.
pub(super) trait Observed: Send + Sync + 'static {
    /// All metrics in the text format of Prometheus.
    fn metrics(&self) -> BoxFuture<'_, String>;
    /// Whether it can work.
    fn is_ready(&self) -> bool;
}

/// Starts the server in the present runtime, whose end ends it.
///
/// # Errors
/// [`Error::Io`] where the address can't be listened on.
pub(super) async fn start(bind: SocketAddr, process: Arc<dyn Observed>) -> Result<()> {
    let failed = |e| Error::io(Place::file(bind), "bind", e);
    let listener = TcpListener::bind(bind).await.map_err(failed)?;
    tracing::info!("metrics at http://{}/metrics", listener.local_addr().map_err(failed)?);
    let ready = Arc::clone(&process);
    let router = Router::new()
        .route(
            "/metrics",
            get(move || {
                let process = Arc::clone(&process);
                async move { ([(CONTENT_TYPE, TEXT_FORMAT)], process.metrics().await) }
            }),
        )
        .route("/healthz", get(|| async { "ok\n" }))
        .route(
            "/readyz",
            get(move || {
                let answer = match ready.is_ready() {
                    true => (StatusCode::OK, "ready\n"),
                    false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
                };
                async move { answer }
            }),
        );
    tokio::spawn(async move {
        if let Err(e) = axum::serve(listener, router).await {
            tracing::error!("the server of metrics failed: {e}");
        }
    });
    Ok(())
}

/// All metrics of a registry in the text format of Prometheus.
pub(super) fn text(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    _ = prometheus_text::encode(&mut text, registry);
    text
}
