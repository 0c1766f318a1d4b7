//! Log lines on stderr, for a person or as JSON, and spans to a collector. Both look at the
//! same events: whoever asks for neither pays for neither.

use std::io::{IsTerminal, stderr};
use std::sync::OnceLock;

use opentelemetry_sdk::trace::Tracer;
use tracing_subscriber::filter::{FilterExt, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// What a log line looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// The level and the message.
    #[default]
    Text,
    /// An object: timestamp, level, message.
    Json,
}

/// What is logged, and how.
#[derive(Debug)]
pub struct Logs {
    /// A filter of tracing's, such as `warn,lsmi_etl=info`.
    pub filter: EnvFilter,
    /// What a line looks like.
    pub format: LogFormat,
}

static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Whether stderr is a terminal on which a bar may move between the lines.
pub fn is_for_a_person() -> bool {
    stderr().is_terminal() && FORMAT.get() != Some(&LogFormat::Json)
}

impl Logs {
    /// Begins the log, once a process; spans and what is logged in them go to a collector where
    /// there is a tracer.
    pub(super) fn begin(self, tracer: Option<Tracer>) {
        let lines = fmt::layer().with_writer(stderr).with_target(false);
        let lines = match FORMAT.get_or_init(|| self.format) {
            LogFormat::Text => lines.without_time().with_ansi(stderr().is_terminal()).boxed(),
            LogFormat::Json => {
                lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
            }
        };
        // Spans are for the collector; without one, nobody is to make them.
        let lines = lines.with_filter(self.filter.and(filter_fn(|metadata| metadata.is_event())));
        let spans = tracer.map(|tracer| {
            let spans = tracing_opentelemetry::layer().with_tracer(tracer);
            let spans = spans.with_location(false).with_threads(false).with_tracked_inactivity(false);
            // Not those of the exporters' own requests.
            spans.with_filter(Targets::new().with_target("lsmi_etl", tracing::Level::INFO))
        });
        tracing_subscriber::registry().with(lines).with(spans).init();
    }
}
