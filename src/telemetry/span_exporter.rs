//! The exporter of spans, around that of OTLP: attributes, events and errors leave the process without
//! the secrets of URLs.

use std::time::Duration;

use opentelemetry::trace::Status;
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use crate::printable::redact;

/// An exporter of spans without secrets.
#[derive(Debug)]
pub(super) struct RedactingExporter<E>(pub(super) E);

impl<E: SpanExporter> SpanExporter for RedactingExporter<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        batch.iter_mut().for_each(redact_span);
        self.0.export(batch).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

fn redact_span(span: &mut SpanData) {
    redact_attributes(&mut span.attributes);
    for event in &mut span.events.events {
        event.name = redact(&event.name).into_owned().into();
        redact_attributes(&mut event.attributes);
    }
    if let Status::Error { description } = &mut span.status {
        *description = redact(description).into_owned().into();
    }
}

fn redact_attributes(attributes: &mut [KeyValue]) {
    for KeyValue { value, .. } in attributes {
        if let Value::String(text) = value {
            *text = redact(text.as_str()).into_owned().into();
        }
    }
}
