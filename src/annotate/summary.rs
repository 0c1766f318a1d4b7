//! What a run did: counts, means and how fast, for a person, for `--json` and for
//! schedulers.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::dataset::FateCounts;
use crate::interaction::{self, Moments};

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
    /// Moments of every computed column over good rows, in nats (p_y: probability).
    pub columns: BTreeMap<String, interaction::Summary>,
    /// "NAME (VERSION) on DEVICE".
    pub engine: String,
    /// SHA-256 of the bundle's manifest.
    pub bundle_sha256: String,
    /// Size of the output.
    pub output_bytes: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Rows a second.
    pub rows_per_second: f64,
    /// Greatest resident memory of the process so far, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
}

/// Moments of the computed columns over good rows, and the fates of all rows.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) fates: FateCounts,
    pub(super) moments: Vec<Moments>,
}

impl Tally {
    pub(super) fn summaries(
        &self,
        names: impl Iterator<Item = &'static str>,
    ) -> BTreeMap<String, interaction::Summary> {
        names.map(str::to_owned).zip(self.moments.iter().map(Moments::summary)).collect()
    }
}

/// Rows a second, zero for no time.
pub(super) fn rate(rows: u64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() { 0.0 } else { rows as f64 / elapsed.as_secs_f64() }
}

/// The process's peak resident set, from the kernel's own account.
pub(super) fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}
