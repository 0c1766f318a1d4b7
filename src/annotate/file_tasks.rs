//! The tasks of a file: its rows in batches, row group by row group. Before a row group is at its end,
//! the pages of the next one are read ahead.

use std::ops::Range;

use crate::error::Result;
use crate::samples::{ReadAhead, SampleReader, Source};

use super::journal::Position;
use super::workers::Task;

/// An iterator over the tasks of a file.
pub(super) struct FileTasks<'a> {
    source: &'a Source,
    batch_rows: usize,
    read_ahead: &'a ReadAhead,
    /// Where the first row group begins.
    from: Position,
    /// The row groups that are not open.
    groups: Range<usize>,
    current: Option<OpenGroup>,
    next: Option<OpenGroup>,
}

struct OpenGroup {
    number: usize,
    samples: Result<SampleReader>,
}

impl<'a> FileTasks<'a> {
    /// The rows of a file from `from` on, before the row group `end`, in batches of `batch_rows`.
    pub(super) fn new(
        source: &'a Source,
        batch_rows: usize,
        from: Position,
        end: usize,
        read_ahead: &'a ReadAhead,
    ) -> Self {
        let groups = from.row_group..end;
        Self { source, batch_rows, read_ahead, from, groups, current: None, next: None }
    }

    fn open(&mut self) -> Option<OpenGroup> {
        let number = self.groups.next()?;
        let first = if number == self.from.row_group { self.from.first_row } else { 0 };
        let rows = first..self.source.input().rows_in(number);
        Some(OpenGroup { number, samples: self.source.read(number, rows, self.batch_rows, self.read_ahead) })
    }
}

impl Iterator for FileTasks<'_> {
    type Item = Result<Task<()>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut current = match self.current.take().or_else(|| self.next.take()) {
                Some(group) => group,
                None => self.open()?,
            };
            let group = current.number;
            let samples = match &mut current.samples {
                Err(_) => {
                    // Nothing is read behind an error.
                    self.groups = 0..0;
                    return current.samples.err().map(Err);
                }
                Ok(reader) => {
                    let samples = reader.next();
                    if self.next.is_none() && reader.is_read_ahead() {
                        self.next = self.open();
                    }
                    samples
                }
            };
            if let Some(samples) = samples {
                self.current = Some(current);
                return Some(samples.map(|samples| Task { group, samples, payload: () }));
            }
        }
    }
}
