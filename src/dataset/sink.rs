//! Where the writer's bytes go: a large buffer before the file, and a memory for
//! the first error, because what lies above loses some of them.

use std::io::{self, BufWriter, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Large enough that calls cost nothing, small enough for a core's cache.
const BUFFER_BYTES: usize = 1 << 18;

/// A writer that remembers its failure. Clones share the memory.
pub(super) struct Sink<W: Write = Box<dyn Write + Send>> {
    writer: BufWriter<W>,
    failure: Failure,
}

/// The first error of a [`Sink`], to be asked for after it is gone.
#[derive(Debug, Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<io::Error>>>);

impl Failure {
    /// Takes the error out, if there was one.
    pub(super) fn take(&self) -> Option<io::Error> {
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

impl<W: Write> Sink<W> {
    pub(super) fn new(writer: W) -> (Self, Failure) {
        let failure = Failure::default();
        (Self { writer: BufWriter::with_capacity(BUFFER_BYTES, writer), failure: failure.clone() }, failure)
    }
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.failure.keep(self.writer.write(bytes))
    }

    // A page writer flushes after every column; only the last flush counts.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Drop for Sink<W> {
    fn drop(&mut self) {
        let flushed = self.writer.flush();
        _ = self.failure.keep(flushed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
