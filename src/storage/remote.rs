//! An object of a store as a Parquet source: ranges of it, read ahead of whoever reads
//! on, and every request tied to the state in which the object was opened.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use object_store::{Error as StoreError, GetOptions, GetRange, ObjectMeta, ObjectStore};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};
use tokio::task::JoinHandle;

use crate::error::{Error, Place, Result};

use super::object_store::{self as store, Location};

/// The first request for a part of the object; each that goes on from it asks for
/// twice as much, up to [`LARGEST`].
const SMALLEST: u64 = 1 << 18;
const LARGEST: u64 = 1 << 22;

/// The end of the object that comes at once: a footer, most often.
const TAIL: u64 = 1 << 16;

/// An object open for reading. A clone reads ahead for itself.
#[derive(Debug)]
pub struct RemoteFile {
    object: Arc<Object>,
    window: Arc<Mutex<Window>>,
}

#[derive(Debug)]
struct Object {
    location: Location,
    meta: ObjectMeta,
    failure: Mutex<Option<String>>,
}

/// The part of the object in memory, and the one that follows if it is on its way.
#[derive(Debug, Default)]
struct Window {
    start: u64,
    bytes: Bytes,
    ahead: u64,
    next: Option<(u64, JoinHandle<object_store::Result<Bytes>>)>,
}

impl RemoteFile {
    /// Asks the store for the object.
    ///
    /// # Errors
    /// [`Error::NoInput`] where it is not there or may not be read;
    /// [`Error::Transient`] where the store does not answer.
    pub fn open(url: &Path) -> Result<Self> {
        let location = Location::open(url)?;
        let meta = location.head()?.map_err(|error| location.reading(error))?;
        let object = Object { location, meta, failure: Mutex::new(None) };
        Ok(Self { object: Arc::new(object), window: Arc::default() })
    }

    /// The URL it was opened by.
    pub fn path(&self) -> &PathBuf {
        &self.object.location.url
    }

    /// The object's size when it was opened.
    pub fn bytes(&self) -> u64 {
        self.object.meta.size
    }

    /// When the object was last written, as of when it was opened.
    pub fn modified(&self) -> SystemTime {
        self.object.meta.last_modified.into()
    }

    /// Fails where the object is no longer the one that was opened.
    ///
    /// # Errors
    /// [`Error::Transient`].
    pub fn verify_unchanged(&self) -> Result<()> {
        match self.object.location.head()? {
            Ok(now) if state(&now) == state(&self.object.meta) => Ok(()),
            Ok(_) => Err(self.transient(CHANGED.to_owned())),
            Err(error) => Err(self.transient(what(&error))),
        }
    }

    /// Whether the object is known to be no longer the one that was opened.
    pub fn has_changed(&self) -> bool {
        match self.object.location.head() {
            Ok(Ok(now)) => state(&now) != state(&self.object.meta),
            Ok(Err(error)) => matches!(error, StoreError::NotFound { .. }),
            Err(_) => false,
        }
    }

    /// Why reading failed, for where a crate in between has lost the error.
    pub fn failure(&self) -> Option<Error> {
        lock(&self.object.failure).take().map(|what| self.transient(what))
    }

    fn transient(&self, what: String) -> Error {
        Error::Transient { place: Place::file(self.path().display()), what }
    }

    /// What is in memory from `offset` on: at least a byte before the object's end.
    fn at(&self, offset: u64, wanted: u64) -> Result<Bytes> {
        let mut window = lock(&self.window);
        let end = window.start + window.bytes.len() as u64;
        if !(window.start..end).contains(&offset) && offset < self.bytes() {
            let follows = offset == end && end > 0;
            self.fetch(&mut window, offset, wanted, follows).inspect_err(|error| {
                lock(&self.object.failure).get_or_insert_with(|| match error {
                    Error::Transient { what, .. } => what.clone(),
                    other => other.to_string(),
                });
            })?;
        }
        let from = usize::try_from(offset - window.start.min(offset)).unwrap_or(usize::MAX);
        Ok(window.bytes.slice(from.min(window.bytes.len())..))
    }

    fn fetch(&self, window: &mut Window, offset: u64, wanted: u64, follows: bool) -> Result<()> {
        let size = self.bytes();
        window.ahead = if follows { (window.ahead * 2).min(LARGEST) } else { SMALLEST };
        let (start, answer) = match window.next.take() {
            Some((start, task)) if start == offset => {
                let answer = store::wait(task)?;
                (start, answer.map_err(|error| Error::Internal(format!("a request ended: {error}")))?)
            }
            _ => {
                let end = offset.saturating_add(wanted.max(window.ahead)).min(size);
                let start = if end == size { offset.min(size.saturating_sub(TAIL)) } else { offset };
                (start, store::wait(self.get(start, end))?)
            }
        };
        let bytes = answer.map_err(|error| self.transient(what(&error)))?;
        let end = start + bytes.len() as u64;
        if end <= offset {
            return Err(self.transient("the store sent less than was asked for".to_owned()));
        }
        if follows && end < size {
            let task = store::runtime()?.spawn(self.get(end, (end + window.ahead).min(size)));
            window.next = Some((end, task));
        }
        (window.start, window.bytes) = (start, bytes);
        Ok(())
    }

    fn get(&self, start: u64, end: u64) -> impl Future<Output = object_store::Result<Bytes>> + use<> {
        let object = Arc::clone(&self.object);
        // A weak tag matches nothing.
        let tag = object.meta.e_tag.clone().filter(|tag| !tag.starts_with("W/"));
        let range = Some(GetRange::Bounded(start..end));
        let options = GetOptions { range, if_match: tag, ..GetOptions::default() };
        async move { object.location.store.get_opts(&object.location.path, options).await?.bytes().await }
    }
}

const CHANGED: &str = "the input was changed while it was read";

/// What tells one state of an object from another.
fn state(meta: &ObjectMeta) -> impl PartialEq + use<> {
    (meta.size, meta.e_tag.clone(), meta.last_modified)
}

fn what(error: &StoreError) -> String {
    match error {
        StoreError::Precondition { .. } => CHANGED.to_owned(),
        StoreError::NotFound { .. } => "the input was there and no longer is".to_owned(),
        other => store::one_line(other),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Clone for RemoteFile {
    fn clone(&self) -> Self {
        Self { object: Arc::clone(&self.object), window: Arc::default() }
    }
}

/// A reader with an offset of its own, over what its file has read ahead.
#[derive(Debug)]
pub struct ReadFrom {
    file: RemoteFile,
    offset: u64,
}

impl Read for ReadFrom {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.at(self.offset, buffer.len() as u64).map_err(io::Error::other)?;
        let read = (&bytes[..]).read(buffer)?;
        self.offset += read as u64;
        Ok(read)
    }
}

impl Length for RemoteFile {
    fn len(&self) -> u64 {
        self.bytes()
    }
}

impl ChunkReader for RemoteFile {
    type T = ReadFrom;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        let file = Self { object: Arc::clone(&self.object), window: Arc::clone(&self.window) };
        Ok(ReadFrom { file, offset: start })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        // A damaged footer must not make us allocate what the object cannot hold.
        if start.saturating_add(length as u64) > self.bytes() {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} lie beyond the object's end")));
        }
        let external = |error: Error| ParquetError::External(Box::new(error));
        let mut first = self.at(start, length as u64).map_err(external)?;
        if first.len() >= length {
            first.truncate(length);
            return Ok(first);
        }
        let mut bytes = BytesMut::with_capacity(length);
        bytes.extend_from_slice(&first);
        while bytes.len() < length {
            let left = length - bytes.len();
            let more = self.at(start + bytes.len() as u64, left as u64).map_err(external)?;
            bytes.extend_from_slice(more.get(..left.min(more.len())).unwrap_or_default());
        }
        Ok(bytes.freeze())
    }
}
