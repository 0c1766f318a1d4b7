//! Standard input and output as bytes: neither is a place for text here.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use crate::error::{Error, Place, Result};

/// Whether a path is `-`: standard input or output.
pub fn is_stdio(path: &Path) -> bool {
    path == Path::new("-")
}

/// What is asked of a pipe at once.
const CHUNK_BYTES: usize = 1 << 20;
/// Chunks that are read ahead of whoever takes them.
const CHUNKS_AHEAD: usize = 4;
/// How often somebody who waits looks whether to go on.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The bytes of standard input, read ahead by a thread of its own. A pipe may be silent
/// for ever; a stop is noticed all the same.
#[derive(Debug)]
pub struct StdinChunks<'a> {
    chunks: Receiver<io::Result<Vec<u8>>>,
    stop: &'a AtomicBool,
}

impl<'a> StdinChunks<'a> {
    /// Begins to read.
    ///
    /// # Errors
    /// [`Error::Usage`] where standard input is a terminal.
    pub fn read(stop: &'a AtomicBool) -> Result<Self> {
        if io::stdin().is_terminal() {
            let what = "stdin is a terminal; send an Arrow IPC stream into it, or name a Parquet file";
            return Err(Error::Usage(what.to_owned()));
        }
        let (sender, chunks) = bounded(CHUNKS_AHEAD);
        // Never joined: it may wait for bytes that do not come.
        std::thread::spawn(move || {
            let mut buffer = vec![0; CHUNK_BYTES];
            loop {
                let chunk = match io::stdin().read(&mut buffer) {
                    Ok(0) => return,
                    Ok(read) => Ok(buffer.get(..read).unwrap_or_default().to_vec()),
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                    Err(e) => Err(e),
                };
                let failed = chunk.is_err();
                if sender.send(chunk).is_err() || failed {
                    return;
                }
            }
        });
        Ok(Self { chunks, stop })
    }
}

impl Iterator for StdinChunks<'_> {
    type Item = io::Result<Vec<u8>>;

    /// The next bytes; an error that holds [`Error::Interrupted`] at a stop.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.chunks.recv_timeout(LOOK_EVERY) {
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

/// Standard output without the buffer that looks for lines in what is written.
///
/// # Errors
/// [`Error::Usage`] where it is a terminal; [`Error::Io`].
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
