//! The scans of the queries that run, whose metrics tell how many rows are read so far.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::config::ConfigOptions;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

/// The scans of files of a session's plans since the last [`clear`](Self::clear).
#[derive(Debug, Default)]
pub(super) struct RunningScans(Mutex<Vec<Arc<dyn ExecutionPlan>>>);

impl RunningScans {
    /// Forgets all scans, which may hold much memory.
    pub(super) fn clear(&self) {
        self.scans().clear();
    }

    /// The rows read so far, and those that the files have, where this is known of each.
    pub(super) fn rows(&self) -> (u64, Option<u64>) {
        let scans = self.scans();
        let read = scans.iter().filter_map(|scan| scan.metrics()?.output_rows());
        let of: Option<usize> = scans.iter().map(|scan| rows_of(scan.as_ref())).sum();
        let of = of.filter(|_| !scans.is_empty());
        (read.map(|rows| rows as u64).sum(), of.map(|rows| rows as u64))
    }

    fn scans(&self) -> MutexGuard<'_, Vec<Arc<dyn ExecutionPlan>>> {
        // A list of plans stays valid when its lock is poisoned.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rows of the files of a scan, or its limit.
fn rows_of(scan: &dyn ExecutionPlan) -> Option<usize> {
    let config = file_scan(scan)?;
    let rows = config.statistics().num_rows.get_value().copied()?;
    Some(config.limit.map_or(rows, |limit| rows.min(limit)))
}

fn file_scan(plan: &dyn ExecutionPlan) -> Option<&FileScanConfig> {
    plan.downcast_ref::<DataSourceExec>()?.data_source().downcast_ref::<FileScanConfig>()
}

/// An optimizer rule that changes nothing and has to be the last: it notes the scans of the plans that will run.
#[derive(Debug)]
pub(super) struct NoteScans(pub(super) Arc<RunningScans>);

impl PhysicalOptimizerRule for NoteScans {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        note(&plan, &mut self.0.scans());
        Ok(plan)
    }

    fn name(&self) -> &str {
        "note_scans"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn note(plan: &Arc<dyn ExecutionPlan>, scans: &mut Vec<Arc<dyn ExecutionPlan>>) {
    if file_scan(plan.as_ref()).is_some() {
        scans.push(Arc::clone(plan));
    }
    plan.children().into_iter().for_each(|child| note(child, scans));
}
