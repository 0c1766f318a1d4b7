//! The job and the computation of one file: its identity, by which finished work is
//! recognised, and the pass of its rows through the workers into the journal.

use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::interaction::Quantity;
use crate::output::check_known_types;
use crate::parquet_file::{Input, check_new_fields};
use crate::provenance::{Identity, Provenance};
use crate::samples::{FateCounts, ReadAhead, Source};
use crate::storage::create_parent_folder;

use super::bad_rows::{self, BadRowPolicy};
use super::batch_size::Sessions;
use super::file_tasks::FileTasks;
use super::journal::{Journal, JournalKey};
use super::progress::Stage;
use super::replaced_columns::ReplacedColumns;
use super::requested_columns::RequestedColumns;
use super::row_origin::{Groups, RowOrigin};
use super::row_stats::RowStats;
use super::run::Run;
use super::summary::{Outcome, ResumedWork, Summary};
use super::workers::{self, Control, Prefetch, Schedule};

/// The paths of one file: its input and its outputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct FilePaths<'a> {
    /// The input as the rejects name it.
    pub(super) name: &'a Path,
    pub(super) input: &'a Path,
    pub(super) output: &'a Path,
    /// The file for rows without values.
    pub(super) rejects: Option<&'a Path>,
    /// Whether folders of the outputs are created.
    pub(super) creates_folders: bool,
    /// Whether a journal is this run's own and resumed, whatever the options say.
    pub(super) resumes_own: bool,
}

/// An open input, the columns to compute, and the identity of that work.
pub(super) struct FileJob<'a> {
    pub(super) run: &'a Run<'a>,
    pub(super) paths: FilePaths<'a>,
    pub(super) input: Input,
    pub(super) columns: RequestedColumns,
    pub(super) replaced: ReplacedColumns,
    pub(super) identity: Identity,
    pub(super) start: Instant,
    /// Its columns, once they are checked.
    source: OnceLock<Source>,
}

impl<'a> FileJob<'a> {
    /// Opens the input.
    ///
    /// # Errors
    /// As for [`Run::open`] and [`Run::requested_columns`].
    pub(super) fn open(run: &'a Run<'a>, paths: FilePaths<'a>) -> Result<Self> {
        let start = Instant::now();
        let columns = run.requested_columns()?;
        let (input, replaced) = run.open(paths.input, &columns)?;
        check_known_types(&input)?;
        // Before an output that exists, which would bar the way to this fault.
        check_new_fields(input.schema(), &input.place(), &columns.fields())?;
        let engine = run.engine.describe().to_string();
        let identity = Identity::new(&input, run.bundle, columns.identity(), engine)?;
        Ok(Self { run, paths, input, columns, replaced, identity, start, source: OnceLock::new() })
    }

    /// The samples of the input.
    pub(super) fn source(&self, checks: PageChecks) -> Result<Source> {
        let input = match checks {
            PageChecks::WhileReading => self.input.clone(),
            PageChecks::WhileCopying => self.input.with_deferred_checksums(),
        };
        if let Some(found) = self.source.get() {
            return Ok(found.reading(input));
        }
        let found = self.run.source(&input, &self.columns).map_err(|error| {
            let error = self.input.file().or_input_changed(error);
            self.input.damage_behind(&error).unwrap_or(error)
        })?;
        Ok(self.source.get_or_init(|| found).clone())
    }

    /// The journal of its output.
    pub(super) fn journal_key(&self) -> JournalKey<'a> {
        JournalKey::of(self.paths.output).waiting(self.run.lock_patience())
    }

    /// Creates the folders of the outputs where that is asked for. An input without the columns
    /// leaves no folder.
    ///
    /// # Errors
    /// As for [`Self::source`]; [`Error::CannotCreate`].
    pub(super) fn create_folders(&self) -> Result<()> {
        if !self.paths.creates_folders {
            return Ok(());
        }
        self.source(PageChecks::WhileReading)?;
        create_parent_folder(self.paths.output)?;
        self.paths.rejects.map_or(Ok(()), create_parent_folder)
    }

    /// The summary of a file that is done, from the footer of its output. Removes the journal of a run that
    /// was killed after it had renamed its output.
    ///
    /// # Errors
    /// Where this run does not accept such rows: as for [`bad_rows::check_done`] and [`Run::checked_shift`].
    pub(super) fn skipped(&self, done: &Provenance) -> Result<Summary> {
        Journal::discard(&self.journal_key(), &self.identity);
        let place = self.input.place();
        let fates = done.rows.clone();
        let fates = fates.unwrap_or_else(|| FateCounts::of_modalities(self.columns.modalities()));
        bad_rows::check_done(self.run.options, &fates, &place, self.paths.output)?;
        let columns = done.columns.iter().flatten();
        let columns = columns.filter_map(|(name, moments)| Some((name.clone(), (*moments)?))).collect();
        let information = done.information.clone().unwrap_or_default();
        Ok(self.summary(Outcome {
            rows: self.input.rows(),
            skipped: true,
            trained_rows: done.trained_rows,
            reduced_rows: done.reduced_rows,
            distribution_shift: self.run.checked_shift((&columns, &information), &place)?,
            adjustment: done.adjustment,
            elapsed: self.start.elapsed(),
            fates,
            columns,
            information,
            ..Outcome::default()
        }))
    }

    /// Removes the journal of an input that turned out to be bad: its rows are of no use to the file
    /// that replaces it.
    pub(super) fn discard_journal(run: &Run<'_>, paths: FilePaths<'_>) {
        // An input that can't be opened has no journal.
        if let Ok(job) = FileJob::open(run, paths) {
            Journal::discard(&job.journal_key(), &job.identity);
        }
    }

    /// The computed columns, in their order.
    pub(super) fn computed(&self) -> &[Quantity] {
        &self.columns.computed
    }

    pub(super) fn summary(&self, outcome: Outcome) -> Summary {
        Summary::of(&self.run.models_used(), self.paths.input, self.paths.output, outcome)
    }
}

/// Where pages are compared with their checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageChecks {
    /// By the reader of the samples.
    WhileReading,
    /// By the copy of the column chunks, which passes over the same bytes: the reader beside it
    /// can leave plain embeddings in the file until a worker needs them.
    WhileCopying,
}

/// The computation of the rows of one file: their journal, and the policy for bad rows.
pub(super) struct FileComputation<'a> {
    job: &'a FileJob<'a>,
    /// All row groups, or those of a part.
    row_groups: Range<usize>,
    source: Source,
    batch_rows: usize,
    /// The sessions that were loaded to tune the batch.
    sessions: Option<Sessions>,
    pub(super) journal: Journal,
    policy: BadRowPolicy<'a>,
    pub(super) resumed: ResumedWork,
}

impl<'a> FileComputation<'a> {
    /// Opens the journal of the file and counts its rows.
    ///
    /// # Errors
    /// As for [`FileJob::source`] and [`Journal::open`].
    pub(super) fn begin(job: &'a FileJob<'a>, restart: bool, checks: PageChecks) -> Result<Self> {
        let all = 0..job.input.metadata().num_row_groups();
        Self::of_row_groups(job, &job.journal_key(), all, restart, checks)
    }

    /// As [`Self::begin`], for these row groups of the file and a journal of this key.
    ///
    /// # Errors
    /// As for [`Self::begin`].
    pub(super) fn of_row_groups(
        job: &'a FileJob<'a>,
        key: &JournalKey<'_>,
        row_groups: Range<usize>,
        restart: bool,
        checks: PageChecks,
    ) -> Result<Self> {
        let (run, input) = (job.run, &job.input);
        let source = job.source(checks)?;
        let columns = job.columns.evaluated();
        let origin = RowOrigin { place: input.place(), groups: Groups::OfFile };
        let mut policy = BadRowPolicy::new(run.options, source.roles(), origin, &columns);
        // To the journal of a part the other row groups are empty.
        let rows_in = |row_group| if row_groups.contains(&row_group) { input.rows_in(row_group) } else { 0 };
        let rows: Vec<usize> = (0..input.metadata().num_row_groups()).map(rows_in).collect();
        let mut sessions = None;
        let batch_rows = || {
            let (batch_rows, loaded) = run.choose_batch(rows.iter().sum::<usize>() as u64)?;
            sessions = loaded;
            Ok(batch_rows)
        };
        let replay = |batch: &_| policy.take(batch).map(drop);
        let journal = Journal::open(key, &job.identity, rows.clone(), batch_rows, restart, replay)?;
        let rows = policy.row_stats().fates().rows();
        let complete = if rows == 0 { 0 } else { journal.complete_row_groups() };
        let resumed = ResumedWork { rows, row_groups: complete };
        let batch_rows = journal.batch_rows();
        Ok(Self { job, row_groups, source, batch_rows, sessions, journal, policy, resumed })
    }

    /// Says what the rows that the journal lacks are read from, and whether the file is copied to an output, too.
    pub(super) fn plan_reads(&self, output: Option<&Path>) {
        let row_groups = self.journal.next().row_group..self.row_groups.end;
        let reads = self.source.planned_reads(row_groups);
        self.job.input.file().plan(&reads, output, self.job.run.limit_bytes());
    }

    /// Computes the rows that the journal lacks.
    ///
    /// # Errors
    /// Of reading, evaluating and writing the journal.
    pub(super) fn run(&mut self) -> Result<()> {
        let (run, from, end) = (self.job.run, self.journal.next(), self.row_groups.end);
        if from.row_group < end {
            let sessions = self.sessions.take().map_or_else(|| run.sessions(), Ok)?;
            let constants = run.constants(&self.job.columns.evaluated())?;
            let read_ahead = ReadAhead::new(sessions.len(), run.limit_bytes());
            let mut tasks = FileTasks::new(&self.source, self.batch_rows, from, end, &read_ahead);
            let tasks = std::iter::from_fn(|| run.progress.time(Stage::Locate, || tasks.next()));
            let origin = self.policy.origin().clone();
            let ended = AtomicBool::new(false);
            let control = Control { stop: run.stop, ended: &ended, progress: run.progress, origin: &origin };
            let prefetch = if self.source.defers_reading() { Prefetch::None } else { Prefetch::Thread };
            let schedule = Schedule { prefetch, read_ahead: &read_ahead, queue: run.queue() };
            let sessions = workers::run(tasks, schedule, sessions, &constants, control, |done| {
                let (batch, ()) = done.into_batch()?;
                let fates = self.policy.take(&batch)?;
                run.progress.time(Stage::Journal, || self.journal.append(&batch))?;
                run.progress.advance(&fates);
                Ok(())
            })?;
            run.keep_sessions(sessions);
        }
        Ok(())
    }

    /// Checks the share of bad rows, when all rows of the file are computed.
    ///
    /// # Errors
    /// As for [`BadRowPolicy::finish`].
    pub(super) fn check_share(&self) -> Result<()> {
        self.policy.finish()
    }

    /// The counts and moments of the rows so far.
    pub(super) fn row_stats(&self) -> &RowStats {
        self.policy.row_stats()
    }

    /// The error or its cause: [`Error::Transient`] if the input was changed while it was read,
    /// the damage of a page. The journal, whose rows are of two inputs or of a damaged one, is
    /// then removed: it would bar the way of the file that replaces it.
    pub(super) fn or_cause(self, error: Error) -> Result<Error> {
        let file = self.job.input.file();
        let error = file.or_input_changed(error);
        let damage = self.job.input.damage_behind(&error);
        // Of a row group: its bytes are at fault, and not what the rows are.
        let is_damaged = matches!(&error, Error::BadData { place, .. } if place.row_group.is_some());
        if damage.is_some() || is_damaged || (matches!(error, Error::Transient { .. }) && file.has_changed())
        {
            self.journal.remove()?;
        }
        Ok(damage.unwrap_or(error))
    }
}
