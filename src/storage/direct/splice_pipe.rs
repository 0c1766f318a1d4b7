//! Pages of one file's cache handed to another file, which is written past the cache:
//! the disk takes them from where they lie, and nobody copies a byte. What goes between
//! is a pipe, as Linux wants it, in which are no bytes either but where they are.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice};

/// What a pipe is asked to hold, which is what Linux allows to anybody.
const ASKED_BYTES: usize = 1 << 20;
/// A user with many pipes gets smaller ones. Since the disk is waited for each time, small
/// ones would be slower than copying.
const LEAST_BYTES: usize = 1 << 18;

/// Pages on their way.
#[derive(Debug)]
pub(super) struct SplicePipe {
    out: OwnedFd,
    into: OwnedFd,
    capacity: usize,
}

impl SplicePipe {
    pub(super) fn new() -> io::Result<Self> {
        let (out, into) = pipe_with(PipeFlags::CLOEXEC)?;
        let capacity = fcntl_setpipe_size(&into, ASKED_BYTES).or_else(|_| fcntl_getpipe_size(&into))?;
        if capacity < LEAST_BYTES {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Self { out, into, capacity })
    }

    /// Takes up to `bytes` bytes of a file, of which there must be none left from before.
    /// None at its end.
    pub(super) fn fill(&self, from: &File, start: u64, bytes: u64) -> io::Result<usize> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).min(self.capacity);
        again(|| splice(from, Some(&mut start.clone()), &self.into, None, bytes, SpliceFlags::MOVE))
    }

    /// Gives up to `bytes` of the bytes taken to a file, at its own offset.
    pub(super) fn drain(&self, to: &File, bytes: usize) -> io::Result<usize> {
        again(|| splice(&self.out, None, to, None, bytes, SpliceFlags::MOVE))
    }
}

fn again(mut call: impl FnMut() -> rustix::io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}
