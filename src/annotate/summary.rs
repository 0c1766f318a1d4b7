//! What a run did: counts, means and how fast, for a person, for `--json` and for
//! schedulers.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::interaction::{self, Interaction};
use crate::output::CopyMethod;
use crate::samples::FateCounts;

/// The summary of an annotated file; its JSON Schema is in `schemas/`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Summary {
    /// The input as it was given.
    pub input: String,
    /// The output as it was given.
    pub output: String,
    /// Whether the output was there already, made by the same work: nothing was done,
    /// and rows are not counted by fate nor columns summarised.
    pub skipped: bool,
    /// Rows in the file.
    pub rows: u64,
    /// Rows without values.
    pub bad_rows: u64,
    /// Rows by fate.
    pub fates: FateCounts,
    /// Moments of every computed column over good rows, in nats (p_y: probability).
    pub columns: BTreeMap<String, interaction::Summary>,
    /// The shift of the whole dataset, where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adjustment: Option<Adjustment>,
    /// How the old columns reached the output; nothing where it was there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<CopyMethod>,
    /// Rows that an earlier, unfinished run had computed.
    pub resumed_rows: u64,
    /// Row groups that an earlier, unfinished run had computed whole.
    pub resumed_row_groups: u64,
    /// Row groups of which this run computed rows.
    pub computed_row_groups: u64,
    /// "NAME (VERSION) on DEVICE".
    pub engine: String,
    /// SHA-256 of the bundle's manifest.
    pub bundle_sha256: String,
    /// Size of the output.
    pub output_bytes: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Rows computed by this run a second.
    pub rows_per_second: f64,
    /// Greatest resident memory of the process so far, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
}

/// What `--adjust dataset` did: added to r and s, taken from u1 and u2.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Adjustment {
    /// The constant, in nats.
    pub shift_nats: f64,
    /// The means as computed.
    pub before: Means,
    /// The means as written.
    pub after: Means,
}

/// Means over good rows, in nats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Means {
    /// Redundancy.
    pub r: f64,
    /// Uniqueness of x1.
    pub u1: f64,
    /// Uniqueness of x2.
    pub u2: f64,
    /// Synergy.
    pub s: f64,
}

impl From<Interaction> for Means {
    fn from(Interaction { r, u1, u2, s }: Interaction) -> Self {
        Self { r, u1, u2, s }
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
