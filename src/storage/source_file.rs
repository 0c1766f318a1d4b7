//! A file to read, wherever it is. Whoever reads Parquet sees one type.

use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use parquet::errors::Result as ParquetResult;
use parquet::file::reader::{ChunkReader, Length};

use crate::error::{Error, Place, Result};

use super::local::LocalFile;
use super::object_store::is_url;
use super::remote::RemoteFile;

/// An open file: in the local file system or in an object store. Cheap to clone.
#[derive(Debug, Clone)]
pub enum InputFile {
    /// A local file.
    Local(LocalFile),
    /// An object of a store.
    Remote(RemoteFile),
}

impl InputFile {
    /// Opens a path, which may be a URL.
    ///
    /// # Errors
    /// [`Error::NoInput`] where it is not there or may not be read; for a URL also
    /// [`Error::Transient`], [`Error::Usage`] and [`Error::Config`].
    pub fn open(path: &Path) -> Result<Self> {
        if is_url(path) {
            RemoteFile::open(path).map(Self::Remote)
        } else {
            LocalFile::open(path).map(Self::Local)
        }
    }

    /// The path or URL it was opened by.
    pub fn path(&self) -> &Path {
        match self {
            Self::Local(file) => file.path(),
            Self::Remote(file) => file.path(),
        }
    }

    /// The size when it was opened.
    pub fn bytes(&self) -> u64 {
        self.len()
    }

    /// When it was last written to, as of when it was opened.
    pub fn modified(&self) -> Option<SystemTime> {
        match self {
            Self::Local(file) => file.modified(),
            Self::Remote(file) => Some(file.modified()),
        }
    }

    /// Fails where the file is no longer what was opened.
    ///
    /// # Errors
    /// [`Error::Transient`].
    pub fn verify_unchanged(&self) -> Result<()> {
        match self {
            Self::Local(file) => file.verify_unchanged(),
            Self::Remote(file) => file.verify_unchanged(),
        }
    }

    /// Whether the file is known to be no longer what was opened: a store that does not
    /// answer says nothing of it.
    pub fn has_changed(&self) -> bool {
        match self {
            Self::Local(file) => file.verify_unchanged().is_err(),
            Self::Remote(file) => file.has_changed(),
        }
    }

    /// An error of reading, unless the file was changed meanwhile: then that is the error.
    pub fn unless_changed(&self, error: Error) -> Error {
        match error {
            Error::BadData { .. } | Error::Io { .. } if self.has_changed() => {
                self.verify_unchanged().err().unwrap_or(error)
            }
            error => error,
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

    /// Why reading at a place failed, where the file knows better than who read it.
    pub(crate) fn failure(&self, place: &Place) -> Option<Error> {
        match self {
            Self::Local(file) => file.failure().map(|source| Error::io(place.clone(), "read", source)),
            Self::Remote(file) => file.failure(),
        }
    }
}

impl Length for InputFile {
    fn len(&self) -> u64 {
        match self {
            Self::Local(file) => file.len(),
            Self::Remote(file) => file.len(),
        }
    }
}

impl ChunkReader for InputFile {
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
