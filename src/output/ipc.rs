//! A reader of an Arrow IPC stream, whose bytes arrive in chunks of any size. A stream that ends
//! without its end-of-stream mark is refused: its writer may have crashed, and rows would be lost
//! unnoticed.

use std::collections::VecDeque;
use std::io;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;

use crate::error::{Error, Place, Result};
use crate::memory::usable_bytes;
use crate::parquet_file::caught;
use crate::storage::io_errors;

use super::ipc_scanner::{CONTINUATION, IpcScanner};

/// What is wrong with a stream that ends without its mark.
pub(crate) const NO_END: &str = "ends before Arrow's end-of-stream mark: its writer crashed or did not close it, \
                                 and rows may be missing; write it again";
/// What is wrong with a stream that has bytes behind its mark.
pub(crate) const BEHIND_END: &str =
    "goes on after its end-of-stream mark; send one stream, not several one after the other";

/// A record batch up to this size passes a lower limit of memory: it goes through alone.
const LEAST_BYTES: u64 = 256 << 20;

/// The most bytes of a record batch under a limit of memory, by default the memory of the machine.
pub(crate) fn batch_limit_bytes(limit_bytes: Option<u64>) -> u64 {
    limit_bytes.map_or_else(usable_bytes, |limit| limit.max(LEAST_BYTES).min(usable_bytes()))
}

/// Reads record batches from chunks of bytes.
pub(super) struct IpcReader<I> {
    chunks: I,
    chunk: Buffer,
    /// Sees each chunk before the decoder.
    scanner: IpcScanner,
    decoder: StreamDecoder,
    schema: SchemaRef,
    /// Batches that were decoded together with the schema.
    early: VecDeque<RecordBatch>,
    /// Whether the decoder has had the mark of the message that comes next.
    is_ahead: bool,
    ended: bool,
    place: Place,
}

impl<I: Iterator<Item = io::Result<Vec<u8>>>> IpcReader<I> {
    /// Reads up to the schema. A record batch of more than `limit_bytes`, by default the memory of
    /// the machine, is refused.
    ///
    /// # Errors
    /// [`Error::BadData`] where the bytes are no Arrow IPC stream; [`Error::Io`].
    pub(super) fn open(mut chunks: I, place: Place, limit_bytes: Option<u64>) -> Result<Self> {
        let mut head = Vec::new();
        while head.len() < CONTINUATION.len() {
            match next(&mut chunks, &place)? {
                Some(chunk) => head.extend(chunk),
                None => break,
            }
        }
        recognise(&head).map_err(|what| Error::bad_data(place.clone(), what))?;
        let mut scanner = IpcScanner::new(batch_limit_bytes(limit_bytes));
        let chunk = scanned(&mut scanner, head, &place)?;
        let mut reader = Self {
            chunks,
            chunk,
            scanner,
            decoder: StreamDecoder::new(),
            schema: SchemaRef::new(Schema::empty()),
            early: VecDeque::new(),
            is_ahead: false,
            ended: false,
            place,
        };
        reader.schema = loop {
            let batch = decode(&mut reader.decoder, &mut reader.chunk, &reader.place)?;
            reader.early.extend(batch);
            if let Some(schema) = reader.decoder.schema() {
                break schema;
            }
            if !reader.refill()? {
                return Err(Error::bad_data(reader.place, "ends within its schema; write it again"));
            }
        };
        Ok(reader)
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(batch) = self.early.pop_front() {
            return Ok(Some(batch));
        }
        loop {
            let batch = decode(&mut self.decoder, &mut self.chunk, &self.place)?;
            if batch.is_some() {
                return Ok(batch);
            }
            if !self.refill()? {
                return self.end().map(|()| None);
            }
        }
    }

    /// Puts the next bytes in the place of those that the decoder has had; false at the end.
    ///
    /// The decoder waits for another byte behind a message without a body, which are a schema and a batch without
    /// rows, and a writer that waits for the answer sends none. So it gets the mark that begins every message as
    /// soon as the last one has ended, and the mark in the stream is left out.
    fn refill(&mut self) -> Result<bool> {
        if self.scanner.is_between_messages() && !self.is_ahead {
            self.is_ahead = true;
            self.chunk = Buffer::from(CONTINUATION);
            return Ok(true);
        }
        let Some(mut bytes) = next(&mut self.chunks, &self.place)? else { return Ok(false) };
        while self.is_ahead && bytes.len() < CONTINUATION.len() {
            match next(&mut self.chunks, &self.place)? {
                Some(more) => bytes.extend(more),
                None => break,
            }
        }
        let has_mark = self.is_ahead && bytes.starts_with(&CONTINUATION);
        self.is_ahead = false;
        self.chunk = scanned(&mut self.scanner, bytes, &self.place)?;
        if has_mark {
            self.chunk.advance(CONTINUATION.len());
        }
        Ok(true)
    }

    /// Fails where the stream ends without its mark.
    fn end(&mut self) -> Result<()> {
        // A decoder refuses another byte only behind the mark.
        let is_whole =
            self.decoder.finish().is_ok() && self.decoder.decode(&mut Buffer::from_vec(vec![0_u8])).is_err();
        if is_whole {
            return Ok(());
        }
        Err(Error::bad_data(self.place.clone(), NO_END))
    }
}

impl<I: Iterator<Item = io::Result<Vec<u8>>>> Iterator for IpcReader<I> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let batch = self.next_batch().transpose();
        // An error ends the iteration, since later batches are unreliable.
        self.ended = !matches!(batch, Some(Ok(_)));
        batch
    }
}

fn next(chunks: &mut impl Iterator<Item = io::Result<Vec<u8>>>, place: &Place) -> Result<Option<Vec<u8>>> {
    chunks.next().transpose().map_err(|e| io_errors::io(place.clone(), "read", e))
}

/// Decodes a message, or as much of it as the chunk holds. The decoder panics at some metadata that
/// no writer writes.
fn decode(decoder: &mut StreamDecoder, chunk: &mut Buffer, place: &Place) -> Result<Option<RecordBatch>> {
    let decoded = caught(|| decoder.decode(chunk)).map_err(|panic| undecodable(place, panic))?;
    decoded.map_err(|e| damaged(place, e))
}

/// A chunk whose lengths are plausible.
fn scanned(scanner: &mut IpcScanner, chunk: Vec<u8>, place: &Place) -> Result<Buffer> {
    scanner.push(&chunk).map_err(|what| undecodable(place, what))?;
    Ok(Buffer::from_vec(chunk))
}

fn undecodable(place: &Place, what: impl std::fmt::Display) -> Error {
    Error::bad_data(place.clone(), format!("cannot be decoded: {what}; write the stream again"))
}

/// Checks the first bytes; the error names the format, where it is a known one.
fn recognise(head: &[u8]) -> std::result::Result<(), &'static str> {
    match head.first_chunk::<4>() {
        Some(&CONTINUATION) => Ok(()),
        Some(b"PAR1") => Err("is a Parquet file; name it in place of -"),
        Some(b"ARRO") => Err("is an Arrow IPC file (Feather); send a stream (pyarrow.ipc.new_stream)"),
        Some(_) => Err("is not an Arrow IPC stream"),
        None if head.is_empty() => Err("holds nothing; send an Arrow IPC stream"),
        None => Err("is not an Arrow IPC stream"),
    }
}

fn damaged(place: &Place, error: ArrowError) -> Error {
    match error {
        // The decoder's error text for bytes behind the mark.
        ArrowError::IpcError(text) if text == "Unexpected EOS" => Error::bad_data(place.clone(), BEHIND_END),
        error => undecodable(place, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array};
    use arrow::ipc::writer::StreamWriter;

    /// A stream of batches of these lengths, and where in it each message ends.
    fn stream(rows: &[i32]) -> (Vec<u8>, Vec<usize>) {
        let batch = |rows: i32| {
            let column: ArrayRef = Arc::new(Int32Array::from_iter_values(0..rows));
            RecordBatch::try_from_iter([("n", column)]).unwrap()
        };
        let mut writer = StreamWriter::try_new(Vec::new(), batch(0).schema_ref()).unwrap();
        let mut ends = vec![writer.get_ref().len()];
        for rows in rows {
            writer.write(&batch(*rows)).unwrap();
            ends.push(writer.get_ref().len());
        }
        writer.finish().unwrap();
        (writer.into_inner().unwrap(), ends)
    }

    fn read(bytes: &[u8], chunk: usize) -> Result<Vec<usize>> {
        let chunks = bytes.chunks(chunk).map(|chunk| Ok(chunk.to_vec()));
        let reader = IpcReader::open(chunks, Place::file("stdin"), None)?;
        assert_eq!(reader.schema().field(0).name(), "n");
        reader.map(|batch| batch.map(|batch| batch.num_rows())).collect()
    }

    #[test]
    fn chunks_of_any_size_give_the_same_batches() {
        let (bytes, _) = stream(&[3, 0, 1000, 1]);
        for chunk in [1, 3, 8, 100, 4096, bytes.len()] {
            assert_eq!(read(&bytes, chunk).unwrap(), [3, 0, 1000, 1], "{chunk}");
        }
        assert_eq!(read(&stream(&[]).0, 7).unwrap(), [0; 0]);
    }

    #[test]
    fn a_stream_that_is_cut_off_anywhere_is_refused() {
        let (bytes, ends) = stream(&[3, 0, 10]);
        for cut in (0..bytes.len()).step_by(5).chain(ends) {
            let error = read(&bytes[..cut], 64).unwrap_err();
            assert_eq!(error.exit_code(), 65, "{cut}: {error}");
            assert!(error.to_string().starts_with("stdin: "), "{error}");
        }
    }

    #[test]
    fn what_follows_the_end_is_not_lost_unseen() {
        let (bytes, _) = stream(&[2]);
        let twice = [&bytes[..], &bytes].concat();
        for chunk in [5, bytes.len(), twice.len()] {
            let error = read(&twice, chunk).unwrap_err().to_string();
            assert!(error.contains("goes on after its end-of-stream mark"), "{error}");
        }
    }

    #[test]
    fn other_formats_are_named() {
        for (bytes, word) in [
            (&b""[..], "holds nothing"),
            (b"x", "not an Arrow IPC stream"),
            (b"id,label\n1,2\n", "not an Arrow IPC stream"),
            (b"PAR1\x15\x04", "is a Parquet file"),
            (b"ARROW1\0\0", "is an Arrow IPC file"),
        ] {
            let error = read(bytes, 3).unwrap_err();
            assert_eq!(error.exit_code(), 65);
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn what_the_bytes_come_from_may_fail() {
        let chunks = [Ok(stream(&[1]).0[..50].to_vec()), Err(io::Error::other(Error::Interrupted))];
        let error = IpcReader::open(chunks.into_iter(), Place::file("stdin"), None).err().unwrap();
        assert!(matches!(error, Error::Interrupted), "{error}");
    }
}
