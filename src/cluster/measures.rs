//! What an executor measures while it annotates a unit, which the client adds to the metrics of its run:
//! rows by fate, time by stage, bytes read.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::annotate::{InputStart, Progress, Stage};
use crate::samples::FateCounts;

/// Measures of a unit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct UnitMeasures {
    rows: FateCounts,
    seconds: BTreeMap<String, f64>,
    read_bytes: u64,
}

impl UnitMeasures {
    /// Adds those of a part.
    pub(super) fn merge(&mut self, part: &Self) {
        self.rows.merge(&part.rows);
        self.read_bytes += part.read_bytes;
        for (stage, seconds) in &part.seconds {
            *self.seconds.entry(stage.clone()).or_default() += seconds;
        }
    }

    /// Reports them as a run on one machine does.
    pub(super) fn report(&self, to: &dyn Progress) {
        to.advance(&self.rows);
        to.read(self.read_bytes);
        for stage in Stage::ALL {
            let seconds = self.seconds.get(stage.name()).copied().unwrap_or_default();
            to.spent(stage, Duration::try_from_secs_f64(seconds).unwrap_or_default());
        }
    }
}

/// The observer of an executor's run. Its progress is the client's to show.
#[derive(Debug, Default)]
pub(super) struct MeasuredProgress(Mutex<UnitMeasures>);

impl MeasuredProgress {
    /// The measures since the last call.
    pub(super) fn take(&self) -> UnitMeasures {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, more: impl FnOnce(&mut UnitMeasures)) {
        more(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Progress for MeasuredProgress {
    fn begin(&self, _: InputStart) {}

    fn advance(&self, fates: &FateCounts) {
        self.add(|measures| measures.rows.merge(fates));
    }

    fn spent(&self, stage: Stage, time: Duration) {
        self.add(|measures| {
            *measures.seconds.entry(stage.name().to_owned()).or_default() += time.as_secs_f64();
        });
    }

    fn read(&self, bytes: u64) {
        self.add(|measures| measures.read_bytes += bytes);
    }
}
