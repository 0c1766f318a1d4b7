//! A local file as a Parquet source: positioned reads on one descriptor, so that
//! any number of readers share it without a shared offset, and a stamp that
//! notices when somebody writes to the file meanwhile.

use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use crate::error::{Error, Place, Result};

use super::buffer_pool::BufferPool;
use super::positioned_io::read_at;

/// Enough for a page header; the pages themselves are read whole.
const HEADER_BYTES: usize = 1 << 10;

/// An open local file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LocalFile {
    path: PathBuf,
    file: Arc<File>,
    stamp: Stamp,
    pool: BufferPool,
    failure: Arc<Mutex<Option<io::Error>>>,
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
    identity: (u64, u64),
}

impl LocalFile {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// [`Error::NoInput`] where it is not there, is a folder or may not be read.
    pub fn open(path: &Path) -> Result<Self> {
        let no_input = |source| Error::NoInput { place: Place::file(path.display()), source };
        let file = File::open(path).map_err(no_input)?;
        let metadata = file.metadata().map_err(no_input)?;
        if metadata.is_dir() {
            return Err(no_input(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        let stamp = Stamp::of(&metadata);
        Ok(Self {
            path: path.to_owned(),
            file: Arc::new(file),
            stamp,
            pool: BufferPool::default(),
            failure: Arc::default(),
        })
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's size when it was opened.
    pub fn bytes(&self) -> u64 {
        self.stamp.bytes
    }

    /// When the file was last written to, as of when it was opened.
    pub fn modified(&self) -> Option<SystemTime> {
        self.stamp.modified
    }

    /// Fails where the file under this path is no longer the one that was opened,
    /// or has been written to since.
    ///
    /// # Errors
    /// [`Error::Transient`]: whoever writes it will be done some time.
    pub fn verify_unchanged(&self) -> Result<()> {
        let changed = |what: String| Error::Transient { place: Place::file(self.path.display()), what };
        let now = std::fs::metadata(&self.path)
            .map_err(|error| changed(format!("the input was there and no longer is ({error})")))?;
        if Stamp::of(&now) == self.stamp {
            Ok(())
        } else {
            Err(changed("the input was changed while it was read".to_owned()))
        }
    }
}

impl LocalFile {
    /// Why reading failed, for where a crate in between has lost the error.
    pub(super) fn failure(&self) -> Option<io::Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What the system knows it by.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Fills a buffer with the bytes at `start`.
    pub(super) fn read_exact(&self, start: u64, bytes: &mut [u8]) -> ParquetResult<()> {
        let length = bytes.len();
        self.reader(start).read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                ParquetError::EOF(format!("the file ends within {length} bytes at {start}"))
            }
            _ => error.into(),
        })
    }

    /// `length` bytes of which only the first `read` are the file's.
    pub(crate) fn get_head(&self, start: u64, length: usize, read: usize) -> ParquetResult<Bytes> {
        let mut room = self.pool.take(length);
        self.read_exact(start, room.bytes_mut().get_mut(..read).unwrap_or_default())?;
        Ok(room.into_bytes())
    }

    fn reader(&self, start: u64) -> ReadFrom {
        ReadFrom { file: Arc::clone(&self.file), offset: start, failure: Arc::clone(&self.failure) }
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let identity = {
            use std::os::unix::fs::MetadataExt;
            (metadata.dev(), metadata.ino())
        };
        #[cfg(not(unix))]
        let identity = (0, 0);
        Self { bytes: metadata.len(), modified: metadata.modified().ok(), identity }
    }
}

/// Keeps an error of the system: whoever reads Parquet passes on no more than its text.
fn note(failure: &Mutex<Option<io::Error>>, error: &io::Error) {
    if let Some(code) = error.raw_os_error().filter(|_| error.kind() != io::ErrorKind::Interrupted) {
        let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(io::Error::from_raw_os_error(code));
    }
}

/// A reader with an offset of its own.
#[derive(Debug)]
pub struct ReadFrom {
    file: Arc<File>,
    offset: u64,
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl Read for ReadFrom {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = read_at(&self.file, buffer, self.offset).inspect_err(|e| note(&self.failure, e))?;
        self.offset += read as u64;
        Ok(read)
    }
}

impl Length for LocalFile {
    fn len(&self) -> u64 {
        self.stamp.bytes
    }
}

impl ChunkReader for LocalFile {
    type T = BufReader<ReadFrom>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::with_capacity(HEADER_BYTES, self.reader(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        // A damaged footer must not make us allocate what the file cannot hold.
        if start.saturating_add(length as u64) > self.stamp.bytes {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} lie beyond the file's end")));
        }
        self.get_head(start, length, length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"12345").unwrap();
        let file = LocalFile::open(&path).unwrap();
        file.verify_unchanged().unwrap();
        assert_eq!(&file.get_bytes(1, 3).unwrap()[..], b"234");
        assert!(file.get_bytes(3, 3).is_err());
        std::fs::write(folder.path().join("b"), b"12345").unwrap();
        std::fs::rename(folder.path().join("b"), &path).unwrap();
        assert_eq!(file.verify_unchanged().unwrap_err().exit_code(), 75);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(file.verify_unchanged().unwrap_err().exit_code(), 75);
        assert_eq!(LocalFile::open(&path).unwrap_err().exit_code(), 66);
        assert_eq!(LocalFile::open(folder.path()).unwrap_err().exit_code(), 66);
    }
}
