//! The metrics of an executor for Prometheus: its slots and what became of its units.

use ballista_executor::health::ExecutorHealth;
use futures::future::BoxFuture;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::annotate::FileResult;

use super::metrics_server::{Observed, text};
use super::unit::UnitResult;

/// The label of a series.
type Labels = [(&'static str, &'static str); 1];

/// The metrics.
pub(super) struct ExecutorMetrics {
    registry: Registry,
    running: Gauge,
    units: Family<Labels, Counter>,
    rows: Counter,
    /// Whether the scheduler answers.
    health: ExecutorHealth,
}

impl ExecutorMetrics {
    /// Metrics of an executor with this many slots.
    pub(super) fn new(slots: usize) -> Self {
        let (running, units, rows) =
            (Gauge::<i64>::default(), Family::<Labels, Counter>::default(), Counter::default());
        for outcome in ["written", "skipped", "bad", "failed", "refused", "given_back"] {
            drop(units.get_or_create(&[("outcome", outcome)]));
        }
        let all: Gauge = Gauge::default();
        all.set(slots as i64);
        let mut registry = Registry::with_prefix("lsmi_etl_executor");
        registry.register("slots", "Units at a time", all);
        registry.register("running_units", "Units that are running", running.clone());
        registry.register("units", "Units by outcome; those given back are tried again", units.clone());
        registry.register("rows", "Rows of units that were written", rows.clone());
        Self { registry, running, units, rows, health: ExecutorHealth::new() }
    }

    /// Whether the scheduler answers, as Ballista sets it.
    pub(super) fn health(&self) -> ExecutorHealth {
        self.health.clone()
    }

    /// Counts a unit as running while the value lives.
    pub(super) fn begin(&self) -> RunningUnit {
        self.running.inc();
        RunningUnit(self.running.clone())
    }

    /// Counts the result of a unit; `None` of one that another attempt is to do.
    pub(super) fn count(&self, result: Option<&UnitResult>) {
        let outcome = match result {
            Some(UnitResult::File(FileResult::Done(summary))) if summary.skipped => "skipped",
            Some(UnitResult::File(FileResult::Done(summary))) => {
                self.rows.inc_by(summary.rows);
                "written"
            }
            Some(UnitResult::File(FileResult::Bad(_))) => "bad",
            Some(UnitResult::Failed(_)) => "failed",
            Some(UnitResult::Refused(_)) => "refused",
            Some(UnitResult::BundleLost(_)) | None => "given_back",
            // A question is no work.
            Some(UnitResult::Able) => return,
        };
        self.units.get_or_create(&[("outcome", outcome)]).inc();
    }
}

impl Observed for ExecutorMetrics {
    fn metrics(&self) -> BoxFuture<'_, String> {
        Box::pin(async { text(&self.registry) })
    }

    fn is_ready(&self) -> bool {
        self.health.is_ready()
    }
}

/// A unit that is running.
pub(super) struct RunningUnit(Gauge);

impl Drop for RunningUnit {
    fn drop(&mut self) {
        self.0.dec();
    }
}
