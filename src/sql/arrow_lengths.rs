//! The lengths in Arrow files and streams, checked before DataFusion opens them: its readers
//! allocate what a length says, and an allocation that fails ends the process. Metadata and the
//! first bytes of compressed buffers are read, and no body.

use std::ops::Range;

use bytes::Bytes;
use datafusion::arrow::ipc::{Block, root_as_footer};
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::session_state::SessionState;
use datafusion::object_store::{ObjectStore, ObjectStoreExt};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::error::{Error, Place, Result};
use crate::output::{BEHIND_END, CONTINUATION, MessageLengths, NO_END, batch_limit_bytes};

use super::errors::convert_error;
use super::table_files::TableFile;

/// At both ends of a file, and not of a stream.
const MAGIC: &[u8] = b"ARROW1";
/// The length of the footer and the magic bytes.
const TAIL_BYTES: u64 = 10;
/// Bytes read at once, so that short messages do not take a request each.
const WINDOW_BYTES: u64 = 256 << 10;
/// Files, or parts of one, that are checked at a time.
const CONCURRENT: usize = 16;

/// Checks the lengths in Arrow files and streams.
///
/// # Errors
/// [`Error::BadData`] for a length that cannot be, and for streams that are not whole; those of reading.
pub(super) async fn check_arrow_files(
    state: &SessionState,
    store: &dyn ObjectStore,
    files: &[TableFile],
) -> Result<()> {
    let limit_bytes = batch_limit_bytes(match state.runtime_env().memory_pool.memory_limit() {
        MemoryLimit::Finite(bytes) => Some(bytes as u64),
        MemoryLimit::Infinite | MemoryLimit::Unknown => None,
    });
    let mut checks = Vec::with_capacity(files.len());
    for file in files {
        checks.push(check_file(Source { store, file, limit_bytes }).boxed());
    }
    stream::iter(checks).buffered(CONCURRENT).try_collect().await
}

async fn check_file(source: Source<'_>) -> Result<()> {
    let bytes = source.file.meta.size;
    if bytes == 0 {
        return Err(source.bad_data("is empty (0 bytes), not an Arrow file; write it again or remove it"));
    }
    let head = source.read(0..bytes.min(MAGIC.len() as u64)).await?;
    let tail = source.read(bytes.saturating_sub(TAIL_BYTES)..bytes).await?;
    let ends = [head.starts_with(MAGIC), tail.ends_with(MAGIC)];
    match ends {
        [true, true] if bytes >= MAGIC.len() as u64 + TAIL_BYTES => check_blocks(&source, &tail).await,
        // A reader takes the last bytes for the mark of a file, and another one the first bytes.
        [true, _] | [_, true] => {
            Err(source.bad_data("is an Arrow file without its beginning or its end; write it again"))
        }
        [false, false] if !head.starts_with(&CONTINUATION) => {
            Err(source.bad_data("is neither an Arrow file nor an Arrow stream"))
        }
        [false, false] => check_messages(&source).await,
    }
}

/// Checks the messages that the footer of a file names.
async fn check_blocks(source: &Source<'_>, tail: &Bytes) -> Result<()> {
    let damaged = || source.bad_data("has a damaged footer; write the file again");
    let end = source.file.meta.size - TAIL_BYTES;
    let length = tail.first_chunk::<4>().map(|bytes| i32::from_le_bytes(*bytes));
    let length = length.and_then(|length| u64::try_from(length).ok());
    let start = length.and_then(|length| end.checked_sub(length)).ok_or_else(damaged)?;
    let footer = source.read(start..end).await?;
    let footer = root_as_footer(&footer).map_err(|_| damaged())?;
    if footer.schema().is_none() {
        return Err(damaged());
    }
    let blocks =
        footer.dictionaries().into_iter().flatten().chain(footer.recordBatches().into_iter().flatten());
    let mut checks = Vec::new();
    for (number, block) in blocks.enumerate() {
        checks.push(check_block(source, number, *block, end).boxed());
    }
    stream::iter(checks).buffered(CONCURRENT).try_collect().await
}

async fn check_block(source: &Source<'_>, number: usize, block: Block, end: u64) -> Result<()> {
    let wrong = |what: String| source.undecodable(&format!("in message {number}, {what}"));
    let lengths = [block.offset(), i64::from(block.metaDataLength()), block.bodyLength()].map(u64::try_from);
    let [Ok(start), Ok(metadata_bytes), Ok(body_bytes)] = lengths else {
        return Err(wrong("a length is negative".to_owned()));
    };
    let body = start.checked_add(metadata_bytes);
    let is_inside =
        body.and_then(|body| body.checked_add(body_bytes)).is_some_and(|block_end| block_end <= end);
    let Some(body) = body.filter(|_| is_inside) else {
        return Err(wrong(format!("{metadata_bytes} + {body_bytes} bytes at {start} lie beyond its end")));
    };
    let metadata = source.read(start..body).await?;
    let prefix_bytes = if metadata.starts_with(&CONTINUATION) { 8 } else { 4 };
    let metadata = metadata.get(prefix_bytes..).unwrap_or_default();
    let lengths = MessageLengths::read(metadata, Some(body_bytes), source.limit_bytes).map_err(wrong)?;
    let claims = source.read_claims(&lengths, body).await?;
    lengths.check_claims(&claims, source.limit_bytes).map_err(wrong)
}

/// Checks the messages of a stream, one after the other.
async fn check_messages(source: &Source<'_>) -> Result<()> {
    let bytes = source.file.meta.size;
    let mut window = Window { source, start: 0, bytes: Bytes::new() };
    let (mut at, mut number) = (0, 0);
    while at < bytes {
        let wrong = |what: String| source.undecodable(&format!("in message {number}, {what}"));
        let prefix = window.read(at..(at + 8).min(bytes)).await?;
        let (prefix_bytes, length) = match prefix.strip_prefix(&CONTINUATION) {
            Some(length) => (8, length.first_chunk::<4>()),
            None => (4, prefix.first_chunk::<4>()),
        };
        let Some(length) = length.map(|length| i32::from_le_bytes(*length)) else { break };
        if length == 0 {
            let is_whole = at + prefix_bytes == bytes;
            return if is_whole { Ok(()) } else { Err(source.bad_data(BEHIND_END)) };
        }
        let start = at + prefix_bytes;
        let length = u64::try_from(length)
            .map_err(|_| wrong("its metadata are said to have a negative length".to_owned()))?;
        let body = start + length;
        if body > bytes {
            break;
        }
        let metadata = window.read(start..body).await?;
        let lengths = MessageLengths::read(&metadata, None, source.limit_bytes).map_err(wrong)?;
        let Some(end) = body.checked_add(lengths.body_bytes()).filter(|end| *end <= bytes) else {
            let what = format!("a body of {} bytes at {body} lies beyond its end", lengths.body_bytes());
            return Err(wrong(what));
        };
        let claims = window.read_claims(&lengths, body).await?;
        lengths.check_claims(&claims, source.limit_bytes).map_err(wrong)?;
        (at, number) = (end, number + 1);
    }
    Err(source.bad_data(NO_END))
}

/// A file to check.
#[derive(Clone, Copy)]
struct Source<'a> {
    store: &'a dyn ObjectStore,
    file: &'a TableFile,
    /// No message has more bytes, as it is or uncompressed.
    limit_bytes: u64,
}

impl Source<'_> {
    fn bad_data(&self, what: &str) -> Error {
        Error::bad_data(Place::file(&self.file.name), what)
    }

    fn undecodable(&self, what: &str) -> Error {
        self.bad_data(&format!("cannot be decoded: {what}; write the file again"))
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let read = self.store.get_range(&self.file.meta.location, range).await;
        read.map_err(|e| convert_error(e.into(), &self.file.name))
    }

    async fn read_claims(&self, lengths: &MessageLengths, body: u64) -> Result<Vec<Bytes>> {
        let claims: Vec<Range<u64>> =
            lengths.claims().iter().map(|claim| claim.start + body..claim.end + body).collect();
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        let read = self.store.get_ranges(&self.file.meta.location, &claims).await;
        read.map_err(|e| convert_error(e.into(), &self.file.name))
    }
}

/// Bytes of a file that were read ahead.
struct Window<'a> {
    source: &'a Source<'a>,
    start: u64,
    bytes: Bytes,
}

impl Window<'_> {
    /// What the window holds of the file.
    fn get(&self, range: &Range<u64>) -> Option<Bytes> {
        let start = usize::try_from(range.start.checked_sub(self.start)?).ok()?;
        let end = usize::try_from(range.end.checked_sub(self.start)?).ok()?;
        (start <= end && end <= self.bytes.len()).then(|| self.bytes.slice(start..end))
    }

    async fn read(&mut self, range: Range<u64>) -> Result<Bytes> {
        if let Some(bytes) = self.get(&range) {
            return Ok(bytes);
        }
        let end = range.end.max(range.start + WINDOW_BYTES).min(self.source.file.meta.size);
        self.bytes = self.source.read(range.start..end).await?;
        self.start = range.start;
        self.get(&range).ok_or_else(|| self.source.bad_data("has become shorter while it was read"))
    }

    async fn read_claims(&self, lengths: &MessageLengths, body: u64) -> Result<Vec<Bytes>> {
        let claims = lengths.claims();
        let within: Option<Vec<Bytes>> =
            claims.iter().map(|claim| self.get(&(claim.start + body..claim.end + body))).collect();
        match within {
            Some(claims) => Ok(claims),
            None => self.source.read_claims(lengths, body).await,
        }
    }
}
