//! A file that the disk follows: what is written goes to disk while more is computed, by
//! a thread of its own, so that the last fsync is short; and what lies far behind leaves
//! the system's cache, which has better uses for its memory than the beginning of a
//! terabyte. Small files are left alone.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// How far the disk may stay behind.
const BEHIND_BYTES: u64 = 32 << 20;
/// What stays in the cache: whoever reads the output next finds a small one whole.
const CACHED_BYTES: u64 = 256 << 20;

/// A file being written from its start.
pub(super) struct Followed {
    file: File,
    /// The same file, opened by itself: an error that this one is told is told again to
    /// whoever asks the file itself to be on disk.
    second: Option<File>,
    written: u64,
    asked: u64,
    ask: Option<SyncSender<u64>>,
}

impl Followed {
    pub(super) fn new(file: File, path: &Path) -> Self {
        Self { file, second: File::open(path).ok(), written: 0, asked: 0, ask: None }
    }

    /// Has the disk follow. All of it may fail without harm.
    fn follow(&mut self) {
        if let Some(file) = self.second.take() {
            let (ask, asked) = sync_channel(1);
            let thread = std::thread::Builder::new().name("disk".to_owned());
            self.ask = thread.spawn(move || write_back(&file, &asked)).ok().map(|_| ask);
        }
        // Where it is still busy with the last one, the next will do for both.
        if self.ask.as_ref().is_some_and(|ask| ask.try_send(self.written).is_ok()) {
            self.asked = self.written;
        }
    }
}

impl Write for Followed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.written += written as u64;
        if self.written - self.asked >= BEHIND_BYTES {
            self.follow();
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn write_back(file: &File, asked: &Receiver<u64>) {
    for written in asked {
        if file.sync_data().is_err() {
            return;
        }
        forget(file, written.saturating_sub(CACHED_BYTES));
    }
}

/// Lets the beginning of a file leave the system's cache.
#[cfg(target_os = "linux")]
fn forget(file: &File, bytes: u64) {
    if let Some(bytes) = std::num::NonZeroU64::new(bytes) {
        _ = rustix::fs::fadvise(file, 0, Some(bytes), rustix::fs::Advice::DontNeed);
    }
}

#[cfg(not(target_os = "linux"))]
fn forget(_: &File, _: u64) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_written_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        let mut followed = Followed::new(File::create(&path).unwrap(), &path);
        let piece: Vec<u8> = (0..1 << 20).map(|i| (i % 251) as u8).collect();
        for _ in 0..70 {
            followed.write_all(&piece).unwrap();
        }
        assert!(followed.ask.is_some() && followed.asked >= BEHIND_BYTES);
        drop(followed);
        let written = std::fs::read(&path).unwrap();
        assert_eq!(written.len(), 70 << 20);
        assert!(written.chunks(1 << 20).all(|chunk| chunk == piece));
    }

    #[test]
    fn a_short_file_starts_no_thread() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("short");
        let mut followed = Followed::new(File::create(&path).unwrap(), &path);
        followed.write_all(b"abc").unwrap();
        assert!(followed.ask.is_none());
        assert_eq!(std::fs::read(&path).unwrap(), b"abc");
    }
}
