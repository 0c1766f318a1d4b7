//! Memory for what is read of a file, used again and again: a fresh page of memory costs
//! as much as filling it.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Below this the allocator is as good.
const SMALLEST: usize = 64 << 10;
/// What is kept for the next ones.
const KEPT_BYTES: usize = 32 << 20;

/// Where pool come from and go back to. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct BufferPool(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    pool: Vec<Vec<u8>>,
    bytes: usize,
}

/// PooledBuffer for so many bytes.
#[derive(Debug)]
pub(super) struct PooledBuffer {
    memory: Vec<u8>,
    length: usize,
    pool: BufferPool,
}

impl BufferPool {
    /// PooledBuffer for `length` bytes, which hold whatever was there before.
    pub(super) fn take(&self, length: usize) -> PooledBuffer {
        let memory = match self.kept(length) {
            Some(memory) => memory,
            // Pages differ a little in their lengths.
            None if length >= SMALLEST => vec![0; length.next_multiple_of(SMALLEST)],
            None => vec![0; length],
        };
        PooledBuffer { memory, length, pool: self.clone() }
    }

    fn kept(&self, length: usize) -> Option<Vec<u8>> {
        if length < SMALLEST {
            return None;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = kept.pool.iter().rposition(|memory| memory.len() >= length)?;
        let memory = kept.pool.swap_remove(fits);
        kept.bytes -= memory.len();
        Some(memory)
    }

    fn keep(&self, memory: Vec<u8>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() >= SMALLEST && kept.bytes + memory.len() <= KEPT_BYTES {
            kept.bytes += memory.len();
            kept.pool.push(memory);
        }
    }
}

impl PooledBuffer {
    /// What to fill.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.get_mut(..self.length).unwrap_or_default()
    }

    /// The bytes; their memory goes back when the last of them is gone.
    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for PooledBuffer {
    fn as_ref(&self) -> &[u8] {
        self.memory.get(..self.length).unwrap_or_default()
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        self.pool.keep(std::mem::take(&mut self.memory));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(pool: &BufferPool, length: usize) -> Bytes {
        let mut room = pool.take(length);
        room.bytes_mut().iter_mut().enumerate().for_each(|(i, byte)| *byte = (i % 251) as u8);
        room.into_bytes()
    }

    #[test]
    fn memory_is_used_again_and_within_bounds() {
        let pool = BufferPool::default();
        let first = filled(&pool, 1 << 20);
        let from = first.as_ptr();
        let part = first.slice(10..20);
        drop(first);
        assert_eq!(pool.0.lock().unwrap().pool.len(), 0, "a part of it is in use");
        drop(part);
        let again = filled(&pool, (1 << 20) - 100);
        assert_eq!(again.as_ptr(), from);
        assert!(again.iter().enumerate().all(|(i, byte)| *byte == (i % 251) as u8));

        let all: Vec<Bytes> = (0..40).map(|_| filled(&pool, 1 << 20)).collect();
        drop((again, all, filled(&pool, 100)));
        let kept = pool.0.lock().unwrap();
        assert!(kept.bytes <= KEPT_BYTES && kept.pool.len() > 20, "{}", kept.pool.len());
        assert_eq!(kept.bytes, kept.pool.iter().map(Vec::len).sum::<usize>());
    }
}
