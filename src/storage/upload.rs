//! An output in an object store: a multipart upload, whose object appears when it is
//! completed and never in part. Given up, its parts are taken back.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use object_store::{Error as StoreError, MultipartUpload, ObjectStoreExt};
use tokio::task::JoinSet;

use crate::error::{Error, Result};

use super::object_store::{self as store, Location};
use super::output::Output;

/// Bytes of a part. Some stores want all but the last to be alike, and S3 takes 10 000:
/// 160 GB in all.
const PART_BYTES: usize = 16 << 20;

/// Parts on their way at once.
const IN_FLIGHT: usize = 3;

/// An object being written. Dropped without [`Upload::commit`], nothing of it stays.
#[derive(Debug)]
pub(super) struct Upload(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    location: Location,
    overwrite: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// None once it is completed or given up.
    upload: Option<Box<dyn MultipartUpload>>,
    part: Vec<u8>,
    in_flight: JoinSet<object_store::Result<()>>,
    bytes: u64,
}

/// What is written to an [`Upload`].
#[derive(Debug)]
pub(super) struct Writer(Arc<Shared>);

impl Upload {
    /// Begins an upload.
    ///
    /// # Errors
    /// [`Error::OutputExists`] where the object is there and `overwrite` is not given;
    /// [`Error::CannotCreate`] where it may not be written; [`Error::Transient`].
    pub(super) fn begin(url: &Path, overwrite: bool) -> Result<Self> {
        let location = Location::open(url)?;
        if !overwrite {
            check_absent(&location)?;
        }
        let upload = store::wait(location.store.put_multipart(&location.path))?;
        let upload = Some(upload.map_err(|error| location.writing(error))?);
        let state = State { upload, part: Vec::new(), in_flight: JoinSet::new(), bytes: 0 };
        Ok(Self(Arc::new(Shared { location, overwrite, state: Mutex::new(state) })))
    }

    /// Bytes written so far.
    pub(super) fn bytes(&self) -> u64 {
        self.0.lock().bytes
    }

    pub(super) fn writer(&self) -> Writer {
        Writer(Arc::clone(&self.0))
    }

    /// Makes the object appear, whole.
    ///
    /// # Errors
    /// As for [`Upload::begin`]; nothing is there then.
    pub(super) fn commit(self) -> Result<()> {
        let Shared { location, overwrite, .. } = &*self.0;
        let mut state = self.0.lock();
        let failed = |error| location.writing(error);
        state.send_part()?.map_err(failed)?;
        while let Some(sent) = store::wait(state.in_flight.join_next())? {
            flatten(sent).map_err(failed)?;
        }
        // Stores have no condition on completing an upload that all of them know.
        if !overwrite {
            check_absent(location)?;
        }
        let Some(upload) = &mut state.upload else { return Err(ended()) };
        store::wait(upload.complete())?.map_err(failed)?;
        state.upload = None;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.in_flight.abort_all();
        if let Some(mut upload) = state.upload.take()
            && let Ok(Err(error)) = store::wait(upload.abort())
        {
            tracing::warn!(
                "{}: parts of an upload stay in the store: {}",
                self.0.location.url.display(),
                store::one_line(&error)
            );
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Sends what has gathered, when there is room on the way.
    fn send_part(&mut self) -> Result<object_store::Result<()>> {
        while self.in_flight.len() >= IN_FLIGHT {
            if let Some(Err(error)) = store::wait(self.in_flight.join_next())?.map(flatten) {
                return Ok(Err(error));
            }
        }
        let Some(upload) = &mut self.upload else { return Err(ended()) };
        let part = std::mem::take(&mut self.part);
        self.in_flight.spawn_on(upload.put_part(part.into()), store::runtime()?.handle());
        Ok(Ok(()))
    }
}

impl Output for Writer {}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        let room = PART_BYTES.saturating_sub(state.part.len());
        let taken = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        state.part.extend_from_slice(taken);
        state.bytes += taken.len() as u64;
        if state.part.len() >= PART_BYTES {
            let sent = state.send_part().map_err(io::Error::other)?;
            sent.map_err(|error| io::Error::other(self.0.location.writing(error)))?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn check_absent(location: &Location) -> Result<()> {
    match location.head()? {
        Ok(_) => Err(Error::OutputExists(location.url.clone())),
        Err(StoreError::NotFound { .. }) => Ok(()),
        Err(error) => Err(location.writing(error)),
    }
}

fn flatten(
    sent: std::result::Result<object_store::Result<()>, tokio::task::JoinError>,
) -> object_store::Result<()> {
    sent.unwrap_or_else(|error| Err(error.into()))
}

fn ended() -> Error {
    Error::Internal("an upload was written to after its end".to_owned())
}
