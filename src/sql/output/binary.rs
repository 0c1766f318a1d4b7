//! Encoders of Arrow IPC and Parquet. Each holds one result, with column types and field metadata.

use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::writer::{FileWriter, StreamWriter};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_writer::ArrowWriterOptions;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;

use crate::output::{parquet_schema, unstorable_column};

use super::encoding::ParquetOptions;
use super::plain_schema::{Dictionaries, PlainSchema};
use super::row_encoder::RowEncoder;

/// Maximum size of a row group, which the Parquet writer buffers in memory.
const ROW_GROUP_BYTES: usize = 128 << 20;

/// An encoder of Arrow's streaming format, for pipes.
pub(super) struct ArrowStreamEncoder(PlainSchema, StreamWriter<Vec<u8>>);

impl ArrowStreamEncoder {
    pub(super) fn new(schema: &Schema) -> Result<Self, ArrowError> {
        let plain = PlainSchema::new(schema, Dictionaries::Keep);
        let writer = StreamWriter::try_new(Vec::new(), &plain.schema())?;
        Ok(Self(plain, writer))
    }
}

impl RowEncoder for ArrowStreamEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), ArrowError> {
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

/// An encoder of Arrow's file format, which can be memory-mapped.
pub(super) struct ArrowFileEncoder(PlainSchema, FileWriter<Vec<u8>>);

impl ArrowFileEncoder {
    pub(super) fn new(schema: &Schema) -> Result<Self, ArrowError> {
        let plain = PlainSchema::new(schema, Dictionaries::Decode);
        let writer = FileWriter::try_new(Vec::new(), &plain.schema())?;
        Ok(Self(plain, writer))
    }
}

impl RowEncoder for ArrowFileEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), ArrowError> {
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

/// Parquet, compressed with zstd where no option says otherwise.
pub(super) struct ParquetEncoder(PlainSchema, ArrowWriter<Vec<u8>>);

impl ParquetEncoder {
    pub(super) fn new(schema: &Schema, options: ParquetOptions) -> Result<Self, ArrowError> {
        let plain = PlainSchema::stored(schema);
        if let Some((field, what)) = unstorable_column(&plain.schema()) {
            return Err(ArrowError::NotYetImplemented(format!("column {:?} {what}", field.name())));
        }
        let properties = WriterProperties::builder()
            .set_compression(options.compression.unwrap_or(Compression::ZSTD(ZstdLevel::default())))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES));
        let properties = match options.row_group_rows {
            Some(rows) => properties.set_max_row_group_row_count(Some(rows)).build(),
            None => properties.build(),
        };
        let types = parquet_schema(&plain.schema(), None)?;
        let options = ArrowWriterOptions::new().with_properties(properties).with_parquet_schema(types);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), plain.schema(), options)?;
        Ok(Self(plain, writer))
    }
}

impl RowEncoder for ParquetEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.1.write(&self.0.batch(batch)?)?;
        // Draining the buffer does not change the writer's own byte count.
        out.append(self.1.inner_mut());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.1.finish()?;
        out.append(self.1.inner_mut());
        Ok(())
    }
}
