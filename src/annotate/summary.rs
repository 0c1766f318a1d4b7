//! What a run did: counts, means and how fast, for a person, for `--json` and for
//! schedulers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::dataset::FateCounts;
use crate::interaction::{Interaction, Moments};

use super::columns::Column;

/// Moments of the computed columns over good rows, and the fates of all rows.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Rows by fate.
    pub fates: FateCounts,
    moments: BTreeMap<&'static str, Moments>,
}

impl Tally {
    /// Counts a value of a column.
    pub(super) fn moments_of(&mut self, column: Column) -> &mut Moments {
        self.moments.entry(column.name()).or_default()
    }

    /// The means of r, u1, u2, s: R, U1, U2, S.
    pub fn means(&self) -> Interaction {
        let mean = |column: Column| self.moments.get(column.name()).map_or(0.0, Moments::mean);
        Interaction {
            r: mean(Column::R),
            u1: mean(Column::U1),
            u2: mean(Column::U2),
            s: mean(Column::S),
        }
    }

    /// Moments by column name.
    pub fn moments(&self) -> &BTreeMap<&'static str, Moments> {
        &self.moments
    }
}

/// The summary of an annotated file; its JSON Schema is in `schemas/`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Summary {
    /// The input as it was given.
    pub input: String,
    /// The output as it was given.
    pub output: String,
    /// Rows in the file.
    pub rows: u64,
    /// Rows without values.
    pub bad_rows: u64,
    /// Rows by fate.
    pub fates: FateCounts,
    /// Means and standard errors by column, over good rows, in nats.
    pub columns: BTreeMap<String, ColumnSummary>,
    /// "NAME (VERSION) on DEVICE".
    pub engine: String,
    /// SHA-256 of the bundle's manifest.
    pub bundle_sha256: String,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Rows a second.
    pub rows_per_second: f64,
    /// Greatest resident memory of the process so far, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
}

/// One column over the good rows.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ColumnSummary {
    /// Mean, in nats.
    pub mean: f64,
    /// Standard error of the mean.
    pub std_error: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
}

/// The process's peak resident set, from the kernel's own account.
pub(super) fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}
