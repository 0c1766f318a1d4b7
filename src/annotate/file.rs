//! The annotation of one file in five steps: open, recognise finished work, reserve the
//! outputs, compute and splice, publish. The output appears under its name when it is whole.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread::ScopedJoinHandle;

use tracing::Span;
use tracing::field::Empty;

use crate::error::{Error, Place, Result};
use crate::output::{CopyMethod, Writer};
use crate::printable::shown;
use crate::provenance::Provenance;
use crate::storage::{Staged, exists};
use crate::threads::spawn_scoped;

use super::adjust::{self, Shift};
use super::compute::{FileComputation, FileJob, FilePaths, PageChecks};
use super::existing_output::ExistingOutput;
use super::options::Adjust;
use super::rejects::Rejects;
use super::requested_columns::ColumnSummaries;
use super::run::Run;
use super::splice::SpliceThread;
use super::summary::{Outcome, ResumedWork, Summary};

impl Run<'_> {
    /// Annotates one Parquet file into another. An output that the same work has made already
    /// is left as it is; what an unfinished run of the same work has computed is not computed
    /// again.
    ///
    /// # Errors
    /// Of reading, evaluating and writing: then nothing is under the output's name, and what
    /// was computed is kept for the next run. [`Error::OutputExists`] and [`Error::OtherOutput`];
    /// [`Error::Config`] where an unfinished run was of other work; [`Error::Transient`] where
    /// another run writes this output.
    pub fn file(&self, input: &Path, output: &Path) -> Result<Summary> {
        let rejects = self.options.rejects.as_deref();
        let paths =
            FilePaths { name: input, input, output, rejects, creates_folders: false, resumes_own: false };
        let summary = match self.options.adjust {
            Adjust::None => self.annotate(paths, None)?,
            Adjust::Dataset => {
                let measured = self.measure(paths)?;
                let adjustment = adjust::adjustment([measured.unshifted]);
                self.annotate(paths, Some(Shift { adjustment, measured: &measured }))?
            }
        };
        self.progress.end(&summary);
        Ok(summary)
    }

    /// Annotates one file, with a span around it.
    pub(super) fn annotate(&self, paths: FilePaths<'_>, shift: Option<Shift<'_>>) -> Result<Summary> {
        OpenedFile::open(self, paths).annotate(shift)
    }
}

/// A file with the span of its work, opened before its turn or not.
pub(super) struct OpenedFile<'a> {
    span: Span,
    job: Result<FileJob<'a>>,
}

impl<'a> OpenedFile<'a> {
    /// Opens a file.
    pub(super) fn open(run: &'a Run<'a>, paths: FilePaths<'a>) -> Self {
        let (from, to) = (shown(paths.input), shown(paths.output));
        let span = tracing::info_span!("file", input = %from, output = %to, rows = Empty, skipped = Empty);
        let job = span.in_scope(|| FileJob::open(run, paths));
        Self { span, job }
    }

    /// Opens a file whose turn comes later. Where it has no output yet, its first rows are read, too.
    pub(super) fn open_ahead(run: &'a Run<'a>, paths: FilePaths<'a>) -> Self {
        let opened = Self::open(run, paths);
        if let Ok(job) = &opened.job
            && exists(paths.output).is_ok_and(|exists| !exists)
        {
            // What is wrong is told in its turn.
            _ = opened.span.in_scope(|| job.source(PageChecks::WhileReading));
        }
        opened
    }

    /// Annotates it.
    pub(super) fn annotate(self, shift: Option<Shift<'_>>) -> Result<Summary> {
        let Self { span, job } = self;
        let job = job?;
        let summary = span.in_scope(|| annotate(&job, shift))?;
        span.record("rows", summary.rows).record("skipped", summary.skipped);
        Ok(summary)
    }
}

fn annotate(job: &FileJob<'_>, shift: Option<Shift<'_>>) -> Result<Summary> {
    let existing = ExistingOutput::find(job)?;
    if let Some(done) = existing.done(job, shift.map(|shift| shift.nats()))? {
        return job.skipped(done);
    }
    let made =
        Outputs::reserve(job, shift).and_then(Outputs::compute_and_splice).and_then(ComputedOutputs::publish);
    let Err(error @ Error::OutputExists(_)) = made else { return made };
    // Another run may have made it since we looked.
    let existing = ExistingOutput::find(job)?;
    if let Some(done) = existing.done(job, shift.map(|shift| shift.nats()))? {
        return job.skipped(done);
    }
    // A column that is not there is a graver fault than an output that is.
    job.source(PageChecks::WhileReading)?;
    Err(existing.explain(job, error))
}

/// The outputs of a file, under their temporary names, and the computation that fills them.
struct Outputs<'a> {
    job: &'a FileJob<'a>,
    shift: Option<Shift<'a>>,
    computation: FileComputation<'a>,
    splice: SpliceThread<'a>,
}

impl<'a> Outputs<'a> {
    /// Takes the journal's lock and creates the temporary files.
    ///
    /// # Errors
    /// [`Error::OutputExists`], [`Error::CannotCreate`]; as for [`FileJob::create_folders`] and
    /// [`FileComputation::begin`].
    fn reserve(job: &'a FileJob<'a>, shift: Option<Shift<'a>>) -> Result<Self> {
        let (run, input) = (job.run, &job.input);
        let FilePaths { name, output, rejects, .. } = job.paths;
        let replace = run.options.overwrite || shift.is_some_and(|shift| shift.replaces_output());
        job.create_folders()?;
        // Before anything is computed: the output may exist, or be impossible.
        drop(Staged::create(output, replace)?);
        // With a shift, the measuring pass has discarded the old journal already.
        let restart = run.options.restart && shift.is_none() && !job.paths.resumes_own;
        let checks = match CopyMethod::of(input) {
            CopyMethod::Spliced => PageChecks::WhileCopying,
            CopyMethod::ReEncoded => PageChecks::WhileReading,
        };
        let computation = FileComputation::begin(job, restart, checks)?;
        if checks == PageChecks::WhileCopying {
            computation.plan_reads(Some(output));
        }
        let staged = Staged::create(output, replace)?;
        // An earlier run may have been killed between the renames of the two files.
        let replaces_own = replace || computation.resumed.rows > 0;
        let name = Place::file(name.display()).file;
        let rejects = rejects.map(|path| Rejects::create(path, run.options, replaces_own, name, Some(input)));
        job.replaced.log();

        let computed = job.computed();
        let fields = job.columns.fields();
        let provenance = Provenance {
            shift_nats: shift.map(|shift| shift.nats()),
            written: Some(CopyMethod::of(input).name().to_owned()),
            ..job.identity.provenance(run.bundle, run.options.adjust.name())
        };
        let splice = SpliceThread {
            input,
            columns: computed,
            classes: job.columns.classes(),
            shift_nats: shift.map_or(0.0, |shift| shift.nats()),
            journal: computation.journal.reader(),
            writer: Writer::new(input, staged, &fields, &job.columns.revealed(), &provenance.key_values()?)?,
            rejects: rejects.transpose()?,
            progress: run.progress,
        };
        Ok(Self { job, shift, computation, splice })
    }

    /// Computes the rows and, on a thread beside that, writes them.
    ///
    /// # Errors
    /// The first one of either side; [`Error::Transient`] where the input was changed.
    fn compute_and_splice(self) -> Result<ComputedOutputs<'a>> {
        let Self { job, shift, mut computation, splice } = self;
        let (run, input) = (job.run, &job.input);
        run.begin(input.place().file, Some(input.rows()), computation.resumed.rows);
        let (span, end_of_batches) = (Span::current(), computation.journal.end_of_batches());
        let (computed, spliced) = std::thread::scope(|scope| {
            match spawn_scoped(scope, || span.in_scope(|| splice.run(run.stop))) {
                Ok(splicing) => {
                    let computed = computation.run().and_then(|()| computation.check_share());
                    drop(end_of_batches);
                    (computed, join(splicing))
                }
                Err(error) => (Ok(()), Err(error)),
            }
        });
        match (computed, spliced) {
            // The computation fails, too, after the splice thread has ended.
            (_, Err(error)) | (Err(error), _) => Err(computation.or_cause(error)?),
            (Ok(()), Ok(splice)) => Ok(ComputedOutputs(Self { job, shift, computation, splice })),
        }
    }
}

fn join<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|_| Err(Error::Internal("the splice thread panicked".into())))
}

/// Outputs that hold all rows, still under their temporary names.
struct ComputedOutputs<'a>(Outputs<'a>);

impl ComputedOutputs<'_> {
    /// Writes the footers, renames the files, and removes the journal.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::OutputExists`]; [`Error::Transient`] where the input was
    /// changed.
    fn publish(self) -> Result<Summary> {
        let Outputs { job, shift, computation, splice } = self.0;
        let input = &job.input;
        let row_stats = computation.row_stats();
        let shift_nats = shift.map_or(0.0, |shift| shift.nats());
        let ColumnSummaries { columns, information } = job.columns.summaries(row_stats, shift_nats);
        let (fates, unknown_labels) = (row_stats.fates().clone(), row_stats.unknown_labels().to_vec());
        let trained_rows = job.run.trained_rows(row_stats);
        let reduced_rows = row_stats.reduced_rows();
        let distribution_shift = match job.run.checked_shift((&columns, &information), &input.place()) {
            Ok(found) => found,
            Err(error) => return Err(computation.or_cause(error)?),
        };
        // A footer that is not encrypted must not reveal values of columns that are.
        let is_open = input.has_plaintext_footer_of_encrypted();
        let none = BTreeMap::new();
        let moments = job.columns.moments(if is_open { &none } else { &columns });
        let shown = shift.filter(|_| !is_open);
        let provenance = Provenance {
            columns: Some(moments),
            information: (!is_open && !information.is_empty()).then(|| information.clone()),
            rows: Some(fates.clone()),
            trained_rows,
            reduced_rows,
            adjustment: shown.map(|shift| shift.adjustment),
            unshifted: shown.map(|_| row_stats.unshifted()),
            prefix: job.columns.prefix().clone(),
            ..Provenance::default()
        };
        let output_bytes = match splice.publish(provenance.key_values()?) {
            Ok(bytes) => bytes,
            Err(error) => return Err(computation.or_cause(error)?),
        };
        let measured = shift.and_then(|shift| shift.measured.computed);
        let resumed: ResumedWork = measured.map_or(computation.resumed, |measured| measured.resumed);
        computation.journal.remove()?;

        let row_groups = input.metadata().num_row_groups();
        Ok(job.summary(Outcome {
            rows: input.rows(),
            skipped: false,
            fates,
            trained_rows,
            reduced_rows,
            distribution_shift,
            unknown_labels,
            columns,
            information,
            adjustment: shift.map(|shift| shift.adjustment),
            written: Some(CopyMethod::of(input)),
            resumed,
            computed_row_groups: row_groups - resumed.row_groups.min(row_groups),
            output_bytes,
            elapsed: job.start.elapsed() + measured.map(|measured| measured.elapsed).unwrap_or_default(),
        }))
    }
}
