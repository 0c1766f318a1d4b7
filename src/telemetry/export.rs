//! The way to a collector: providers of spans and metrics whose exporters speak OTLP over
//! HTTP.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::trace::TracerProvider;
use opentelemetry::{Key, KeyValue};
use opentelemetry_http::HttpClient;
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracerProvider, Tracer};
use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, Result};

use super::client::Client;
use super::settings::Settings;

/// What the end of a run waits for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Providers with their exporters, and what these run on.
#[derive(Debug)]
pub(super) struct Export {
    runtime: Runtime,
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
}

impl Export {
    /// Begins to export what is asked for; None where nothing is.
    ///
    /// # Errors
    /// [`Error::Config`] where an exporter can't make sense of its variables.
    pub(super) fn begin(asked: Settings) -> Result<Option<Self>> {
        if asked == Settings::default() {
            return Ok(None);
        }
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("telemetry").enable_all().build();
        let runtime = runtime.map_err(|e| Error::Internal(format!("no thread for telemetry: {e}")))?;
        let client = |signal| -> Result<Arc<dyn HttpClient>> {
            Ok(Arc::new(Client::new(runtime.handle().clone(), signal)?))
        };
        let wrong = |e: ExporterBuildError| Error::Config(format!("the OTEL_* variables: {e}"));
        let resource = resource();

        let traces = asked.traces.then(|| {
            let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
            let exporter = exporter.with_shared_http_client(client("TRACES")?);
            let exporter = exporter.with_retry_policy(RetryPolicy::disabled()).build().map_err(wrong)?;
            let provider = SdkTracerProvider::builder().with_resource(resource.clone());
            Ok::<_, Error>(provider.with_batch_exporter(exporter).build())
        });
        let traces = traces.transpose()?;
        let metrics = asked.metrics.then(|| {
            let exporter = MetricExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
            let exporter = exporter.with_shared_http_client(client("METRICS")?);
            let exporter = exporter.with_retry_policy(RetryPolicy::disabled()).build().map_err(wrong)?;
            let provider = SdkMeterProvider::builder().with_resource(resource.clone());
            Ok::<_, Error>(provider.with_periodic_exporter(exporter).build())
        });
        let metrics = metrics.transpose()?;
        Ok(Some(Self { runtime, traces, metrics }))
    }

    /// What spans are made with, where they are exported.
    pub(super) fn tracer(&self) -> Option<Tracer> {
        self.traces.as_ref().map(|provider| provider.tracer("lsmi_etl"))
    }

    /// Creates the instruments that are exported as metrics; `None` without a metrics exporter.
    pub(super) fn meter(&self) -> Option<Meter> {
        self.metrics.as_ref().map(|provider| provider.meter("lsmi_etl"))
    }

    /// Sends what is left, as long as there is patience. A collector that fails has been
    /// warned of by the client.
    pub(super) fn end(self) {
        let Self { runtime, traces, metrics } = self;
        std::thread::scope(|scope| {
            scope.spawn(move || traces.map(|provider| provider.shutdown_with_timeout(PATIENCE)));
            scope.spawn(move || metrics.map(|provider| provider.shutdown_with_timeout(PATIENCE)));
        });
        // Not waited for: it may be asking for a name that no server knows.
        runtime.shutdown_background();
    }
}

/// Who we are: by the environment, else by the program's name.
fn resource() -> Resource {
    let build =
        || Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    let found = build().build();
    let name = found.get_ref(&Key::new("service.name")).map(ToString::to_string);
    match name {
        Some(name) if !name.starts_with("unknown_service") => found,
        _ => build().with_service_name("lsmi-etl").build(),
    }
}
