//! A file whose large blocks go to disk past the system's cache. A page of the cache that
//! is touched for the first time costs more than copying into it, most of all where a
//! hypervisor lends the memory; and who writes a terabyte has no use for the cache of it.
//! What is short, unaligned, or on a file system that knows no such way is written as
//! usual.

use std::fs::File;
use std::io::{self, Write};

use super::local::LocalFile;
use super::output::{Output, PAGE_BYTES};

#[cfg(target_os = "linux")]
mod splice_pipe;
#[cfg(target_os = "linux")]
use splice_pipe::SplicePipe;

/// What stays in the cache: a small output is most often read next.
const CACHED_BYTES: u64 = 4 << 20;

/// What a file system says to a way that it does not know.
const REFUSALS: [io::ErrorKind; 2] = [io::ErrorKind::InvalidInput, io::ErrorKind::Unsupported];

/// A file being written from its start.
pub(super) struct Direct {
    file: File,
    written: u64,
    /// Whether the file is open for writing past the cache at this moment.
    past_cache: bool,
    /// Whether the file system has refused.
    refused: bool,
    /// How another file's pages come here.
    #[cfg(target_os = "linux")]
    pages: Option<SplicePipe>,
    takes_pages: bool,
}

impl Direct {
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            written: 0,
            past_cache: false,
            refused: false,
            #[cfg(target_os = "linux")]
            pages: None,
            takes_pages: cfg!(target_os = "linux"),
        }
    }

    /// Chooses the way of the next bytes.
    fn choose(&mut self, bytes: &[u8]) {
        let aligned =
            bytes.len().is_multiple_of(PAGE_BYTES) && bytes.as_ptr().addr().is_multiple_of(PAGE_BYTES);
        self.go_past_cache(aligned);
    }

    fn go_past_cache(&mut self, aligned: bool) {
        let aligned = aligned && self.written.is_multiple_of(PAGE_BYTES as u64);
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
            Err(error) if self.past_cache && REFUSALS.contains(&error.kind()) => {
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

impl Output for Direct {
    fn takes_pages_from(&self) -> Option<u64> {
        (self.takes_pages && !self.refused).then_some(CACHED_BYTES)
    }

    #[cfg(target_os = "linux")]
    fn take_pages(&mut self, from: &LocalFile, start: u64, bytes: u64) -> io::Result<u64> {
        self.go_past_cache(start.is_multiple_of(PAGE_BYTES as u64));
        let pages = match self.pages.take().map_or_else(SplicePipe::new, Ok) {
            Ok(pages) if self.past_cache => pages,
            _ => {
                self.takes_pages = false;
                return Ok(0);
            }
        };
        let (bytes, mut taken) = (bytes - bytes % PAGE_BYTES as u64, 0);
        while taken < bytes {
            // Whoever reads what is missing learns why.
            let Ok(mut left @ 1..) = pages.fill(from.file(), start + taken, bytes - taken) else {
                return Ok(taken);
            };
            while left > 0 {
                match pages.drain(&self.file, left) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(written) => {
                        left -= written;
                        taken += written as u64;
                        self.written += written as u64;
                    }
                    // Some file systems say only now that they don't take pages.
                    Err(error) if REFUSALS.contains(&error.kind()) => {
                        self.takes_pages = false;
                        return Ok(taken);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        self.pages = Some(pages);
        Ok(taken)
    }

    #[cfg(not(target_os = "linux"))]
    fn take_pages(&mut self, _: &LocalFile, _: u64, _: u64) -> io::Result<u64> {
        Ok(0)
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
        let storage: Vec<u8> = (0..(2 << 20) + PAGE_BYTES).map(|i| (i % 251) as u8).collect();
        let start = storage.as_ptr().align_offset(PAGE_BYTES);
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
    fn another_files_pages_arrive_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let bytes: Vec<u8> = (0..(9 << 20) + 100).map(|i| (i % 251) as u8).collect();
        std::fs::write(&from, &bytes).unwrap();
        let from = LocalFile::open(&from).unwrap();
        let mut file = Direct::new(File::create(&to).unwrap());
        assert_eq!(file.takes_pages_from(), Some(CACHED_BYTES));
        file.write_all(&bytes[..CACHED_BYTES as usize]).unwrap();
        let whole = bytes.len() as u64 / PAGE_BYTES as u64 * PAGE_BYTES as u64;
        let rest = whole - CACHED_BYTES;
        // A file system without such a way takes none of it, and says so from then on.
        let taken = file.take_pages(&from, CACHED_BYTES, rest + 100).unwrap();
        assert!(taken == rest || file.takes_pages_from().is_none(), "{taken}");
        let written = (CACHED_BYTES + taken) as usize;
        // At the file's end there is nothing to take, and nothing wrong.
        assert_eq!(file.take_pages(&from, whole + PAGE_BYTES as u64, PAGE_BYTES as u64).unwrap(), 0);
        file.write_all(&bytes[written..]).unwrap();
        drop(file);
        assert!(std::fs::read(&to).unwrap() == bytes);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_refusal_is_no_failure() {
        // Pipes take the flag, but as packets; terminals and the like refuse it.
        let mut null = Direct::new(File::options().write(true).open("/dev/null").unwrap());
        let storage = vec![0; (1 << 20) + PAGE_BYTES];
        let start = storage.as_ptr().align_offset(PAGE_BYTES);
        for _ in 0..8 {
            null.write_all(&storage[start..start + (1 << 20)]).unwrap();
        }
        assert_eq!(null.written, 8 << 20);
    }
}
