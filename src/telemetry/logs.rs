//! Subscribers of `tracing`: log lines on stderr, as text or JSON, and spans to a collector. Spans
//! cost nothing if none are exported. Lines hold no secrets of URLs, whichever crate they come from, and
//! nothing that a terminal obeys.

use std::fmt::Debug;
use std::io::{self, IsTerminal, Write, stderr};
use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry_sdk::trace::Tracer;
use tracing::field::Field;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{FilterExt, LevelFilter, Targets, filter_fn};
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::printable::{escape_for_json, message, redact};

/// The interval between two lines about progress before logging is configured.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// The format of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Level and message.
    #[default]
    Text,
    /// One JSON object: timestamp, level, message.
    Json,
}

/// The configuration of logging.
#[derive(Debug)]
pub struct Logs {
    /// A filter of `tracing`, such as `warn,lsmi_etl=info`.
    pub filter: EnvFilter,
    /// The format of lines.
    pub format: LogFormat,
    /// The interval between two lines about progress.
    pub progress_every: Duration,
}

/// The filter that `LSMI_ETL_LOG` sets, else `usual`. Errors pass any but one that says `off`: `LSMI_ETL_LOG` names
/// targets, and one that is misspelled must not hide why a run has failed.
pub fn log_filter(usual: &str) -> EnvFilter {
    let set = std::env::var("LSMI_ETL_LOG").unwrap_or_default();
    let own = (!set.trim().is_empty()).then(|| EnvFilter::try_new(format!("error,{set}")).ok()).flatten();
    own.unwrap_or_else(|| EnvFilter::new(usual))
}

/// What the process logs.
static LINES: OnceLock<Lines> = OnceLock::new();

#[derive(Debug, Clone, Copy)]
struct Lines {
    format: LogFormat,
    progress_every: Duration,
    is_quiet: bool,
}

/// How the progress of a run is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressFormat {
    /// A bar: stderr is a terminal, and log lines are text.
    Bar,
    /// A line of text at intervals.
    Text(Duration),
    /// An event at intervals, with the numbers in fields.
    Json(Duration),
    /// Not at all: only errors are logged.
    Quiet,
}

/// How this process tells its progress.
pub fn progress_format() -> ProgressFormat {
    match LINES.get() {
        Some(Lines { is_quiet: true, .. }) => ProgressFormat::Quiet,
        Some(Lines { format: LogFormat::Json, progress_every, .. }) => ProgressFormat::Json(*progress_every),
        _ if stderr().is_terminal() => ProgressFormat::Bar,
        Some(Lines { progress_every, .. }) => ProgressFormat::Text(*progress_every),
        None => ProgressFormat::Text(PROGRESS_EVERY),
    }
}

impl Logs {
    /// Starts logging, once per process. The tracer, if any, exports spans and the events in them.
    pub(super) fn begin(self, tracer: Option<Tracer>) {
        let lines = fmt::layer().with_target(false);
        let set = LINES.get_or_init(|| Lines {
            format: self.format,
            progress_every: self.progress_every,
            is_quiet: self.filter.max_level_hint().is_some_and(|most| most < LevelFilter::WARN),
        });
        let lines = match set.format {
            LogFormat::Text => {
                let lines = lines.fmt_fields(debug_fn(text_field).delimited(" ")).with_writer(stderr);
                lines.without_time().with_ansi(stderr().is_terminal()).boxed()
            }
            LogFormat::Json => {
                let lines = lines.json().flatten_event(true).with_writer(|| JsonLines);
                lines.with_current_span(false).with_span_list(false).boxed()
            }
        };
        // Only events, so that no spans are created without a collector.
        let lines = lines.with_filter(self.filter.and(filter_fn(|metadata| metadata.is_event())));
        let spans = tracer.map(|tracer| {
            let spans = tracing_opentelemetry::layer().with_tracer(tracer);
            let spans = spans.with_location(false).with_threads(false).with_tracked_inactivity(false);
            // Without the spans of the exporters' own requests.
            spans.with_filter(Targets::new().with_target("lsmi_etl", tracing::Level::INFO))
        });
        tracing_subscriber::registry().with(lines).with(spans).init();
    }
}

/// Writes the message or another field of an event. Colours are written around it.
fn text_field(out: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> std::fmt::Result {
    let value = message(&format!("{value:?}"));
    match field.name() {
        "message" => write!(out, "{value}"),
        name => write!(out, "{name}={value}"),
    }
}

/// Stderr for lines of JSON, each of which is written at once.
struct JsonLines;

impl Write for JsonLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        stderr().write_all(escape_for_json(&redact(&text)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        stderr().flush()
    }
}
