//! Metrics of the last run of any command: its duration, outcome and time stamp.

use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::{Registry, Unit};

use crate::error::{Error, Result};

use super::registry::{Gauge, InstrumentRegistry, InstrumentSpec};
use super::textfile;

/// The gauges of the last run, and the registry of all instruments of the command.
#[derive(Debug)]
pub(super) struct LastRun {
    registry: Registry,
    seconds: Gauge,
    success: Gauge,
    timestamp_seconds: Gauge,
    success_timestamp_seconds: Gauge,
}

impl LastRun {
    /// Registers the gauges, after the command's own instruments.
    pub(super) fn new(mut to: InstrumentRegistry<'_>) -> Self {
        let spec = InstrumentSpec::new;
        Self {
            seconds: to.gauge(spec("last_run_duration", "Duration of the last run").unit(Unit::Seconds)),
            success: to.gauge(spec("last_run_success", "Whether the last run succeeded, 1 or 0")),
            timestamp_seconds: to
                .gauge(spec("last_run_timestamp", "When the last run ended").unit(Unit::Seconds)),
            success_timestamp_seconds: to
                .gauge(spec("last_success_timestamp", "When a run last succeeded").unit(Unit::Seconds)),
            registry: to.registry,
        }
    }

    /// Does the work of a run and writes the metrics to a file, if one is named, on success and on
    /// failure.
    ///
    /// # Errors
    /// Those of the work; [`Error::CannotCreate`](crate::Error::CannotCreate) of the file, before
    /// the work where possible.
    pub(super) fn around<T>(&self, file: Option<&Path>, work: impl FnOnce() -> Result<T>) -> Result<T> {
        file.map_or(Ok(()), textfile::check)?;
        let start = Instant::now();
        let done = work();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        self.seconds.set("", start.elapsed().as_secs_f64());
        self.success.set("", f64::from(u8::from(done.is_ok())));
        self.timestamp_seconds.set("", now);
        if done.is_ok() {
            self.set_last_success(now);
        }
        let Some(path) = file else { return done };
        if done.is_err()
            && let Some(seconds) = textfile::last_success(path)
        {
            self.set_last_success(seconds);
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

    /// Sets the time of the last success, in seconds since the epoch.
    fn set_last_success(&self, seconds: f64) {
        self.success_timestamp_seconds.set("", seconds);
    }

    /// All metrics in the text format of Prometheus.
    fn text(&self) -> Result<String> {
        let mut text = String::new();
        let encoded = prometheus_text::encode(&mut text, &self.registry);
        encoded.map(|()| text).map_err(|e| Error::Internal(e.to_string()))
    }
}
