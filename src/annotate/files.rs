//! The annotation of several files, one after the other: each is whole when the next begins,
//! so that finished files stay when a later one fails. A bad file is left out.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::interaction::Moments;
use crate::printable::without_secrets;
use crate::provenance::Adjustment;
use crate::samples::FateCounts;
use crate::storage::{FilePair, Files, join_path};

use super::adjust::{self, MeasuredFile, Shift};
use super::bad_files::BadFiles;
use super::compute::{FileJob, FilePaths};
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
    /// A file whose content is at fault is left out, leaves nothing behind, and is named in the
    /// result, whose [`BadFiles::check`] enforces `--on-bad-file`. A constant is that of the other
    /// files.
    ///
    /// # Errors
    /// The first error that is not about the content of a file of a folder or glob ends the run;
    /// the files before it are whole. As for [`Run::file`];
    /// [`Error::CannotCreate`](crate::Error::CannotCreate) for a folder.
    pub fn files(&self, files: &Files, finished: impl FnMut(&Summary)) -> Result<Totals> {
        let start = Instant::now();
        let mut pass = Pass {
            run: self,
            files,
            finished,
            summaries: vec![None; files.pairs().len()],
            bad: BadFiles::default(),
        };
        let adjustment = match self.options.adjust {
            Adjust::None => pass.annotate_all().map(|()| None)?,
            Adjust::Dataset => Some(pass.annotate_adjusted()?),
        };
        let Pass { summaries, bad, .. } = pass;
        let mut sums = Sums::default();
        summaries.iter().flatten().for_each(|summary| sums.add(summary));
        let elapsed = start.elapsed();
        let Sums {
            rows,
            skipped_files,
            resumed_rows,
            fates,
            trained_rows,
            unknown_labels,
            moments,
            output_bytes,
        } = sums;
        let columns = moments.into_iter().map(|(name, column)| (name, column.summary())).collect();
        Ok(Totals {
            input: without_secrets(files.input()),
            output: without_secrets(files.output()),
            files: files.pairs().len(),
            input_bytes: files.bytes(),
            skipped_files,
            bad_files: bad,
            resumed_rows,
            rows,
            bad_rows: fates.bad(),
            trained_rows,
            distribution_shift: self.distribution_shift(&columns),
            unknown_labels,
            columns,
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
}

/// A pass over the files: the summaries of those that are done, by their position, and those that
/// are bad.
struct Pass<'a, F> {
    run: &'a Run<'a>,
    files: &'a Files,
    finished: F,
    summaries: Vec<Option<Summary>>,
    bad: BadFiles,
}

impl<F: FnMut(&Summary)> Pass<'_, F> {
    fn annotate_all(&mut self) -> Result<()> {
        for (index, pair) in self.files.pairs().iter().enumerate() {
            let annotated = self.of_file(pair, |run, paths| run.annotate(paths, None))?;
            if let Some(summary) = annotated {
                self.run.progress.end(&summary);
                self.set_done(index, summary);
            }
        }
        Ok(())
    }

    /// Annotates with one shift for all files. Returns it with the means before and after it.
    fn annotate_adjusted(&mut self) -> Result<Adjustment> {
        let measure = |run: &Run<'_>, paths: FilePaths<'_>| run.measure(paths);
        let mut measured = Vec::new();
        for pair in self.files.pairs() {
            measured.push(self.of_file(pair, measure)?);
        }
        let adjustment = self.annotate_shifted(&mut measured);
        // Only now: a file may have been written more than once.
        self.summaries.iter().flatten().for_each(|summary| self.run.progress.end(summary));
        adjustment
    }

    /// The second pass. A fault outside the columns of the samples is found only here: the shift
    /// is then computed without the file, and outputs of another shift are written again.
    fn annotate_shifted(&mut self, measured: &mut [Option<MeasuredFile>]) -> Result<Adjustment> {
        let mut shared = adjustment(measured);
        'shift: loop {
            for index in without_output_first(measured) {
                let (pair, file) = (self.files.pairs().get(index), measured.get_mut(index));
                let (Some(pair), Some(file)) = (pair, file) else { continue };
                let Some(done) = file else { continue };
                let shift = Shift { adjustment: shared, measured: done };
                if let Some(summary) = self.of_file(pair, |run, paths| run.annotate(paths, Some(shift)))? {
                    if !summary.skipped {
                        done.set_written(shared.shift_nats);
                    }
                    self.set_done(index, summary);
                    continue;
                }
                *file = None;
                let before = std::mem::replace(&mut shared, adjustment(measured));
                if shared.shift_nats != before.shift_nats {
                    tracing::info!(
                        "the shift without it is {:.4} nats; outputs with the shift of before, {:.4}, are written again",
                        shared.shift_nats,
                        before.shift_nats
                    );
                    continue 'shift;
                }
            }
            return Ok(shared);
        }
    }

    fn set_done(&mut self, index: usize, summary: Summary) {
        (self.finished)(&summary);
        if let Some(place) = self.summaries.get_mut(index) {
            *place = Some(summary);
        }
    }

    /// Does the work on a file; `None` where it is bad.
    ///
    /// # Errors
    /// The errors that end the run.
    fn of_file<T>(
        &mut self,
        pair: &FilePair,
        work: impl FnOnce(&Run<'_>, FilePaths<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.run.check_stop()?;
        let rejects = self.run.options.rejects.as_deref().map(|folder| join_path(folder, &pair.relative));
        let paths = FilePaths {
            input: &pair.input,
            output: &pair.output,
            rejects: rejects.as_deref(),
            creates_folders: true,
        };
        match work(self.run, paths) {
            Ok(done) => Ok(Some(done)),
            Err(error) => self.leave_out(paths, error).map(|()| None),
        }
    }

    /// Goes on without a bad file.
    ///
    /// # Errors
    /// The error, where it ends the run.
    fn leave_out(&mut self, paths: FilePaths<'_>, error: Error) -> Result<()> {
        if self.files.is_file() {
            return Err(error);
        }
        let file = self.bad.add(paths.input, error)?;
        self.run.progress.bad(&file);
        FileJob::discard_journal(self.run, paths);
        Ok(())
    }
}

/// The positions of the files, those without an output first: one of them may be bad, and the
/// shift of the others is then the one that their outputs have.
fn without_output_first(measured: &[Option<MeasuredFile>]) -> Vec<usize> {
    let has_output =
        |index: usize| measured.get(index).and_then(Option::as_ref).map(MeasuredFile::has_output);
    let mut order: Vec<usize> = (0..measured.len()).collect();
    order.sort_by_key(|index| has_output(*index));
    order
}

/// The shift of the measured files together.
fn adjustment(measured: &[Option<MeasuredFile>]) -> Adjustment {
    adjust::adjustment(measured.iter().flatten().map(|file| file.unshifted))
}

/// Sums over the files that are done.
#[derive(Debug, Default)]
struct Sums {
    rows: u64,
    skipped_files: usize,
    resumed_rows: u64,
    fates: FateCounts,
    trained_rows: Option<u64>,
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
        if let Some(rows) = summary.trained_rows {
            *self.trained_rows.get_or_insert(0) += rows;
        }
        add_distinct(&mut self.unknown_labels, &summary.unknown_labels);
        for (name, column) in &summary.columns {
            self.moments.entry(name.clone()).or_default().merge(&column.into());
        }
        self.output_bytes += summary.output_bytes;
    }
}
