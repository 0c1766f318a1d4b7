//! Standard input and output as binary streams. Terminals are refused.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use crate::error::{Error, Place, Result};
use crate::threads::spawn_detached;

use super::io_errors;

/// Whether a path is `-`: standard input or output.
pub fn is_stdio(path: &Path) -> bool {
    path == Path::new("-")
}

/// Size of one read from the pipe.
const CHUNK_BYTES: usize = 1 << 20;
/// Capacity of the bounded channel between the reading thread and the consumer.
const PREFETCHED_CHUNKS: usize = 4;
/// Interval at which a waiting consumer checks the stop flag.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// The chunks of standard input, prefetched by a thread. A stop ends the iteration even
/// while a read of a silent pipe blocks.
#[derive(Debug)]
pub struct StdinChunks<'a> {
    chunks: Receiver<io::Result<Vec<u8>>>,
    stop: &'a AtomicBool,
}

impl<'a> StdinChunks<'a> {
    /// Starts the reading thread.
    ///
    /// # Errors
    /// [`Error::Usage`] if standard input is a terminal; [`Error::NoThread`].
    pub fn read(stop: &'a AtomicBool) -> Result<Self> {
        if io::stdin().is_terminal() {
            let what = "stdin is a terminal; send an Arrow IPC stream into it, or name a Parquet file";
            return Err(Error::Usage(what.to_owned()));
        }
        let (sender, chunks) = bounded(PREFETCHED_CHUNKS);
        // Never joined: a read of a silent pipe blocks forever.
        spawn_detached(move || {
            let mut buffer = vec![0; CHUNK_BYTES];
            loop {
                let chunk = match io::stdin().read(&mut buffer) {
                    Ok(0) => return,
                    Ok(read) => match buffer.get(..read) {
                        Some(bytes) => Ok(bytes.to_vec()),
                        None => Err(io_errors::internal("a read returned more bytes than its buffer holds")),
                    },
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                    Err(e) => Err(e),
                };
                let failed = chunk.is_err();
                if sender.send(chunk).is_err() || failed {
                    return;
                }
            }
        })?;
        Ok(Self { chunks, stop })
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
                Err(RecvTimeoutError::Timeout) if self.stop.load(Ordering::Relaxed) => {
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
