//! The W3C trace context of a run as it travels: the spans of units hang below that of their run, whichever
//! process exports them.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::Status;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use prost::Message;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::error::Result;
use crate::printable::shown;

use super::unit::Unit;

/// `traceparent` and `tracestate`; both empty without a trace.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct TraceContext {
    #[prost(string, tag = "1")]
    parent: String,
    #[prost(string, tag = "2")]
    state: String,
}

impl TraceContext {
    /// The context of the present span.
    pub(super) fn current() -> Self {
        let mut fields = HashMap::new();
        TraceContextPropagator::new().inject_context(&Span::current().context(), &mut fields);
        let mut field = |name: &str| fields.remove(name).unwrap_or_default();
        Self { parent: field("traceparent"), state: field("tracestate") }
    }

    /// Works on a unit in a span below the run's.
    ///
    /// # Errors
    /// Those of the work, which are the span's, too.
    pub(super) fn around<T>(&self, unit: &Unit, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let span = tracing::info_span!("unit", index = unit.index, input = %shown(&unit.pair().input));
        if !self.parent.is_empty() {
            let fields = [("traceparent", &self.parent), ("tracestate", &self.state)];
            let fields = fields.map(|(name, value)| (name.to_owned(), value.clone()));
            let context = TraceContextPropagator::new().extract(&HashMap::<String, String>::from(fields));
            // Fails only for a span that is not recorded.
            _ = span.set_parent(context);
        }
        let done = span.in_scope(work);
        if let Err(error) = &done {
            span.set_status(Status::error(error.to_string()));
        }
        done
    }
}
