//! One file annotated: its rows through the pipeline into the journal, from there into
//! the output, which appears under its name when it is whole.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use arrow::datatypes::Field;
use crossbeam_channel::unbounded;
use tracing::Span;
use tracing::field::Empty;

use crate::bundle::Bundle;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::evaluate::field;
use crate::interaction::Quantity;
use crate::output::{CopyMethod, Writer};
use crate::parquet_file::Input;
use crate::samples::{ColumnRequest, Source};
use crate::storage::Staged;

use super::adjust::{self, Shift};
use super::batch_size::tuner::BatchSizeTuner;
use super::batch_size::{self, DeviceProfile};
use super::compute::{FileComputation, FileJob};
use super::journal::Journal;
use super::lineage::{RequestedColumns, UNSHIFTED_KEY, to_json};
use super::options::{Adjust, Options};
use super::progress::{Begun, Progress, Stage};
use super::rejects::Rejects;
use super::splice::{ComputedRowGroup, SpliceThread};
use super::summary::{self, Summary};
use super::workers::BatchPlan;

/// What all files of a run share.
pub struct Run<'a> {
    /// The models.
    pub bundle: &'a Bundle,
    /// What runs them.
    pub engine: &'a Engine,
    /// How.
    pub options: &'a Options,
    /// Who is told.
    pub progress: &'a dyn Progress,
    /// What is known of its batch.
    pub trial: &'a BatchSizeTuner,
    /// Set by a signal: the run ends with [`Error::Interrupted`].
    pub stop: &'a AtomicBool,
}

impl Run<'_> {
    /// Annotates one Parquet file into another. An output that the same work has made
    /// already is left as it is; what an unfinished run of the same work has computed
    /// is not computed again.
    ///
    /// # Errors
    /// Whatever reading, evaluating or writing gives; nothing is then under the
    /// output's name, and what was computed is kept for the next run.
    /// [`Error::OutputExists`]; [`Error::Config`] where an unfinished run was of other
    /// work; [`Error::Transient`] where another run is at work on this output.
    pub fn file(&self, input: &Path, output: &Path) -> Result<Summary> {
        match self.options.adjust {
            Adjust::None => self.write(input, output, None),
            Adjust::Dataset => {
                let measured = self.measure(input, output)?;
                let adjustment = adjust::adjustment([measured.unshifted]);
                self.write(input, output, Some(Shift { adjustment, measured: &measured }))
            }
        }
    }

    /// Computes what no journal holds, writes the output, and tells so.
    pub(super) fn write(&self, input: &Path, output: &Path, shift: Option<Shift<'_>>) -> Result<Summary> {
        let (from, to) = (input.display(), output.display());
        let span = tracing::info_span!("file", input = %from, output = %to, rows = Empty, skipped = Empty);
        let summary = span.in_scope(|| self.compute_and_write(input, output, shift))?;
        span.record("rows", summary.rows).record("skipped", summary.skipped);
        self.progress.end(&summary);
        Ok(summary)
    }

    fn compute_and_write(&self, input: &Path, output: &Path, shift: Option<Shift<'_>>) -> Result<Summary> {
        let start = Instant::now();
        let work = FileJob::new(self, input)?;
        let summary = work.nothing_done(input, output);
        let shift_nats = shift.map(|shift| shift.adjustment.shift_nats);
        if work.is_done(output, shift_nats)? {
            Journal::discard(output, &work.identity);
            return Ok(Summary { skipped: true, seconds: start.elapsed().as_secs_f64(), ..summary });
        }
        let replace = self.options.overwrite || shift.is_some_and(|shift| shift.is_other());
        // Before anything is computed: it may be there, or impossible.
        drop(Staged::create(output, replace)?);

        let source = work.source()?;
        // Whoever measured has thrown away what was to be.
        let restart = self.options.restart && shift.is_none();
        let mut computing = FileComputation::begin(&work, &source, output, restart)?;
        Staged::sweep(output);
        let staged = Staged::create(output, replace)?;
        let rejects = self.options.rejects.as_deref();
        // An earlier run may have ended between the two files' names.
        let replace = replace || computing.resumed.rows > 0;
        let opened = &work.opened;
        let rejects = rejects.map(|path| Rejects::create(path, replace, opened.place().file, Some(opened)));

        let columns = &work.asked.columns;
        let fields: Vec<Field> = columns.iter().map(|column| field(*column)).collect();
        let units = self.bundle.manifest().modalities[0].units;
        let key_values =
            work.identity.key_values(units, self.options.adjust, shift_nats, Some(CopyMethod::of(opened)))?;
        let splicing = SpliceThread {
            input: opened,
            columns,
            journal: computing.journal.reader(),
            writer: Writer::new(opened, staged, &fields, &work.asked.secrets(), &key_values)?,
            rejects: rejects.transpose()?,
            progress: self.progress,
        };

        self.progress.begin(self.begun(opened, computing.resumed.rows));
        let (sender, ready) = unbounded();
        let mut sent = 0;
        let send = move |journal: &Journal| {
            while sent < journal.whole() {
                let shift_nats = shift_nats.unwrap_or(0.0);
                let group = ComputedRowGroup { row_group: sent, start: journal.start(sent), shift_nats };
                sender.send(group).map_err(|_| Error::Internal("the writer has gone".to_owned()))?;
                sent += 1;
            }
            Ok(())
        };
        let span = Span::current();
        let (computed, written) = std::thread::scope(|scope| {
            let writing = scope.spawn(|| span.in_scope(|| splicing.run(ready, self.stop)));
            let computed = computing.run(send);
            let written = writing.join();
            (computed, written.unwrap_or_else(|_| Err(Error::Internal("the writer has died".into()))))
        });
        let mut splicing = match (computed, written) {
            // Whoever computes fails, too, when the writer is gone.
            (_, Err(e)) | (Err(e), _) => return Err(unless_changed(e, opened, computing.journal)?),
            (Ok(()), Ok(splicing)) => splicing,
        };

        let FileComputation { journal, policy, resumed, .. } = computing;
        let summaries = policy.row_stats.summaries(columns, shift_nats.unwrap_or(0.0));
        let open = opened.has_open_footer_of_secrets();
        let described = if open { names_of(&summaries)? } else { to_json(&summaries)? };
        splicing.writer.set_key_value("lsmi_etl.columns", described);
        splicing.writer.set_key_value("lsmi_etl.rows", to_json(&policy.row_stats.fates)?);
        if let Some(Shift { adjustment, .. }) = shift.as_ref().filter(|_| !open) {
            splicing.writer.set_key_value("lsmi_etl.adjustment", to_json(adjustment)?);
            splicing.writer.set_key_value(UNSHIFTED_KEY, policy.row_stats.unshifted().to_string());
        }
        if let Some(rejects) = splicing.rejects {
            rejects.finish()?;
        }
        let finished = self.progress.time(Stage::Write, || splicing.writer.finish());
        let output_bytes = match finished {
            Ok(bytes) => bytes,
            Err(e) => return Err(unless_changed(e, opened, journal)?),
        };
        journal.remove()?;

        let measured = shift.and_then(|shift| shift.measured.computed);
        let resumed = measured.map_or(resumed, |measured| measured.resumed);
        let elapsed = start.elapsed() + measured.map(|measured| measured.elapsed).unwrap_or_default();
        let row_groups = opened.metadata().num_row_groups();
        Ok(Summary {
            bad_rows: policy.row_stats.fates.bad(),
            fates: policy.row_stats.fates,
            columns: summaries,
            adjustment: shift.map(|shift| shift.adjustment),
            written: Some(CopyMethod::of(opened)),
            resumed_rows: resumed.rows,
            resumed_row_groups: resumed.row_groups as u64,
            computed_row_groups: (row_groups - resumed.row_groups.min(row_groups)) as u64,
            output_bytes,
            seconds: elapsed.as_secs_f64(),
            rows_per_second: summary::rate(opened.rows() - resumed.rows, elapsed),
            peak_memory_bytes: summary::peak_memory_bytes(),
            ..summary
        })
    }

    pub(super) fn begun(&self, opened: &Input, resumed_rows: u64) -> Begun {
        Begun {
            file: opened.place().file,
            rows: Some(opened.rows()),
            resumed_rows,
            row_bytes: self.row_bytes(),
        }
    }

    /// Bytes of a row's embeddings, as f32.
    pub(super) fn row_bytes(&self) -> u64 {
        4 * self.bundle.dims().iter().sum::<usize>() as u64
    }

    pub(super) fn workers(&self) -> usize {
        self.options.workers.unwrap_or_else(|| self.engine.device().workers()).max(1)
    }

    pub(super) fn limit_bytes(&self) -> u64 {
        self.options.memory_limit_bytes.unwrap_or_else(batch_size::default_limit_bytes)
    }

    pub(super) fn pace(&self) -> DeviceProfile {
        DeviceProfile::of(self.engine.device())
    }

    /// How rows are worked through where no other batch is chosen.
    pub(super) fn shape(&self) -> BatchPlan {
        batch_size::shape(
            self.bundle.dims(),
            self.workers(),
            self.pace(),
            self.options.batch_rows,
            self.limit_bytes(),
        )
    }

    pub(super) fn asked(&self) -> Result<RequestedColumns> {
        let manifest = self.bundle.manifest();
        let named = |flag: &str, asked: &Option<String>, default: &Option<String>| {
            asked.clone().or_else(|| default.clone()).ok_or_else(|| {
                Error::Usage(format!("the bundle names no column for {flag}; give --{flag} COLUMN"))
            })
        };
        Ok(RequestedColumns {
            x1: named("x1", &self.options.x1, &manifest.modalities[0].column)?,
            x2: named("x2", &self.options.x2, &manifest.modalities[1].column)?,
            label: named("label", &self.options.label, &manifest.label.column)?,
            columns: Quantity::PARTS.into_iter().chain(self.options.extras.iter().copied()).collect(),
        })
    }

    pub(super) fn request<'b>(&'b self, asked: &'b RequestedColumns) -> ColumnRequest<'b> {
        let [d1, d2] = self.bundle.dims();
        let classes = self.bundle.classes();
        ColumnRequest { x1: (&asked.x1, d1), x2: (&asked.x2, d2), label: &asked.label, classes }
    }

    pub(super) fn source(&self, input: &Input, asked: &RequestedColumns) -> Result<Source> {
        Source::new(input, &self.request(asked))
    }
}

/// The error, unless the input was changed while it was read: then that is the error, and
/// what was computed is worth nothing.
pub(super) fn unless_changed(error: Error, input: &Input, journal: Journal) -> Result<Error> {
    let error = input.file().unless_changed(error);
    if matches!(error, Error::Transient { .. }) && input.file().has_changed() {
        journal.remove()?;
    }
    Ok(error)
}

/// The columns' names without their moments.
fn names_of(summaries: &BTreeMap<String, crate::interaction::Summary>) -> Result<String> {
    to_json(&summaries.keys().map(|name| (name, None::<()>)).collect::<BTreeMap<_, _>>())
}
