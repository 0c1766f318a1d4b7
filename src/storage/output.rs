//! The trait of output writers. A writer may also accept pages of a local file from the
//! page cache, zero-copy.

use std::io::{self, Write};

use super::local::LocalFile;

/// Alignment of addresses, lengths and offsets for `O_DIRECT` writes and for spliced pages.
pub(super) const PAGE_BYTES: usize = 4096;

/// A writer that may accept pages of another file straight from the page cache.
pub trait Output: Write + Send {
    /// The position from which the writer accepts pages, if it accepts any.
    fn splices_from(&self) -> Option<u64> {
        None
    }

    /// Splices up to `bytes` bytes of a file, from `start` on, to the current position of this
    /// output. Only whole pages are spliced; `start` and the position must be aligned to pages.
    /// Returns the number of bytes, which is smaller where the source ends or this output accepts
    /// no more.
    ///
    /// # Errors
    /// Errors of writing only.
    fn splice_pages(&mut self, _from: &LocalFile, _start: u64, _bytes: u64) -> io::Result<u64> {
        Ok(0)
    }
}

impl<T: Output + ?Sized> Output for Box<T> {
    fn splices_from(&self) -> Option<u64> {
        (**self).splices_from()
    }

    fn splice_pages(&mut self, from: &LocalFile, start: u64, bytes: u64) -> io::Result<u64> {
        (**self).splice_pages(from, start, bytes)
    }
}
