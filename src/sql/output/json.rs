//! JSON: one array, or one object a line. Every key is there in every row; NaN and
//! the infinities, which JSON does not have, are null.

use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::writer::{JsonArray, LineDelimited, Writer, WriterBuilder};
use datafusion::arrow::record_batch::RecordBatch;

use super::Rows;

fn writer<F: datafusion::arrow::json::writer::JsonFormat>() -> Writer<Vec<u8>, F> {
    WriterBuilder::new().with_explicit_nulls(true).build(Vec::new())
}

/// One array of objects.
pub(super) struct Array(Writer<Vec<u8>, JsonArray>);

impl Array {
    pub(super) fn new() -> Self {
        Self(writer())
    }
}

impl Rows for Array {
    fn add(&mut self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ArrowError> {
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

/// One object a line.
pub(super) struct Lines(Writer<Vec<u8>, LineDelimited>);

impl Lines {
    pub(super) fn new() -> Self {
        Self(writer())
    }
}

impl Rows for Lines {
    fn add(&mut self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.0.write(batch)?;
        text.append(self.0.get_mut());
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> Result<(), ArrowError> {
        Ok(())
    }
}
