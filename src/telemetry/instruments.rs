//! The instruments of a run with their names, units and descriptions. Seconds by stage are
//! `lsmi_etl_stage_seconds_total` in the file for Prometheus, and `lsmi_etl.stage` with the unit
//! `s` in OTLP, which a collector translates to the same name.

use opentelemetry::metrics::Meter;
use prometheus_client::registry::Unit;

use crate::annotate::Stage;
use crate::interaction::Quantity;
use crate::interaction::lattice::Lattice;
use crate::samples::FateCounts;

use super::last_run::LastRun;
use super::registry::{Counter, Gauge, InstrumentRegistry, InstrumentSpec};

/// The instruments of a run. Counters start at zero; gauges are unset at first.
#[derive(Debug)]
pub(super) struct RunInstruments {
    pub(super) last_run: LastRun,
    pub(super) rows: Counter,
    pub(super) bad_rows: Counter,
    pub(super) reduced_rows: Counter,
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
        let reasons_of = |modalities: usize| -> Vec<&'static str> {
            let reasons = FateCounts::of_modalities(modalities).bad_by_reason();
            reasons.iter().map(|(fate, _)| fate.name()).collect()
        };
        let reasons = reasons_of(2);
        let mut of_more = reasons_of(Lattice::MODALITIES);
        of_more.retain(|reason| !reasons.contains(reason));
        let stages = Stage::ALL.map(Stage::name);
        let nats = Unit::Other("nats".to_owned());
        let spec = InstrumentSpec::new;
        Self {
            rows: to.counter(spec("rows", "Rows computed, with values or without")),
            bad_rows: to
                .counter(spec("bad_rows", "Rows without values").by("reason", &reasons).later(&of_more)),
            reduced_rows: to.counter(spec(
                "reduced_rows",
                "Rows of complete outputs that lack a modality and have the values of the others",
            )),
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
            mean_nats: to.gauge(
                spec("mean", "Mean over the good rows of all files")
                    .unit(nats)
                    .by("part", &Quantity::DEFAULT_NAMES),
            ),
            peak_memory_bytes: to.gauge(spec("peak_memory", "Peak resident memory").unit(Unit::Bytes)),
            last_run: LastRun::new(to),
        }
    }

    /// Adds the bad rows by reason. The series of a further modality begins here.
    pub(super) fn add_bad_rows(&self, fates: &FateCounts) {
        for (fate, rows) in fates.bad_by_reason() {
            self.bad_rows.add(fate.name(), rows as f64);
        }
    }
}
