//! The observer of a run: its progress and the time of its stages.

use std::time::{Duration, Instant};

use crate::samples::FateCounts;

use super::bad_files::BadFile;
use super::summary::Summary;

/// A file or stream that begins.
#[derive(Debug, Clone)]
pub struct InputStart {
    /// Its path.
    pub file: String,
    /// Its rows; unknown for a stream.
    pub rows: Option<u64>,
    /// Rows that an earlier run has computed.
    pub resumed_rows: u64,
    /// Bytes of a row's embeddings, as f32.
    pub row_bytes: u64,
}

/// A stage of a run. Stages overlap, and the seconds of workers add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Finding the pages of the next batch and its label, of files; one thread at a time does it.
    Locate,
    /// Reading and decoding embeddings and labels; in a stream, also waiting for them.
    Read,
    /// The models, and the arithmetic after them.
    Evaluate,
    /// Appending results to the journal in their order, of files; one thread at a time does it.
    Journal,
    /// The output, and copying the old columns into it; one thread does it.
    Write,
}

impl Stage {
    /// All stages, in the order of the data.
    pub const ALL: [Self; 5] = [Self::Locate, Self::Read, Self::Evaluate, Self::Journal, Self::Write];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Locate => "locate",
            Self::Read => "read",
            Self::Evaluate => "evaluate",
            Self::Journal => "journal",
            Self::Write => "write",
        }
    }
}

/// An observer of a run. Methods that a progress bar has no use for do nothing by default.
pub trait Progress: Sync {
    /// A file begins.
    fn begin(&self, start: InputStart);
    /// More rows are computed, with these fates.
    fn advance(&self, fates: &FateCounts);
    /// A stage has taken this time.
    fn spent(&self, _stage: Stage, _time: Duration) {}
    /// This many batches wait for a worker.
    fn waiting(&self, _batches: usize) {}
    /// This many bytes of the input have been read.
    fn read(&self, _bytes: u64) {}
    /// A file is bad, and the run goes on without it.
    fn bad(&self, _file: &BadFile) {}
    /// A file or stream is done.
    fn end(&self, _summary: &Summary) {}
}

impl dyn Progress + '_ {
    /// Adds the time of some work to a stage.
    pub(super) fn time<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = work();
        self.spent(stage, start.elapsed());
        done
    }
}
