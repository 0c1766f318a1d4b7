//! Rows that come or go as an Arrow IPC stream: batches in, cut to what is computed at
//! once, joined again, and out with their new columns as soon as they have them. There
//! is no journal: a stream can't be read twice.

use std::path::Path;
use std::time::Instant;

use arrow::array::{Array, Float32Array, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Field;
use crossbeam_channel::{Receiver, Sender, unbounded};
use tracing::field::Empty;

use crate::error::{Error, Place, Result};
use crate::evaluate::{Constants, field};
use crate::output::{BatchSource, NewColumns, RowWriter, SourceRows};
use crate::parquet_file::Input;
use crate::samples::Roles;
use crate::storage::{Staged, StdinChunks, is_stdio, stdout};

use super::bad_rows::{BadRowPolicy, Groups};
use super::file::Run;
use super::journal::Batch;
use super::lineage::{self, Identity, RequestedColumns, to_json};
use super::options::Adjust;
use super::progress::{Begun, Progress, Stage};
use super::rejects::Rejects;
use super::summary::{self, Summary};
use super::workers::{self, Control, Prefetch, Task, TaskResult};

/// The row groups of a file that is made of a stream, as they are encoded: a quarter of
/// the memory within these bounds, since the writer holds one.
const ROW_GROUP_BYTES: [u64; 2] = [4 << 20, 128 << 20];

impl Run<'_> {
    /// Annotates rows of which the input, the output or both are `-`: an Arrow IPC
    /// stream on stdin or stdout. Batches keep their order and their lengths.
    ///
    /// # Errors
    /// Whatever reading, evaluating or writing gives: a file is then not under its
    /// name, and a stream ends without its mark. [`Error::Io`] of the kind
    /// [`BrokenPipe`](std::io::ErrorKind::BrokenPipe) where whoever reads stdout has
    /// seen enough. [`Error::Usage`] where the options need an input that can be read
    /// twice; [`Error::OutputExists`].
    pub fn stream(&self, input: &Path, output: &Path) -> Result<Summary> {
        let (from, to) = (input.display(), output.display());
        let span = tracing::info_span!("stream", input = %from, output = %to, rows = Empty);
        let summary = span.in_scope(|| self.pass(input, output))?;
        span.record("rows", summary.rows);
        self.progress.end(&summary);
        Ok(summary)
    }

    fn pass(&self, input: &Path, output: &Path) -> Result<Summary> {
        let start = Instant::now();
        self.check_options()?;
        let asked = self.asked()?;
        let shape = self.shape();
        let limit_bytes = self.limit_bytes();
        // Before anything is read: they may be there, or impossible.
        let staged = (!is_stdio(output)).then(|| Staged::create(output, self.options.overwrite));
        let (staged, out) = (staged.transpose()?, is_stdio(output).then(stdout).transpose()?);
        let file = input.display().to_string();
        let rejects = self.options.rejects.as_deref();
        let rejects = rejects.map(|path| Rejects::create(path, self.options.overwrite, file.clone(), None));
        let mut rejects = rejects.transpose()?;

        let opened = (!is_stdio(input)).then(|| Input::open(input)).transpose()?;
        let rows = match &opened {
            Some(opened) => BatchSource::of_file(opened, shape.batch_rows),
            None => BatchSource::of_stream(StdinChunks::read(self.stop)?, Place::file("stdin"))?,
        };
        let roles = Roles::find(rows.schema(), rows.place(), &self.request(&asked))?;
        let fields: Vec<Field> = asked.columns.iter().map(|column| field(*column)).collect();
        let key_values = match &opened {
            Some(opened) => {
                let identity = Identity::new(opened, self.bundle, &asked, &self.engine.describe())?;
                identity.key_values(self.bundle.manifest().modalities[0].units, Adjust::None, None, None)?
            }
            None => lineage::of_stream(self.bundle, &asked, &self.engine.describe())?,
        };
        let added = NewColumns { fields: &fields, key_values: &key_values };
        let sessions = self.sessions()?;
        let mut writer = match (staged, out) {
            (Some(staged), _) => {
                let [least, most] = ROW_GROUP_BYTES;
                let row_group_bytes = (limit_bytes / 4).clamp(least, most) as usize;
                RowWriter::file(&rows, added, staged, &roles.embeddings(), row_group_bytes)?
            }
            (None, Some(out)) => RowWriter::stream(&rows, added, out, Place::file("stdout"))?,
            (None, None) => return Err(Error::Internal("rows without an output".to_owned())),
        };

        let total = opened.as_ref().map(Input::rows);
        self.progress.begin(Begun { file, rows: total, resumed_rows: 0, row_bytes: self.row_bytes() });
        let groups = if opened.is_some() { Groups::OfFile } else { Groups::OfStream };
        let place = rows.place().clone();
        let mut policy = BadRowPolicy::new(self.options, &roles, place, groups, asked.columns.len());
        let (give_back, given_back) = unbounded();
        let cut = BatchSplitter {
            rows,
            roles: &roles,
            batch_rows: shape.batch_rows,
            batch: None,
            checked: false,
            limit_bytes: (limit_bytes / 2) as usize,
            bytes: 0,
            given_back,
            progress: self.progress,
        };
        let mut seen = 0;
        let mut joining = BatchJoiner {
            policy: &mut policy,
            writer: &mut writer,
            rejects: rejects.as_mut(),
            progress: self.progress,
            asked: &asked,
            parts: Vec::new(),
            groups: &mut seen,
            give_back,
        };
        let constants = Constants::new(self.bundle, &asked.columns);
        let take = move |done| joining.take(done);
        let control = Control { stop: self.stop, progress: self.progress };
        workers::run(cut, Prefetch::Ahead, sessions, &constants, shape.queue, control, take)?;
        policy.finish()?;
        opened.as_ref().map_or(Ok(()), Input::verify_unchanged)?;

        let summaries = policy.row_stats.summaries(&asked.columns, 0.0);
        writer.set_key_value("lsmi_etl.columns", to_json(&summaries)?);
        writer.set_key_value("lsmi_etl.rows", to_json(&policy.row_stats.fates)?);
        rejects.map_or(Ok(()), Rejects::finish)?;
        let output_bytes = writer.finish()?;

        let elapsed = start.elapsed();
        let fates = policy.row_stats.fates;
        Ok(Summary {
            rows: fates.rows(),
            bad_rows: fates.bad(),
            columns: summaries,
            computed_row_groups: opened.map_or(seen, |opened| opened.metadata().num_row_groups()) as u64,
            output_bytes,
            seconds: elapsed.as_secs_f64(),
            rows_per_second: summary::rate(fates.rows(), elapsed),
            peak_memory_bytes: summary::peak_memory_bytes(),
            fates,
            ..self.nothing_done(input, output)
        })
    }

    fn check_options(&self) -> Result<()> {
        let refused = match self.options {
            options if options.adjust == Adjust::Dataset => {
                "--adjust dataset shifts by the means of all rows, and a stream's are gone when they are known; \
                 annotate files, or leave it out"
            }
            options if options.restart => {
                "--restart throws away what an unfinished run has left, and of a stream nothing is left; leave it out"
            }
            _ => return Ok(()),
        };
        Err(Error::Usage(refused.to_owned()))
    }
}

/// Cuts batches into the pieces that are computed at once, as long as there is memory:
/// so many bytes of batches may be on their way, and one in any case.
struct BatchSplitter<'a> {
    rows: BatchSource<'a>,
    roles: &'a Roles,
    batch_rows: usize,
    /// What is left of a batch: from which row on.
    batch: Option<(SourceRows, usize)>,
    checked: bool,
    limit_bytes: usize,
    bytes: usize,
    /// Bytes of batches that have been written.
    given_back: Receiver<usize>,
    progress: &'a dyn Progress,
}

/// A batch, which goes along with the last of its pieces.
struct SourceBatch {
    rows: RecordBatch,
    bytes: usize,
}

impl BatchSplitter<'_> {
    fn next_batch(&mut self) -> Result<Option<SourceRows>> {
        let batch = self.progress.time(Stage::Read, || self.rows.next()).transpose()?;
        let Some(batch) = batch else { return Ok(None) };
        if !self.checked && batch.rows.num_rows() > 0 {
            self.roles.check_lengths(&batch.rows, self.rows.place())?;
            self.checked = true;
        }
        let bytes = bytes_of(&batch.rows);
        while self.bytes > 0 && self.bytes.saturating_add(bytes) > self.limit_bytes {
            match self.given_back.recv() {
                Ok(bytes) => self.bytes = self.bytes.saturating_sub(bytes),
                // A later stage has failed: nobody wants more.
                Err(_) => return Ok(None),
            }
        }
        self.bytes += bytes;
        self.progress.read(bytes as u64);
        Ok(Some(batch))
    }

    fn next_piece(&mut self) -> Result<Option<Task<Option<SourceBatch>>>> {
        let (batch, from) = match self.batch.take() {
            Some(rest) => rest,
            None => match self.next_batch()? {
                Some(batch) => (batch, 0),
                None => return Ok(None),
            },
        };
        let rows = batch.rows.num_rows();
        let to = from.saturating_add(self.batch_rows).min(rows);
        let mut samples = self.roles.samples(&batch.rows, from..to)?;
        samples.first_row += batch.first_row;
        let group = batch.group;
        let with = if to == rows {
            let bytes = bytes_of(&batch.rows);
            Some(SourceBatch { rows: batch.rows, bytes })
        } else {
            self.batch = Some((batch, to));
            None
        };
        Ok(Some(Task { group, samples: samples.into(), with }))
    }
}

impl Iterator for BatchSplitter<'_> {
    type Item = Result<Task<Option<SourceBatch>>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_piece().transpose()
    }
}

/// What a batch's rows take in memory. Those of a stream lie together in one buffer,
/// which every column would count as its own.
fn bytes_of(rows: &RecordBatch) -> usize {
    let bytes = |column: &dyn Array| {
        column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_buffer_memory_size())
    };
    rows.columns().iter().map(|column| bytes(column)).sum()
}

/// Joins what was computed of a batch and writes it.
struct BatchJoiner<'a, 'j> {
    policy: &'a mut BadRowPolicy<'j>,
    writer: &'a mut RowWriter,
    rejects: Option<&'a mut Rejects>,
    progress: &'a dyn Progress,
    asked: &'a RequestedColumns,
    /// The pieces of a batch so far.
    parts: Vec<Batch>,
    /// Batches written.
    groups: &'a mut usize,
    give_back: Sender<usize>,
}

impl BatchJoiner<'_, '_> {
    fn take(&mut self, done: TaskResult<Option<SourceBatch>>) -> Result<()> {
        let (batch, whole) = done.into_batch()?;
        let before = self.policy.row_stats.fates.rows();
        let fates = self.policy.take(&batch)?;
        if let Some(rejects) = &mut self.rejects {
            rejects.push(batch.row_group, before, &batch.bad)?;
        }
        self.progress.advance(&fates);
        self.parts.push(batch);
        if let Some(SourceBatch { rows, bytes }) = whole {
            let columns = joined(&self.parts, self.asked.columns.len());
            self.progress.time(Stage::Write, || self.writer.write(&rows, columns))?;
            self.parts.clear();
            *self.groups += 1;
            // A reader that is through has no use for it.
            let _ = self.give_back.send(bytes);
        }
        Ok(())
    }
}

/// The columns of pieces that follow one another; rows without values are null.
fn joined(parts: &[Batch], columns: usize) -> Vec<Float32Array> {
    let mut valid = Vec::with_capacity(parts.iter().map(|part| part.rows).sum());
    for part in parts {
        let first = valid.len();
        valid.resize(first + part.rows, true);
        for bad in &part.bad {
            if let Some(valid) = valid.get_mut(first + bad.row as usize) {
                *valid = false;
            }
        }
    }
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid.as_slice()));
    let column = |place: usize| {
        let values = parts.iter().filter_map(|part| part.columns.get(place)).flatten();
        // Behind a null there is nothing, and not what a bad row happened to give.
        let values = values.zip(&valid).map(|(value, valid)| if *valid { *value } else { 0.0 });
        Float32Array::new(values.collect(), nulls.clone())
    };
    (0..columns).map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::journal::BadRow;
    use crate::samples::Fate;

    #[test]
    fn pieces_become_the_columns_of_a_batch() {
        let part = |values: [f32; 2], bad: &[u32]| Batch {
            rows: 2,
            columns: vec![values.to_vec(), values.map(|value| -value).to_vec()],
            bad: bad.iter().map(|&row| BadRow { row, fate: Fate::NullLabel, label: None }).collect(),
            ..Batch::default()
        };
        let columns = joined(&[part([1.0, 2.0], &[]), part([f32::NAN, 4.0], &[0])], 2);
        assert_eq!(columns.len(), 2);
        assert_eq!(columns[0], Float32Array::from(vec![Some(1.0), Some(2.0), None, Some(4.0)]));
        assert_eq!(columns[1].values()[..], [-1.0, -2.0, 0.0, -4.0]);
        assert!(joined(&[part([1.0, 2.0], &[])], 1)[0].nulls().is_none());
        assert_eq!(joined(&[], 3).len(), 3);
    }
}
