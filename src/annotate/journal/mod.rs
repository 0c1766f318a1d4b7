//! The journal: a write-ahead file beside the output. All computed columns reach the writer
//! through it, batch after batch in the order of the input, so that a killed run leaves a
//! prefix of the rows and the next run resumes behind it. Its lock excludes a second run on
//! the same output.
//!
//! A kill loses the batches in flight, a power cut those of the last [`SYNC_EVERY`].

mod frame;
mod lock;
mod reader;
mod watermark;

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub(super) use self::frame::{decode_frame, encode_frame};
pub(super) use self::lock::{JournalKey, LockPatience};
pub(super) use self::reader::Reader;

use self::frame::{CHECKSUM_BYTES, HEAD_BYTES, Head, MAGIC, NAME};
use self::watermark::Watermark;
use super::batch::Batch;
use crate::error::{Error, Place, Result};
use crate::provenance::Identity;
use crate::storage::positioned_io::{read_exact_at, write_all_at};
use crate::threads::spawn_detached;

/// Interval between calls of fdatasync.
const SYNC_EVERY: Duration = Duration::from_secs(2);
/// A removed journal of this size is closed on a thread of its own. That frees its pages, which takes the
/// system 0.3 ms per MB: nobody has to wait for it.
const CLOSED_APART_BYTES: u64 = 4 << 20;

/// The header of a journal: the work that it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Header {
    identity: Identity,
    /// A resumed run keeps it, so that every batch is the one that it would have been.
    batch_rows: usize,
}

/// The position in the input of the next row to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) row_group: usize,
    pub(super) first_row: usize,
}

/// An open journal, locked.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: Arc<File>,
    columns: usize,
    batch_rows: usize,
    /// Rows of each row group of the input.
    rows: Vec<usize>,
    next: Position,
    /// Offset of the first frame.
    start: u64,
    end: u64,
    /// What its reader waits for.
    watermark: Arc<Watermark>,
    buffer: Vec<u8>,
    synced: Instant,
    /// The last fdatasync, on a thread of its own.
    syncing: Option<JoinHandle<io::Result<()>>>,
    /// Created by this run, and still without a batch.
    fresh: bool,
}

impl Drop for Journal {
    /// A run that fails before its first batch leaves no journal.
    fn drop(&mut self) {
        // The thread in fdatasync holds the file, and so its lock.
        _ = self.syncing.take().map(JoinHandle::join);
        if self.fresh {
            // The run has an error to report already.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Ends the journal for its reader when it is dropped, also by a panic.
pub(super) struct EndOfBatches(Arc<Watermark>);

impl Drop for EndOfBatches {
    fn drop(&mut self) {
        self.0.finish();
    }
}

impl Journal {
    /// Opens or creates a journal and locks it. The batches that it holds
    /// of the same work are given to `replay` and count as done; with `restart` they are
    /// discarded. `rows` are those of the input's row groups; `batch_rows` is called for a
    /// journal that begins anew, as does one of the same work on an input that was written again.
    ///
    /// # Errors
    /// [`Error::Transient`] where another run holds it; [`Error::Config`] where it belongs to other
    /// work; [`Error::CannotCreate`]; errors of `replay`.
    pub(super) fn open(
        key: &JournalKey<'_>,
        identity: &Identity,
        rows: Vec<usize>,
        batch_rows: impl FnOnce() -> Result<usize>,
        restart: bool,
        replay: impl FnMut(&Batch) -> Result<()>,
    ) -> Result<Self> {
        let (path, file) = key.lock()?;
        let mut journal = Self::with_file(file, path, identity.width(), rows, 0);
        let mut found = if restart { None } else { journal.header()? };
        if let Some(Header { identity: of, .. }) = &found
            && of != identity
            && of.is_same_work(identity)
        {
            // Neither file tells whether the content is the same, and the input as it was is gone.
            tracing::warn!(
                "{}: the input was written again since an unfinished run; its rows are computed anew",
                journal.path.display()
            );
            found = None;
        }
        match found {
            Some(header) if header.identity != *identity => {
                return Err(journal.of_other_work(&header, identity));
            }
            Some(header) => {
                journal.batch_rows = header.batch_rows;
                journal.start = journal.end;
                journal.skip_empty_row_groups();
                journal.replay(replay)?;
            }
            None => {
                if !restart && journal.is_of_another_format() {
                    tracing::warn!(
                        "{}: an unfinished run of another version of lsmi-etl, which this one cannot go on with; its rows \
                         are computed anew",
                        journal.path.display()
                    );
                }
                journal.truncate(0)?;
                journal.fresh = true;
                journal.batch_rows = batch_rows()?;
                let header = Header { identity: identity.clone(), batch_rows: journal.batch_rows };
                let json = serde_json::to_vec(&header).map_err(|e| Error::Internal(e.to_string()))?;
                journal.write(&frame::header(&json))?;
                journal.start = journal.end;
                journal.skip_empty_row_groups();
            }
        }
        Ok(journal)
    }

    /// Removes the journal of finished work, left by a run that was killed between the rename of
    /// its output and the removal of its journal, or that of a bad input. Best effort.
    pub(super) fn discard(key: &JournalKey<'_>, identity: &Identity) {
        let Some(path) = key.path().ok().filter(|path| path.exists()) else { return };
        let Ok(file) = key.try_lock(&path) else { return };
        let mut journal = Self::with_file(file, path, identity.width(), Vec::new(), 0);
        match journal.header() {
            Ok(Some(header)) if !header.identity.is_same_work(identity) => {}
            _ => _ = journal.remove(),
        }
    }

    /// Checks that a journal, where there is one, is of this work.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub(super) fn check_work(key: &JournalKey<'_>, identity: &Identity) -> Result<()> {
        let Some(path) = key.path().ok().filter(|path| path.exists()) else { return Ok(()) };
        let Ok(file) = key.try_lock(&path) else { return Ok(()) };
        let mut journal = Self::with_file(file, path, identity.width(), Vec::new(), 0);
        match journal.header()? {
            Some(header) if header.identity != *identity && !header.identity.is_same_work(identity) => {
                Err(journal.of_other_work(&header, identity))
            }
            _ => Ok(()),
        }
    }

    fn of_other_work(&self, header: &Header, identity: &Identity) -> Error {
        Error::Config(format!(
            "{} holds the results of an unfinished run with another {}; give --restart to discard them, or run \
             that one again, which goes on from there",
            self.path.display(),
            header.identity.differences(identity).join(", "),
        ))
    }

    fn with_file(file: File, path: PathBuf, columns: usize, rows: Vec<usize>, batch_rows: usize) -> Self {
        Self {
            columns,
            batch_rows,
            rows,
            next: Position { row_group: 0, first_row: 0 },
            start: 0,
            end: 0,
            watermark: Arc::default(),
            buffer: Vec::new(),
            synced: Instant::now(),
            syncing: None,
            fresh: false,
            file: Arc::new(file),
            path,
        }
    }

    /// The position of the next row to append.
    pub(super) fn next(&self) -> Position {
        self.next
    }

    /// Number of row groups of which the journal holds all rows.
    pub(super) fn complete_row_groups(&self) -> usize {
        self.next.row_group
    }

    /// Rows of a batch; the last of a row group may have fewer.
    pub(super) fn batch_rows(&self) -> usize {
        self.batch_rows
    }

    /// The reader of the journal while it grows. A journal whose reader was dropped takes no more batches.
    pub(super) fn reader(&self) -> Reader {
        self.watermark.advance(self.end);
        let (file, path) = (Arc::clone(&self.file), self.path.clone());
        Reader::new(file, path, self.columns, Arc::clone(&self.watermark), self.start)
    }

    /// What tells the reader, when it is dropped, that no more batches will come.
    pub(super) fn end_of_batches(&self) -> EndOfBatches {
        EndOfBatches(Arc::clone(&self.watermark))
    }

    /// Adds the next batch.
    ///
    /// # Errors
    /// [`Error::Internal`] where it is not the next one, or nobody reads it any more; [`Error::Io`].
    pub(super) fn append(&mut self, batch: &Batch) -> Result<()> {
        if !self.continues(batch) {
            return Err(Error::Internal(format!(
                "a batch of row group {} was appended where row group {} was expected",
                batch.row_group, self.next.row_group
            )));
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        frame::encode(batch, &mut buffer);
        self.write(&buffer)?;
        self.fresh = false;
        self.buffer = buffer;
        self.advance(batch.rows);
        if !self.watermark.advance(self.end) {
            return Err(Error::Internal("the splice thread has ended".to_owned()));
        }
        if self.synced.elapsed() >= SYNC_EVERY { self.sync() } else { Ok(()) }
    }

    /// Starts fdatasync on a thread of its own and reports the last call's failure; does
    /// nothing while the last call is still running.
    fn sync(&mut self) -> Result<()> {
        if self.syncing.as_ref().is_some_and(|last| !last.is_finished()) {
            return Ok(());
        }
        if let Some(Ok(Err(e))) = self.syncing.take().map(JoinHandle::join) {
            return Err(self.failed("fsync", e));
        }
        let file = Arc::clone(&self.file);
        let thread = std::thread::Builder::new().name("sync".to_owned());
        let syncing = thread.spawn(move || file.sync_data());
        self.syncing = Some(syncing.map_err(Error::NoThread)?);
        self.synced = Instant::now();
        Ok(())
    }

    /// Removes the journal, after the output is complete.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn remove(mut self) -> Result<()> {
        self.fresh = false;
        std::fs::remove_file(&self.path).map_err(|e| self.failed("remove", e))?;
        let (file, is_large) = (Arc::clone(&self.file), self.end >= CLOSED_APART_BYTES);
        drop(self);
        if is_large {
            // Without a thread it is closed here.
            _ = spawn_detached(move || drop(file));
        }
        Ok(())
    }

    /// Whether a batch begins where the last one ended and stays in its row group.
    pub(super) fn continues(&self, batch: &Batch) -> bool {
        batch.row_group == self.next.row_group
            && batch.first_row == self.next.first_row
            && batch.rows > 0
            && batch.columns.len() == self.columns
            && batch.columns.iter().all(|column| column.len() == batch.rows)
            && self.rows.get(batch.row_group).is_some_and(|&rows| batch.first_row + batch.rows <= rows)
    }

    fn advance(&mut self, rows: usize) {
        self.next.first_row += rows;
        if self.rows.get(self.next.row_group) == Some(&self.next.first_row) {
            self.next = Position { row_group: self.next.row_group + 1, first_row: 0 };
        }
        self.skip_empty_row_groups();
    }

    /// Skips row groups without rows: they are complete from the start.
    fn skip_empty_row_groups(&mut self) {
        while self.rows.get(self.next.row_group) == Some(&0) {
            self.next.row_group += 1;
        }
    }

    /// Whether the file begins as the journals of another version do.
    fn is_of_another_format(&self) -> bool {
        let mut magic = [0; MAGIC.len()];
        read_exact_at(&self.file, &mut magic, 0).is_ok() && magic.starts_with(NAME) && magic != *MAGIC
    }

    /// The header, where the file has a complete one.
    fn header(&mut self) -> Result<Option<Header>> {
        let mut head = [0; 12];
        if !self.fill(&mut head)? || !head.starts_with(MAGIC) {
            return Ok(None);
        }
        let length = head.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)) as usize;
        if length as u64 > self.bytes()? {
            return Ok(None);
        }
        let mut rest = vec![0; length + CHECKSUM_BYTES];
        if !self.fill(&mut rest)? {
            return Ok(None);
        }
        let (json, sum) = rest.split_at(length);
        if frame::checksum(&[&head, json]) != sum {
            return Ok(None);
        }
        self.end = (head.len() + rest.len()) as u64;
        Ok(serde_json::from_slice(json).ok())
    }

    /// Passes the complete batches to `each`, and truncates the file behind them.
    fn replay(&mut self, mut each: impl FnMut(&Batch) -> Result<()>) -> Result<()> {
        let bytes = self.bytes()?;
        let mut head = [0; HEAD_BYTES];
        while self.fill(&mut head)? {
            let Some(length) = Head::parse(&head).map(|head| head.body_bytes(self.columns)) else { break };
            if length > bytes - self.end {
                break;
            }
            let mut body = vec![0; length as usize];
            if !self.fill(&mut body)? {
                break;
            }
            let Some(batch) = frame::decode(&head, &body, self.columns) else { break };
            if !self.continues(&batch) {
                break;
            }
            self.end += (head.len() + body.len()) as u64;
            self.advance(batch.rows);
            each(&batch)?;
        }
        self.truncate(self.end)
    }

    /// Fills a buffer; false where the file ends before.
    fn fill(&self, buffer: &mut [u8]) -> Result<bool> {
        match (&*self.file).read_exact(buffer) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(e) => Err(self.failed("read", e)),
        }
    }

    fn bytes(&self) -> Result<u64> {
        self.file.metadata().map(|metadata| metadata.len()).map_err(|e| self.failed("read", e))
    }

    fn truncate(&mut self, bytes: u64) -> Result<()> {
        self.file.set_len(bytes).map_err(|e| self.failed("write", e))?;
        self.end = bytes;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        write_all_at(&self.file, bytes, self.end).map_err(|e| self.failed("write", e))?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> Error {
        Error::io(Place::file(self.path.display()), doing, source)
    }
}

#[cfg(test)]
mod tests;
