//! Standard input and output as binary streams. Terminals are refused.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use crate::error::{Error, Place, Result};
use crate::threads::spawn_detached;

/// Whether a path is `-`: standard input or output.
pub fn is_stdio(path: &Path) -> bool {
    path == Path::new("-")
}

/// Cuts a stream of bytes into chunks, for whoever knows where its parts end.
pub trait Chunker: Send + 'static {
    /// Reads the next chunk; `None` at the end.
    ///
    /// # Errors
    /// Those of reading.
    fn next(&mut self, input: &mut dyn Read) -> io::Result<Option<Vec<u8>>>;
}

/// Capacity of the bounded channel between the reading thread and the consumer.
const PREFETCHED_CHUNKS: usize = 4;
/// Interval at which a waiting consumer checks the stop flag.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// The chunks of standard input, prefetched by a thread. A stop ends the iteration even
/// while a read of a silent pipe blocks.
#[derive(Debug)]
pub struct StdinChunks<'a> {
    chunks: Receiver<io::Result<Vec<u8>>>,
    stops: Vec<&'a AtomicBool>,
}

impl<'a> StdinChunks<'a> {
    /// Starts the thread that reads the chunks. Each of the flags ends the iteration.
    ///
    /// # Errors
    /// [`Error::Usage`] if standard input is a terminal; [`Error::NoThread`].
    pub fn read(stops: &[&'a AtomicBool], mut chunker: impl Chunker) -> Result<Self> {
        if io::stdin().is_terminal() {
            let what = "stdin is a terminal; send an Arrow IPC stream into it, or name a Parquet file";
            return Err(Error::Usage(what.to_owned()));
        }
        let (sender, chunks) = bounded(PREFETCHED_CHUNKS);
        // Never joined: a read of a silent pipe blocks forever.
        spawn_detached(move || {
            let mut input = io::stdin().lock();
            while let Some(chunk) = chunker.next(&mut input).transpose() {
                let failed = chunk.is_err();
                if sender.send(chunk).is_err() || failed {
                    return;
                }
            }
        })?;
        Ok(Self { chunks, stops: stops.to_vec() })
    }
}

impl Iterator for StdinChunks<'_> {
    type Item = io::Result<Vec<u8>>;

    /// The next chunk, or after a stop an error that contains [`Error::Interrupted`].
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.chunks.recv_timeout(STOP_CHECK_INTERVAL) {
                Ok(chunk) => return Some(chunk),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout)
                    if self.stops.iter().any(|stop| stop.load(Ordering::Relaxed)) =>
                {
                    return Some(Err(io::Error::other(Error::Interrupted)));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

/// Standard output as a plain file, without the line buffering of [`io::Stdout`].
///
/// # Errors
/// [`Error::Usage`] if it is a terminal; [`Error::Io`].
pub fn stdout() -> Result<File> {
    let stdout = io::stdout();
    if stdout.is_terminal() {
        let what = "stdout is a terminal; send the Arrow IPC stream into a program or a file";
        return Err(Error::Usage(what.to_owned()));
    }
    #[cfg(unix)]
    let owned = std::os::fd::AsFd::as_fd(&stdout).try_clone_to_owned();
    #[cfg(windows)]
    let owned = std::os::windows::io::AsHandle::as_handle(&stdout).try_clone_to_owned();
    owned.map(File::from).map_err(|e| Error::io(Place::file("stdout"), "write", e))
}
