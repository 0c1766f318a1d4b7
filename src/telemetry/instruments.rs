//! The numbers of a run, each by its name, unit and meaning. In the file for Prometheus
//! seconds by stage are `lsmi_etl_stage_seconds_total`, in OTLP `lsmi_etl.stage` with the
//! unit `s`, of which a collector makes the same name.

use opentelemetry::metrics::Meter;
use prometheus_client::registry::Unit;

use crate::annotate::{Quantity, Stage};
use crate::samples::FateCounts;

use super::last_run::LastRun;
use super::series::{About, Counter, Gauge, Registered};

/// The instruments. Counters begin at zero; gauges are unknown until they are set.
#[derive(Debug)]
pub(super) struct Instruments {
    pub(super) last_run: LastRun,
    pub(super) rows: Counter,
    pub(super) bad_rows: Counter,
    pub(super) resumed_rows: Counter,
    pub(super) files: Counter,
    pub(super) stage_seconds: Counter,
    pub(super) read_bytes: Counter,
    pub(super) written_bytes: Counter,
    pub(super) queue_depth: Gauge,
    pub(super) mean_nats: Gauge,
    pub(super) peak_memory_bytes: Gauge,
}

impl Instruments {
    /// Instruments whose series bear these labels in text; their numbers go to a collector
    /// through the meter, where there is one.
    pub(super) fn new(labels: &[(&'static str, String)], meter: Option<&Meter>) -> Self {
        let mut to = Registered::new(labels, meter);
        let reasons = FateCounts::default().bad_by_reason().map(|(fate, _)| fate.name());
        let stages = [Stage::Read, Stage::Evaluate, Stage::Write].map(Stage::name);
        let parts = Quantity::PARTS.map(|part| part.name());
        let nats = Unit::Other("nats".to_owned());
        let about = About::new;
        Self {
            rows: to.counter(about("rows", "Rows computed, with values or without")),
            bad_rows: to.counter(about("bad_rows", "Rows without values").by("reason", &reasons)),
            resumed_rows: to.counter(about("resumed_rows", "Rows that an unfinished run had computed")),
            files: to.counter(
                about("files", "Whole outputs, written now or found so")
                    .by("outcome", &["written", "skipped"]),
            ),
            stage_seconds: to.counter(
                about("stage", "Time of the stages, which overlap; that of workers adds up")
                    .unit(Unit::Seconds)
                    .by("stage", &stages),
            ),
            read_bytes: to.counter(about("read", "Inputs read, as stored").unit(Unit::Bytes)),
            written_bytes: to.counter(about("written", "Whole outputs written").unit(Unit::Bytes)),
            queue_depth: to.gauge(about("queue_depth", "Batches that wait for a worker")),
            mean_nats: to
                .gauge(about("mean", "Mean over the good rows of all files").unit(nats).by("part", &parts)),
            peak_memory_bytes: to.gauge(about("peak_memory", "Greatest resident memory").unit(Unit::Bytes)),
            last_run: LastRun::new(to),
        }
    }
}
