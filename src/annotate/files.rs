//! Many files annotated, one after the other: each whole when the next begins, so that
//! what is finished stays when a later one fails.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Instant;

use schemars::JsonSchema;
use serde::Serialize;

use super::file::Run;
use super::summary::{self, Summary};
use crate::dataset::{FateCounts, Plan};
use crate::error::{Error, Result};
use crate::interaction::{self, Moments};

/// The summaries of several files in one; fields are those of [`Summary`].
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Totals {
    /// The folder or glob as it was given.
    pub input: String,
    /// The folder as it was given.
    pub output: String,
    /// Files of this run.
    pub files: usize,
    /// Size of all inputs.
    pub input_bytes: u64,
    /// Rows in all files.
    pub rows: u64,
    /// Rows without values.
    pub bad_rows: u64,
    /// Rows by fate.
    pub fates: FateCounts,
    /// Moments of every computed column over the good rows of all files, in nats
    /// (p_y: probability).
    pub columns: BTreeMap<String, interaction::Summary>,
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
    /// Greatest resident memory of the process so far, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
}

impl Run<'_> {
    /// Annotates the files of a plan in their order, and tells `finished` of each.
    /// Folders of the outputs are created.
    ///
    /// # Errors
    /// The first error of a file ends the run; the files before it are whole. As for
    /// [`Run::file`], and [`Error::CannotCreate`] for a folder.
    pub fn files(&self, plan: &Plan, mut finished: impl FnMut(&Summary)) -> Result<Totals> {
        let start = Instant::now();
        let mut fates = FateCounts::default();
        let mut moments: BTreeMap<String, Moments> = BTreeMap::new();
        let mut output_bytes = 0;
        for pair in plan.pairs() {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            pair.create_folder()?;
            let summary = self.file(&pair.input, &pair.output)?;
            fates.merge(&summary.fates);
            for (name, column) in &summary.columns {
                moments.entry(name.clone()).or_default().merge(&column.into());
            }
            output_bytes += summary.output_bytes;
            finished(&summary);
        }
        let elapsed = start.elapsed();
        Ok(Totals {
            input: plan.input().display().to_string(),
            output: plan.output().display().to_string(),
            files: plan.pairs().len(),
            input_bytes: plan.bytes(),
            rows: fates.rows(),
            bad_rows: fates.bad(),
            columns: moments.into_iter().map(|(name, column)| (name, column.summary())).collect(),
            engine: self.engine.describe().to_string(),
            bundle_sha256: self.bundle.digest().to_owned(),
            output_bytes,
            seconds: elapsed.as_secs_f64(),
            rows_per_second: summary::rate(fates.rows(), elapsed),
            peak_memory_bytes: summary::peak_memory_bytes(),
            fates,
        })
    }
}
