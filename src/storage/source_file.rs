//! A readable file, local or in an object store. The Parquet code depends on this type only.

use std::io::Read;
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use parquet::errors::Result as ParquetResult;
use parquet::file::reader::{ChunkReader, Length};

use crate::error::{Error, Place, Result};

use super::buffer_pool::BufferPool;
use super::file_version::FileVersion;
use super::leftovers::folder_of;
use super::local::LocalFile;
use super::remote::{PlannedRead, RemoteFile};
use super::store_url::is_url;

/// An open file, local or in an object store. Cheap to clone.
#[derive(Debug, Clone)]
pub enum SourceFile {
    /// A local file.
    Local(LocalFile),
    /// An object in a store.
    Remote(RemoteFile),
}

impl SourceFile {
    /// Opens a path or URL.
    ///
    /// # Errors
    /// [`Error::NoInput`] if it does not exist or is not readable; for a URL also
    /// [`Error::Transient`], [`Error::Usage`] and [`Error::Config`].
    pub fn open(path: &Path) -> Result<Self> {
        if is_url(path) {
            RemoteFile::open(path).map(Self::Remote)
        } else {
            LocalFile::open(path).map(Self::Local)
        }
    }

    /// The path or URL as given to [`Self::open`].
    pub fn path(&self) -> &Path {
        match self {
            Self::Local(file) => file.path(),
            Self::Remote(file) => file.path(),
        }
    }

    /// Size at opening.
    pub fn bytes(&self) -> u64 {
        self.len()
    }

    /// The version that was opened.
    pub fn version(&self) -> &FileVersion {
        match self {
            Self::Local(file) => file.version(),
            Self::Remote(file) => file.version(),
        }
    }

    /// Whether this file may have been written, or put in its place, after another was written.
    pub fn may_be_newer(&self, than: &Self) -> bool {
        self.version().may_be_newer(self.path(), than.version())
    }

    /// Whether the times of both are set by one clock, and nobody else can set them: then they tell
    /// for certain which is newer.
    pub fn shares_clock(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Remote(one), Self::Remote(other)) => one.shares_clock(other),
            _ => false,
        }
    }

    /// Checks that the file has not changed since it was opened.
    ///
    /// # Errors
    /// [`Error::Transient`].
    pub fn verify_unchanged(&self) -> Result<()> {
        match self {
            Self::Local(file) => file.verify_unchanged(),
            Self::Remote(file) => file.verify_unchanged(),
        }
    }

    /// Whether the file is known to have changed since it was opened. A store that does not
    /// answer counts as unchanged.
    pub fn has_changed(&self) -> bool {
        match self {
            Self::Local(file) => file.verify_unchanged().is_err(),
            Self::Remote(file) => file.has_changed(),
        }
    }

    /// Replaces a read error with [`Error::Transient`] if the file has changed meanwhile,
    /// since the change is the cause.
    pub fn or_input_changed(&self, error: Error) -> Error {
        match error {
            Error::BadData { .. } | Error::BadRows { .. } | Error::Io { .. } if self.has_changed() => {
                self.verify_unchanged().err().unwrap_or(error)
            }
            error => error,
        }
    }

    /// Memory for its pages, which is used again.
    pub(crate) fn buffers(&self) -> &BufferPool {
        match self {
            Self::Local(file) => file.buffers(),
            Self::Remote(file) => file.buffers(),
        }
    }

    /// Says that a range will be read, from its start on, and waits for nothing: the system reads it into
    /// its cache, a store is asked for its first pieces.
    pub(crate) fn will_need(&self, range: Range<u64>) {
        match self {
            Self::Local(file) => file.will_need(range),
            Self::Remote(file) => file.will_need(range),
        }
    }

    /// Says that a clone will read each of these ranges, which are in order and apart from each other, and
    /// another the whole file, if it is copied to an output. A store is asked for them once, ahead of their
    /// readers: until all have them they are kept in a file without a name, in the folder of the output, or that
    /// for temporary files. The requests in flight depend on the memory that there is.
    pub(crate) fn plan(&self, reads: &[PlannedRead], output: Option<&Path>, memory_bytes: u64) {
        if let Self::Remote(file) = self {
            let folder = output.filter(|output| !is_url(output)).map(folder_of);
            let folder = folder.map_or_else(std::env::temp_dir, Path::to_owned);
            file.plan(reads, usize::from(output.is_some()), &folder, memory_bytes);
        }
    }

    /// Says that some of these ranges will be planned. A store is asked for their first pieces at once.
    pub(crate) fn announce_reads(&self, reads: impl FnOnce() -> Vec<PlannedRead>) {
        if let Self::Remote(file) = self {
            file.announce_reads(&reads());
        }
    }

    /// Says that the end will be read, from this offset on at least. A store is asked for it at once, and once.
    pub(crate) fn announce_end(&self, from: u64) {
        if let Self::Remote(file) = self {
            file.announce_end(from);
        }
    }

    /// Fills a buffer with the bytes at `start`.
    pub(crate) fn read_exact(&self, start: u64, bytes: &mut [u8]) -> ParquetResult<()> {
        match self {
            Self::Local(file) => file.read_exact(start, bytes),
            Self::Remote(file) => {
                bytes.copy_from_slice(&file.get_bytes(start, bytes.len())?);
                Ok(())
            }
        }
    }

    /// Takes the first read error out, as an error at a place: the Parquet and Arrow crates
    /// pass on only its text.
    pub(crate) fn take_read_error(&self, place: &Place) -> Option<Error> {
        match self {
            Self::Local(file) => {
                file.take_read_error().map(|source| Error::io(place.clone(), "read", source))
            }
            Self::Remote(file) => file.take_read_error(),
        }
    }
}

impl Length for SourceFile {
    fn len(&self) -> u64 {
        match self {
            Self::Local(file) => file.len(),
            Self::Remote(file) => file.len(),
        }
    }
}

impl ChunkReader for SourceFile {
    type T = Box<dyn Read + Send>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(match self {
            Self::Local(file) => Box::new(file.get_read(start)?),
            Self::Remote(file) => Box::new(file.get_read(start)?),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        match self {
            Self::Local(file) => file.get_bytes(start, length),
            Self::Remote(file) => file.get_bytes(start, length),
        }
    }
}
