//! The writer of an output, which may take pages of another file as they lie in the page
//! cache.

use std::io::{self, Write};

use super::local::LocalFile;

/// What addresses, lengths and offsets must be multiples of, for writes past the page cache
/// and for pages handed on.
pub(super) const PAGE_BYTES: usize = 4096;

/// A writer that may take pages of another file as they lie in the system's cache.
pub trait Output: Write + Send {
    /// The position from which on it takes pages, if it does.
    fn takes_pages_from(&self) -> Option<u64> {
        None
    }

    /// Takes whole pages of what is at `start` of a file, up to `bytes` bytes, to its own
    /// position; both must be where pages begin. How many bytes those were: fewer where it
    /// can't go on, for whatever reason of the other file's or its own.
    ///
    /// # Errors
    /// Of writing.
    fn take_pages(&mut self, _from: &LocalFile, _start: u64, _bytes: u64) -> io::Result<u64> {
        Ok(0)
    }
}

impl<T: Output + ?Sized> Output for Box<T> {
    fn takes_pages_from(&self) -> Option<u64> {
        (**self).takes_pages_from()
    }

    fn take_pages(&mut self, from: &LocalFile, start: u64, bytes: u64) -> io::Result<u64> {
        (**self).take_pages(from, start, bytes)
    }
}
