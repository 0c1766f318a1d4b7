//! A pipe that splices pages from the page cache to an `O_DIRECT` file, zero-copy. Linux requires a
//! pipe between the two files; it holds references to the pages, not their bytes.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice};

/// Requested capacity: the most that Linux grants an unprivileged user.
const PIPE_BYTES: usize = 1 << 20;
/// Smallest capacity that is used. A user with many pipes gets smaller ones, and since each
/// round waits for the disk, those are slower than copying.
const MIN_PIPE_BYTES: usize = 1 << 18;

/// A pipe for pages in transit between two files.
#[derive(Debug)]
pub(super) struct SplicePipe {
    read_end: OwnedFd,
    write_end: OwnedFd,
    capacity: usize,
}

impl SplicePipe {
    pub(super) fn new() -> io::Result<Self> {
        let (read_end, write_end) = pipe_with(PipeFlags::CLOEXEC)?;
        let capacity =
            fcntl_setpipe_size(&write_end, PIPE_BYTES).or_else(|_| fcntl_getpipe_size(&write_end))?;
        if capacity < MIN_PIPE_BYTES {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Self { read_end, write_end, capacity })
    }

    /// Fills the pipe, which must be empty, with up to `bytes` bytes of a file. Returns 0 at
    /// the end of the file.
    pub(super) fn fill(&self, from: &File, start: u64, bytes: u64) -> io::Result<usize> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).min(self.capacity);
        retry_interrupted(|| {
            splice(from, Some(&mut start.clone()), &self.write_end, None, bytes, SpliceFlags::MOVE)
        })
    }

    /// Drains up to `bytes` bytes of the pipe to a file, at the file's own offset.
    pub(super) fn drain(&self, to: &File, bytes: usize) -> io::Result<usize> {
        retry_interrupted(|| splice(&self.read_end, None, to, None, bytes, SpliceFlags::MOVE))
    }
}

fn retry_interrupted(mut call: impl FnMut() -> rustix::io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}
