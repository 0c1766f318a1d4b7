//! The instruments of a run with their names, units and descriptions. Seconds by stage are
//! `lsmi_etl_stage_seconds_total` in the file for Prometheus, and `lsmi_etl.stage` with the unit
//! `s` in OTLP, which a collector translates to the same name.

use opentelemetry::metrics::Meter;
use prometheus_client::registry::Unit;

use crate::annotate::Stage;
use crate::samples::FateCounts;

use super::last_run::LastRun;
use super::registry::{Counter, Gauge, InstrumentRegistry, InstrumentSpec};

/// The instruments of a run. Counters start at zero; gauges are unset at first.
#[derive(Debug)]
pub(super) struct RunInstruments {
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

impl RunInstruments {
    /// Instruments whose series have these labels in the file; the meter, if any, exports them to a
    /// collector.
    pub(super) fn new(labels: &[(&'static str, String)], meter: Option<&Meter>) -> Self {
        let mut to = InstrumentRegistry::new(labels, meter);
        let reasons = FateCounts::default().bad_by_reason();
        let reasons: Vec<&str> = reasons.iter().map(|(fate, _)| fate.name()).collect();
        let stages = Stage::ALL.map(Stage::name);
        let parts = ["r", "u1", "u2", "s"];
        let nats = Unit::Other("nats".to_owned());
        let spec = InstrumentSpec::new;
        Self {
            rows: to.counter(spec("rows", "Rows computed, with values or without")),
            bad_rows: to.counter(spec("bad_rows", "Rows without values").by("reason", &reasons)),
            resumed_rows: to
                .counter(spec("resumed_rows", "Rows taken from the journal of an unfinished run")),
            files: to.counter(
                spec("files", "Complete outputs, written by this run or an earlier one; inputs that are bad")
                    .by("outcome", &["written", "skipped", "bad"]),
            ),
            stage_seconds: to.counter(
                spec("stage", "Time by stage; stages overlap, and the time of workers is summed")
                    .unit(Unit::Seconds)
                    .by("stage", &stages),
            ),
            read_bytes: to.counter(spec("read", "Bytes read from inputs, as stored").unit(Unit::Bytes)),
            written_bytes: to.counter(spec("written", "Bytes of complete outputs written").unit(Unit::Bytes)),
            queue_depth: to.gauge(spec("queue_depth", "Batches waiting for a worker")),
            mean_nats: to
                .gauge(spec("mean", "Mean over the good rows of all files").unit(nats).by("part", &parts)),
            peak_memory_bytes: to.gauge(spec("peak_memory", "Peak resident memory").unit(Unit::Bytes)),
            last_run: LastRun::new(to),
        }
    }
}
