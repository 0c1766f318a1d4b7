//! Who is told how far a run is, and where its time goes.

use std::time::{Duration, Instant};

use crate::samples::FateCounts;

use super::summary::Summary;

/// A file or stream that begins.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Its path.
    pub file: String,
    /// Its rows; nobody knows those of a stream.
    pub rows: Option<u64>,
    /// Those that an earlier run has computed.
    pub resumed_rows: u64,
    /// Bytes of a row's embeddings, as f32.
    pub row_bytes: u64,
}

/// Where the time of a run goes. Stages overlap, and the seconds of workers add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reading and decoding embeddings and labels; of a stream, waiting for them too.
    Read,
    /// The models, and the arithmetic after them.
    Evaluate,
    /// The journal and the output, and copying the old columns into it.
    Write,
}

impl Stage {
    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Evaluate => "evaluate",
            Self::Write => "write",
        }
    }
}

/// Is told how far a run is. What a person who waits has no use for is left out by default.
pub trait Progress: Sync {
    /// A file begins.
    fn begin(&self, begun: Begun);
    /// More rows are computed, and this is what has become of them.
    fn advance(&self, fates: &FateCounts);
    /// A stage has worked for so long.
    fn spent(&self, _stage: Stage, _time: Duration) {}
    /// So many batches wait for a worker.
    fn waiting(&self, _batches: usize) {}
    /// So many bytes of the input have been read.
    fn read(&self, _bytes: u64) {}
    /// A file or stream is done.
    fn end(&self, _summary: &Summary) {}
}

impl dyn Progress + '_ {
    /// Does something in a stage's time.
    pub(super) fn time<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = work();
        self.spent(stage, start.elapsed());
        done
    }
}
