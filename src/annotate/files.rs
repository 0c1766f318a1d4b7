//! The annotation of several files, one after the other: each is whole when the next begins,
//! so that finished files stay when a later one fails.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::error::Result;
use crate::interaction::Moments;
use crate::samples::FateCounts;
use crate::storage::{FilePair, Files, create_parent_folder, join_path};

use super::adjust::{self, MeasuredFile, Shift};
use super::compute::FilePaths;
use super::options::Adjust;
use super::row_stats::add_distinct;
use super::run::Run;
use super::summary::{self, Summary, Totals};

impl Run<'_> {
    /// Annotates files in their order, and calls `finished` after each. Folders of the
    /// outputs are created; the rejects of each file go below the folder that is named
    /// for them. Where all are to be shifted by one constant, the rows of all files are
    /// computed into journals before the first file is written; an output that was
    /// shifted by another constant is replaced, and its rows are computed again.
    ///
    /// # Errors
    /// The first error of a file ends the run; the files before it are whole. As for
    /// [`Run::file`]; [`Error::CannotCreate`](crate::Error::CannotCreate) for a folder.
    pub fn files(&self, files: &Files, mut finished: impl FnMut(&Summary)) -> Result<Totals> {
        let start = Instant::now();
        let measured = match self.options.adjust {
            Adjust::None => None,
            Adjust::Dataset => Some(self.measure_all(files)?),
        };
        let adjustment =
            measured.as_ref().map(|files| adjust::adjustment(files.iter().map(|file| file.unshifted)));
        let mut sums = Sums::default();
        for (index, pair) in files.pairs().iter().enumerate() {
            let measured = measured.as_ref().and_then(|measured| measured.get(index));
            let shift = adjustment.zip(measured);
            let shift = shift.map(|(adjustment, measured)| Shift { adjustment, measured });
            let summary = self.with_paths(pair, |paths| self.annotate(paths, shift))?;
            sums.add(&summary);
            finished(&summary);
        }
        let elapsed = start.elapsed();
        let Sums { rows, skipped_files, resumed_rows, fates, unknown_labels, moments, output_bytes } = sums;
        Ok(Totals {
            input: files.input().display().to_string(),
            output: files.output().display().to_string(),
            files: files.pairs().len(),
            input_bytes: files.bytes(),
            skipped_files,
            resumed_rows,
            rows,
            bad_rows: fates.bad(),
            unknown_labels,
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

    fn measure_all(&self, files: &Files) -> Result<Vec<MeasuredFile>> {
        let measure = |pair| self.with_paths(pair, |paths| self.measure(paths));
        files.pairs().iter().map(measure).collect()
    }

    /// Does the work on a file, with the folders of its outputs in place.
    fn with_paths<T>(&self, pair: &FilePair, work: impl FnOnce(FilePaths<'_>) -> Result<T>) -> Result<T> {
        self.check_stop()?;
        create_parent_folder(&pair.output)?;
        let rejects = self.options.rejects.as_deref().map(|folder| join_path(folder, &pair.relative));
        rejects.as_deref().map_or(Ok(()), create_parent_folder)?;
        work(FilePaths { input: &pair.input, output: &pair.output, rejects: rejects.as_deref() })
    }
}

/// Sums over the files that are done.
#[derive(Debug, Default)]
struct Sums {
    rows: u64,
    skipped_files: usize,
    resumed_rows: u64,
    fates: FateCounts,
    unknown_labels: Vec<String>,
    moments: BTreeMap<String, Moments>,
    output_bytes: u64,
}

impl Sums {
    fn add(&mut self, summary: &Summary) {
        self.rows += summary.rows;
        self.skipped_files += usize::from(summary.skipped);
        self.resumed_rows += summary.resumed_rows;
        self.fates.merge(&summary.fates);
        add_distinct(&mut self.unknown_labels, &summary.unknown_labels);
        for (name, column) in &summary.columns {
            self.moments.entry(name.clone()).or_default().merge(&column.into());
        }
        self.output_bytes += summary.output_bytes;
    }
}
