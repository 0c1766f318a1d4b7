//! Requests for both ends of an object, sent before it is opened. The object's metadata come with their
//! answers, so that to open it takes no request of its own.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore};
use tokio::task::JoinHandle;

use crate::error::{Error, Result};
use crate::storage::file_version::FileVersion;
use crate::storage::object_store::{self as store, Location};

/// Size of the first range request of a reader.
pub(super) const MIN_RANGE_BYTES: u64 = 1 << 18;
/// A read near the end fetches at least this much of it, since it usually reads the footer.
pub(super) const TAIL_BYTES: u64 = 1 << 16;

/// The ends of an object of known size, on their way.
#[derive(Debug)]
pub struct PrefetchedEnds {
    url: PathBuf,
    bytes: u64,
    requests: Vec<JoinHandle<object_store::Result<(ObjectMeta, Range<u64>, Bytes)>>>,
}

/// The ends of one version of an object.
pub(super) struct ReceivedEnds {
    pub(super) meta: ObjectMeta,
    pub(super) ends: Vec<(Range<u64>, Bytes)>,
}

impl PrefetchedEnds {
    /// Requests the ends of an object of this size. None where nothing can be requested: to open it says why.
    pub(in crate::storage) fn request(url: &Path, bytes: u64) -> Option<Self> {
        let location = Location::open(url).ok()?;
        let path = location.object().ok()?;
        let runtime = store::runtime().ok()?;
        let tail = bytes.saturating_sub(TAIL_BYTES)..bytes;
        // As a reader requests it from the start on.
        let head = (tail.start > 0).then_some(0..MIN_RANGE_BYTES.min(bytes));
        let ranges = std::iter::once(tail).chain(head).filter(|range| !range.is_empty());
        let requests = ranges.map(|range| {
            let (store, path) = (Arc::clone(&location.store), path.clone());
            runtime.spawn(async move {
                let options =
                    GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
                let answer = store.get_opts(&path, options).await?;
                let meta = answer.meta.clone();
                Ok((meta, range, answer.bytes().await?))
            })
        });
        let requests: Vec<_> = requests.collect();
        (!requests.is_empty()).then(|| Self { url: url.to_owned(), bytes, requests })
    }

    /// The URL of the object.
    pub fn url(&self) -> &Path {
        &self.url
    }

    /// The ends, if they are of one version of the expected size, or the error of their requests.
    pub(super) fn received(mut self) -> Result<object_store::Result<Option<ReceivedEnds>>> {
        let answers = store::block_on(join_all(std::mem::take(&mut self.requests)))?;
        let mut received: Option<ReceivedEnds> = None;
        for answer in answers {
            let (meta, range, bytes) = match answer {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => return Ok(Err(error)),
                Err(error) => return Err(Error::Internal(format!("a request ended: {error}"))),
            };
            let is_whole = bytes.len() as u64 == range.end - range.start;
            let received =
                received.get_or_insert_with(|| ReceivedEnds { meta: meta.clone(), ends: Vec::new() });
            let is_same = FileVersion::of_object(&meta) == FileVersion::of_object(&received.meta);
            if !is_whole || !is_same || meta.size != self.bytes {
                return Ok(Ok(None));
            }
            received.ends.push((range, bytes));
        }
        Ok(Ok(received))
    }
}

impl Drop for PrefetchedEnds {
    fn drop(&mut self) {
        self.requests.iter().for_each(JoinHandle::abort);
    }
}
