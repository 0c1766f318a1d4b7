//! Metrics of a run: a progress sink that updates the instruments and forwards to the progress
//! display.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::metrics::Meter;

use crate::annotate::{BadFile, InputStart, Progress, Stage, Summary};
use crate::error::Result;
use crate::interaction::{Moments, Quantity};
use crate::samples::FateCounts;

use super::instruments::RunInstruments;
use super::textfile;

/// Runs with progress displayed, and with metrics if a file for Prometheus is named or metrics are
/// exported. The file is written on success and on failure.
///
/// # Errors
/// Those of the run; [`Error::CannotCreate`](crate::Error::CannotCreate) of the file, before
/// the run where possible.
pub(super) fn metered<T>(
    display: &dyn Progress,
    textfile: Option<&Path>,
    meter: Option<&Meter>,
    run: impl FnOnce(&dyn Progress) -> Result<T>,
) -> Result<T> {
    if textfile.is_none() && meter.is_none() {
        return run(display);
    }
    let labels = textfile.map(textfile::labels).unwrap_or_default();
    let metered = MeteredProgress {
        display,
        instruments: RunInstruments::new(&labels, meter),
        moments: Mutex::default(),
    };
    metered.instruments.last_run.around(textfile, || {
        let done = run(&metered);
        metered.instruments.queue_depth.set("", 0.0);
        done
    })
}

struct MeteredProgress<'a> {
    display: &'a dyn Progress,
    instruments: RunInstruments,
    /// The moments of the files so far, by column.
    moments: Mutex<BTreeMap<&'static str, Moments>>,
}

impl Progress for MeteredProgress<'_> {
    fn begin(&self, start: InputStart) {
        self.display.begin(start);
    }

    fn advance(&self, fates: &FateCounts) {
        self.display.advance(fates);
        self.instruments.rows.add("", fates.rows() as f64);
        self.instruments.add_bad_rows(fates);
    }

    fn spent(&self, stage: Stage, time: Duration) {
        self.instruments.stage_seconds.add(stage.name(), time.as_secs_f64());
    }

    fn waiting(&self, batches: usize) {
        self.instruments.queue_depth.set("", batches as f64);
    }

    fn read(&self, bytes: u64) {
        self.instruments.read_bytes.add("", bytes as f64);
    }

    fn bad(&self, file: &BadFile) {
        self.display.bad(file);
        self.instruments.files.add("bad", 1.0);
    }

    fn end(&self, summary: &Summary) {
        self.display.end(summary);
        let to = &self.instruments;
        to.files.add(if summary.skipped { "skipped" } else { "written" }, 1.0);
        to.resumed_rows.add("", summary.resumed_rows as f64);
        to.add_bad_rows(&FateCounts::of_modalities(summary.fates.modalities()));
        if summary.skipped {
            // Its counts and means are those of an earlier run.
            return;
        }
        to.reduced_rows.add("", summary.reduced_rows.unwrap_or(0) as f64);
        to.written_bytes.add("", summary.output_bytes as f64);
        if let Some(bytes) = summary.peak_memory_bytes {
            to.peak_memory_bytes.set("", bytes as f64);
        }
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        for part in Quantity::DEFAULT_NAMES {
            let Some(column) = summary.columns.get(part) else { continue };
            let all = moments.entry(part).or_default();
            all.merge(&column.into());
            if let Some(mean) = all.mean() {
                to.mean_nats.set(part, mean);
            }
        }
    }
}
