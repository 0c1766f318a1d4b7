//! What is said of any command's run when it has ended, well or not.

use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::{Registry, Unit};

use crate::error::{Error, Result};

use super::series::{About, Gauge, Registered};
use super::textfile;

/// How the last run ended and when, and all that is registered beside that.
#[derive(Debug)]
pub(super) struct LastRun {
    registry: Registry,
    seconds: Gauge,
    success: Gauge,
    timestamp_seconds: Gauge,
    success_timestamp_seconds: Gauge,
}

impl LastRun {
    /// Registered after a command's own instruments.
    pub(super) fn new(mut to: Registered<'_>) -> Self {
        let about = About::new;
        Self {
            seconds: to.gauge(about("last_run_duration", "How long the last run took").unit(Unit::Seconds)),
            success: to.gauge(about("last_run_success", "Whether the last run went well, 1 or 0")),
            timestamp_seconds: to
                .gauge(about("last_run_timestamp", "When the last run ended").unit(Unit::Seconds)),
            success_timestamp_seconds: to
                .gauge(about("last_success_timestamp", "When a run last went well").unit(Unit::Seconds)),
            registry: to.registry,
        }
    }

    /// Does the work of a run, and writes its numbers to a file, where one is named, whatever
    /// the end.
    ///
    /// # Errors
    /// Those of the work; [`Error::CannotCreate`](crate::Error::CannotCreate) of the file,
    /// before the work where it can be known then.
    pub(super) fn around<T>(&self, file: Option<&Path>, work: impl FnOnce() -> Result<T>) -> Result<T> {
        file.map_or(Ok(()), textfile::check)?;
        let start = Instant::now();
        let done = work();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        self.seconds.set("", start.elapsed().as_secs_f64());
        self.success.set("", f64::from(u8::from(done.is_ok())));
        self.timestamp_seconds.set("", now);
        if done.is_ok() {
            self.went_well_at(now);
        }
        let Some(path) = file else { return done };
        if done.is_err()
            && let Some(seconds) = textfile::last_success(path)
        {
            self.went_well_at(seconds);
        }
        let written = self.text().and_then(|text| textfile::write(path, &text));
        match (done, written) {
            (Ok(done), written) => written.map(|()| done),
            (Err(error), written) => {
                written.unwrap_or_else(|e| tracing::warn!("{e}"));
                Err(error)
            }
        }
    }

    /// Sets when a run last went well, in seconds of the epoch.
    pub(super) fn went_well_at(&self, seconds: f64) {
        self.success_timestamp_seconds.set("", seconds);
    }

    /// All numbers as they are now, in the text format that Prometheus reads.
    ///
    /// # Errors
    /// A string can be written to: none.
    pub(super) fn text(&self) -> Result<String> {
        let mut text = String::new();
        let encoded = prometheus_text::encode(&mut text, &self.registry);
        encoded.map(|()| text).map_err(|e| Error::Internal(e.to_string()))
    }
}
