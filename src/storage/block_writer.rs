//! A block writer in front of an output. It collects encoded bytes and copied ranges of the
//! source file in one large aligned block, or splices those ranges past it, zero-copy; and it
//! records the first write error, because the Parquet crate's writers lose some of them.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use parquet::errors::Result as ParquetResult;
use parquet::file::reader::ChunkReader;

use super::io_errors;
use super::local::LocalFile;
use super::output::{Output, PAGE_BYTES};
use super::source_file::SourceFile;

/// Large enough for `O_DIRECT` writes at the disk's full speed.
const BLOCK_BYTES: usize = 1 << 20;

/// Shortest range of another file that is spliced instead of copied.
const MIN_SPLICE_BYTES: u64 = 1 << 20;

/// A writer of whole blocks that records its first error.
pub(crate) struct BlockWriter<W: Output = Box<dyn Output>> {
    output: W,
    block: Block,
    position: u64,
    first_error: FirstError,
}

/// A buffer aligned to pages, and the length of its content.
struct Block {
    memory: Vec<u8>,
    start: usize,
    length: usize,
}

/// The first error of a [`BlockWriter`], which outlives the writer.
#[derive(Debug, Clone, Default)]
pub(crate) struct FirstError(Arc<Mutex<Option<io::Error>>>);

impl FirstError {
    /// Takes the error out, if there is one.
    pub(crate) fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn record<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            // The caller gets a copy of the kind; the original, with errno and text, is
            // recorded for the message.
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
        let memory = vec![0; BLOCK_BYTES + PAGE_BYTES];
        let start = memory.as_ptr().align_offset(PAGE_BYTES).min(PAGE_BYTES);
        Self { memory, start, length: 0 }
    }

    fn free(&mut self) -> io::Result<&mut [u8]> {
        let free = self.memory.get_mut(self.start + self.length..self.start + BLOCK_BYTES);
        free.ok_or_else(|| io_errors::internal("a block holds more bytes than its size"))
    }

    fn content(&self) -> io::Result<&[u8]> {
        let content = self.memory.get(self.start..self.start + self.length);
        content.ok_or_else(|| io_errors::internal("a block holds more bytes than its memory"))
    }
}

impl<W: Output> BlockWriter<W> {
    pub(crate) fn new(output: W) -> (Self, FirstError) {
        let first_error = FirstError::default();
        (Self { output, block: Block::new(), position: 0, first_error: first_error.clone() }, first_error)
    }

    /// Bytes written so far.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Pads with zeros until the position has the same offset within a page as `start` has in
    /// the source file, if the range there is long enough to be spliced.
    ///
    /// # Errors
    /// Errors of the output.
    pub(crate) fn align(&mut self, start: u64, bytes: u64) -> io::Result<()> {
        let page = PAGE_BYTES as u64;
        let missing = (start % page + page - self.position % page) % page;
        match usize::try_from(missing) {
            Ok(missing) if bytes >= MIN_SPLICE_BYTES => {
                let (padding, _) = [0; PAGE_BYTES].split_at(missing);
                self.write_all(padding)
            }
            _ => Ok(()),
        }
    }

    /// Whether [`Self::copy`] may splice a range of a file past this program's memory.
    pub(crate) fn may_splice(&self, from: &SourceFile, bytes: u64) -> bool {
        bytes >= MIN_SPLICE_BYTES && matches!(from, SourceFile::Local(_))
    }

    /// Copies `bytes` bytes of a file, from `start` on. Returns the number of bytes, which is
    /// smaller where the file ends before.
    ///
    /// # Errors
    /// Errors of the source, which are not recorded; errors of the output, which are.
    pub(crate) fn copy(&mut self, from: &SourceFile, start: u64, bytes: u64) -> ParquetResult<u64> {
        let spliced = match from {
            SourceFile::Local(file) => self.splice(file, start, bytes)?,
            SourceFile::Remote(_) => 0,
        };
        let rest = bytes - spliced;
        if rest == 0 {
            return Ok(spliced);
        }
        Ok(spliced + self.copy_from(&mut from.get_read(start + spliced)?, rest)?)
    }

    /// Splices as many whole pages as possible, and copies the bytes before them.
    fn splice(&mut self, from: &LocalFile, start: u64, bytes: u64) -> ParquetResult<u64> {
        let page = PAGE_BYTES as u64;
        let Some(first) = self.output.splices_from() else { return Ok(0) };
        let before = self.position.max(first).next_multiple_of(page) - self.position;
        if !(start + before).is_multiple_of(page) || bytes < before.saturating_add(MIN_SPLICE_BYTES) {
            return Ok(0);
        }
        let copied = if before == 0 { 0 } else { self.copy_from(&mut from.get_read(start)?, before)? };
        if copied < before {
            return Ok(copied);
        }
        self.write_block()?;
        let spliced = self.output.splice_pages(from, start + before, bytes - before);
        let spliced = self.first_error.record(spliced)?;
        self.position += spliced;
        Ok(before + spliced)
    }

    /// Reads `bytes` bytes of a reader straight into the block. Returns the number of bytes,
    /// which is smaller where the reader ends before.
    ///
    /// # Errors
    /// Errors of the reader, which are not recorded; errors of the output, which are.
    pub(crate) fn copy_from(&mut self, reader: &mut dyn Read, bytes: u64) -> io::Result<u64> {
        let mut left = bytes;
        while left > 0 {
            let free = self.free()?;
            let most = free.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let (free, _) = free.split_at_mut(most);
            match reader.read(free) {
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

    /// The free part of the block, never empty: a full block is written first.
    fn free(&mut self) -> io::Result<&mut [u8]> {
        if self.block.length == BLOCK_BYTES {
            self.write_block()?;
        }
        self.block.free()
    }

    fn advance(&mut self, bytes: usize) {
        self.block.length += bytes;
        self.position += bytes as u64;
    }

    fn write_block(&mut self) -> io::Result<()> {
        let written = self.block.content().and_then(|content| self.output.write_all(content));
        // Also after an error: no byte may be written twice.
        self.block.length = 0;
        self.first_error.record(written)
    }
}

impl<W: Output> Write for BlockWriter<W> {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.read(self.free()?)?;
        self.advance(taken);
        Ok(taken)
    }

    // The Parquet page writer flushes after every column; the output needs one flush, on drop.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Output> Drop for BlockWriter<W> {
    fn drop(&mut self) {
        if self.write_block().is_ok() {
            let flushed = self.output.flush();
            _ = self.first_error.record(flushed);
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
        let (mut writer, first_error) = BlockWriter::new(Full(100));
        writer.write_all(&[0; 101]).unwrap();
        writer.flush().unwrap();
        assert!(first_error.take().is_none());
        drop(writer);
        assert_eq!(first_error.take().unwrap().raw_os_error(), Some(28));

        let (mut writer, first_error) = BlockWriter::new(Full(100));
        writer.write_all(&[0; 100]).unwrap();
        drop(writer);
        assert!(first_error.take().is_none());
    }

    #[test]
    fn bytes_written_and_taken_keep_their_order() {
        let mut out = Vec::new();
        let (mut writer, first_error) = BlockWriter::new(&mut out);
        let source: Vec<u8> = (0..3 << 20).map(|i| (i % 253) as u8).collect();
        writer.write_all(b"head").unwrap();
        assert_eq!(writer.copy_from(&mut &source[..], 2_500_000).unwrap(), 2_500_000);
        writer.write_all(b"middle").unwrap();
        assert_eq!(writer.copy_from(&mut &b"short"[..], 9).unwrap(), 5);
        assert_eq!(writer.position(), 4 + 2_500_000 + 6 + 5);
        drop(writer);
        assert!(first_error.take().is_none());
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
        let (mut writer, first_error) = BlockWriter::new(Vec::new());
        assert_eq!(writer.copy_from(&mut Broken, 1).unwrap_err().raw_os_error(), Some(5));
        assert!(first_error.take().is_none());
    }
}
