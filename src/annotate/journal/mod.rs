//! The journal: a file beside the output, through which all computed columns reach
//! the writer, batch after batch in the order of the input. What a killed run leaves
//! in it is a prefix of the rows, and the next run begins behind it. Its lock keeps
//! two runs from one output.
//!
//! A kill loses the batches in flight, a power cut those of the last
//! [`SYNC_EVERY`].

mod frame;
mod reader;

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub(super) use self::frame::{BadRow, Batch};
pub(super) use self::reader::Reader;

use self::frame::{CHECKSUM_BYTES, HEAD_BYTES, Head, MAGIC};
use super::lineage::Identity;
use crate::error::{Error, Place, Result};
use crate::storage::is_url;
use crate::storage::positioned_io::write_all_at;

/// Between two calls for the disk to have all.
const SYNC_EVERY: Duration = Duration::from_secs(2);

/// What a journal is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Header {
    identity: Identity,
    /// Kept by whoever resumes, so that every batch is the one it would have been.
    batch_rows: usize,
}

/// Where in the file the next row to compute is.
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
    /// Where each row group that has begun begins.
    starts: Vec<u64>,
    end: u64,
    buffer: Vec<u8>,
    synced: Instant,
    /// The last call for the disk to have all, which a thread of its own waits for.
    syncing: Option<JoinHandle<io::Result<()>>>,
    /// ExistingOutput by this run, and still without a batch.
    fresh: bool,
}

impl Drop for Journal {
    /// A run that has failed before its first batch leaves nothing to go on from.
    fn drop(&mut self) {
        // Whoever waits for the disk holds the lock.
        _ = self.syncing.take().map(JoinHandle::join);
        if self.fresh {
            // Whoever failed has an error to tell already.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Journal {
    /// Opens or creates the journal of an output and locks it. What it holds already
    /// of the same work is given to `replay`, batch by batch, and counts as done; with
    /// `restart` it is thrown away. `rows` are those of the input's row groups; the rows of
    /// a batch are asked for where it begins anew.
    ///
    /// # Errors
    /// [`Error::Transient`] where another run holds it; [`Error::Config`] where it
    /// belongs to other work; [`Error::CannotCreate`]; what `replay` gives.
    pub(super) fn open(
        output: &Path,
        identity: &Identity,
        rows: Vec<usize>,
        batch_rows: impl FnOnce() -> Result<usize>,
        restart: bool,
        replay: impl FnMut(&Batch) -> Result<()>,
    ) -> Result<Self> {
        let path = path_for(output)?;
        let file = lock(&path, output)?;
        let mut journal = Self::on(file, path, identity.columns.len(), rows, 0);
        let found = if restart { None } else { journal.header()? };
        match found {
            Some(header) if header.identity != *identity => {
                return Err(Error::Config(format!(
                    "{} holds the results of an unfinished run with another {}; finish that one, or give \
                     --restart to discard them",
                    journal.path.display(),
                    header.identity.differences(identity).join(", "),
                )));
            }
            Some(header) => {
                journal.batch_rows = header.batch_rows;
                journal.begin_row_groups();
                journal.replay(replay)?;
            }
            None => {
                journal.cut(0)?;
                journal.fresh = true;
                journal.batch_rows = batch_rows()?;
                let header = Header { identity: identity.clone(), batch_rows: journal.batch_rows };
                let json = serde_json::to_vec(&header).map_err(|e| Error::Internal(e.to_string()))?;
                journal.write(&frame::header(&json))?;
                journal.begin_row_groups();
            }
        }
        Ok(journal)
    }

    /// Removes the journal of work that is done, which a run has left that ended between
    /// naming its output and removing it. Best effort: it is in nobody's way.
    pub(super) fn discard(output: &Path, identity: &Identity) {
        let Some(path) = path_for(output).ok().filter(|path| path.exists()) else { return };
        let Ok(file) = lock(&path, output) else { return };
        let mut journal = Self::on(file, path, identity.columns.len(), Vec::new(), 0);
        match journal.header() {
            Ok(Some(header)) if header.identity != *identity => {}
            _ => _ = journal.remove(),
        }
    }

    fn on(file: File, path: PathBuf, columns: usize, rows: Vec<usize>, batch_rows: usize) -> Self {
        Self {
            columns,
            batch_rows,
            rows,
            next: Position { row_group: 0, first_row: 0 },
            starts: Vec::new(),
            end: 0,
            buffer: Vec::new(),
            synced: Instant::now(),
            syncing: None,
            fresh: false,
            file: Arc::new(file),
            path,
        }
    }

    /// The first row that is not in it.
    pub(super) fn next(&self) -> Position {
        self.next
    }

    /// Row groups of which all rows are in it.
    pub(super) fn whole(&self) -> usize {
        self.next.row_group
    }

    /// Rows of a batch; the last of a row group may have fewer.
    pub(super) fn batch_rows(&self) -> usize {
        self.batch_rows
    }

    /// Where a row group begins, for a [`Reader`].
    pub(super) fn start(&self, row_group: usize) -> u64 {
        self.starts.get(row_group).copied().unwrap_or(self.end)
    }

    /// What reads it while it grows.
    pub(super) fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.file), self.path.clone(), self.columns)
    }

    /// Adds the next batch.
    ///
    /// # Errors
    /// [`Error::Internal`] where it is not the next one, [`Error::Io`].
    pub(super) fn append(&mut self, batch: &Batch) -> Result<()> {
        if !self.continues(batch) {
            return Err(Error::Internal(format!(
                "a batch of row group {} came where row group {} was due",
                batch.row_group, self.next.row_group
            )));
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        frame::encode(batch, &mut buffer);
        self.write(&buffer)?;
        self.fresh = false;
        self.buffer = buffer;
        self.advance(batch.rows);
        if self.synced.elapsed() >= SYNC_EVERY { self.sync() } else { Ok(()) }
    }

    /// Has the disk take all, while more is computed, and tells of the last call's
    /// failure; where the disk is still at that, another time.
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
        self.syncing = Some(syncing.map_err(|e| self.failed("fsync", e))?);
        self.synced = Instant::now();
        Ok(())
    }

    /// Removes it: the output is whole.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn remove(mut self) -> Result<()> {
        self.fresh = false;
        std::fs::remove_file(&self.path).map_err(|e| self.failed("remove", e))
    }

    /// Whether a batch begins where the last one ended and stays in its row group.
    fn continues(&self, batch: &Batch) -> bool {
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
        self.begin_row_groups();
    }

    /// Passes by row groups without rows: they are whole from the start.
    fn begin_row_groups(&mut self) {
        while self.rows.get(self.next.row_group) == Some(&0) {
            self.next.row_group += 1;
        }
        let begun = (self.next.row_group + 1).min(self.rows.len());
        self.starts.resize(begun.max(self.starts.len()), self.end);
    }

    /// The header, where the file has one that is whole.
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

    /// Gives out the batches that are whole, and cuts off what follows them.
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
        self.cut(self.end)
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

    fn cut(&mut self, bytes: u64) -> Result<()> {
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

/// `.OUT.lsmi-journal` in the output's folder. A store has no place for what is written
/// bit by bit: there the journal is in the folder of temporary files, under a name that
/// is the URL's alone.
fn path_for(output: &Path) -> Result<PathBuf> {
    if is_url(output) {
        let name = Sha256::digest(output.as_os_str().as_encoded_bytes());
        return Ok(std::env::temp_dir().join(format!(".{name:x}.lsmi-journal")));
    }
    let name = output.file_name().ok_or_else(|| Error::CannotCreate {
        path: output.to_owned(),
        source: io::ErrorKind::InvalidFilename.into(),
    })?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".lsmi-journal");
    Ok(output.with_file_name(hidden))
}

/// Opens the file under this path and locks it.
fn lock(path: &Path, output: &Path) -> Result<File> {
    let cannot = |source| Error::CannotCreate { path: path.to_owned(), source };
    loop {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        // It holds labels and what is computed from columns that may be encrypted.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path);
        let file = file.map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let what = "another run is writing this output; wait for its end".to_owned();
                return Err(Error::Transient { place: Place::file(output.display()), what });
            }
            Err(TryLockError::Error(e)) => return Err(cannot(e)),
        }
        // Its last owner may have removed it between our two calls.
        if is_at(&file, path) {
            return Ok(file);
        }
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(there)) => identity(ours) == identity(there),
        _ => false,
    }
}

/// An open file can't be removed here.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests;
