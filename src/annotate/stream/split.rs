//! The splitter of a stream: source batches into tasks of a batch's rows.

use arrow::array::{Array, RecordBatch};
use crossbeam_channel::Receiver;

use crate::annotate::batch_size::FEWEST_ROWS;
use crate::annotate::progress::{Progress, Stage};
use crate::annotate::run::Run;
use crate::annotate::workers::Task;
use crate::engine::Device;
use crate::error::Result;
use crate::output::{BatchSource, SourceRows};
use crate::samples::Roles;

/// Splits source batches into tasks. Its memory is bounded: at most `limit_bytes` of source
/// batches are in flight, and one in any case.
pub(super) struct BatchSplitter<'a> {
    rows: BatchSource<'a>,
    roles: &'a Roles,
    task_rows: TaskRows,
    /// The rest of a batch, from a row on.
    batch: Option<(SourceRows, usize)>,
    checked: bool,
    limit_bytes: usize,
    in_flight_bytes: usize,
    /// Bytes of batches that have been written.
    written: Receiver<usize>,
    progress: &'a dyn Progress,
}

/// The division of source batches into tasks. A batch of fewer rows than the workers take at once is shared equally
/// among them: its sender may wait for the answer before it sends the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct TaskRows {
    most: usize,
    workers: usize,
}

impl TaskRows {
    pub(super) fn of(run: &Run<'_>) -> Self {
        // A kernel of few rows leaves most of a GPU idle.
        let workers = if run.engine.device() == Device::Cpu { run.workers() } else { 1 };
        Self { most: run.batch_rows(), workers }
    }

    /// Rows of each task of a source batch, a multiple of the fewest that are worth a task.
    fn of_batch(self, rows: usize) -> usize {
        rows.div_ceil(self.workers.max(1)).next_multiple_of(FEWEST_ROWS).min(self.most)
    }
}

/// A source batch, which is the payload of the last of its tasks.
pub(super) struct SourceBatch {
    pub(super) rows: RecordBatch,
    pub(super) bytes: usize,
}

impl<'a> BatchSplitter<'a> {
    pub(super) fn new(
        rows: BatchSource<'a>,
        roles: &'a Roles,
        task_rows: TaskRows,
        limit_bytes: usize,
        written: Receiver<usize>,
        progress: &'a dyn Progress,
    ) -> Self {
        let (batch, checked, in_flight_bytes) = (None, false, 0);
        Self { rows, roles, task_rows, batch, checked, limit_bytes, in_flight_bytes, written, progress }
    }

    fn next_batch(&mut self) -> Result<Option<SourceRows>> {
        let batch = self.progress.time(Stage::Read, || self.rows.next()).transpose()?;
        let Some(batch) = batch else { return Ok(None) };
        if !self.checked && batch.rows.num_rows() > 0 {
            match self.rows.is_file() {
                true => self.roles.check_first(&batch.rows, self.rows.place())?,
                // A batch may hold a single row: which rows are bad must not depend on the cuts between batches.
                false => self.roles.log_label_type(&batch.rows, self.rows.place()),
            }
            self.checked = true;
        }
        let bytes = bytes_of(&batch.rows);
        while self.in_flight_bytes > 0 && self.in_flight_bytes.saturating_add(bytes) > self.limit_bytes {
            match self.written.recv() {
                Ok(bytes) => self.in_flight_bytes = self.in_flight_bytes.saturating_sub(bytes),
                // A later stage has failed, and the run ends.
                Err(_) => return Ok(None),
            }
        }
        self.in_flight_bytes += bytes;
        self.progress.read(bytes as u64);
        Ok(Some(batch))
    }

    fn next_task(&mut self) -> Result<Option<Task<Option<SourceBatch>>>> {
        let (batch, from) = match self.batch.take() {
            Some(rest) => rest,
            None => match self.next_batch()? {
                Some(batch) => (batch, 0),
                None => return Ok(None),
            },
        };
        let rows = batch.rows.num_rows();
        let to = from.saturating_add(self.task_rows.of_batch(rows)).min(rows);
        let (group, place) = (batch.group, self.rows.place_of(batch.group));
        let samples = self.roles.samples(&batch.rows, from..to, place, batch.first_row)?;
        let payload = if to == rows {
            let bytes = bytes_of(&batch.rows);
            Some(SourceBatch { rows: batch.rows, bytes })
        } else {
            self.batch = Some((batch, to));
            None
        };
        Ok(Some(Task { group, samples: samples.into(), payload }))
    }
}

impl Iterator for BatchSplitter<'_> {
    type Item = Result<Task<Option<SourceBatch>>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_task().transpose()
    }
}

/// Memory of a batch's rows. The columns of a stream's batch share one buffer, which every
/// column would count as its own.
fn bytes_of(rows: &RecordBatch) -> usize {
    let bytes = |column: &dyn Array| {
        column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_buffer_memory_size())
    };
    rows.columns().iter().map(|column| bytes(column)).sum()
}
