//! The job and the computation of one file: its identity, by which finished work is
//! recognised, and the pass of its rows through the workers into the journal.

use std::path::Path;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::evaluate::EvaluationConstants;
use crate::interaction::Quantity;
use crate::parquet_file::Input;
use crate::provenance::Identity;
use crate::samples::Source;

use super::bad_rows::{BadRowPolicy, Groups};
use super::batch_size::Sessions;
use super::journal::Journal;
use super::progress::Stage;
use super::row_stats::RowStats;
use super::run::{RequestedColumns, Run};
use super::summary::{Outcome, ResumedWork, Summary};
use super::workers::{self, Control, Prefetch};

/// The paths of one file: its input and its outputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct FilePaths<'a> {
    pub(super) input: &'a Path,
    pub(super) output: &'a Path,
    /// The file for rows without values.
    pub(super) rejects: Option<&'a Path>,
}

/// An open input, the columns to compute, and the identity of that work.
pub(super) struct FileJob<'a> {
    pub(super) run: &'a Run<'a>,
    pub(super) paths: FilePaths<'a>,
    pub(super) input: Input,
    pub(super) columns: RequestedColumns,
    pub(super) identity: Identity,
    pub(super) start: Instant,
}

impl<'a> FileJob<'a> {
    /// Opens the input.
    ///
    /// # Errors
    /// As for [`Run::open`] and [`Run::requested_columns`].
    pub(super) fn open(run: &'a Run<'a>, paths: FilePaths<'a>) -> Result<Self> {
        let start = Instant::now();
        let input = run.open(paths.input)?;
        let columns = run.requested_columns()?;
        let engine = run.engine.describe().to_string();
        let identity = Identity::new(&input, run.bundle, columns.read(), columns.names(), engine)?;
        Ok(Self { run, paths, input, columns, identity, start })
    }

    /// The samples of the input.
    pub(super) fn source(&self) -> Result<Source> {
        let source = self.run.source(&self.input, &self.columns);
        source.map_err(|e| self.input.file().or_input_changed(e))
    }

    /// The summary of a file that is done. Removes the journal of a run that was killed after it
    /// had renamed its output.
    pub(super) fn skipped(&self) -> Summary {
        Journal::discard(self.paths.output, &self.identity);
        let (rows, elapsed) = (self.input.rows(), self.start.elapsed());
        self.summary(Outcome { rows, skipped: true, elapsed, ..Outcome::default() })
    }

    /// The computed columns, in their order.
    pub(super) fn computed(&self) -> &[Quantity] {
        &self.columns.computed
    }

    pub(super) fn summary(&self, outcome: Outcome) -> Summary {
        Summary::of(&self.run.models_used(), self.paths.input, self.paths.output, outcome)
    }
}

/// The computation of one file: its journal, and the policy for its bad rows.
pub(super) struct FileComputation<'a> {
    job: &'a FileJob<'a>,
    source: Source,
    batch_rows: usize,
    /// The sessions that were loaded to tune the batch.
    sessions: Option<Sessions>,
    pub(super) journal: Journal,
    policy: BadRowPolicy<'a>,
    pub(super) resumed: ResumedWork,
}

impl<'a> FileComputation<'a> {
    /// Opens the journal and counts its rows.
    ///
    /// # Errors
    /// As for [`FileJob::source`] and [`Journal::open`].
    pub(super) fn begin(job: &'a FileJob<'a>, restart: bool) -> Result<Self> {
        let (run, input) = (job.run, &job.input);
        let source = job.source()?;
        let columns = job.computed().len();
        let mut policy =
            BadRowPolicy::new(run.options, source.roles(), input.place(), Groups::OfFile, columns);
        let rows = (0..input.metadata().num_row_groups()).map(|row_group| input.rows_in(row_group));
        let mut sessions = None;
        let batch_rows = || {
            let (batch_rows, loaded) = run.choose_batch(input.rows())?;
            sessions = loaded;
            Ok(batch_rows)
        };
        let replay = |batch: &_| policy.take(batch).map(drop);
        let journal =
            Journal::open(job.paths.output, &job.identity, rows.collect(), batch_rows, restart, replay)?;
        let rows = policy.row_stats().fates().rows();
        let row_groups = if rows == 0 { 0 } else { journal.complete_row_groups() };
        let resumed = ResumedWork { rows, row_groups };
        Ok(Self { job, source, batch_rows: journal.batch_rows(), sessions, journal, policy, resumed })
    }

    /// Computes the rows that the journal lacks, and calls `on_append` at the start and after every
    /// batch.
    ///
    /// # Errors
    /// Of reading, evaluating and writing the journal; of `on_append`.
    pub(super) fn run(&mut self, mut on_append: impl FnMut(&Journal) -> Result<()> + Send) -> Result<()> {
        on_append(&self.journal)?;
        let (run, from) = (self.job.run, self.journal.next());
        if from.row_group < self.job.input.metadata().num_row_groups() {
            let sessions = self.sessions.take().map_or_else(|| run.sessions(), Ok)?;
            let constants = EvaluationConstants::new(run.bundle, self.job.computed());
            let mut tasks = workers::tasks_of_file(&self.source, self.batch_rows, from);
            let tasks = std::iter::from_fn(|| run.progress.time(Stage::Read, || tasks.next()));
            let control = Control { stop: run.stop, progress: run.progress };
            let prefetch = if self.source.defers_reading() { Prefetch::None } else { Prefetch::Thread };
            workers::run(tasks, prefetch, sessions, &constants, run.queue(), control, |done| {
                let (batch, ()) = done.into_batch()?;
                let fates = self.policy.take(&batch)?;
                run.progress.time(Stage::Write, || self.journal.append(&batch))?;
                on_append(&self.journal)?;
                run.progress.advance(&fates);
                Ok(())
            })?;
        }
        self.policy.finish()
    }

    /// The counts and moments of the rows so far.
    pub(super) fn row_stats(&self) -> &RowStats {
        self.policy.row_stats()
    }

    /// The error, or [`Error::Transient`] if the input was changed while it was read; the journal,
    /// whose rows are of two inputs, is then removed.
    pub(super) fn or_input_changed(self, error: Error) -> Result<Error> {
        let file = self.job.input.file();
        let error = file.or_input_changed(error);
        if matches!(error, Error::Transient { .. }) && file.has_changed() {
            self.journal.remove()?;
        }
        Ok(error)
    }
}
