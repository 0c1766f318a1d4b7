//! A chunker that cuts an Arrow IPC stream into its messages, as far as they can be told apart: the body of a record
//! batch is read into one piece of memory of its size, of which the decoder's arrays are slices. In chunks of another
//! kind it would be copied once more.

use std::io::{self, Read};

use arrow::ipc::root_as_message;

use crate::storage::Chunker;

use super::ipc_scanner::CONTINUATION;

/// The continuation mark and the length of the metadata.
const PREFIX_BYTES: usize = 8;
/// Largest chunk. Whether there is memory for a message is found out as its chunks arrive.
const LARGEST_CHUNK_BYTES: u64 = 16 << 20;
/// Size of a chunk of which nothing is known.
const CHUNK_BYTES: u64 = 1 << 20;

/// Cuts an Arrow IPC stream into messages. It checks nothing: what is no message is handed on in chunks of any size.
#[derive(Debug, Default)]
pub struct IpcMessages {
    next: Next,
}

#[derive(Debug, Default)]
enum Next {
    #[default]
    Message,
    /// So many bytes of the body.
    Body(u64),
    /// The end-of-stream mark, or what is no message.
    Bytes,
}

impl Chunker for IpcMessages {
    fn next(&mut self, input: &mut dyn Read) -> io::Result<Option<Vec<u8>>> {
        let mut chunk = Vec::new();
        match self.next {
            Next::Message => {
                let body_bytes = read_metadata(input, &mut chunk)?;
                self.next = body_bytes.map_or(Next::Bytes, Next::Body);
                if let Next::Body(left) = self.next {
                    self.read_body(input, &mut chunk, left)?;
                }
            }
            Next::Body(left) => self.read_body(input, &mut chunk, left)?,
            Next::Bytes => read_some(input, &mut chunk)?,
        }
        Ok((!chunk.is_empty()).then_some(chunk))
    }
}

impl IpcMessages {
    /// Reads as much of a body as a chunk may hold.
    fn read_body(&mut self, input: &mut dyn Read, chunk: &mut Vec<u8>, left: u64) -> io::Result<()> {
        let here = left.min(LARGEST_CHUNK_BYTES);
        read_up_to(input, chunk, here)?;
        self.next = if left > here { Next::Body(left - here) } else { Next::Message };
        Ok(())
    }
}

/// Reads what precedes the body of a message. Returns the bytes of the body; `None` where this is no message.
fn read_metadata(input: &mut dyn Read, chunk: &mut Vec<u8>) -> io::Result<Option<u64>> {
    read_up_to(input, chunk, PREFIX_BYTES as u64)?;
    let length = match chunk.as_slice() {
        [prefix @ .., a, b, c, d] if *prefix == CONTINUATION => u32::from_le_bytes([*a, *b, *c, *d]),
        _ => return Ok(None),
    };
    if length == 0 || u64::from(length) > LARGEST_CHUNK_BYTES {
        return Ok(None);
    }
    read_up_to(input, chunk, length.into())?;
    let message = chunk.get(PREFIX_BYTES..).and_then(|metadata| root_as_message(metadata).ok());
    Ok(message.and_then(|message| u64::try_from(message.bodyLength()).ok()))
}

/// Appends so many bytes, or as many as there are.
fn read_up_to(input: &mut dyn Read, chunk: &mut Vec<u8>, bytes: u64) -> io::Result<()> {
    chunk.reserve_exact(bytes as usize);
    input.take(bytes).read_to_end(chunk).map(drop)
}

/// Appends what one read gives.
fn read_some(input: &mut dyn Read, chunk: &mut Vec<u8>) -> io::Result<()> {
    let mut bytes = vec![0; CHUNK_BYTES as usize];
    loop {
        match input.read(&mut bytes) {
            Ok(read) => {
                bytes.truncate(read);
                *chunk = bytes;
                return Ok(());
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, RecordBatch};
    use arrow::ipc::writer::StreamWriter;

    fn chunks(bytes: &[u8]) -> Vec<Vec<u8>> {
        let (mut input, mut chunker) = (bytes, IpcMessages::default());
        std::iter::from_fn(|| chunker.next(&mut input).unwrap()).collect()
    }

    #[test]
    fn a_chunk_is_a_message_and_all_bytes_are_in_one() {
        let column: ArrayRef = Arc::new(Int32Array::from_iter_values(0..1000));
        let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
        let mut writer = StreamWriter::try_new(Vec::new(), batch.schema_ref()).unwrap();
        let mut ends = vec![writer.get_ref().len()];
        for rows in [1000, 0, 10] {
            writer.write(&batch.slice(0, rows)).unwrap();
            ends.push(writer.get_ref().len());
        }
        writer.finish().unwrap();
        let bytes = writer.into_inner().unwrap();
        ends.push(bytes.len());
        let lengths: Vec<usize> =
            ends.iter().zip(std::iter::once(&0).chain(&ends)).map(|(a, b)| a - b).collect();
        assert_eq!(chunks(&bytes).iter().map(Vec::len).collect::<Vec<_>>(), lengths);
        // Cut off anywhere, followed by anything, or something else from the start.
        for cut in 0..bytes.len() {
            assert_eq!(chunks(&bytes[..cut]).concat(), bytes[..cut], "{cut}");
        }
        for other in [[bytes.as_slice(), &bytes].concat(), b"PAR1 and so on".to_vec(), vec![0xff; 100]] {
            assert_eq!(chunks(&other).concat(), other);
        }
    }
}
