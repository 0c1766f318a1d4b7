//! One file annotated: its rows through the pipeline, the computed columns spliced in
//! beside the old ones, the output under its name when it is whole.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use arrow::array::Float32Array;
use arrow::buffer::NullBuffer;
use arrow::datatypes::Field;
use arrow::util::display::array_value_to_string;
use parquet::file::metadata::KeyValue;

use crate::bundle::{Bundle, Units};
use crate::dataset::{Fate, Input, Request, Source, SpliceWriter, Staged};
use crate::engine::{Description, Engine};
use crate::error::{Error, Result};
use crate::interaction::Moments;

use super::columns::Column;
use super::compute::Constants;
use super::pipeline::{self, Done, Shape};
use super::summary::{self, Summary, Tally};

/// What becomes of a run that meets a row it can't compute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnBadRow {
    /// The row's columns are null, and it is counted.
    #[default]
    Null,
    /// The run fails and names the row.
    Fail,
}

/// How to annotate.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Column of x1, else the bundle's.
    pub x1: Option<String>,
    /// Column of x2, else the bundle's.
    pub x2: Option<String>,
    /// Column of the label, else the bundle's.
    pub label: Option<String>,
    /// Columns beside r, u1, u2, s.
    pub extras: Vec<Column>,
    /// What becomes of bad rows.
    pub on_bad_row: OnBadRow,
    /// Whether an output that exists is replaced.
    pub overwrite: bool,
    /// Workers, each with a session; the machine's cores where `None`.
    pub workers: Option<usize>,
    /// Rows a batch; chosen from the dimensions where `None`.
    pub batch_rows: Option<usize>,
}

/// Is told how many rows are done.
pub trait Progress: Sync {
    /// A file begins.
    fn begin(&self, file: &str, rows: u64);
    /// More rows are computed.
    fn advance(&self, rows: u64);
}

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

impl Run<'_> {
    /// Annotates one Parquet file into another.
    ///
    /// # Errors
    /// Whatever reading, evaluating or writing gives; nothing is then left under the
    /// output's name.
    pub fn file(&self, input: &Path, output: &Path) -> Result<Summary> {
        let start = Instant::now();
        let opened = Input::open(input)?;
        let source = self.source(&opened)?;
        let columns: Vec<Column> =
            Column::PARTS.into_iter().chain(self.options.extras.iter().copied()).collect();
        let fields: Vec<Field> = columns.iter().map(|c| c.field()).collect();
        let staged = Staged::create(output, self.options.overwrite)?;
        let engine = self.engine.describe();
        let mut writer = SpliceWriter::new(&opened, staged, &fields, &self.lineage(&engine))?;

        let workers = self.options.workers.unwrap_or_else(cores).max(1);
        let sessions = self.engine.sessions(&self.bundle.program(), workers)?;
        let shape = Shape { batch_rows: self.batch_rows(), queue: workers + 1 };
        let constants = Constants::new(self.bundle, &columns);
        self.progress.begin(&opened.place().file, opened.rows());
        let mut gathered = Gathered::new(&source, &columns, self.options.on_bad_row);
        pipeline::run(&source, sessions, &constants, shape, self.stop, |done| {
            let rows = done.computed.fates.len() as u64;
            gathered.take(done, &mut writer)?;
            self.progress.advance(rows);
            Ok(())
        })?;
        let tally = gathered.finish(&mut writer)?;
        let summaries = tally.summaries(columns.iter().map(|c| c.name()));
        writer.set_key_value("lsmi_etl.columns", to_json(&summaries)?);
        writer.set_key_value("lsmi_etl.rows", to_json(&tally.fates)?);
        let output_bytes = writer.finish()?;

        let elapsed = start.elapsed();
        Ok(Summary {
            input: input.display().to_string(),
            output: output.display().to_string(),
            rows: opened.rows(),
            bad_rows: tally.fates.bad(),
            fates: tally.fates,
            columns: summaries,
            engine: engine.to_string(),
            bundle_sha256: self.bundle.digest().to_owned(),
            output_bytes,
            seconds: elapsed.as_secs_f64(),
            rows_per_second: summary::rate(opened.rows(), elapsed),
            peak_memory_bytes: summary::peak_memory_bytes(),
        })
    }

    fn source(&self, input: &Input) -> Result<Source> {
        let manifest = self.bundle.manifest();
        let named = |flag: &str, asked: &Option<String>, default: &Option<String>| {
            asked.clone().or_else(|| default.clone()).ok_or_else(|| {
                Error::Usage(format!("the bundle names no column for {flag}; give --{flag} COLUMN"))
            })
        };
        let x1 = named("x1", &self.options.x1, &manifest.modalities[0].column)?;
        let x2 = named("x2", &self.options.x2, &manifest.modalities[1].column)?;
        let label = named("label", &self.options.label, &manifest.label.column)?;
        let [d1, d2] = self.bundle.dims();
        let classes = self.bundle.classes();
        Source::new(input, &Request { x1: (&x1, d1), x2: (&x2, d2), label: &label, classes })
    }

    /// Small enough that a batch's intermediate results stay in a core's cache, large
    /// enough that a run's fixed cost does not show.
    fn batch_rows(&self) -> usize {
        let [d1, d2] = self.bundle.dims();
        self.options.batch_rows.unwrap_or_else(|| ((1 << 19) / (d1 + d2)).clamp(256, 4096))
    }

    fn lineage(&self, engine: &Description) -> Vec<KeyValue> {
        let units = match self.bundle.manifest().modalities[0].units {
            Units::Raw => "raw",
            Units::Centred => "centred",
        };
        [
            ("lsmi_etl.version", env!("CARGO_PKG_VERSION").to_owned()),
            ("lsmi_etl.bundle_sha256", self.bundle.digest().to_owned()),
            ("lsmi_etl.engine", engine.to_string()),
            ("lsmi_etl.units", units.to_owned()),
            ("lsmi_etl.adjust", "none".to_owned()),
        ]
        .into_iter()
        .map(|(key, value)| KeyValue::new(key.to_owned(), value))
        .collect()
    }
}

/// The machine's cores, as far as this process may use them.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::Internal(e.to_string()))
}

/// The computed columns of the row groups that are not written yet, in the pieces
/// they came in.
struct Gathered<'a> {
    source: &'a Source,
    on_bad_row: OnBadRow,
    row_group: usize,
    rows: usize,
    pieces: Vec<Vec<Float32Array>>,
    tally: Tally,
}

impl<'a> Gathered<'a> {
    fn new(source: &'a Source, columns: &[Column], on_bad_row: OnBadRow) -> Self {
        let tally = Tally { moments: vec![Moments::default(); columns.len()], ..Default::default() };
        let pieces = vec![Vec::new(); columns.len()];
        Self { source, on_bad_row, row_group: 0, rows: 0, pieces, tally }
    }

    /// Takes the next batch of the file, and writes the row groups it completes.
    fn take(&mut self, done: Done, writer: &mut SpliceWriter) -> Result<()> {
        // Row groups without rows send no batch.
        while self.row_group < done.row_group {
            self.write(writer)?;
        }
        let fates = &done.computed.fates;
        if self.on_bad_row == OnBadRow::Fail
            && let Some(row) = fates.iter().position(|&fate| fate != Fate::Good)
        {
            return Err(bad_row(self.source, &done, row));
        }
        fates.iter().for_each(|&fate| self.tally.fates.add(fate));
        let valid = fates
            .iter()
            .any(|&fate| fate != Fate::Good)
            .then(|| NullBuffer::from(fates.iter().map(|&fate| fate == Fate::Good).collect::<Vec<bool>>()));
        self.rows += fates.len();
        for ((values, pieces), moments) in
            done.computed.columns.into_iter().zip(&mut self.pieces).zip(&mut self.tally.moments)
        {
            match &valid {
                None => moments.push_slice(&values),
                Some(valid) => valid.valid_indices().for_each(|row| moments.push(f64::from(values[row]))),
            }
            pieces.push(Float32Array::new(values.into(), valid.clone()));
        }
        if self.rows == self.source.input().rows_in(self.row_group) {
            self.write(writer)?;
        }
        Ok(())
    }

    fn write(&mut self, writer: &mut SpliceWriter) -> Result<()> {
        writer.row_group(self.row_group, self.pieces.iter_mut().map(std::mem::take))?;
        self.row_group += 1;
        self.rows = 0;
        Ok(())
    }

    fn finish(mut self, writer: &mut SpliceWriter) -> Result<Tally> {
        while self.row_group < self.source.input().metadata().num_row_groups() {
            self.write(writer)?;
        }
        Ok(self.tally)
    }
}

fn bad_row(source: &Source, done: &Done, row: usize) -> Error {
    let fate = done.computed.fates[row];
    let value = match fate {
        // Not worth an error of its own where it can't be shown.
        Fate::UnknownLabel => array_value_to_string(&done.label, row).map(|value| format!(" ({value})")),
        _ => Ok(String::new()),
    };
    let what = format!(
        "row {} of the row group is bad: {fate}{}; mend it, or give --on-bad-row null to leave such rows without values",
        done.first_row + row,
        value.unwrap_or_default()
    );
    let place = source.input().place().row_group(done.row_group);
    Error::bad_data(source.column_of(fate).map_or(place.clone(), |column| place.column(column)), what)
}
