//! An output file that bypasses the page cache (`O_DIRECT`) for large blocks. The first
//! touch of a page in the cache costs more than the copy into it, most of all under a
//! hypervisor that lends the memory, and a terabyte of output evicts everything else.
//! Small or unaligned blocks, and file systems without `O_DIRECT`, use buffered writes.

use std::fs::File;
use std::io::{self, Write};

use super::local::LocalFile;
use super::output::{Output, PAGE_BYTES};

#[cfg(target_os = "linux")]
mod splice_pipe;
#[cfg(target_os = "linux")]
use splice_pipe::SplicePipe;

/// The start of the file, written through the page cache: a small output is usually read
/// next.
const CACHED_BYTES: u64 = 4 << 20;

/// Errors of a file system that does not support `O_DIRECT` or `splice`.
const NOT_SUPPORTED: [io::ErrorKind; 2] = [io::ErrorKind::InvalidInput, io::ErrorKind::Unsupported];

/// A file that is written from its start.
pub(super) struct DirectFile {
    file: File,
    written: u64,
    /// Whether `O_DIRECT` is set at this moment.
    is_direct: bool,
    /// Whether the file system rejected `O_DIRECT`.
    rejects_direct: bool,
    #[cfg(target_os = "linux")]
    pipe: Option<SplicePipe>,
    can_splice: bool,
}

impl DirectFile {
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            written: 0,
            is_direct: false,
            rejects_direct: false,
            #[cfg(target_os = "linux")]
            pipe: None,
            can_splice: cfg!(target_os = "linux"),
        }
    }

    /// Sets or clears `O_DIRECT` for the next write.
    fn choose_mode(&mut self, bytes: &[u8]) {
        let aligned =
            bytes.len().is_multiple_of(PAGE_BYTES) && bytes.as_ptr().addr().is_multiple_of(PAGE_BYTES);
        self.use_direct_if(aligned);
    }

    fn use_direct_if(&mut self, aligned: bool) {
        let aligned = aligned && self.written.is_multiple_of(PAGE_BYTES as u64);
        let wanted = aligned && self.written >= CACHED_BYTES && !self.rejects_direct;
        if wanted != self.is_direct {
            match set_direct(&self.file, wanted) {
                Ok(()) => self.is_direct = wanted,
                Err(_) => self.rejects_direct = true,
            }
        }
    }
}

impl Write for DirectFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.choose_mode(bytes);
        let written = match self.file.write(bytes) {
            // Some file systems accept the flag and reject the write.
            Err(error) if self.is_direct && NOT_SUPPORTED.contains(&error.kind()) => {
                self.rejects_direct = true;
                self.choose_mode(bytes);
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

impl Output for DirectFile {
    fn splices_from(&self) -> Option<u64> {
        (self.can_splice && !self.rejects_direct).then_some(CACHED_BYTES)
    }

    #[cfg(target_os = "linux")]
    fn splice_pages(&mut self, from: &LocalFile, start: u64, bytes: u64) -> io::Result<u64> {
        self.use_direct_if(start.is_multiple_of(PAGE_BYTES as u64));
        let pipe = match self.pipe.take().map_or_else(SplicePipe::new, Ok) {
            Ok(pipe) if self.is_direct => pipe,
            _ => {
                self.can_splice = false;
                return Ok(0);
            }
        };
        let (bytes, mut spliced) = (bytes - bytes % PAGE_BYTES as u64, 0);
        while spliced < bytes {
            // An error of the source shows again in the ordinary read of the remaining bytes.
            let Ok(mut left @ 1..) = pipe.fill(from.file(), start + spliced, bytes - spliced) else {
                return Ok(spliced);
            };
            while left > 0 {
                match pipe.drain(&self.file, left) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(written) => {
                        left -= written;
                        spliced += written as u64;
                        self.written += written as u64;
                    }
                    // Some file systems reject `splice` only here.
                    Err(error) if NOT_SUPPORTED.contains(&error.kind()) => {
                        self.can_splice = false;
                        return Ok(spliced);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        self.pipe = Some(pipe);
        Ok(spliced)
    }

    #[cfg(not(target_os = "linux"))]
    fn splice_pages(&mut self, _: &LocalFile, _: u64, _: u64) -> io::Result<u64> {
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
        let mut file = DirectFile::new(File::create(&path).unwrap());
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
        let mut file = DirectFile::new(File::create(&to).unwrap());
        assert_eq!(file.splices_from(), Some(CACHED_BYTES));
        file.write_all(&bytes[..CACHED_BYTES as usize]).unwrap();
        let whole = bytes.len() as u64 / PAGE_BYTES as u64 * PAGE_BYTES as u64;
        let rest = whole - CACHED_BYTES;
        // A file system without splice or O_DIRECT accepts no page, now and later.
        let spliced = file.splice_pages(&from, CACHED_BYTES, rest + 100).unwrap();
        assert!(spliced == rest || file.splices_from().is_none(), "{spliced}");
        let written = (CACHED_BYTES + spliced) as usize;
        // At the end of the file there is nothing to splice, and that is no error.
        assert_eq!(file.splice_pages(&from, whole + PAGE_BYTES as u64, PAGE_BYTES as u64).unwrap(), 0);
        file.write_all(&bytes[written..]).unwrap();
        drop(file);
        assert!(std::fs::read(&to).unwrap() == bytes);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_refusal_is_no_failure() {
        // Pipes accept the flag with another meaning (packets); terminals and devices reject it.
        let mut null = DirectFile::new(File::options().write(true).open("/dev/null").unwrap());
        let storage = vec![0; (1 << 20) + PAGE_BYTES];
        let start = storage.as_ptr().align_offset(PAGE_BYTES);
        for _ in 0..8 {
            null.write_all(&storage[start..start + (1 << 20)]).unwrap();
        }
        assert_eq!(null.written, 8 << 20);
    }
}
