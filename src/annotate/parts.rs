//! Parts of a file: row groups that are computed on their own, each part into a journal of its own, and
//! the journal of the whole file, which is put together of theirs. So the rows of one file are divided
//! among processes; the one that writes the file finds them as if an earlier run had computed them.
//!
//! A part that is missing costs time and nothing else: its rows are computed by the process that writes
//! the file, which also is the one that judges bad rows.

use std::ops::Range;
use std::path::Path;

use crate::error::Result;
use crate::storage::{FilePair, is_url};

use super::compute::{FileComputation, FileJob, FilePaths, PageChecks};
use super::existing_output::ExistingOutput;
use super::files::FileResult;
use super::journal::{Journal, JournalKey, decode_frame, encode_frame};
use super::run::Run;

impl Run<'_> {
    /// Computes row groups of a file, and passes the batches to `emit` as frames of a journal. What an
    /// earlier attempt has computed is not computed again. Nothing is emitted where the output is there
    /// already. The journal of the part stays until the output is written, except that of a URL, which
    /// other machines do not see.
    ///
    /// # Errors
    /// Of reading, evaluating and writing the journal, and of `emit`.
    pub fn part(
        &self,
        pair: &FilePair,
        is_file: bool,
        row_groups: Range<usize>,
        mut emit: impl FnMut(Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let rejects = self.rejects_of(pair, is_file);
        let job = FileJob::open(self, self.paths_of(pair, is_file, rejects.as_deref()))?;
        if ExistingOutput::find(&job)?.done(&job, None)?.is_some() {
            return Ok(());
        }
        job.create_folders()?;
        let key = JournalKey::of_part(&pair.output, row_groups.clone()).waiting(self.lock_patience());
        let (restart, checks) = (self.options.restart, PageChecks::WhileReading);
        let mut computation = FileComputation::of_row_groups(&job, &key, row_groups, restart, checks)?;
        computation.plan_reads(None);
        if let Err(error) = computation.run() {
            return Err(computation.or_cause(error)?);
        }
        let mut batches = computation.journal.reader();
        drop(computation.journal.end_of_batches());
        while let Some(batch) = batches.next()? {
            emit(encode_frame(&batch))?;
        }
        if is_url(&pair.output) { computation.journal.remove() } else { Ok(()) }
    }

    /// Annotates a file of which parts were computed by [`Self::part`]: `frames` are theirs, part by part
    /// in the order of their row groups. Rows that are missing are computed. The rejects name the input as
    /// [`Self::one_of`] says.
    ///
    /// # Errors
    /// As for [`Self::one_of`].
    pub fn file_of_parts(
        &self,
        name: &Path,
        pair: &FilePair,
        is_file: bool,
        parts: &[Range<usize>],
        frames: impl Iterator<Item = Vec<u8>>,
    ) -> Result<FileResult> {
        let rejects = self.rejects_of(pair, is_file);
        let paths = FilePaths { name, resumes_own: true, ..self.paths_of(pair, is_file, rejects.as_deref()) };
        // What is wrong with the input is said when it is annotated.
        let job = FileJob::open(self, paths).ok();
        let mut resumed_rows = 0;
        if let Some(job) = &job {
            for part in parts.iter().filter(|_| !self.options.restart) {
                Journal::check_work(&JournalKey::of_part(&pair.output, part.clone()), &job.identity)?;
            }
            resumed_rows = self.adopt(job, frames)?;
        }
        let mut result = self.result_of(paths, is_file)?;
        if let FileResult::Done(summary) = &mut result
            && !summary.skipped
        {
            summary.set_resumed_rows(resumed_rows);
        }
        if let Some(job) = &job {
            for part in parts {
                Journal::discard(&JournalKey::of_part(&pair.output, part.clone()), &job.identity);
            }
        }
        Ok(result)
    }

    /// Appends frames to the journal of a file, as far as each begins where the last one ends. Returns
    /// the rows that the journal held before.
    fn adopt(&self, job: &FileJob<'_>, frames: impl Iterator<Item = Vec<u8>>) -> Result<u64> {
        if ExistingOutput::find(job)?.done(job, None)?.is_some() || job.create_folders().is_err() {
            return Ok(0);
        }
        let row_groups = 0..job.input.metadata().num_row_groups();
        let rows = row_groups.map(|row_group| job.input.rows_in(row_group)).collect();
        let mut resumed_rows = 0;
        let replay = |batch: &super::batch::Batch| {
            resumed_rows += batch.rows as u64;
            Ok(())
        };
        let (key, batch_rows) = (job.journal_key(), || Ok(self.batch_rows()));
        let mut journal = Journal::open(&key, &job.identity, rows, batch_rows, self.options.restart, replay)?;
        for frame in frames {
            self.check_stop()?;
            if let Some(batch) = decode_frame(&frame, job.identity.width())
                && journal.continues(&batch)
            {
                journal.append(&batch)?;
            }
        }
        Ok(resumed_rows)
    }
}

/// The ranges of row groups of about equal size into which a file is divided: as many as it has times
/// `part_bytes`, or one a row group where these are larger.
pub fn divide(row_group_bytes: &[u64], part_bytes: u64) -> Vec<Range<usize>> {
    let total: u64 = row_group_bytes.iter().sum();
    let count = total.div_ceil(part_bytes.max(1)).clamp(1, row_group_bytes.len().max(1) as u64);
    let (mut parts, mut start, mut before) = (Vec::new(), 0, 0);
    for (row_group, bytes) in row_group_bytes.iter().enumerate() {
        before += bytes;
        // The end of the part's share of all bytes.
        if before * count >= total * (parts.len() as u64 + 1) {
            parts.push(start..row_group + 1);
            start = row_group + 1;
        }
    }
    parts
}
