//! The export to a collector: providers of spans and metrics with OTLP/HTTP exporters.

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
use tokio::runtime::Runtime;

use crate::error::{Error, Result};
use crate::threads::{self, spawn_scoped};

use super::export_settings::ExportSettings;
use super::http_client::CollectorClient;
use super::span_exporter::RedactingExporter;

/// The timeout of the final flush.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// Providers with their exporters, and the runtime of the HTTP client.
#[derive(Debug)]
pub(super) struct Export {
    runtime: Runtime,
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
}

impl Export {
    /// Starts the exporters; `None` if no signal is exported.
    ///
    /// # Errors
    /// [`Error::Config`] where the variables of an exporter are invalid; [`Error::NoThread`].
    pub(super) fn begin(settings: ExportSettings) -> Result<Option<Self>> {
        if settings == ExportSettings::default() {
            return Ok(None);
        }
        let runtime = threads::runtime(Some(1), "telemetry")?;
        let client = |signal| -> Result<Arc<dyn HttpClient>> {
            Ok(Arc::new(CollectorClient::new(runtime.handle().clone(), signal)?))
        };
        let wrong = |e: ExporterBuildError| Error::Config(format!("the OTEL_* variables: {e}"));
        let resource = resource();

        let traces = settings.traces.then(|| {
            let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
            let exporter = exporter.with_shared_http_client(client("TRACES")?);
            let exporter = exporter.with_retry_policy(RetryPolicy::disabled()).build().map_err(wrong)?;
            let provider = SdkTracerProvider::builder().with_resource(resource.clone());
            Ok::<_, Error>(provider.with_batch_exporter(RedactingExporter(exporter)).build())
        });
        let traces = traces.transpose()?;
        let metrics = settings.metrics.then(|| {
            let exporter = MetricExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
            let exporter = exporter.with_shared_http_client(client("METRICS")?);
            let exporter = exporter.with_retry_policy(RetryPolicy::disabled()).build().map_err(wrong)?;
            let provider = SdkMeterProvider::builder().with_resource(resource.clone());
            Ok::<_, Error>(provider.with_periodic_exporter(exporter).build())
        });
        let metrics = metrics.transpose()?;
        Ok(Some(Self { runtime, traces, metrics }))
    }

    /// Creates the spans that are exported; `None` without a traces exporter.
    pub(super) fn tracer(&self) -> Option<Tracer> {
        self.traces.as_ref().map(|provider| provider.tracer("lsmi_etl"))
    }

    /// Creates the instruments that are exported as metrics; `None` without a metrics exporter.
    pub(super) fn meter(&self) -> Option<Meter> {
        self.metrics.as_ref().map(|provider| provider.meter("lsmi_etl"))
    }

    /// Flushes the exporters, up to a timeout. The HTTP client warns of a collector that fails.
    pub(super) fn end(self) {
        let Self { runtime, traces, metrics } = self;
        std::thread::scope(|scope| {
            // Without threads nothing is flushed: the run itself is over.
            let flush = [
                spawn_scoped(scope, move || {
                    traces.map(|provider| provider.shutdown_with_timeout(SHUTDOWN_TIMEOUT));
                }),
                spawn_scoped(scope, move || {
                    metrics.map(|provider| provider.shutdown_with_timeout(SHUTDOWN_TIMEOUT));
                }),
            ];
            flush.into_iter().flatten().for_each(drop);
        });
        // In the background, since a name lookup may still be blocking.
        runtime.shutdown_background();
    }
}

/// The OpenTelemetry resource: the service name from the environment, else "lsmi-etl".
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
