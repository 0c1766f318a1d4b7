//! An encoder of CSV and TSV, with a header even for no rows.

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;

use crate::printable::push_field;

use super::cells::{CellOptions, Cells};
use super::row_encoder::RowEncoder;

pub(super) struct DelimitedEncoder {
    schema: SchemaRef,
    delimiter: char,
    header: bool,
}

impl DelimitedEncoder {
    pub(super) fn new(schema: SchemaRef, delimiter: char, header: bool) -> Self {
        Self { schema, delimiter, header }
    }

    fn header(&mut self, lines: &mut String) {
        if std::mem::take(&mut self.header) {
            for (position, field) in self.schema.fields().iter().enumerate() {
                if position > 0 {
                    lines.push(self.delimiter);
                }
                push_field(lines, field.name(), self.delimiter);
            }
            lines.push('\n');
        }
    }
}

impl RowEncoder for DelimitedEncoder {
    fn encode(&mut self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        let mut lines = String::new();
        self.header(&mut lines);
        let (schema, options) = (batch.schema(), CellOptions::default());
        let columns = schema.fields().iter().zip(batch.columns());
        let columns = columns.map(|(field, column)| Cells::of(field, column.as_ref(), &options));
        let mut columns = columns.collect::<Result<Vec<_>, _>>()?;
        // Readers pass over empty lines.
        let is_alone = columns.len() == 1;
        let mut value = String::new();
        for row in 0..batch.num_rows() {
            for (position, cells) in columns.iter_mut().enumerate() {
                if position > 0 {
                    lines.push(self.delimiter);
                }
                if cells.is_null(row) && !is_alone {
                    continue;
                }
                value.clear();
                cells.push(row, &mut value)?;
                push_field(&mut lines, &value, self.delimiter);
            }
            lines.push('\n');
        }
        text.extend_from_slice(lines.as_bytes());
        Ok(())
    }

    fn finish(&mut self, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        let mut lines = String::new();
        self.header(&mut lines);
        text.extend_from_slice(lines.as_bytes());
        Ok(())
    }
}
