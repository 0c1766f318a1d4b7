//! Many files annotated, one after the other: each whole when the next begins, so that
//! what is finished stays when a later one fails.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Instant;

use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::interaction::{self, Moments};
use crate::samples::FateCounts;
use crate::storage::{FilePair, Files, create_parent_folder, join_path};

use super::adjust::{self, Shift};
use super::file::Run;
use super::options::{Adjust, Options};
use super::summary::{self, Adjustment, Summary};

/// The summaries of several files in one; fields are those of [`Summary`].
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Totals {
    /// The folder or glob as it was given.
    pub input: String,
    /// The folder as it was given.
    pub output: String,
    /// Files of this run.
    pub files: usize,
    /// Files whose output was there already, made of the same input by the same bundle.
    /// Their rows are counted in `rows`, and nowhere else.
    pub skipped_files: usize,
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
    /// Moments of every computed column over the good rows of all files, in nats
    /// (p_y: probability).
    pub columns: BTreeMap<String, interaction::Summary>,
    /// The shift of all files, where one was asked for.
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
    /// Greatest resident memory of the process so far, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
}

impl Run<'_> {
    /// Annotates files in their order, and tells `finished` of each. Folders of the
    /// outputs are created; the rejects of each file go below the folder that is named
    /// for them. Where all are to be shifted by one constant, the rows of all files are
    /// computed into journals before the first file is written; an output that was
    /// shifted by another constant is replaced, and its rows are computed again.
    ///
    /// # Errors
    /// The first error of a file ends the run; the files before it are whole. As for
    /// [`Run::file`]; [`Error::CannotCreate`] for a folder.
    pub fn files(&self, files: &Files, mut finished: impl FnMut(&Summary)) -> Result<Totals> {
        let start = Instant::now();
        let measured = match self.options.adjust {
            Adjust::None => Vec::new(),
            Adjust::Dataset => self
                .each(files, |run, pair| run.measure(&pair.input, &pair.output))
                .collect::<Result<Vec<_>>>()?,
        };
        let adjustment = match self.options.adjust {
            Adjust::None => None,
            Adjust::Dataset => Some(adjust::adjustment(measured.iter().map(|file| file.unshifted))),
        };
        let mut measured = measured.iter();
        let summaries = self.each(files, |run, pair| {
            let shift = adjustment.zip(measured.next());
            let shift = shift.map(|(adjustment, measured)| Shift { adjustment, measured });
            run.write(&pair.input, &pair.output, shift)
        });
        let (mut rows, mut skipped_files, mut resumed_rows) = (0, 0, 0);
        let mut fates = FateCounts::default();
        let mut moments: BTreeMap<String, Moments> = BTreeMap::new();
        let mut output_bytes = 0;
        for summary in summaries {
            let summary = summary?;
            rows += summary.rows;
            skipped_files += usize::from(summary.skipped);
            resumed_rows += summary.resumed_rows;
            fates.merge(&summary.fates);
            for (name, column) in &summary.columns {
                moments.entry(name.clone()).or_default().merge(&column.into());
            }
            output_bytes += summary.output_bytes;
            finished(&summary);
        }
        let elapsed = start.elapsed();
        Ok(Totals {
            input: files.input().display().to_string(),
            output: files.output().display().to_string(),
            files: files.pairs().len(),
            input_bytes: files.bytes(),
            skipped_files,
            resumed_rows,
            rows,
            bad_rows: fates.bad(),
            columns: moments.into_iter().map(|(name, column)| (name, column.summary())).collect(),
            adjustment,
            engine: self.engine.describe().to_string(),
            bundle_sha256: self.bundle.digest().to_owned(),
            output_bytes,
            seconds: elapsed.as_secs_f64(),
            rows_per_second: summary::rate(fates.rows().saturating_sub(resumed_rows), elapsed),
            peak_memory_bytes: summary::peak_memory_bytes(),
            fates,
        })
    }

    /// Does something for every file, with its own options.
    fn each<T>(
        &self,
        files: &Files,
        mut work: impl FnMut(Run<'_>, &FilePair) -> Result<T>,
    ) -> impl Iterator<Item = Result<T>> {
        files.pairs().iter().map(move |pair| {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            create_parent_folder(&pair.output)?;
            let rejects = self.options.rejects.as_deref().map(|folder| join_path(folder, &pair.relative));
            rejects.as_deref().map_or(Ok(()), create_parent_folder)?;
            let options = Options { rejects, ..self.options.clone() };
            work(Run { options: &options, ..*self }, pair)
        })
    }
}
