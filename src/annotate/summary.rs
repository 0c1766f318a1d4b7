//! The summary of a run: counts, means and speed, for the log, `--json` and schedulers.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::interaction;
use crate::output::CopyMethod;
use crate::printable::without_secrets;
use crate::provenance::Adjustment;
use crate::samples::FateCounts;

use super::bad_files::BadFiles;

/// The summary of an annotated file; its JSON Schema is in `schemas/`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// The input as it was given.
    pub input: String,
    /// The output as it was given.
    pub output: String,
    /// Whether the output was there already, made by the same work: nothing was done, and counts and moments are
    /// those of its footer.
    pub skipped: bool,
    /// Rows in the file.
    pub rows: u64,
    /// Rows without values.
    pub bad_rows: u64,
    /// Rows by fate.
    pub fates: FateCounts,
    /// Good rows that the models were trained on, evaluated by models that have not seen them;
    /// absent where the bundle has no folds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_rows: Option<u64>,
    /// Good rows that lack a modality and have values of the others, with `--on-missing-modality reduce`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reduced_rows: Option<u64>,
    /// What is off where the models do not describe the rows: mean information below zero, or far below
    /// that of the validation rows of the fit; mean h of a modality far from theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution_shift: Option<String>,
    /// The first distinct labels that are none of the bundle's classes, at most six; absent where
    /// there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_labels: Vec<String>,
    /// Moments of every computed column over good rows, in nats (prior_y, p_y1 and so on: probability).
    pub columns: BTreeMap<String, interaction::MomentSummary>,
    /// Moments of what rows are compared with the validation rows by beside the columns, over good rows, in nats:
    /// h of each modality, and of more than two modalities i of each and of all, which r, u1 … and s do not give.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub information: BTreeMap<String, interaction::MomentSummary>,
    /// The shift of the whole dataset, with `--adjust dataset`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adjustment: Option<Adjustment>,
    /// How the old columns reached the output; nothing where it was there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
    /// Peak resident memory of the process so far, where the system reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// The use of a cluster, with `--cluster`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterUse>,
}

/// The summaries of several files in one; fields are those of [`Summary`].
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Totals {
    /// The folder or glob as it was given.
    pub input: String,
    /// The folder as it was given.
    pub output: String,
    /// Files of this run.
    pub files: usize,
    /// Files whose output was there already, made of the same input by the same bundle. Counts and moments of
    /// their rows are those of its footer.
    pub skipped_files: usize,
    /// Files that could not be annotated, with their faults. Their rows are counted nowhere.
    #[serde(default, skip_serializing_if = "BadFiles::is_empty")]
    pub bad_files: BadFiles,
    /// Rows whose values an earlier run had computed.
    pub resumed_rows: u64,
    /// Size of all inputs.
    pub input_bytes: u64,
    /// Rows in all files.
    pub rows: u64,
    /// Rows without values.
    pub bad_rows: u64,
    /// Rows by fate.
    pub fates: FateCounts,
    /// Good rows that the models were trained on, evaluated by models that have not seen them;
    /// absent where the bundle has no folds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_rows: Option<u64>,
    /// Good rows that lack a modality and have values of the others, with `--on-missing-modality reduce`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reduced_rows: Option<u64>,
    /// What is off where the models do not describe the rows: mean information below zero, or far below
    /// that of the validation rows of the fit; mean h of a modality far from theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution_shift: Option<String>,
    /// The first distinct labels that are none of the bundle's classes, at most six; absent where
    /// there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_labels: Vec<String>,
    /// Moments of every computed column over the good rows of all files, in nats
    /// (prior_y, p_y1 and so on: probability).
    pub columns: BTreeMap<String, interaction::MomentSummary>,
    /// Moments of h of each modality, and of more than two i of each and of all, as in [`Summary`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub information: BTreeMap<String, interaction::MomentSummary>,
    /// The shift of all files, with `--adjust dataset`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adjustment: Option<Adjustment>,
    /// "NAME (VERSION) on DEVICE".
    pub engine: String,
    /// SHA-256 of the bundle's manifest.
    pub bundle_sha256: String,
    /// Size of all outputs.
    pub output_bytes: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Rows a second.
    pub rows_per_second: f64,
    /// Peak resident memory of the process so far, where the system reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// The use of a cluster, with `--cluster`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterUse>,
}

/// What a run used of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterUse {
    /// Executors that annotated its files.
    pub executors: u64,
    /// Attempts at its files: as many as there are files, and one more for each that was begun again.
    pub attempts: u64,
}

/// The outcome of a file or stream, from which its summary is made.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) rows: u64,
    pub(super) skipped: bool,
    pub(super) fates: FateCounts,
    pub(super) trained_rows: Option<u64>,
    pub(super) reduced_rows: Option<u64>,
    pub(super) distribution_shift: Option<String>,
    pub(super) unknown_labels: Vec<String>,
    pub(super) columns: BTreeMap<String, interaction::MomentSummary>,
    pub(super) information: BTreeMap<String, interaction::MomentSummary>,
    pub(super) adjustment: Option<Adjustment>,
    pub(super) written: Option<CopyMethod>,
    pub(super) resumed: ResumedWork,
    pub(super) computed_row_groups: usize,
    pub(super) output_bytes: u64,
    pub(super) elapsed: Duration,
}

/// The models of a run, as a summary names them.
#[derive(Debug, Clone)]
pub(super) struct ModelsUsed {
    /// "NAME (VERSION) on DEVICE".
    pub(super) engine: String,
    /// SHA-256 of the bundle's manifest.
    pub(super) bundle_sha256: String,
}

/// The rows that an earlier, unfinished run had computed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ResumedWork {
    pub(super) rows: u64,
    /// Row groups of which it had computed all rows.
    pub(super) row_groups: usize,
}

impl Summary {
    /// The summary of a run's work on one input.
    pub(super) fn of(models: &ModelsUsed, input: &Path, output: &Path, outcome: Outcome) -> Self {
        let Outcome { rows, skipped, resumed, elapsed, .. } = outcome;
        let computed_rows = if skipped { 0 } else { rows - resumed.rows };
        Self {
            input: without_secrets(input),
            output: without_secrets(output),
            skipped,
            rows,
            bad_rows: outcome.fates.bad(),
            fates: outcome.fates,
            trained_rows: outcome.trained_rows,
            reduced_rows: outcome.reduced_rows,
            distribution_shift: outcome.distribution_shift,
            unknown_labels: outcome.unknown_labels,
            columns: outcome.columns,
            information: outcome.information,
            adjustment: outcome.adjustment,
            written: outcome.written,
            resumed_rows: resumed.rows,
            resumed_row_groups: resumed.row_groups as u64,
            computed_row_groups: outcome.computed_row_groups as u64,
            engine: models.engine.clone(),
            bundle_sha256: models.bundle_sha256.clone(),
            output_bytes: outcome.output_bytes,
            seconds: elapsed.as_secs_f64(),
            rows_per_second: rate(computed_rows, elapsed),
            peak_memory_bytes: if skipped { None } else { peak_memory_bytes() },
            cluster: None,
        }
    }
}

impl Summary {
    /// Counts all rows but these as computed by this run.
    pub(super) fn set_resumed_rows(&mut self, resumed_rows: u64) {
        let row_groups = self.resumed_row_groups + self.computed_row_groups;
        self.resumed_rows = resumed_rows;
        // Those that were resumed whole are not known where parts have joined them.
        self.resumed_row_groups = 0;
        self.computed_row_groups = row_groups;
    }

    /// Says what of a cluster was used, and takes the time of the whole run.
    pub fn set_cluster(&mut self, cluster: ClusterUse, elapsed: Duration) {
        self.cluster = Some(cluster);
        self.seconds = elapsed.as_secs_f64();
        self.rows_per_second = if self.skipped { 0.0 } else { rate(self.rows - self.resumed_rows, elapsed) };
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
