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

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::Status;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use export::Export;
use settings::{Settings, variable};

use crate::error::Result;

pub use fitted::metered_fit;
pub use logs::{LogFormat, Logs, is_for_a_person};
pub use metered::metered;

/// What has been begun for the process, to be ended with it.
#[derive(Debug)]
pub struct Telemetry(Option<Export>);

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
    Ok(Telemetry(export?))
}

impl Telemetry {
    /// Does the work of a command in a span of its own, which goes on with the trace that
    /// `TRACEPARENT` names, and then sends what has not been sent.
    ///
    /// # Errors
    /// Those of the work.
    pub fn around<T>(self, command: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let Some(export) = self.0 else { return work() };
        let span = tracing::info_span!("run", otel.name = format!("lsmi-etl {command}"));
        let context = ["traceparent", "tracestate"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), variable(&name.to_uppercase())?)));
        let context = TraceContextPropagator::new().extract(&context.collect::<HashMap<_, _>>());
        // Only a span that nobody records has no parent, and needs none.
        _ = span.set_parent(context);
        let done = span.in_scope(work);
        if let Err(error) = &done {
            span.set_status(Status::error(error.to_string()));
            span.set_attribute("process.exit.code", i64::from(error.exit_code()));
        }
        drop(span);
        export.end();
        done
    }
}
