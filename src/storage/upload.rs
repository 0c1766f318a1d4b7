//! A multipart upload to an object store. The object becomes visible when the upload is
//! completed, never in part; an abandoned upload is aborted, which deletes its parts.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use object_store::{Error as StoreError, MultipartUpload, ObjectStoreExt};
use tokio::task::JoinSet;

use crate::error::{Error, Result};
use crate::printable::shown;

use super::object_store::{self as store, Location};
use super::output::Output;

/// Size of a part. Some stores require equal parts except for the last, and S3 accepts 10 000 of
/// them: 160 GB in all.
const PART_BYTES: usize = 16 << 20;

/// Limit of concurrent part requests. A write waits while all are in flight (back-pressure).
const MAX_PARTS_IN_FLIGHT: usize = 3;

/// An object being written. Dropping it without [`Upload::commit`] aborts the upload.
#[derive(Debug)]
pub(super) struct Upload(Arc<UploadInner>);

#[derive(Debug)]
struct UploadInner {
    location: Location,
    overwrite: bool,
    state: Mutex<UploadState>,
}

#[derive(Debug)]
struct UploadState {
    /// `None` after completion or abort.
    upload: Option<Box<dyn MultipartUpload>>,
    /// The part that is being filled.
    part: Vec<u8>,
    in_flight: JoinSet<object_store::Result<()>>,
    bytes: u64,
}

/// The writer of an [`Upload`].
#[derive(Debug)]
pub(super) struct UploadWriter(Arc<UploadInner>);

impl Upload {
    /// Starts an upload.
    ///
    /// # Errors
    /// [`Error::OutputExists`] if the object exists and `overwrite` is not given;
    /// [`Error::CannotCreate`] if it is not writable; [`Error::Usage`] if its key can't be
    /// requested; [`Error::Transient`].
    pub(super) fn begin(url: &Path, overwrite: bool) -> Result<Self> {
        let location = Location::open(url)?;
        let object = location.writable_object()?;
        if !overwrite {
            check_absent(&location)?;
        }
        let upload = store::block_on(location.store.put_multipart(&object))?;
        let upload = Some(upload.map_err(|error| location.write_error(error))?);
        let state = UploadState { upload, part: Vec::new(), in_flight: JoinSet::new(), bytes: 0 };
        Ok(Self(Arc::new(UploadInner { location, overwrite, state: Mutex::new(state) })))
    }

    /// Bytes written so far.
    pub(super) fn bytes(&self) -> u64 {
        self.0.lock().bytes
    }

    pub(super) fn writer(&self) -> UploadWriter {
        UploadWriter(Arc::clone(&self.0))
    }

    /// Completes the upload, which makes the object visible.
    ///
    /// # Errors
    /// As for [`Upload::begin`]; then no object was written.
    pub(super) fn commit(self) -> Result<()> {
        let UploadInner { location, overwrite, .. } = &*self.0;
        let mut state = self.0.lock();
        let failed = |error| location.write_error(error);
        state.send_part()?.map_err(failed)?;
        while let Some(sent) = store::block_on(state.in_flight.join_next())? {
            flatten(sent).map_err(failed)?;
        }
        // Not all stores support a condition on the completion itself.
        if !overwrite {
            check_absent(location)?;
        }
        let Some(upload) = &mut state.upload else { return Err(upload_ended()) };
        store::block_on(upload.complete())?.map_err(failed)?;
        state.upload = None;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.in_flight.abort_all();
        if let Some(mut upload) = state.upload.take()
            && let Ok(Err(error)) = store::block_on(upload.abort())
        {
            tracing::warn!(
                "{}: parts of an aborted upload remain in the store: {}",
                shown(&self.0.location.url),
                store::one_line(&error)
            );
        }
    }
}

impl UploadInner {
    fn lock(&self) -> MutexGuard<'_, UploadState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UploadState {
    /// Uploads the current part in the background, after waiting for a free request slot.
    fn send_part(&mut self) -> Result<object_store::Result<()>> {
        while self.in_flight.len() >= MAX_PARTS_IN_FLIGHT {
            if let Some(Err(error)) = store::block_on(self.in_flight.join_next())?.map(flatten) {
                return Ok(Err(error));
            }
        }
        let Some(upload) = &mut self.upload else { return Err(upload_ended()) };
        let part = std::mem::take(&mut self.part);
        self.in_flight.spawn_on(upload.put_part(part.into()), store::runtime()?.handle());
        Ok(Ok(()))
    }
}

impl Output for UploadWriter {}

impl Write for UploadWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        let free = PART_BYTES.saturating_sub(state.part.len());
        let (taken, _) = bytes.split_at(free.min(bytes.len()));
        state.part.extend_from_slice(taken);
        state.bytes += taken.len() as u64;
        if state.part.len() >= PART_BYTES {
            let sent = state.send_part().map_err(io::Error::other)?;
            sent.map_err(|error| io::Error::other(self.0.location.write_error(error)))?;
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
        Err(error) => Err(location.write_error(error)),
    }
}

fn flatten(
    sent: std::result::Result<object_store::Result<()>, tokio::task::JoinError>,
) -> object_store::Result<()> {
    sent.unwrap_or_else(|error| Err(error.into()))
}

fn upload_ended() -> Error {
    Error::Internal("an upload was written to after its end".to_owned())
}
