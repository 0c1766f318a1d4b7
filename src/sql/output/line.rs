//! A streaming encoder of one line a value: `name = value`, a blank line between rows.

use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;
use unicode_width::UnicodeWidthStr;

use crate::printable::escape_controls;

use super::flat_columns::flat_columns;
use super::row_encoder::RowEncoder;
use super::table::{cell_options, formatters};

/// The encoder.
#[derive(Debug, Default)]
pub(super) struct LineEncoder {
    has_rows: bool,
}

impl RowEncoder for LineEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), ArrowError> {
        let flat = flat_columns(batch)?;
        let names: Vec<String> = flat.iter().map(|(name, _)| escape_controls(name).into_owned()).collect();
        let widest = names.iter().map(|name| name.width()).max().unwrap_or(0);
        let arrays: Vec<_> = flat.into_iter().map(|(_, array)| array).collect();
        let options = cell_options();
        let columns = formatters(&arrays, &options)?;
        for row in 0..batch.num_rows() {
            if std::mem::replace(&mut self.has_rows, true) {
                out.push(b'\n');
            }
            for (name, column) in names.iter().zip(&columns) {
                let value = column.value(row).try_to_string()?.replace(['\n', '\r'], " ");
                let indent = " ".repeat(widest - name.width());
                out.extend_from_slice(format!("{indent}{name} = {}\n", escape_controls(&value)).as_bytes());
            }
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> Result<(), ArrowError> {
        Ok(())
    }
}
