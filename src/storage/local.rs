//! A local file as a Parquet source. Positioned reads let any number of readers share one
//! descriptor; a version taken at opening detects later writes to the file.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use crate::error::{Error, Place, Result};

use super::buffer_pool::BufferPool;
use super::file_version::{FileVersion, VersionedPath};
use super::io_errors;
use super::near_names::no_input;
use super::positioned_io::read_at;
use super::regular_file::open_regular;

/// Buffer of [`LocalReader`]s, which read page headers; pages are read by `get_bytes`.
const HEADER_BYTES: usize = 1 << 10;

/// An open local file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LocalFile {
    opened: VersionedPath,
    file: Arc<File>,
    pool: BufferPool,
    first_error: Arc<Mutex<Option<io::Error>>>,
}

/// The error of a local input that cannot be opened. A link that leads nowhere is a file with nothing
/// in it: a fault of the data, of which the other files of a folder know nothing.
pub fn cannot_open(path: &Path, source: io::Error) -> Error {
    let place = Place::file(path.display());
    match is_dangling_link(path) {
        true => Error::bad_data(place, format!("is a link that leads nowhere ({source}); mend or remove it")),
        false => no_input(path, source),
    }
}

/// Whether a path is a symbolic link to what is not there, or to itself.
pub(in crate::storage) fn is_dangling_link(path: &Path) -> bool {
    let is_missing = |error: io::Error| error.kind() != io::ErrorKind::PermissionDenied;
    path.is_symlink() && std::fs::metadata(path).is_err_and(is_missing)
}

impl LocalFile {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// [`Error::NoInput`] if it does not exist, is no regular file or is not readable;
    /// [`Error::BadData`] if it is a link that leads nowhere.
    pub fn open(path: &Path) -> Result<Self> {
        let no_input = |source| cannot_open(path, source);
        let file = open_regular(path).map_err(no_input)?;
        Ok(Self {
            opened: VersionedPath::new(path, &file.metadata().map_err(no_input)?),
            file: Arc::new(file),
            pool: BufferPool::shared(),
            first_error: Arc::default(),
        })
    }

    /// The path as given to [`Self::open`].
    pub fn path(&self) -> &Path {
        self.opened.path()
    }

    /// Size at opening.
    pub fn bytes(&self) -> u64 {
        self.opened.bytes()
    }

    /// The version that was opened.
    pub fn version(&self) -> &FileVersion {
        self.opened.version()
    }

    /// Checks that the path still names the file that was opened, and that it has not been changed
    /// since.
    ///
    /// # Errors
    /// As for [`VersionedPath::verify_unchanged`].
    pub fn verify_unchanged(&self) -> Result<()> {
        self.opened.verify_unchanged()
    }
}

impl LocalFile {
    /// Takes the first read error out: the Parquet crate passes on only its text.
    pub(super) fn take_read_error(&self) -> Option<io::Error> {
        self.first_error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The memory of its pages.
    pub(super) fn buffers(&self) -> &BufferPool {
        &self.pool
    }

    /// Has the system read a range into its cache, where it can be told so.
    pub(super) fn will_need(&self, range: Range<u64>) {
        #[cfg(target_os = "linux")]
        if let Some(length) = std::num::NonZero::new(range.end.saturating_sub(range.start))
            && !(self.is_cached(range.start) && self.is_cached(range.end - 1))
        {
            // Advice: a file system that takes none reads all the same.
            _ = rustix::fs::fadvise(&self.file, range.start, Some(length), rustix::fs::Advice::WillNeed);
        }
    }

    /// Whether the page cache has the byte at `start`. To ask for two takes a fiftieth of the advice, which
    /// looks at each page between them.
    #[cfg(target_os = "linux")]
    fn is_cached(&self, start: u64) -> bool {
        let mut byte = [0];
        let to = &mut [io::IoSliceMut::new(&mut byte)];
        rustix::io::preadv2(&self.file, to, start, rustix::io::ReadWriteFlags::NOWAIT)
            .is_ok_and(|read| read > 0)
    }

    /// The file handle.
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

    /// A buffer of `length` bytes of which only the first `read` are read from the file.
    pub(crate) fn get_head(&self, start: u64, length: usize, read: usize) -> ParquetResult<Bytes> {
        let mut buffer = self.pool.take(length);
        let Some(head) = buffer.bytes_mut().get_mut(..read) else {
            return Err(io_errors::internal("the head of a buffer is longer than the buffer").into());
        };
        self.read_exact(start, head)?;
        Ok(buffer.into_bytes())
    }

    fn reader(&self, start: u64) -> LocalReader {
        let (file, first_error) = (Arc::clone(&self.file), Arc::clone(&self.first_error));
        LocalReader { file, offset: start, first_error }
    }
}

/// Records the first system error: the Parquet crate passes on only its text.
fn record(first: &Mutex<Option<io::Error>>, error: &io::Error) {
    if let Some(code) = error.raw_os_error().filter(|_| error.kind() != io::ErrorKind::Interrupted) {
        let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(io::Error::from_raw_os_error(code));
    }
}

/// A sequential reader with its own offset.
#[derive(Debug)]
pub struct LocalReader {
    file: Arc<File>,
    offset: u64,
    first_error: Arc<Mutex<Option<io::Error>>>,
}

impl Read for LocalReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = read_at(&self.file, buffer, self.offset).inspect_err(|e| record(&self.first_error, e))?;
        self.offset += read as u64;
        Ok(read)
    }
}

impl Length for LocalFile {
    fn len(&self) -> u64 {
        self.bytes()
    }
}

impl ChunkReader for LocalFile {
    type T = BufReader<LocalReader>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::with_capacity(HEADER_BYTES, self.reader(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        // A damaged footer must not cause an allocation larger than the file.
        if start.saturating_add(length as u64) > self.bytes() {
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
