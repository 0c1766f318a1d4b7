//! Arrow IPC and Parquet: one result each, with its column types and what is known of
//! its columns.

use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::writer::{FileWriter, StreamWriter};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;

use super::Rows;
use super::plain::{Dictionaries, Plain};

/// A row group ends at so many bytes: what the Parquet writer holds in memory.
const ROW_GROUP_BYTES: usize = 128 << 20;

/// Arrow's streaming format, for pipes.
pub(super) struct Stream(Plain, StreamWriter<Vec<u8>>);

impl Stream {
    pub(super) fn new(schema: &Schema) -> Result<Self, ArrowError> {
        let plain = Plain::new(schema, Dictionaries::Kept);
        let writer = StreamWriter::try_new(Vec::new(), &plain.schema())?;
        Ok(Self(plain, writer))
    }
}

impl Rows for Stream {
    fn add(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.1.write(&self.0.batch(batch)?)?;
        out.append(self.1.get_mut());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.1.finish()?;
        out.append(self.1.get_mut());
        Ok(())
    }
}

/// Arrow's file format, which can be mapped into memory.
pub(super) struct File(Plain, FileWriter<Vec<u8>>);

impl File {
    pub(super) fn new(schema: &Schema) -> Result<Self, ArrowError> {
        let plain = Plain::new(schema, Dictionaries::Unpacked);
        let writer = FileWriter::try_new(Vec::new(), &plain.schema())?;
        Ok(Self(plain, writer))
    }
}

impl Rows for File {
    fn add(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.1.write(&self.0.batch(batch)?)?;
        out.append(self.1.get_mut());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.1.finish()?;
        out.append(self.1.get_mut());
        Ok(())
    }
}

/// Parquet, compressed with zstd.
pub(super) struct Parquet(Plain, ArrowWriter<Vec<u8>>);

impl Parquet {
    pub(super) fn new(schema: &Schema) -> Result<Self, ArrowError> {
        let plain = Plain::new(schema, Dictionaries::Kept);
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            .build();
        let writer = ArrowWriter::try_new(Vec::new(), plain.schema(), Some(properties))?;
        Ok(Self(plain, writer))
    }
}

impl Rows for Parquet {
    fn add(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.1.write(&self.0.batch(batch)?)?;
        // Taking away what is written leaves the writer's own count of it as it is.
        out.append(self.1.inner_mut());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.1.finish()?;
        out.append(self.1.inner_mut());
        Ok(())
    }
}
