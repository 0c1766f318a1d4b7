//! The metrics of a scheduler for Prometheus: those that Ballista reports, under its names, and the executors
//! and jobs of the moment.

use ballista_core::JobId;
use ballista_core::error::Result;
use ballista_scheduler::metrics::SchedulerMetricsCollector;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::metrics_server::{TEXT_FORMAT, text};

/// Upper bounds of the buckets of [`SchedulerMetrics::execution`], in seconds.
const EXECUTION_SECONDS: [f64; 8] = [0.5, 1.0, 5.0, 30.0, 60.0, 600.0, 3600.0, 36_000.0];
/// Upper bounds of the buckets of [`SchedulerMetrics::planning`], in milliseconds.
const PLANNING_MS: [f64; 7] = [1.0, 5.0, 25.0, 100.0, 500.0, 2500.0, 10_000.0];

/// The metrics.
#[derive(Debug)]
pub(super) struct SchedulerMetrics {
    registry: Registry,
    submitted: Counter,
    completed: Counter,
    failed: Counter,
    cancelled: Counter,
    pending_tasks: Gauge,
    execution: Histogram,
    planning: Histogram,
    executors: Gauge,
    slots: Gauge,
    running_jobs: Gauge,
}

/// What a scheduler has at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SchedulerState {
    /// Executors with a sign of life.
    pub(super) executors: usize,
    /// Their slots.
    pub(super) slots: usize,
    /// Jobs.
    pub(super) running_jobs: usize,
}

impl SchedulerMetrics {
    pub(super) fn new() -> Self {
        let new = Self {
            registry: Registry::default(),
            submitted: Counter::default(),
            completed: Counter::default(),
            failed: Counter::default(),
            cancelled: Counter::default(),
            pending_tasks: Gauge::default(),
            execution: Histogram::new(EXECUTION_SECONDS),
            planning: Histogram::new(PLANNING_MS),
            executors: Gauge::default(),
            slots: Gauge::default(),
            running_jobs: Gauge::default(),
        };
        let mut registry = Registry::default();
        registry.register("job_submitted", "Jobs submitted", new.submitted.clone());
        registry.register("job_completed", "Jobs completed", new.completed.clone());
        registry.register("job_failed", "Jobs failed", new.failed.clone());
        registry.register("job_cancelled", "Jobs cancelled", new.cancelled.clone());
        registry.register("pending_task_queue_size", "Tasks without a slot", new.pending_tasks.clone());
        registry.register("job_exec_time_seconds", "Time of completed jobs", new.execution.clone());
        registry.register("planning_time_ms", "Time until jobs were planned", new.planning.clone());
        let own = registry.sub_registry_with_prefix("lsmi_etl_scheduler");
        own.register("executors", "Executors with a sign of life", new.executors.clone());
        own.register("slots", "Slots of these executors", new.slots.clone());
        own.register("running_jobs", "Jobs that are running", new.running_jobs.clone());
        Self { registry, ..new }
    }

    /// All metrics, with the state of the moment, in the text format of Prometheus.
    pub(super) fn text(&self, state: SchedulerState) -> String {
        self.executors.set(state.executors as i64);
        self.slots.set(state.slots as i64);
        self.running_jobs.set(state.running_jobs as i64);
        text(&self.registry)
    }
}

impl SchedulerMetricsCollector for SchedulerMetrics {
    fn record_submitted(&self, _: &JobId, queued_at: u64, submitted_at: u64) {
        self.submitted.inc();
        self.planning.observe(submitted_at.saturating_sub(queued_at) as f64);
    }

    fn record_completed(&self, _: &JobId, queued_at: u64, completed_at: u64) {
        self.completed.inc();
        self.execution.observe(completed_at.saturating_sub(queued_at) as f64 / 1e3);
    }

    fn record_failed(&self, _: &JobId, _: u64, _: u64) {
        self.failed.inc();
    }

    fn record_cancelled(&self, _: &JobId) {
        self.cancelled.inc();
    }

    fn set_pending_tasks_queue_size(&self, value: u64) {
        self.pending_tasks.set(value as i64);
    }

    fn gather_metrics(&self) -> Result<Option<(Vec<u8>, String)>> {
        Ok(Some((text(&self.registry).into_bytes(), TEXT_FORMAT.to_owned())))
    }
}
