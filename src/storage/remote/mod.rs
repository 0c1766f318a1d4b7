//! An object in a store as a Parquet source. Sequential reads prefetch the next range, and
//! every request is conditional on the version of the object that was opened (ETag).

use std::collections::VecDeque;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use object_store::path::Path as ObjectPath;
use object_store::{Error as StoreError, GetOptions, GetRange, ObjectMeta, ObjectStore};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::error::{Error, Place, Result};

use self::announced::{Announced, Retention};
use self::pieces::{PIECE_BYTES, first_pieces};
use self::shared_pieces::SharedPieces;
use super::buffer_pool::BufferPool;
use super::file_version::FileVersion;
use super::object_store::{self as store, Location};

mod announced;
mod pieces;
mod reader;
mod shared_pieces;

pub use pieces::PlannedRead;

/// Size of the first range request. Each sequential request doubles it, up to
/// [`MAX_RANGE_BYTES`].
const MIN_RANGE_BYTES: u64 = 1 << 18;
const MAX_RANGE_BYTES: u64 = PIECE_BYTES;

/// Requests in flight where it is known what will be read: with [`MAX_RANGE_BYTES`], 16 MiB for a reader.
const IN_FLIGHT: usize = 4;
/// The part of the memory that a program may use which the requests of a reader may take.
const MEMORY_SHARE: u64 = 16;

/// Bytes at the end that are requested at once: the footers of most files.
const TAIL_BYTES: u64 = 1 << 18;

/// The first pieces of columns that are requested before it is known that they are needed: for two columns
/// two pieces each, and their labels.
const ANNOUNCED_BYTES: u64 = 5 * PIECE_BYTES;

/// An object open for reading. Each clone has its own prefetch window.
#[derive(Debug)]
pub struct RemoteFile {
    object: Arc<Object>,
    window: Arc<Mutex<Window>>,
}

#[derive(Debug)]
struct Object {
    location: Location,
    path: ObjectPath,
    meta: ObjectMeta,
    version: FileVersion,
    first_error: Mutex<Option<Error>>,
    pool: BufferPool,
    /// What several clones will read.
    shared: OnceLock<Arc<SharedPieces>>,
    announced: Announced,
    answers: Answers,
}

/// The versions of all answers.
#[derive(Debug, Default)]
struct Answers {
    /// Of the first one.
    first: OnceLock<FileVersion>,
    /// Whether one was of another version than the first.
    are_mixed: AtomicBool,
}

impl Answers {
    fn add(&self, answer: &FileVersion) {
        if !self.first.get_or_init(|| answer.clone()).may_equal(answer) {
            self.are_mixed.store(true, Ordering::Relaxed);
        }
    }
}

/// The range of the object in memory, and the requests for those that follow it.
#[derive(Debug, Default)]
struct Window {
    start: u64,
    bytes: Bytes,
    range_bytes: u64,
    /// Up to where it is known that everything will be read.
    horizon: u64,
    requested: VecDeque<Request>,
}

/// A request in flight. It ends with this value, where nobody waits for it any more.
#[derive(Debug)]
struct Request {
    range: Range<u64>,
    answer: JoinHandle<object_store::Result<Bytes>>,
}

impl Drop for Request {
    fn drop(&mut self) {
        self.answer.abort();
    }
}

impl RemoteFile {
    /// Requests the metadata of the object.
    ///
    /// # Errors
    /// [`Error::NoInput`] if it does not exist or is not readable; [`Error::BadData`] if its
    /// key can't be requested; [`Error::Transient`] if the store does not answer.
    pub fn open(url: &Path) -> Result<Self> {
        let location = Location::open(url)?;
        let path = location.object()?;
        let meta = location.head()?.map_err(|error| location.read_error(error))?;
        Ok(Self::with_metadata(location, path, meta))
    }

    /// Opens an object whose metadata were just requested, and requests both of its ends. Waits for nothing.
    ///
    /// # Errors
    /// As for [`Self::open`], but those of the store.
    pub(super) fn prefetch(url: &Path, meta: ObjectMeta) -> Result<Self> {
        let location = Location::open(url)?;
        let path = location.object()?;
        let file = Self::with_metadata(location, path, meta);
        if file.bytes() > 0 {
            file.announce_end(file.bytes());
            // As who opens the file requests it.
            file.announce(0..MIN_RANGE_BYTES, Retention::UntilPlanned);
        }
        Ok(file)
    }

    fn with_metadata(location: Location, path: ObjectPath, meta: ObjectMeta) -> Self {
        let version = FileVersion::of_object(&meta);
        let object = Object {
            location,
            path,
            meta,
            version,
            first_error: Mutex::new(None),
            pool: BufferPool::shared(),
            shared: OnceLock::new(),
            announced: Announced::default(),
            answers: Answers::default(),
        };
        Self { object: Arc::new(object), window: Arc::default() }
    }

    /// The URL as given to [`Self::open`].
    pub fn path(&self) -> &PathBuf {
        &self.object.location.url
    }

    /// The memory of its pages.
    pub(super) fn buffers(&self) -> &BufferPool {
        &self.object.pool
    }

    /// Size at opening.
    pub fn bytes(&self) -> u64 {
        self.object.meta.size
    }

    /// The version that was opened.
    pub fn version(&self) -> &FileVersion {
        &self.object.version
    }

    /// Whether both are objects of one store that sets their times itself. Servers of HTTP give those
    /// of their files.
    pub(super) fn shares_clock(&self, other: &Self) -> bool {
        let (one, other) = (&self.object.location, &other.object.location);
        one.has_keys() && one.is_in_store_of(other)
    }

    /// Checks that the object has not changed since it was opened, also not for a while.
    ///
    /// # Errors
    /// [`Error::Transient`].
    pub fn verify_unchanged(&self) -> Result<()> {
        if self.object.answers.are_mixed.load(Ordering::Relaxed) {
            return Err(self.transient(CHANGED.to_owned()));
        }
        // Answers alone do not tell: what is left of one that was cut is requested below, where only tags are
        // compared.
        match self.object.location.head()? {
            Ok(now) if FileVersion::of_object(&now) == self.object.version => Ok(()),
            Ok(_) => Err(self.transient(CHANGED.to_owned())),
            Err(error) => Err(self.transient(describe(&error))),
        }
    }

    /// Whether the object is known to have changed since it was opened.
    pub fn has_changed(&self) -> bool {
        match self.object.location.head() {
            Ok(Ok(now)) => FileVersion::of_object(&now) != self.object.version,
            Ok(Err(error)) => matches!(error, StoreError::NotFound { .. }),
            Err(_) => false,
        }
    }

    /// Takes the first read error out: the Parquet and Arrow crates pass on only its text.
    pub fn take_read_error(&self) -> Option<Error> {
        lock(&self.object.first_error).take()
    }

    /// The error of a request: mostly of the moment.
    fn failed(&self, error: &StoreError) -> Error {
        let what = describe(error);
        // The type of this error is private to the `object_store` crate.
        if what.contains("Range request not supported") || what.contains("non-partial response") {
            let url = self.path().display();
            return Error::Usage(format!("{url}: the server does not send parts of a file; download it"));
        }
        self.transient(what)
    }

    fn transient(&self, what: String) -> Error {
        Error::Transient { place: Place::file(self.path().display()), what }
    }

    /// The bytes in memory from `offset` on, after a request if there are none. Empty only at
    /// the object's end.
    fn bytes_at(&self, offset: u64, wanted: u64) -> Result<Bytes> {
        if offset >= self.bytes() {
            return Ok(Bytes::new());
        }
        let mut window = lock(&self.window);
        let end = window.start + window.bytes.len() as u64;
        if !(window.start..end).contains(&offset) {
            let follows = offset == end && end > 0;
            self.fetch(&mut window, offset, wanted, follows).inspect_err(|error| {
                lock(&self.object.first_error).get_or_insert_with(|| match error {
                    Error::Transient { .. } | Error::Usage(_) => error.clone(),
                    other => self.transient(other.to_string()),
                });
            })?;
        }
        let from = offset.checked_sub(window.start).and_then(|from| usize::try_from(from).ok());
        match from.filter(|from| *from < window.bytes.len()) {
            Some(from) => Ok(window.bytes.slice(from..)),
            None => Err(Error::Internal("a fetched range misses the offset it was fetched for".to_owned())),
        }
    }

    /// Says that a clone will read each of these ranges, which are in order and apart from each other, and so
    /// many `copies` all of the object: they are requested once, and kept in a file in `folder` until all have
    /// them. With less memory fewer requests are in flight.
    pub(super) fn plan(&self, reads: &[PlannedRead], copies: usize, folder: &Path, memory_bytes: u64) {
        let in_flight = (memory_bytes / MEMORY_SHARE / MAX_RANGE_BYTES).clamp(1, IN_FLIGHT as u64) as usize;
        if let Some(shared) = SharedPieces::new(reads, copies, folder, in_flight) {
            self.object.announced.retain(|range| shared.has(range));
            _ = self.object.shared.set(shared);
        }
    }

    /// Prefetches for clones that will read some of these ranges, which are in order and apart from each other, and will
    /// be planned so: the first pieces of each column are requested at once, and those behind them as soon as the
    /// store answers, so that the link is not idle while the first rows are looked at.
    pub(super) fn announce_reads(&self, reads: &[PlannedRead]) {
        let Ok(runtime) = store::runtime() else { return };
        for (first, next) in first_pieces(reads, ANNOUNCED_BYTES) {
            let is_answered = self.announce(first, Retention::UntilPlanned);
            if let (Some(is_answered), Some(next)) = (is_answered, next) {
                let request = self.object.send(next.clone(), None);
                let request = runtime.spawn(async move {
                    // It has ended, too, if it has failed.
                    _ = is_answered.await;
                    request.await
                });
                self.object.announced.add(next, Retention::UntilPlanned, request);
            }
        }
    }

    /// Says that the end of the object will be read, or more of it from an offset on.
    pub(super) fn announce_end(&self, from: u64) {
        self.announce(from.min(self.bytes().saturating_sub(TAIL_BYTES))..self.bytes(), Retention::Always);
    }

    /// Requests a range of at most 4 MiB, unless that was done, and says when the store answers.
    fn announce(&self, range: Range<u64>, retention: Retention) -> Option<oneshot::Receiver<()>> {
        let range = range.start..range.end.min(self.bytes());
        // Without a runtime to send requests, the read says so.
        let runtime = store::runtime().ok()?;
        if range.end - range.start > MAX_RANGE_BYTES || self.object.announced.has(&range) {
            return None;
        }
        let (answered, is_answered) = oneshot::channel();
        let request = runtime.spawn(self.object.send(range.clone(), Some(answered)));
        self.object.announced.add(range, retention, request);
        Some(is_answered)
    }

    /// Says that a range will be read, from its start on: it is requested at once, in pieces.
    pub(crate) fn will_need(&self, range: Range<u64>) {
        let mut window = lock(&self.window);
        window.horizon = range.end.min(self.bytes());
        let end = window.start + window.bytes.len() as u64;
        let next = if (window.start..end).contains(&range.start) { end } else { range.start };
        // What was requested already is no request more.
        if window.requested.front().is_some_and(|request| !request.range.contains(&next)) {
            window.requested.clear();
        }
        // Without a runtime to send requests, the read says so.
        _ = self.request_ahead(&mut window, next);
    }

    fn fetch(&self, window: &mut Window, offset: u64, wanted: u64, follows: bool) -> Result<()> {
        let size = self.bytes();
        window.range_bytes =
            if follows { (window.range_bytes * 2).min(MAX_RANGE_BYTES) } else { MIN_RANGE_BYTES };
        while window.requested.front().is_some_and(|request| request.range.end <= offset) {
            window.requested.pop_front();
        }
        let requested = window.requested.pop_front().filter(|request| request.range.contains(&offset));
        let (start, answer) = match requested {
            Some(mut request) => {
                let answer = store::block_on(&mut request.answer)?;
                let answer = answer.map_err(|error| Error::Internal(format!("a request ended: {error}")))?;
                (request.range.start, answer)
            }
            None => {
                window.requested.clear();
                let wanted_end = offset.saturating_add(wanted.max(window.range_bytes)).min(size);
                // Who has not said how far it reads takes its share of a piece at once.
                let piece = self.object.shared.get().and_then(|shared| shared.piece_at(offset));
                let end = match piece {
                    Some((_, piece)) if window.horizon <= offset => piece.end,
                    _ => wanted_end,
                };
                let range = self.requestable(offset, end);
                (offset, store::block_on(self.get(range))?)
            }
        };
        let bytes = answer.map_err(|error| self.failed(&error))?;
        let end = start + bytes.len() as u64;
        if end <= offset {
            return Err(self.transient("the store sent less than was requested".to_owned()));
        }
        (window.start, window.bytes) = (start, bytes);
        if end < window.horizon {
            self.request_ahead(window, end)?;
        } else if follows && end < size && end != window.horizon && window.requested.is_empty() {
            // Behind what it was told of, a reader may go on.
            self.request(window, end, (end + window.range_bytes).min(size)).map(drop)?;
        }
        Ok(())
    }

    /// Keeps some requests in flight, up to the horizon. The first of them is at `next`, if there is none.
    fn request_ahead(&self, window: &mut Window, next: u64) -> Result<()> {
        let mut next = window.requested.back().map_or(next, |request| request.range.end);
        let in_flight = self.object.shared.get().map_or(IN_FLIGHT, |shared| shared.in_flight());
        while window.requested.len() < in_flight && next < window.horizon {
            next = self.request(window, next, (next + MAX_RANGE_BYTES).min(window.horizon))?;
        }
        Ok(())
    }

    /// Sends a request from `start` on; returns its end.
    fn request(&self, window: &mut Window, start: u64, end: u64) -> Result<u64> {
        let range = self.requestable(start, end);
        let answer = store::runtime()?.spawn(self.get(range.clone()));
        let end = range.end;
        window.requested.push_back(Request { range, answer });
        Ok(end)
    }

    /// The range from `start` on that is requested where a reader wants up to `end`: of one piece that readers
    /// share, or of none.
    fn requestable(&self, start: u64, end: u64) -> Range<u64> {
        let Some(shared) = self.object.shared.get() else { return start..end };
        let boundary = match shared.piece_at(start) {
            Some((_, piece)) => piece.end,
            None => shared.next_start(start).unwrap_or(end),
        };
        start..end.min(boundary)
    }

    fn get(&self, range: Range<u64>) -> impl Future<Output = object_store::Result<Bytes>> + use<> {
        let object = Arc::clone(&self.object);
        async move {
            let shared = object.shared.get();
            match shared.and_then(|shared| Some((shared, shared.piece_at(range.start)?.0))) {
                Some((shared, piece)) => {
                    for (claim, range) in shared.behind(piece) {
                        let request = object.request(range);
                        tokio::spawn(async move {
                            // An error is that of the reader that needs it.
                            if let Ok(bytes) = request.await {
                                claim.keep(bytes, 0).await;
                            }
                        });
                    }
                    shared.get(piece, range, |range| object.request(range)).await
                }
                None => object.request(range).await,
            }
        }
    }
}

impl Object {
    /// The bytes of a range, of an announced request or of its own.
    fn request(
        self: &Arc<Self>,
        range: Range<u64>,
    ) -> impl Future<Output = object_store::Result<Bytes>> + use<> {
        let object = Arc::clone(self);
        async move {
            match object.announced.get(&range).await {
                Some(bytes) => Ok(bytes),
                None => object.send(range, None).await,
            }
        }
    }

    /// Requests a range, and says when the store answers: the bytes follow.
    fn send(
        self: &Arc<Self>,
        range: Range<u64>,
        answered: Option<oneshot::Sender<()>>,
    ) -> impl Future<Output = object_store::Result<Bytes>> + use<> {
        let object = Arc::clone(self);
        // If-Match compares strongly: a weak ETag never matches.
        let tag = object.meta.e_tag.clone().filter(|tag| !tag.starts_with("W/"));
        let wanted = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let range = Some(GetRange::Bounded(range));
        let options = GetOptions { range, if_match: tag, ..GetOptions::default() };
        async move {
            let answer = object.location.store.get_opts(&object.path, options).await?;
            drop(answered);
            object.answers.add(&FileVersion::of_object(&answer.meta));
            // What goes beyond the range is not known to be what follows.
            answer.bytes().await.map(|bytes| bytes.slice(..bytes.len().min(wanted)))
        }
    }
}

const CHANGED: &str = "the input was changed while it was read";

fn describe(error: &StoreError) -> String {
    match error {
        StoreError::Precondition { .. } => CHANGED.to_owned(),
        StoreError::NotFound { .. } => "the input can no longer be found".to_owned(),
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
