//! Where the writer's bytes go: a large block before the file, which is filled by whoever
//! encodes or straight from another file, unless that file's pages go past it; and a memory
//! for the first error, because what lies above loses some of them.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use parquet::errors::Result as ParquetResult;
use parquet::file::reader::ChunkReader;

use super::local::LocalFile;
use super::output::{Output, PAGE_BYTES};
use super::source_file::InputFile;

/// Large enough for a disk that is written to past the system's cache.
const BLOCK_BYTES: usize = 1 << 20;

/// Bytes of another file from which on their pages are worth handing on.
const WORTH_PAGES: u64 = 1 << 20;

/// A writer that hands on whole blocks, and remembers its failure.
pub(crate) struct Sink<W: Output = Box<dyn Output>> {
    writer: W,
    block: Block,
    position: u64,
    failure: Failure,
}

/// Aligned memory, and how much of it is filled.
struct Block {
    storage: Vec<u8>,
    start: usize,
    filled: usize,
}

/// The first error of a [`Sink`], to be asked for after it is gone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failure(Arc<Mutex<Option<io::Error>>>);

impl Failure {
    /// Takes the error out, if there was one.
    pub(crate) fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            // The caller gets a copy of the kind; the original, with the system's
            // number and text, is kept for the message.
            let copy = io::Error::from(error.kind());
            if error.kind() != io::ErrorKind::Interrupted {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
            copy
        })
    }
}

impl Block {
    fn new() -> Self {
        let storage = vec![0; BLOCK_BYTES + PAGE_BYTES];
        let start = storage.as_ptr().align_offset(PAGE_BYTES).min(PAGE_BYTES);
        Self { storage, start, filled: 0 }
    }

    fn room(&mut self) -> &mut [u8] {
        self.storage.get_mut(self.start + self.filled..self.start + BLOCK_BYTES).unwrap_or_default()
    }

    fn content(&self) -> &[u8] {
        self.storage.get(self.start..self.start + self.filled).unwrap_or_default()
    }
}

impl<W: Output> Sink<W> {
    pub(crate) fn new(writer: W) -> (Self, Failure) {
        let failure = Failure::default();
        (Self { writer, block: Block::new(), position: 0, failure: failure.clone() }, failure)
    }

    /// Bytes taken so far.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Fills up with zeros to where bytes of a file from `start` on lie in their pages as
    /// they do there, if there are enough of them to hand on their pages.
    ///
    /// # Errors
    /// The writer's.
    pub(crate) fn align(&mut self, start: u64, bytes: u64) -> io::Result<()> {
        let page = PAGE_BYTES as u64;
        let missing = (start % page + page - self.position % page) % page;
        match usize::try_from(missing) {
            Ok(missing) if bytes >= WORTH_PAGES => {
                self.write_all([0; PAGE_BYTES].get(..missing).unwrap_or_default())
            }
            _ => Ok(()),
        }
    }

    /// Takes `bytes` bytes of a file from `start` on; fewer where it ends before. How many
    /// those were.
    ///
    /// # Errors
    /// The file's as they are, which are not remembered; the writer's.
    pub(crate) fn copy(&mut self, from: &InputFile, start: u64, bytes: u64) -> ParquetResult<u64> {
        let pages = match from {
            InputFile::Local(file) => self.copy_pages(file, start, bytes)?,
            InputFile::Remote(_) => 0,
        };
        let rest = bytes - pages;
        if rest == 0 {
            return Ok(pages);
        }
        Ok(pages + self.take_from(&mut from.get_read(start + pages)?, rest)?)
    }

    /// Takes what it can in pages, and what lies before those.
    fn copy_pages(&mut self, from: &LocalFile, start: u64, bytes: u64) -> ParquetResult<u64> {
        let page = PAGE_BYTES as u64;
        let Some(first) = self.writer.takes_pages_from() else { return Ok(0) };
        let before = self.position.max(first).next_multiple_of(page) - self.position;
        if !(start + before).is_multiple_of(page) || bytes < before.saturating_add(WORTH_PAGES) {
            return Ok(0);
        }
        let taken = if before == 0 { 0 } else { self.take_from(&mut from.get_read(start)?, before)? };
        if taken < before {
            return Ok(taken);
        }
        self.hand_on()?;
        let pages = self.writer.take_pages(from, start + before, bytes - before);
        let pages = self.failure.keep(pages)?;
        self.position += pages;
        Ok(before + pages)
    }

    /// Takes `bytes` bytes from a reader, with no other buffer between; fewer where it
    /// ends before. How many those were.
    fn take_from(&mut self, reader: &mut dyn Read, bytes: u64) -> io::Result<u64> {
        let mut left = bytes;
        while left > 0 {
            let room = self.room()?;
            let most = room.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match reader.read(room.get_mut(..most).unwrap_or_default()) {
                Ok(0) => break,
                Ok(read) => {
                    self.advance(read);
                    left -= read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(bytes - left)
    }

    /// What is free of the block, which is handed on where it is full.
    fn room(&mut self) -> io::Result<&mut [u8]> {
        if self.block.filled == BLOCK_BYTES {
            self.hand_on()?;
        }
        Ok(self.block.room())
    }

    fn advance(&mut self, bytes: usize) {
        self.block.filled += bytes;
        self.position += bytes as u64;
    }

    fn hand_on(&mut self) -> io::Result<()> {
        let written = self.writer.write_all(self.block.content());
        // After an error, too: it must not be written twice.
        self.block.filled = 0;
        self.failure.keep(written)
    }
}

impl<W: Output> Write for Sink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room()?;
        let taken = bytes.len().min(room.len());
        let (to, _) = room.split_at_mut(taken);
        to.copy_from_slice(bytes.get(..taken).unwrap_or_default());
        self.advance(taken);
        Ok(taken)
    }

    // A page writer flushes after every column; only the last flush counts.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Output> Drop for Sink<W> {
    fn drop(&mut self) {
        if self.hand_on().is_ok() {
            let flushed = self.writer.flush();
            _ = self.failure.keep(flushed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Output for Vec<u8> {}
    impl Output for &mut Vec<u8> {}
    impl Output for Full {}

    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::Error::from_raw_os_error(28));
            }
            let written = bytes.len().min(self.0);
            self.0 -= written;
            Ok(written)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_error_in_the_last_flush_is_not_lost() {
        let (mut sink, failure) = Sink::new(Full(100));
        sink.write_all(&[0; 101]).unwrap();
        sink.flush().unwrap();
        assert!(failure.take().is_none());
        drop(sink);
        assert_eq!(failure.take().unwrap().raw_os_error(), Some(28));

        let (mut sink, failure) = Sink::new(Full(100));
        sink.write_all(&[0; 100]).unwrap();
        drop(sink);
        assert!(failure.take().is_none());
    }

    #[test]
    fn bytes_written_and_taken_keep_their_order() {
        let mut out = Vec::new();
        let (mut sink, failure) = Sink::new(&mut out);
        let source: Vec<u8> = (0..3 << 20).map(|i| (i % 253) as u8).collect();
        sink.write_all(b"head").unwrap();
        assert_eq!(sink.take_from(&mut &source[..], 2_500_000).unwrap(), 2_500_000);
        sink.write_all(b"middle").unwrap();
        assert_eq!(sink.take_from(&mut &b"short"[..], 9).unwrap(), 5);
        assert_eq!(sink.position(), 4 + 2_500_000 + 6 + 5);
        drop(sink);
        assert!(failure.take().is_none());
        assert!(out == [b"head", &source[..2_500_000], b"middle", b"short"].concat());
    }

    #[test]
    fn a_readers_error_is_not_the_writers() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::from_raw_os_error(5))
            }
        }
        let (mut sink, failure) = Sink::new(Vec::new());
        assert_eq!(sink.take_from(&mut Broken, 1).unwrap_err().raw_os_error(), Some(5));
        assert!(failure.take().is_none());
    }
}
