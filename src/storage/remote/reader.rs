//! An object as the Parquet crate reads it.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use crate::error::Error;

use super::RemoteFile;

/// A sequential reader with its own offset, over the prefetch window of its file.
#[derive(Debug)]
pub struct RemoteReader {
    file: RemoteFile,
    offset: u64,
}

impl Read for RemoteReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.bytes_at(self.offset, buffer.len() as u64).map_err(io::Error::other)?;
        let read = (&bytes[..]).read(buffer)?;
        self.offset += read as u64;
        Ok(read)
    }
}

impl Length for RemoteFile {
    fn len(&self) -> u64 {
        self.bytes()
    }
}

impl ChunkReader for RemoteFile {
    type T = RemoteReader;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        let file = Self { object: Arc::clone(&self.object), window: Arc::clone(&self.window) };
        Ok(RemoteReader { file, offset: start })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        // A damaged footer must not cause an allocation larger than the object.
        if start.saturating_add(length as u64) > self.bytes() {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} lie beyond the object's end")));
        }
        let external = |error: Error| ParquetError::External(Box::new(error));
        let mut first = self.bytes_at(start, length as u64).map_err(external)?;
        if first.len() >= length {
            first.truncate(length);
            return Ok(first);
        }
        let mut bytes = BytesMut::with_capacity(length);
        bytes.extend_from_slice(&first);
        while bytes.len() < length {
            let left = length - bytes.len();
            let more = self.bytes_at(start + bytes.len() as u64, left as u64).map_err(external)?;
            let (more, _) = more.split_at(left.min(more.len()));
            bytes.extend_from_slice(more);
        }
        Ok(bytes.freeze())
    }
}
