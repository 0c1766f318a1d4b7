//! One file on its way: what is asked of it, whether it is done, and its rows through
//! the pipeline into the journal.

use std::path::Path;

use crate::error::Result;
use crate::evaluate::Constants;
use crate::parquet_file::Input;
use crate::samples::{FateCounts, Source};
use crate::storage::exists;

use super::bad_rows::{BadRowPolicy, Groups};
use super::batch_size::tuner::Sessions;
use super::file::Run;
use super::journal::Journal;
use super::lineage::{ExistingOutput, Identity, RequestedColumns};
use super::progress::Stage;
use super::summary::Summary;
use super::workers::{self, BatchPlan, Control, Prefetch};

/// A file that is open, and what is to be done to it.
pub(super) struct FileJob<'a> {
    pub(super) run: &'a Run<'a>,
    pub(super) opened: Input,
    pub(super) asked: RequestedColumns,
    pub(super) identity: Identity,
}

/// What an earlier run has left done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resumed {
    pub(super) rows: u64,
    pub(super) row_groups: usize,
}

impl<'a> FileJob<'a> {
    pub(super) fn new(run: &'a Run<'a>, input: &Path) -> Result<Self> {
        let opened = Input::open_with(input, run.options.keys.as_ref())?;
        opened.check_keys()?;
        let asked = run.asked()?;
        let identity = Identity::new(&opened, run.bundle, &asked, &run.engine.describe())?;
        Ok(Self { run, opened, asked, identity })
    }

    pub(super) fn source(&self) -> Result<Source> {
        let source = self.run.source(&self.opened, &self.asked);
        source.map_err(|e| self.opened.file().unless_changed(e))
    }

    /// What the output says of itself, where it is there and made by the same work but
    /// perhaps for the shift.
    pub(super) fn made(&self, output: &Path) -> Result<Option<ExistingOutput>> {
        let options = self.run.options;
        let wanted = !options.overwrite && !options.restart && exists(output)?;
        if wanted { self.identity.made(output, options) } else { Ok(None) }
    }

    /// Whether the output is there, made by the same work, with all that goes with it.
    pub(super) fn is_done(&self, output: &Path, shift_nats: Option<f64>) -> Result<bool> {
        let rejects = self.run.options.rejects.as_deref().map_or(Ok(true), exists)?;
        Ok(rejects && self.made(output)?.is_some_and(|made| made.is_shifted_by(shift_nats)))
    }

    pub(super) fn nothing_done(&self, input: &Path, output: &Path) -> Summary {
        Summary { rows: self.opened.rows(), ..self.run.nothing_done(input, output) }
    }
}

impl Run<'_> {
    /// A summary in which nothing has happened yet.
    pub(super) fn nothing_done(&self, input: &Path, output: &Path) -> Summary {
        Summary {
            input: input.display().to_string(),
            output: output.display().to_string(),
            skipped: false,
            rows: 0,
            bad_rows: 0,
            fates: FateCounts::default(),
            columns: Default::default(),
            adjustment: None,
            written: None,
            resumed_rows: 0,
            resumed_row_groups: 0,
            computed_row_groups: 0,
            engine: self.engine.describe().to_string(),
            bundle_sha256: self.bundle.digest().to_owned(),
            output_bytes: 0,
            seconds: 0.0,
            rows_per_second: 0.0,
            peak_memory_bytes: None,
        }
    }
}

/// A file that is being computed: its journal, and what has been counted.
pub(super) struct FileComputation<'a> {
    work: &'a FileJob<'a>,
    source: &'a Source,
    shape: BatchPlan,
    /// Those with which the batch was tried.
    sessions: Option<Sessions>,
    pub(super) journal: Journal,
    pub(super) policy: BadRowPolicy<'a>,
    pub(super) resumed: Resumed,
}

impl<'a> FileComputation<'a> {
    /// Opens the journal and counts what it holds already.
    pub(super) fn begin(
        work: &'a FileJob<'a>,
        source: &'a Source,
        output: &Path,
        restart: bool,
    ) -> Result<Self> {
        let opened = &work.opened;
        let columns = work.asked.columns.len();
        let mut policy =
            BadRowPolicy::new(work.run.options, source.roles(), opened.place(), Groups::OfFile, columns);
        let rows = (0..opened.metadata().num_row_groups()).map(|row_group| opened.rows_in(row_group));
        let mut sessions = None;
        let batch_rows = || {
            let (batch_rows, tried) = work.run.choose_batch(opened.rows())?;
            sessions = tried;
            Ok(batch_rows)
        };
        let journal = Journal::open(output, &work.identity, rows.collect(), batch_rows, restart, |batch| {
            policy.take(batch).map(drop)
        })?;
        let rows = policy.row_stats.fates.rows();
        let row_groups = if rows == 0 { 0 } else { journal.whole() };
        let shape = BatchPlan { batch_rows: journal.batch_rows(), ..work.run.shape() };
        Ok(Self { work, source, shape, sessions, journal, policy, resumed: Resumed { rows, row_groups } })
    }

    /// Computes what the journal does not hold yet, and tells `grown` at the start and
    /// after every batch.
    pub(super) fn run(&mut self, mut grown: impl FnMut(&Journal) -> Result<()> + Send) -> Result<()> {
        grown(&self.journal)?;
        let (run, from) = (self.work.run, self.journal.next());
        if from.row_group < self.work.opened.metadata().num_row_groups() {
            let sessions = self.sessions.take().map_or_else(|| run.sessions(), Ok)?;
            let constants = Constants::new(run.bundle, &self.work.asked.columns);
            let mut pieces = workers::of_file(self.source, self.shape.batch_rows, from);
            let pieces = std::iter::from_fn(|| run.progress.time(Stage::Read, || pieces.next()));
            let control = Control { stop: run.stop, progress: run.progress };
            let finder = if self.source.defers_reading() { Prefetch::Workers } else { Prefetch::Ahead };
            workers::run(pieces, finder, sessions, &constants, self.shape.queue, control, |done| {
                let (batch, ()) = done.into_batch()?;
                let fates = self.policy.take(&batch)?;
                run.progress.time(Stage::Write, || self.journal.append(&batch))?;
                grown(&self.journal)?;
                run.progress.advance(&fates);
                Ok(())
            })?;
        }
        self.policy.finish()
    }
}
