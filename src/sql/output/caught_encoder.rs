//! A decorator of encoders whose panics are errors: writers of a format panic at some types that it
//! does not have.

use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;

use crate::parquet_file::caught;

use super::row_encoder::RowEncoder;

pub(super) struct CaughtEncoder(Box<dyn RowEncoder>);

impl CaughtEncoder {
    /// Decorates the encoder that `make` returns.
    pub(super) fn new(
        make: impl FnOnce() -> Result<Box<dyn RowEncoder>, ArrowError>,
    ) -> Result<Self, ArrowError> {
        or_error(make).map(Self)
    }
}

fn or_error<T>(encode: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, ArrowError> {
    caught(encode).unwrap_or_else(|panic| Err(ArrowError::NotYetImplemented(panic)))
}

impl RowEncoder for CaughtEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), ArrowError> {
        or_error(|| self.0.encode(batch, out))
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), ArrowError> {
        or_error(|| self.0.finish(out))
    }

    fn is_full(&self) -> bool {
        self.0.is_full()
    }
}
