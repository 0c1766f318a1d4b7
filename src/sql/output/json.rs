//! Encoders of JSON: one array, or one object a line. Every row has every key; NaN and infinities,
//! which JSON does not support, are null.

use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::writer::{JsonArray, LineDelimited, Writer, WriterBuilder};
use datafusion::arrow::record_batch::RecordBatch;

use super::row_encoder::RowEncoder;

fn writer<F: datafusion::arrow::json::writer::JsonFormat>() -> Writer<Vec<u8>, F> {
    WriterBuilder::new().with_explicit_nulls(true).build(Vec::new())
}

/// An encoder of one array of objects.
pub(super) struct JsonArrayEncoder(Writer<Vec<u8>, JsonArray>);

impl JsonArrayEncoder {
    pub(super) fn new() -> Self {
        Self(writer())
    }
}

impl RowEncoder for JsonArrayEncoder {
    fn encode(&mut self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.0.write(batch)?;
        text.append(self.0.get_mut());
        Ok(())
    }

    fn finish(&mut self, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.0.finish()?;
        text.append(self.0.get_mut());
        text.push(b'\n');
        Ok(())
    }
}

/// An encoder of one object a line.
pub(super) struct JsonLinesEncoder(Writer<Vec<u8>, LineDelimited>);

impl JsonLinesEncoder {
    pub(super) fn new() -> Self {
        Self(writer())
    }
}

impl RowEncoder for JsonLinesEncoder {
    fn encode(&mut self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.0.write(batch)?;
        text.append(self.0.get_mut());
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> Result<(), ArrowError> {
        Ok(())
    }
}
