//! Telemetry: log lines on stderr, spans and metrics to an OpenTelemetry collector (OTLP, if the
//! `OTEL_*` variables name one), and a metrics file for Prometheus. One set of instruments feeds
//! both exports. A failing export must not end a run or delay it by more than a few seconds.

mod collected;
mod export;
mod export_settings;
mod fit_metrics;
mod http_client;
mod instruments;
mod last_run;
mod logs;
mod registry;
mod run_metrics;
mod span_exporter;
mod textfile;
mod tls;

use std::collections::HashMap;
use std::path::Path;

use opentelemetry::metrics::Meter;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::Status;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use export::Export;
use export_settings::{ExportSettings, variable};

use crate::annotate::Progress;
use crate::error::Result;
use crate::fit::FitReport;

pub use collected::{collect_logs, take_log_lines};
pub use logs::{LogFormat, Logs, ProgressFormat, log_filter, progress_format};

/// The telemetry of the process: the exporters of spans and metrics, if any.
#[derive(Debug, Default)]
pub struct Telemetry {
    export: Option<Export>,
}

/// Starts logging and, if the environment configures it, the export to a collector. Once per
/// process.
///
/// # Errors
/// [`Error::Config`](crate::Error::Config) where the `OTEL_*` variables name an unsupported
/// exporter or protocol; logging is started all the same.
pub fn begin(logs: Logs) -> Result<Telemetry> {
    let export = ExportSettings::read(variable).and_then(Export::begin);
    let tracer = export.as_ref().ok().and_then(Option::as_ref).and_then(Export::tracer);
    logs.begin(tracer);
    Ok(Telemetry { export: export? })
}

impl Telemetry {
    /// Runs a command in a span whose parent is the trace in `TRACEPARENT`, and then flushes the
    /// exporters.
    ///
    /// # Errors
    /// Those of the work.
    pub fn around<T>(self, command: &str, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        if self.export.is_none() {
            return work(&self);
        }
        let span = tracing::info_span!("run", otel.name = format!("lsmi-etl {command}"));
        let context = ["traceparent", "tracestate"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), variable(&name.to_uppercase())?)));
        let context = TraceContextPropagator::new().extract(&context.collect::<HashMap<_, _>>());
        // Fails only for a span that is not recorded.
        _ = span.set_parent(context);
        let done = span.in_scope(|| work(&self));
        if let Err(error) = &done {
            span.set_status(Status::error(error.to_string()));
            span.set_attribute("process.exit.code", i64::from(error.exit_code()));
        }
        drop(span);
        if let Some(export) = self.export {
            export.end();
        }
        done
    }

    /// Annotates with progress reported to `progress`, and counts the metrics of the run where a
    /// file for Prometheus is named or metrics are exported. The file is written on success and
    /// on failure.
    ///
    /// # Errors
    /// Those of the run; [`Error::CannotCreate`](crate::Error::CannotCreate) of the file, before
    /// the run where possible.
    pub fn metered<T>(
        &self,
        progress: &dyn Progress,
        textfile: Option<&Path>,
        run: impl FnOnce(&dyn Progress) -> Result<T>,
    ) -> Result<T> {
        run_metrics::metered(progress, textfile, self.meter().as_ref(), run)
    }

    /// Fits, and sets the metrics of the fit likewise.
    ///
    /// # Errors
    /// As for [`Self::metered`].
    pub fn metered_fit(
        &self,
        textfile: Option<&Path>,
        fit: impl FnOnce() -> Result<FitReport>,
    ) -> Result<FitReport> {
        fit_metrics::metered_fit(textfile, self.meter().as_ref(), fit)
    }

    fn meter(&self) -> Option<Meter> {
        self.export.as_ref().and_then(Export::meter)
    }
}
