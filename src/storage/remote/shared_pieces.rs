//! Pieces of an object that several readers need. What the first of them receives is kept in a file without
//! a name until the last has it, so that it crosses the link once. Where a reader takes the last piece of a
//! range, those it needs behind it are requested.

use std::fs::File;
use std::future::Future;
use std::ops::Range;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::storage::positioned_io::{read_exact_at, write_all_at};

use super::pieces::{Piece, PlannedRead, next_piece, pieces};

/// The pieces of all ranges.
#[derive(Debug)]
pub(super) struct SharedPieces {
    /// In order, apart from each other.
    pieces: Vec<Piece>,
    /// Has the pieces at their offsets in the object, and holes elsewhere.
    file: File,
    /// Of each piece.
    states: Mutex<Vec<State>>,
    changed: Notify,
    /// Pieces that are requested ahead of those of a range.
    in_flight: usize,
}

#[derive(Debug, Clone)]
enum State {
    Unread,
    Requested,
    /// In the file, for so many more readers, and those that are reading it.
    Kept {
        left: usize,
        reading: usize,
    },
    /// In memory, for one reader: it could not be written.
    InMemory(Bytes),
    /// All readers have had it, or it could not be kept.
    Done,
}

/// What a reader that needs a piece does.
enum Turn {
    /// Requests it, for all.
    Request(Claim),
    /// Takes what is in memory.
    Take(Bytes),
    /// Reads the file.
    Read(Reading),
    Wait,
    /// Requests what it needs.
    Own,
}

/// A piece that somebody has requested. Without an answer it is up to the next.
pub(super) struct Claim {
    shared: Arc<SharedPieces>,
    piece: usize,
    /// What becomes of it.
    state: State,
}

/// A piece whose bytes are read from the file, and must stay there.
struct Reading {
    shared: Arc<SharedPieces>,
    piece: usize,
}

impl SharedPieces {
    /// Pieces of these ranges, in order and apart from each other, for their readers and as many `copies` of
    /// the whole file, kept in a folder. None where no file can be created there.
    pub(super) fn new(
        reads: &[PlannedRead],
        copies: usize,
        folder: &Path,
        in_flight: usize,
    ) -> Option<Arc<Self>> {
        let (file, pieces) = (tempfile::tempfile_in(folder).ok()?, pieces(reads, copies));
        let states = Mutex::new(vec![State::Unread; pieces.len()]);
        Some(Arc::new(Self { pieces, file, states, changed: Notify::new(), in_flight }))
    }

    /// Requests that a reader may have in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The piece that has an offset, and its range.
    pub(super) fn piece_at(&self, offset: u64) -> Option<(usize, Range<u64>)> {
        let piece = self.first_behind(offset);
        let range = self.pieces.get(piece)?.range.clone();
        range.contains(&offset).then_some((piece, range))
    }

    /// Where the first piece behind an offset, which is in none, begins.
    pub(super) fn next_start(&self, offset: u64) -> Option<u64> {
        self.pieces.get(self.first_behind(offset)).map(|piece| piece.range.start)
    }

    /// Whether a piece has this range.
    pub(super) fn has(&self, range: &Range<u64>) -> bool {
        self.piece_at(range.start).is_some_and(|(_, piece)| piece == *range)
    }

    fn first_behind(&self, offset: u64) -> usize {
        self.pieces.partition_point(|piece| piece.range.end <= offset)
    }

    /// A part of a piece for one of its readers: kept, or out of `request`, which gives the bytes of
    /// a range.
    ///
    /// # Errors
    /// Those of the request.
    pub(super) async fn get<E, F: Future<Output = Result<Bytes, E>>>(
        self: &Arc<Self>,
        piece: usize,
        part: Range<u64>,
        request: impl Fn(Range<u64>) -> F,
    ) -> Result<Bytes, E> {
        let Some(whole) = self.pieces.get(piece).map(|piece| piece.range.clone()) else {
            return request(part).await;
        };
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let bytes = match self.turn(piece) {
                Turn::Wait => {
                    changed.await;
                    continue;
                }
                Turn::Own => return request(part).await,
                Turn::Read(reading) => match reading.bytes(part.clone()).await {
                    Some(bytes) => return Ok(bytes),
                    None => return request(part).await,
                },
                Turn::Take(bytes) => bytes,
                Turn::Request(claim) => {
                    let bytes = request(whole.clone()).await?;
                    claim.keep(bytes.clone(), 1).await;
                    bytes
                }
            };
            // An answer may be too short, and then its reader says so.
            let within = |offset: u64| {
                usize::try_from(offset - whole.start).map_or(bytes.len(), |at| at.min(bytes.len()))
            };
            return Ok(bytes.slice(within(part.start)..within(part.end)));
        }
    }

    /// Claims on the pieces behind one that nobody has requested yet, with their ranges.
    pub(super) fn behind(self: &Arc<Self>, piece: usize) -> Vec<(Claim, Range<u64>)> {
        let Some(first) = self.pieces.get(piece).and_then(|piece| piece.next) else { return Vec::new() };
        let behind = std::iter::successors(Some(first), |piece| next_piece(&self.pieces, *piece));
        let mut states = self.states();
        let claims = behind.take(self.in_flight).filter_map(|piece| {
            let state = states.get_mut(piece).filter(|state| matches!(state, State::Unread))?;
            *state = State::Requested;
            let claim = Claim { shared: Arc::clone(self), piece, state: State::Unread };
            Some((claim, self.pieces.get(piece)?.range.clone()))
        });
        claims.collect()
    }

    fn turn(self: &Arc<Self>, piece: usize) -> Turn {
        let mut states = self.states();
        let Some(state) = states.get_mut(piece) else { return Turn::Own };
        match state {
            State::Requested => Turn::Wait,
            State::Unread => {
                *state = State::Requested;
                Turn::Request(Claim { shared: Arc::clone(self), piece, state: State::Unread })
            }
            State::InMemory(bytes) => {
                let bytes = std::mem::take(bytes);
                *state = State::Done;
                Turn::Take(bytes)
            }
            State::Kept { left, reading } if *left > 0 => {
                *left -= 1;
                *reading += 1;
                Turn::Read(Reading { shared: Arc::clone(self), piece })
            }
            State::Kept { .. } | State::Done => Turn::Own,
        }
    }

    fn states(&self) -> MutexGuard<'_, Vec<State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// Keeps the answer for the readers that have not `taken` it.
    pub(super) async fn keep(mut self, bytes: Bytes, taken: usize) {
        let Some(Piece { range, readers, .. }) = self.shared.pieces.get(self.piece).cloned() else { return };
        if bytes.len() as u64 != range.end - range.start {
            return;
        }
        let left = readers.saturating_sub(taken);
        if left == 0 {
            self.state = State::Done;
            return;
        }
        let (shared, kept) = (Arc::clone(&self.shared), bytes.clone());
        let written = tokio::task::spawn_blocking(move || write_all_at(&shared.file, &kept, range.start));
        // It may be that the disk is full.
        let is_in_file = written.await.is_ok_and(|written| written.is_ok());
        self.state = match is_in_file {
            true => State::Kept { left, reading: 0 },
            false if taken == 0 => State::InMemory(bytes),
            _ => State::Done,
        };
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut states = self.shared.states();
        if let Some(state) = states.get_mut(self.piece) {
            *state = std::mem::replace(&mut self.state, State::Done);
        }
        drop(states);
        self.shared.changed.notify_waiters();
    }
}

impl Reading {
    async fn bytes(self, part: Range<u64>) -> Option<Bytes> {
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; usize::try_from(part.end - part.start).ok()?];
            read_exact_at(&self.shared.file, &mut bytes, part.start).ok()?;
            Some(Bytes::from(bytes))
        });
        read.await.ok().flatten()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut states = self.shared.states();
        let (Some(state), Some(piece)) = (states.get_mut(self.piece), self.shared.pieces.get(self.piece))
        else {
            return;
        };
        if let State::Kept { left, reading } = state {
            *reading = reading.saturating_sub(1);
            if *left == 0 && *reading == 0 {
                *state = State::Done;
                give_back(&self.shared.file, &piece.range);
            }
        }
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
#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::remote::pieces::PIECE_BYTES;

    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    const MIB: u64 = 1 << 20;

    fn read(bytes: Range<u64>, column: usize) -> PlannedRead {
        PlannedRead { bytes, column }
    }

    fn shared(reads: &[PlannedRead]) -> Arc<SharedPieces> {
        SharedPieces::new(reads, 1, &std::env::temp_dir(), 4).unwrap()
    }

    /// Bytes that tell where in the object they are.
    fn bytes_of(range: Range<u64>) -> Bytes {
        range.map(|offset| (offset % 251) as u8).collect()
    }

    #[test]
    fn long_ranges_are_several_pieces_and_lead_to_the_next_of_their_column() {
        let shared =
            shared(&[read(100..100 + 9 * MIB, 0), read(10 * MIB..15 * MIB, 1), read(20 * MIB..23 * MIB, 0)]);
        let at =
            |offset| shared.piece_at(offset).map(|(piece, range)| (piece, range, shared.pieces[piece].next));
        assert_eq!((at(99), shared.next_start(99)), (None, Some(100)));
        assert_eq!(at(100), Some((0, 100..100 + 4 * MIB, None)));
        assert_eq!(at(100 + 5 * MIB), Some((1, 100 + 4 * MIB..100 + 8 * MIB, None)));
        assert_eq!(at(99 + 9 * MIB), Some((2, 100 + 8 * MIB..100 + 9 * MIB, Some(5))));
        assert_eq!((at(9 * MIB + 100), shared.next_start(9 * MIB + 100)), (None, Some(10 * MIB)));
        assert_eq!(at(15 * MIB - 1), Some((4, 14 * MIB..15 * MIB, None)));
        assert_eq!(at(20 * MIB), Some((5, 20 * MIB..23 * MIB, None)));
        assert_eq!((at(23 * MIB), shared.next_start(23 * MIB)), (None, None));
        assert!(shared.pieces.iter().all(|piece| piece.readers == 2));
    }

    #[test]
    fn short_ranges_and_what_is_between_them_are_one_piece() {
        // Row groups of two embeddings and a label, and a name that is only copied.
        let row_group = |at: u64| {
            [read(at..at + MIB, 0), read(at + MIB..at + 2 * MIB, 1), read(at + 2 * MIB..at + 2 * MIB + 9, 2)]
        };
        let step = 2 * MIB + 5_000;
        let reads: Vec<_> = (0..8).flat_map(|group| row_group(group * step)).collect();
        let shared = shared(&reads);
        let found: Vec<_> = shared.pieces.iter().map(|piece| (piece.readers, piece.next)).collect();
        // A piece begins where the next range would make it longer than 4 MiB.
        assert_eq!(found.first(), Some(&(5, Some(1))));
        assert_eq!(found.last().unwrap().1, None);
        assert_eq!(found.iter().map(|(readers, _)| readers - 1).sum::<usize>(), reads.len());
        assert!(shared.pieces.iter().all(|piece| piece.range.end - piece.range.start <= PIECE_BYTES));
        for pair in shared.pieces.windows(2) {
            assert!(pair[0].range.end <= pair[1].range.start, "{pair:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_piece_is_requested_once_for_all_its_readers() {
        let shared = shared(&[read(100..200, 0), read(200..400, 1), read(450..500, 2)]);
        let requests = Arc::new(Mutex::new(Vec::new()));
        let take = |part: Range<u64>| {
            let (shared, requests) = (Arc::clone(&shared), Arc::clone(&requests));
            tokio::spawn(async move {
                let request = |range: Range<u64>| {
                    requests.lock().unwrap().push((range.start, range.end));
                    async {
                        tokio::time::sleep(Duration::from_millis(30)).await;
                        Ok::<_, ()>(bytes_of(range))
                    }
                };
                shared.get(0, part.clone(), request).await.unwrap() == bytes_of(part)
            })
        };
        // Three columns and the copy.
        let readers = [take(200..400), take(100..200), take(450..500), take(100..500)];
        for reader in readers {
            assert!(reader.await.unwrap());
        }
        assert_eq!(*requests.lock().unwrap(), [(100, 500)]);
        assert!(matches!(shared.states()[0], State::Done));
        // One more asks for what it needs.
        assert!(take(300..310).await.unwrap());
        assert_eq!(*requests.lock().unwrap(), [(100, 500), (300, 310)]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn pieces_behind_a_range_are_claimed_once_and_kept_for_its_readers() {
        let rows = 3 * MIB;
        let shared =
            shared(&(0..9).map(|group| read(group * rows..(group + 1) * rows, 0)).collect::<Vec<_>>());
        let claims = shared.behind(0);
        let ranges: Vec<_> = claims.iter().map(|(_, range)| range.start / rows).collect();
        assert_eq!(ranges, [1, 2, 3, 4]);
        assert_eq!(shared.behind(1).len(), 1);
        for (claim, range) in claims {
            claim.keep(bytes_of(range), 0).await;
        }
        for _ in 0..2 {
            let kept = shared.get(2, 2 * rows..3 * rows, |_| async { Err("requested again") }).await;
            assert_eq!(kept.unwrap(), bytes_of(2 * rows..3 * rows));
        }
        // A claim that was dropped is up to the reader.
        let requests = AtomicUsize::new(0);
        let request = |range| {
            requests.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, ()>(bytes_of(range)) }
        };
        assert_eq!(shared.get(5, 15 * MIB..15 * MIB + 1, request).await.unwrap().len(), 1);
        assert_eq!(requests.into_inner(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_request_that_fails_or_is_dropped_is_up_to_the_other_reader() {
        let shared = shared(&[read(100..100 + PIECE_BYTES, 0)]);
        let piece = 100..100 + PIECE_BYTES;
        assert_eq!(shared.get(0, piece.clone(), |_| async { Err(7) }).await, Err(7));
        let never = {
            let (shared, piece) = (Arc::clone(&shared), piece.clone());
            tokio::spawn(async move { shared.get::<(), _>(0, piece, |_| std::future::pending()).await })
        };
        while !matches!(shared.states()[0], State::Requested) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let other = {
            let (shared, piece) = (Arc::clone(&shared), piece.clone());
            tokio::spawn(
                async move { shared.get::<(), _>(0, piece, |range| async { Ok(bytes_of(range)) }).await },
            )
        };
        tokio::time::sleep(Duration::from_millis(20)).await;
        never.abort();
        assert_eq!(other.await.unwrap().unwrap(), bytes_of(piece.clone()));
        // Kept for the second.
        let kept = shared.get::<(), _>(0, piece.clone(), |_| async { panic!("requested again") }).await;
        assert_eq!(kept.unwrap(), bytes_of(piece));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_answer_that_is_too_short_is_not_kept() {
        let shared = shared(&[read(100..110, 0)]);
        let short = |_| async { Ok::<_, ()>(Bytes::from_static(b"123")) };
        assert_eq!(shared.get(0, 100..110, short).await.unwrap(), "123");
        assert_eq!(shared.get(0, 105..110, short).await.unwrap(), "");
        assert!(matches!(shared.states()[0], State::Unread));
    }
}
