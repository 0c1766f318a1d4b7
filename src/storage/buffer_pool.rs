//! A pool of read buffers. Reuse avoids page faults, which cost as much as the read.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;

use crate::threads::PerProcess;

/// A cache line, to which values are aligned.
const LINE_BYTES: usize = 64;
/// The allocator serves smaller buffers as fast as the pool.
const MIN_POOLED_BYTES: usize = 64 << 10;
/// Limit of the free list: two pages of DuckDB, which writes those of a whole row group.
const MAX_FREE_BYTES: usize = 128 << 20;

/// A pool of buffers. Clones share one free list.
#[derive(Debug, Clone, Default)]
pub(crate) struct BufferPool(Arc<Mutex<FreeList>>);

#[derive(Debug, Default)]
struct FreeList {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

/// A buffer that returns to its pool on drop.
#[derive(Debug)]
pub(crate) struct PooledBuffer {
    /// At least `range`.
    memory: Vec<u8>,
    range: Range<usize>,
    pool: BufferPool,
}

impl BufferPool {
    /// The pool of all files that are open, and of runs over many: its memory goes with the last of them.
    pub(crate) fn shared() -> Self {
        static SHARED: PerProcess<Mutex<Weak<Mutex<FreeList>>>> = PerProcess::new();
        let mut shared = SHARED.get(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        let pool = shared.upgrade().unwrap_or_default();
        *shared = Arc::downgrade(&pool);
        Self(pool)
    }

    /// A buffer of `length` bytes. It may hold bytes of its previous use.
    pub(crate) fn take(&self, length: usize) -> PooledBuffer {
        PooledBuffer { memory: self.memory(length), range: 0..length, pool: self.clone() }
    }

    /// As [`Self::take`]; the byte at `position` is the first of a cache line, so that values which begin
    /// there can be used where they are.
    pub(crate) fn take_aligned(&self, length: usize, position: usize) -> PooledBuffer {
        let memory = self.memory(length + LINE_BYTES);
        let past_line = memory.as_ptr().addr().wrapping_add(position) % LINE_BYTES;
        let start = (LINE_BYTES - past_line) % LINE_BYTES;
        PooledBuffer { memory, range: start..start + length, pool: self.clone() }
    }

    fn memory(&self, length: usize) -> Vec<u8> {
        match self.take_free(length) {
            Some(memory) => memory,
            // Rounded up: the pages of a column chunk differ a little in length.
            None if length >= MIN_POOLED_BYTES => vec![0; length.next_multiple_of(MIN_POOLED_BYTES)],
            None => vec![0; length],
        }
    }

    fn take_free(&self, length: usize) -> Option<Vec<u8>> {
        if length < MIN_POOLED_BYTES {
            return None;
        }
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = free.buffers.iter().rposition(|memory| memory.len() >= length)?;
        let memory = free.buffers.swap_remove(fits);
        free.bytes -= memory.len();
        Some(memory)
    }

    fn put_back(&self, memory: Vec<u8>) {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() >= MIN_POOLED_BYTES && free.bytes + memory.len() <= MAX_FREE_BYTES {
            free.bytes += memory.len();
            free.buffers.push(memory);
        }
    }
}

impl PooledBuffer {
    /// The bytes, to be overwritten.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.split_at_mut(self.range.end).0.split_at_mut(self.range.start).1
    }

    /// The bytes, zero-copy. The memory returns to the pool when the last slice is dropped.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for PooledBuffer {
    fn as_ref(&self) -> &[u8] {
        self.memory.split_at(self.range.end).0.split_at(self.range.start).1
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        self.pool.put_back(std::mem::take(&mut self.memory));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(pool: &BufferPool, length: usize) -> Bytes {
        let mut buffer = pool.take(length);
        buffer.bytes_mut().iter_mut().enumerate().for_each(|(i, byte)| *byte = (i % 251) as u8);
        buffer.into_bytes()
    }

    #[test]
    fn open_files_share_a_pool() {
        let (one, other) = (BufferPool::shared(), BufferPool::shared());
        assert!(Arc::ptr_eq(&one.0, &other.0));
    }

    #[test]
    fn what_begins_at_a_position_is_aligned() {
        let pool = BufferPool::default();
        for length in [0, 1, 1000, MIN_POOLED_BYTES, 1 << 20] {
            for position in [0, 1, 20, 63, 64, 4099, usize::MAX] {
                let mut buffer = pool.take_aligned(length, position);
                buffer.bytes_mut().fill(7);
                let bytes = buffer.into_bytes();
                assert_eq!(bytes.len(), length);
                assert_eq!(bytes.as_ptr().wrapping_add(position).addr() % LINE_BYTES, 0, "{position}");
                assert!(bytes.iter().all(|byte| *byte == 7));
            }
        }
    }

    #[test]
    fn memory_is_used_again_and_within_bounds() {
        let pool = BufferPool::default();
        let first = filled(&pool, 1 << 20);
        let from = first.as_ptr();
        let part = first.slice(10..20);
        drop(first);
        assert_eq!(pool.0.lock().unwrap().buffers.len(), 0, "a slice of it is in use");
        drop(part);
        let again = filled(&pool, (1 << 20) - 100);
        assert_eq!(again.as_ptr(), from);
        assert!(again.iter().enumerate().all(|(i, byte)| *byte == (i % 251) as u8));

        let all: Vec<Bytes> = (0..200).map(|_| filled(&pool, 1 << 20)).collect();
        drop((again, all, filled(&pool, 100)));
        let free = pool.0.lock().unwrap();
        assert!(free.bytes <= MAX_FREE_BYTES && free.buffers.len() > 100, "{}", free.buffers.len());
        assert_eq!(free.bytes, free.buffers.iter().map(Vec::len).sum::<usize>());
    }
}
