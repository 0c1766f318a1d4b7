//! The encoder trait that every output format implements.

use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;

/// Encodes one statement's batches into a buffer. The caller writes the buffer, so that I/O errors
/// stay distinct from encoding errors.
pub(in crate::sql) trait RowEncoder {
    /// Appends the encoded rows of a batch, or buffers them.
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), ArrowError>;

    /// Appends buffered rows and the end of the output.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), ArrowError>;

    /// Whether the row limit is reached.
    fn is_full(&self) -> bool {
        false
    }
}
