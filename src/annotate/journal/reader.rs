//! A reader of a journal while it grows: batch by batch, in order, so that a row group of any size
//! takes the memory of a batch.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::annotate::batch::Batch;
use crate::error::{Error, Place, Result};
use crate::storage::positioned_io::read_exact_at;

use super::frame::{self, HEAD_BYTES, Head};
use super::watermark::Watermark;

/// What the reader waits for: to be woken for every frame would cost more than to read it.
const AWAITED_BYTES: u64 = 256 << 10;

/// Reads batches from the first one on.
#[derive(Debug)]
pub(in crate::annotate) struct Reader {
    file: Arc<File>,
    path: PathBuf,
    columns: usize,
    watermark: Arc<Watermark>,
    /// Offset of the next frame.
    at: u64,
    /// The watermark when it was last looked at.
    end: u64,
    waited: Duration,
}

impl Reader {
    pub(super) fn new(
        file: Arc<File>,
        path: PathBuf,
        columns: usize,
        watermark: Arc<Watermark>,
        at: u64,
    ) -> Self {
        Self { file, path, columns, watermark, at, end: at, waited: Duration::ZERO }
    }

    /// The next batch, when it is there; `None` where no more will come.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Internal`] where the journal is not what was appended to it.
    pub(in crate::annotate) fn next(&mut self) -> Result<Option<Batch>> {
        if self.at == self.end {
            let start = Instant::now();
            self.end = self.watermark.wait(self.at + AWAITED_BYTES);
            self.waited += start.elapsed();
        }
        if self.at == self.end {
            return Ok(None);
        }
        let damaged = || Error::Internal(format!("the journal has no batch at {}", self.at));
        let mut head = [0; HEAD_BYTES];
        self.read(&mut head, self.at)?;
        let bytes = Head::parse(&head).ok_or_else(damaged)?.body_bytes(self.columns);
        let end = self.at + HEAD_BYTES as u64 + bytes;
        if end > self.end {
            return Err(damaged());
        }
        let mut body = vec![0; bytes as usize];
        self.read(&mut body, self.at + HEAD_BYTES as u64)?;
        let batch = frame::decode(&head, &body, self.columns).filter(|batch| batch.rows > 0);
        let batch = batch.ok_or_else(damaged)?;
        self.at = end;
        Ok(Some(batch))
    }

    /// The time that was spent waiting for batches.
    pub(in crate::annotate) fn waited(&self) -> Duration {
        self.waited
    }

    fn read(&self, bytes: &mut [u8], at: u64) -> Result<()> {
        let failed = |e| Error::io(Place::file(self.path.display()), "read", e);
        read_exact_at(&self.file, bytes, at).map_err(failed)
    }
}

impl Drop for Reader {
    /// The computation ends, too, where its results are no longer written.
    fn drop(&mut self) {
        self.watermark.abandon();
    }
}
