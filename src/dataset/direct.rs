//! A file whose large blocks go to disk past the system's cache. A page of the cache that
//! is touched for the first time costs more than copying into it, most of all where a
//! hypervisor lends the memory; and who writes a terabyte has no use for the cache of it.
//! What is short, unaligned, or on a file system that knows no such way is written as
//! usual.

use std::fs::File;
use std::io::{self, Write};

/// What addresses, lengths and offsets must be multiples of.
pub(super) const ALIGNMENT: usize = 4096;
/// What stays in the cache: a small output is most often read next.
const CACHED_BYTES: u64 = 4 << 20;

/// A file being written from its start.
pub(super) struct Direct {
    file: File,
    written: u64,
    /// Whether the file is open for writing past the cache at this moment.
    past_cache: bool,
    /// Whether the file system has refused.
    refused: bool,
}

impl Direct {
    pub(super) fn new(file: File) -> Self {
        Self { file, written: 0, past_cache: false, refused: false }
    }

    /// Chooses the way of the next bytes.
    fn choose(&mut self, bytes: &[u8]) {
        let aligned = self.written.is_multiple_of(ALIGNMENT as u64)
            && bytes.len().is_multiple_of(ALIGNMENT)
            && bytes.as_ptr().addr().is_multiple_of(ALIGNMENT);
        let wanted = aligned && self.written >= CACHED_BYTES && !self.refused;
        if wanted != self.past_cache {
            match set_direct(&self.file, wanted) {
                Ok(()) => self.past_cache = wanted,
                Err(_) => self.refused = true,
            }
        }
    }
}

impl Write for Direct {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.choose(bytes);
        let written = match self.file.write(bytes) {
            // Some file systems say so only now.
            Err(error) if self.past_cache && error.kind() == io::ErrorKind::InvalidInput => {
                self.refused = true;
                self.choose(bytes);
                self.file.write(bytes)
            }
            written => written,
        }?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(target_os = "linux")]
fn set_direct(file: &File, direct: bool) -> io::Result<()> {
    let mut flags = rustix::fs::fcntl_getfl(file)?;
    flags.set(rustix::fs::OFlags::DIRECT, direct);
    Ok(rustix::fs::fcntl_setfl(file, flags)?)
}

#[cfg(not(target_os = "linux"))]
fn set_direct(_: &File, _: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_every_kind_arrive_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        let mut file = Direct::new(File::create(&path).unwrap());
        let storage: Vec<u8> = (0..(2 << 20) + ALIGNMENT).map(|i| (i % 251) as u8).collect();
        let start = storage.as_ptr().align_offset(ALIGNMENT);
        let aligned = &storage[start..start + (1 << 20)];
        let mut expected = Vec::new();
        let pieces = [aligned; 6].into_iter().chain([&aligned[1..100], aligned, &aligned[99..], aligned]);
        for piece in pieces {
            file.write_all(piece).unwrap();
            expected.extend_from_slice(piece);
        }
        drop(file);
        assert!(std::fs::read(&path).unwrap() == expected);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_refusal_is_no_failure() {
        // Pipes take the flag, but as packets; terminals and the like refuse it.
        let mut null = Direct::new(File::options().write(true).open("/dev/null").unwrap());
        let storage = vec![0; (1 << 20) + ALIGNMENT];
        let start = storage.as_ptr().align_offset(ALIGNMENT);
        for _ in 0..8 {
            null.write_all(&storage[start..start + (1 << 20)]).unwrap();
        }
        assert_eq!(null.written, 8 << 20);
    }
}
