//! What a run tells machines: log lines, spans and metrics to a collector (OTLP, where
//! the `OTEL_*` variables name one), and a file for Prometheus. The numbers are counted
//! once, by the instruments, and go both ways from there. Nothing of this may end a run or
//! hold it up for more than a few seconds.

mod client;
mod export;
mod fitted;
mod instruments;
mod last_run;
mod logs;
mod metered;
mod series;
mod settings;
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
use settings::{Settings, variable};

use crate::annotate::Progress;
use crate::error::Result;
use crate::fit::Fitted;

pub use logs::{LogFormat, Logs, is_for_a_person};

/// The telemetry of the process: the exporters of spans and metrics, if any.
#[derive(Debug)]
pub struct Telemetry {
    export: Option<Export>,
}

/// Begins the log and, where the environment asks for it, the way to a collector. Once a
/// process.
///
/// # Errors
/// [`Error::Config`](crate::Error::Config) where the `OTEL_*` variables ask for what is
/// not there; the log is begun all the same.
pub fn begin(logs: Logs) -> Result<Telemetry> {
    let export = Settings::read(variable).and_then(Export::begin);
    let tracer = export.as_ref().ok().and_then(Option::as_ref).and_then(Export::tracer);
    logs.begin(tracer);
    Ok(Telemetry { export: export? })
}

impl Telemetry {
    /// Does the work of a command in a span of its own, which goes on with the trace that
    /// `TRACEPARENT` names, and then sends what has not been sent.
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
        // Only a span that nobody records has no parent, and needs none.
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
        metered::metered(progress, textfile, self.meter().as_ref(), run)
    }

    /// Fits, and sets the metrics of the fit likewise.
    ///
    /// # Errors
    /// As for [`Self::metered`].
    pub fn metered_fit(
        &self,
        textfile: Option<&Path>,
        fit: impl FnOnce() -> Result<Fitted>,
    ) -> Result<Fitted> {
        fitted::metered_fit(textfile, self.meter().as_ref(), fit)
    }

    fn meter(&self) -> Option<Meter> {
        self.export.as_ref().and_then(Export::meter)
    }
}
