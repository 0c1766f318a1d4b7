//! One file annotated: its rows through the pipeline into the journal, from there into
//! the output, which appears under its name when it is whole.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use arrow::array::Array;
use arrow::datatypes::Field;
use arrow::util::display::array_value_to_string;
use crossbeam_channel::{Sender, unbounded};

use crate::bundle::Bundle;
use crate::dataset::{Fate, FateCounts, Input, Request, Source, SpliceWriter, Staged, exists};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::evaluate::{Column, Constants};
use crate::interaction::{Interaction, dataset_shift};

use super::journal::{BadRow, Batch, Journal};
use super::lineage::{Asked, Identity, to_json};
use super::memory;
use super::options::{Adjust, Begun, MaxBadRows, OnBadRow, Options, Progress};
use super::pipeline::{self, Done, Shape};
use super::rejects::Rejects;
use super::splicing::{Ready, Splicing};
use super::summary::{self, Adjustment, Summary};
use super::tally::Tally;

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
    /// Set by a signal: the run ends with [`Error::Interrupted`].
    pub stop: &'a AtomicBool,
}

/// A file on its way.
struct Work<'a> {
    run: &'a Run<'a>,
    opened: Input,
    asked: Asked,
    identity: Identity,
    tally: Tally,
}

/// What an earlier run has left done.
#[derive(Debug, Clone, Copy)]
struct Resumed {
    rows: u64,
    row_groups: usize,
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
        let start = Instant::now();
        let mut work = Work::new(self, input)?;
        let summary = Summary { output: output.display().to_string(), ..work.nothing_done(input) };
        if work.is_done(output)? {
            return Ok(Summary { skipped: true, seconds: start.elapsed().as_secs_f64(), ..summary });
        }
        // Before anything is computed: it may be there, or impossible.
        drop(Staged::create(output, self.options.overwrite)?);

        let source = work.source()?;
        let shape = self.shape();
        let (mut journal, resumed) = work.journal(&source, output, shape)?;
        Staged::sweep(output);
        let shape = Shape { batch_rows: journal.batch_rows(), ..shape };
        let replace = self.options.overwrite;
        let staged = Staged::create(output, replace)?;
        let rejects = self.options.rejects.as_deref();
        // An earlier run may have ended between the two files' names.
        let replace = replace || resumed.rows > 0;
        let rejects = rejects.map(|path| Rejects::create(path, replace, work.opened.place().file));

        let columns = work.asked.columns.clone();
        let fields: Vec<Field> = columns.iter().map(|column| column.field()).collect();
        let units = self.bundle.manifest().modalities[0].units;
        let key_values = work.identity.key_values(units, self.options.adjust)?;
        let opened = work.opened.clone();
        let splicing = Splicing {
            input: &opened,
            columns: &columns,
            journal: journal.reader(),
            writer: SpliceWriter::new(&opened, staged, &fields, &key_values)?,
            rejects: rejects.transpose()?,
        };

        self.progress.begin(Begun {
            file: opened.place().file,
            rows: opened.rows(),
            resumed_rows: resumed.rows,
            row_bytes: 4 * self.bundle.dims().iter().sum::<usize>() as u64,
        });
        let (sender, ready) = unbounded();
        let (computed, written) = std::thread::scope(|scope| {
            let writing = scope.spawn(|| splicing.run(ready, self.stop));
            let computed = work.compute(&source, &mut journal, shape, sender);
            let written = writing.join();
            (computed, written.unwrap_or_else(|_| Err(Error::Internal("the writer has died".into()))))
        });
        let (mut splicing, adjustment) = match (computed, written) {
            // Whoever computes fails, too, when the writer is gone.
            (_, Err(e)) | (Err(e), _) => return Err(e),
            (Ok(adjustment), Ok(splicing)) => (splicing, adjustment),
        };

        let shift_nats = adjustment.map_or(0.0, |adjustment| adjustment.shift_nats);
        let summaries = work.tally.summaries(&columns, shift_nats);
        splicing.writer.set_key_value("lsmi_etl.columns", to_json(&summaries)?);
        splicing.writer.set_key_value("lsmi_etl.rows", to_json(&work.tally.fates)?);
        if let Some(adjustment) = &adjustment {
            splicing.writer.set_key_value("lsmi_etl.adjustment", to_json(adjustment)?);
        }
        if let Some(rejects) = splicing.rejects {
            rejects.finish()?;
        }
        let finished = splicing.writer.finish();
        // An input that was changed meanwhile: what was computed of it is worth nothing.
        if matches!(finished, Ok(_) | Err(Error::Transient { .. })) {
            journal.remove()?;
        }
        let output_bytes = finished?;

        let elapsed = start.elapsed();
        let row_groups = opened.metadata().num_row_groups();
        Ok(Summary {
            bad_rows: work.tally.fates.bad(),
            fates: work.tally.fates,
            columns: summaries,
            adjustment,
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

    pub(super) fn workers(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, |n| n.get());
        self.options.workers.unwrap_or_else(cores).max(1)
    }

    pub(super) fn shape(&self) -> Shape {
        let limit = self.options.memory_limit_bytes.unwrap_or_else(memory::default_limit_bytes);
        memory::shape(self.bundle.dims(), self.workers(), self.options.batch_rows, limit)
    }

    pub(super) fn asked(&self) -> Result<Asked> {
        let manifest = self.bundle.manifest();
        let named = |flag: &str, asked: &Option<String>, default: &Option<String>| {
            asked.clone().or_else(|| default.clone()).ok_or_else(|| {
                Error::Usage(format!("the bundle names no column for {flag}; give --{flag} COLUMN"))
            })
        };
        Ok(Asked {
            x1: named("x1", &self.options.x1, &manifest.modalities[0].column)?,
            x2: named("x2", &self.options.x2, &manifest.modalities[1].column)?,
            label: named("label", &self.options.label, &manifest.label.column)?,
            columns: Column::PARTS.into_iter().chain(self.options.extras.iter().copied()).collect(),
        })
    }

    pub(super) fn source(&self, input: &Input, asked: &Asked) -> Result<Source> {
        let [d1, d2] = self.bundle.dims();
        let classes = self.bundle.classes();
        let request = Request { x1: (&asked.x1, d1), x2: (&asked.x2, d2), label: &asked.label, classes };
        Source::new(input, &request)
    }
}

impl<'a> Work<'a> {
    fn new(run: &'a Run<'a>, input: &Path) -> Result<Self> {
        let opened = Input::open(input)?;
        let asked = run.asked()?;
        let identity = Identity::new(&opened, run.bundle, &asked, &run.engine.describe())?;
        let tally = Tally::new(asked.columns.len());
        Ok(Self { run, opened, asked, identity, tally })
    }

    fn source(&self) -> Result<Source> {
        self.run.source(&self.opened, &self.asked)
    }

    /// Whether the output is there, made by the same work, with all that goes with it.
    fn is_done(&self, output: &Path) -> Result<bool> {
        let options = self.run.options;
        let wanted = !options.overwrite && !options.restart && exists(output)?;
        let rejects = options.rejects.as_deref().map_or(Ok(true), exists)?;
        Ok(wanted && rejects && self.identity.is_done(output, options.adjust)?)
    }

    fn nothing_done(&self, input: &Path) -> Summary {
        Summary {
            input: input.display().to_string(),
            output: String::new(),
            skipped: false,
            rows: self.opened.rows(),
            bad_rows: 0,
            fates: FateCounts::default(),
            columns: Default::default(),
            adjustment: None,
            resumed_rows: 0,
            resumed_row_groups: 0,
            computed_row_groups: 0,
            engine: self.run.engine.describe().to_string(),
            bundle_sha256: self.run.bundle.digest().to_owned(),
            output_bytes: 0,
            seconds: 0.0,
            rows_per_second: 0.0,
            peak_memory_bytes: None,
        }
    }

    /// The journal, what it holds already counted.
    fn journal(&mut self, source: &Source, output: &Path, shape: Shape) -> Result<(Journal, Resumed)> {
        let row_groups = self.opened.metadata().num_row_groups();
        let rows = (0..row_groups).map(|row_group| self.opened.rows_in(row_group)).collect();
        let (identity, restart) = (self.identity.clone(), self.run.options.restart);
        let journal = Journal::open(output, &identity, rows, shape.batch_rows, restart, |batch| {
            self.take(source, batch)
        })?;
        let rows = self.tally.fates.rows();
        let row_groups = if rows == 0 { 0 } else { journal.whole() };
        Ok((journal, Resumed { rows, row_groups }))
    }

    /// Computes what the journal does not hold yet, and passes on the row groups that
    /// are whole: at once, or where all are to be shifted, when the shift is known.
    fn compute(
        &mut self,
        source: &Source,
        journal: &mut Journal,
        shape: Shape,
        ready: Sender<Ready>,
    ) -> Result<Option<Adjustment>> {
        let run = self.run;
        let mut sent = 0;
        let mut send = |journal: &Journal, shift_nats: f64| {
            while sent < journal.whole() {
                let group = Ready { row_group: sent, start: journal.start(sent), shift_nats };
                let gone = |_| Error::Internal("the writer has gone".to_owned());
                ready.send(group).map_err(gone)?;
                sent += 1;
            }
            Ok(())
        };
        let at_once = run.options.adjust == Adjust::None;
        if at_once {
            send(journal, 0.0)?;
        }
        let from = journal.next();
        if from.row_group < self.opened.metadata().num_row_groups() {
            let sessions = run.engine.sessions(&run.bundle.program(), run.workers())?;
            let constants = Constants::new(run.bundle, &self.asked.columns);
            pipeline::run(source, sessions, &constants, shape, from, run.stop, |done| {
                let batch = batch(done)?;
                self.take(source, &batch)?;
                journal.append(&batch)?;
                if at_once {
                    send(journal, 0.0)?;
                }
                run.progress.advance(batch.rows as u64);
                Ok(())
            })?;
        }
        self.judge_share()?;
        if at_once {
            return Ok(None);
        }
        let nothing = Interaction { r: 0.0, u1: 0.0, u2: 0.0, s: 0.0 };
        let before = self.tally.means().unwrap_or(nothing);
        let shift_nats = dataset_shift(&before);
        send(journal, shift_nats)?;
        let after = before.shifted(shift_nats).into();
        Ok(Some(Adjustment { shift_nats, before: before.into(), after }))
    }

    /// Counts a batch, and ends the run where its bad rows are more than it bears.
    fn take(&mut self, source: &Source, batch: &Batch) -> Result<()> {
        let options = self.run.options;
        if options.on_bad_row == OnBadRow::Fail
            && let Some(bad) = batch.bad.first()
        {
            return Err(bad_row(source, batch, bad));
        }
        self.tally.take(batch);
        match options.max_bad_rows {
            Some(MaxBadRows::Rows(most)) if self.tally.fates.bad() > most => Err(self.too_many_bad()),
            _ => Ok(()),
        }
    }

    fn judge_share(&self) -> Result<()> {
        let (bad, rows) = (self.tally.fates.bad() as f64, self.tally.fates.rows() as f64);
        match self.run.options.max_bad_rows {
            Some(MaxBadRows::Percent(most)) if bad * 100.0 > most * rows => Err(self.too_many_bad()),
            _ => Ok(()),
        }
    }

    fn too_many_bad(&self) -> Error {
        let limit = self.run.options.max_bad_rows.map(|most| most.to_string()).unwrap_or_default();
        let what = format!(
            "{} of {} rows so far are bad ({}), more than --max-bad-rows {limit}; mend them or raise it: what is \
             computed is kept",
            self.tally.fates.bad(),
            self.tally.fates.rows(),
            self.tally.reasons(),
        );
        Error::bad_data(self.opened.place(), what)
    }
}

fn bad_row(source: &Source, batch: &Batch, bad: &BadRow) -> Error {
    let value = match (bad.fate, &bad.label) {
        (Fate::UnknownLabel, Some(label)) => format!(" ({label})"),
        _ => String::new(),
    };
    let what = format!(
        "row {} of the row group is bad: {}{value}; mend it, or give --on-bad-row null to leave such rows without values",
        batch.first_row + bad.row as usize,
        bad.fate,
    );
    let place = source.input().place().row_group(batch.row_group);
    Error::bad_data(source.column_of(bad.fate).map_or(place.clone(), |column| place.column(column)), what)
}

/// A computed batch as the journal keeps it.
fn batch(done: Done) -> Result<Batch> {
    let Done { row_group, first_row, computed, label } = done;
    let bad = computed.fates.iter().enumerate().filter(|(_, fate)| **fate != Fate::Good);
    let bad = bad.map(|(row, &fate)| {
        let text = || array_value_to_string(&label, row).map_err(|e| Error::Internal(e.to_string()));
        let label = if label.is_null(row) { None } else { Some(text()?) };
        Ok(BadRow { row: row as u32, fate, label })
    });
    let bad = bad.collect::<Result<_>>()?;
    Ok(Batch { row_group, first_row, rows: computed.fates.len(), columns: computed.columns, bad })
}
