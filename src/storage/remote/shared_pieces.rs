//! Pieces of an object that two readers need. What the first of them receives is kept in a file without a
//! name until the second has it, so that it crosses the link once.

use std::collections::HashMap;
use std::fs::File;
use std::future::Future;
use std::ops::Range;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::storage::positioned_io::{read_exact_at, write_all_at};

/// Bytes of a piece, except the last of a range.
pub(super) const PIECE_BYTES: u64 = 1 << 22;

/// The ranges that two readers need.
#[derive(Debug)]
pub(super) struct SharedPieces {
    /// In order, apart from each other.
    ranges: Vec<Range<u64>>,
    /// Has the pieces at their offsets in the object, and holes elsewhere.
    file: File,
    /// By their start: those that one of the two has asked for.
    pieces: Mutex<HashMap<u64, Piece>>,
    changed: Notify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Requested,
    Kept,
}

/// What a reader that needs a piece does.
enum Turn {
    Request(Claim),
    Take,
    Wait,
}

/// A piece that its first reader has requested. Without an answer it is up to the other.
struct Claim {
    shared: Arc<SharedPieces>,
    start: u64,
    is_kept: bool,
}

impl SharedPieces {
    /// Pieces of these ranges, in order, kept in a folder. None where no file can be created there.
    pub(super) fn new(ranges: Vec<Range<u64>>, folder: &Path) -> Option<Arc<Self>> {
        let file = tempfile::tempfile_in(folder).ok()?;
        Some(Arc::new(Self { ranges, file, pieces: Mutex::default(), changed: Notify::new() }))
    }

    /// The piece that has an offset, if it is one of two readers.
    pub(super) fn piece_at(&self, offset: u64) -> Option<Range<u64>> {
        let range = self.ranges.get(self.first_behind(offset)).filter(|range| range.contains(&offset))?;
        let start = offset - (offset - range.start) % PIECE_BYTES;
        Some(start..range.end.min(start + PIECE_BYTES))
    }

    /// Where the first range behind an offset, which is in none, begins.
    pub(super) fn next_start(&self, offset: u64) -> Option<u64> {
        self.ranges.get(self.first_behind(offset)).map(|range| range.start)
    }

    fn first_behind(&self, offset: u64) -> usize {
        self.ranges.partition_point(|range| range.end <= offset)
    }

    /// The bytes of a piece: kept ones, or those of a request, which are kept for the other reader.
    ///
    /// # Errors
    /// Those of the request.
    pub(super) async fn get<E>(
        self: &Arc<Self>,
        piece: Range<u64>,
        request: impl Future<Output = Result<Bytes, E>>,
    ) -> Result<Bytes, E> {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            match self.turn(piece.start) {
                Turn::Wait => changed.await,
                Turn::Take => match self.take(piece).await {
                    Some(bytes) => return Ok(bytes),
                    None => return request.await,
                },
                Turn::Request(mut claim) => {
                    let bytes = request.await?;
                    if bytes.len() as u64 == piece.end - piece.start {
                        claim.is_kept = self.keep(piece.start, bytes.clone()).await;
                    }
                    return Ok(bytes);
                }
            }
        }
    }

    fn turn(self: &Arc<Self>, start: u64) -> Turn {
        let mut pieces = self.pieces();
        match pieces.get(&start) {
            Some(Piece::Requested) => Turn::Wait,
            Some(Piece::Kept) => {
                pieces.remove(&start);
                Turn::Take
            }
            None => {
                pieces.insert(start, Piece::Requested);
                Turn::Request(Claim { shared: Arc::clone(self), start, is_kept: false })
            }
        }
    }

    /// Returns whether the bytes are in the file: it may be that the disk is full.
    async fn keep(self: &Arc<Self>, start: u64, bytes: Bytes) -> bool {
        let shared = Arc::clone(self);
        let kept = tokio::task::spawn_blocking(move || write_all_at(&shared.file, &bytes, start));
        kept.await.is_ok_and(|kept| kept.is_ok())
    }

    /// Takes the bytes of a piece out of the file.
    async fn take(self: &Arc<Self>, piece: Range<u64>) -> Option<Bytes> {
        let shared = Arc::clone(self);
        let taken = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; usize::try_from(piece.end - piece.start).ok()?];
            read_exact_at(&shared.file, &mut bytes, piece.start).ok()?;
            give_back(&shared.file, &piece);
            Some(Bytes::from(bytes))
        });
        taken.await.ok().flatten()
    }

    fn pieces(&self) -> MutexGuard<'_, HashMap<u64, Piece>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the disk the blocks of a piece back.
#[cfg(target_os = "linux")]
fn give_back(file: &File, piece: &Range<u64>) {
    use rustix::fs::{FallocateFlags, fallocate};

    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    // A file system that cannot do it gives them back when the file is closed.
    _ = fallocate(file, flags, piece.start, piece.end - piece.start);
}

#[cfg(not(target_os = "linux"))]
fn give_back(_: &File, _: &Range<u64>) {}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut pieces = self.shared.pieces();
        match self.is_kept {
            true => pieces.insert(self.start, Piece::Kept),
            false => pieces.remove(&self.start),
        };
        drop(pieces);
        self.shared.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    fn shared() -> Arc<SharedPieces> {
        let ranges = vec![100..100 + 2 * PIECE_BYTES + 7, 20_000_000..20_000_010];
        SharedPieces::new(ranges, &std::env::temp_dir()).unwrap()
    }

    #[test]
    fn ranges_have_pieces_of_their_own() {
        let shared = shared();
        let mib4 = PIECE_BYTES;
        assert_eq!((shared.piece_at(99), shared.next_start(99)), (None, Some(100)));
        assert_eq!(shared.piece_at(100), Some(100..100 + mib4));
        assert_eq!(shared.piece_at(99 + mib4), Some(100..100 + mib4));
        assert_eq!(shared.piece_at(100 + mib4), Some(100 + mib4..100 + 2 * mib4));
        assert_eq!(shared.piece_at(100 + 2 * mib4), Some(100 + 2 * mib4..107 + 2 * mib4));
        assert_eq!((shared.piece_at(107 + 2 * mib4), shared.next_start(9_000_000)), (None, Some(20_000_000)));
        assert_eq!((shared.piece_at(20_000_010), shared.next_start(20_000_010)), (None, None));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_piece_is_requested_once_for_two_readers_and_again_for_a_third() {
        let (shared, requests) = (shared(), Arc::new(AtomicUsize::new(0)));
        let piece = shared.piece_at(20_000_000).unwrap();
        let read = || {
            let (shared, requests, piece) = (Arc::clone(&shared), Arc::clone(&requests), piece.clone());
            tokio::spawn(async move {
                let request = async {
                    requests.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    Ok::<_, ()>(Bytes::from_static(b"0123456789"))
                };
                shared.get(piece.clone(), request).await
            })
        };
        let (one, other) = (read(), read());
        assert_eq!(one.await.unwrap().unwrap(), other.await.unwrap().unwrap());
        assert_eq!(requests.load(Ordering::SeqCst), 1);
        assert_eq!(read().await.unwrap().unwrap(), "0123456789");
        assert_eq!(requests.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_request_that_fails_or_is_dropped_is_up_to_the_other_reader() {
        let shared = shared();
        let piece = shared.piece_at(100).unwrap();
        assert_eq!(shared.get(piece.clone(), async { Err(7) }).await, Err(7));
        let never = {
            let (shared, piece) = (Arc::clone(&shared), piece.clone());
            tokio::spawn(async move { shared.get::<()>(piece, std::future::pending()).await })
        };
        while shared.pieces().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let bytes = Bytes::from(vec![5; usize::try_from(PIECE_BYTES).unwrap()]);
        let other = {
            let (shared, piece, bytes) = (Arc::clone(&shared), piece.clone(), bytes.clone());
            tokio::spawn(async move { shared.get::<()>(piece, async { Ok(bytes) }).await })
        };
        tokio::time::sleep(Duration::from_millis(20)).await;
        never.abort();
        assert_eq!(other.await.unwrap().unwrap(), bytes);
        // Kept for the second.
        let kept = shared.get::<()>(piece.clone(), async { panic!("requested again") }).await;
        assert_eq!(kept.unwrap(), bytes);
        // An answer that is too short is not kept.
        assert_eq!(
            shared.get::<()>(piece.clone(), async { Ok(Bytes::from_static(b"1")) }).await.unwrap(),
            "1"
        );
        assert!(shared.pieces().is_empty());
    }
}
