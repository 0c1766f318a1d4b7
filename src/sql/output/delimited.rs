//! An encoder of CSV and TSV, with a header even for no rows. Lists and structs are written as text,
//! because these formats do not support them.

use datafusion::arrow::array::Array;
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::printable::push_field;

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

/// The values of a column as text.
struct Cells<'a> {
    formatter: ArrayFormatter<'a>,
    nulls: Option<NullBuffer>,
}

impl<'a> Cells<'a> {
    fn of(column: &'a dyn Array, options: &FormatOptions<'a>) -> Result<Self, ArrowError> {
        Ok(Self { formatter: ArrayFormatter::try_new(column, options)?, nulls: column.logical_nulls() })
    }

    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }
}

impl RowEncoder for DelimitedEncoder {
    fn encode(&mut self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        let mut lines = String::new();
        self.header(&mut lines);
        let options = FormatOptions::default();
        let columns = batch.columns().iter().map(|column| Cells::of(column.as_ref(), &options));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        // Readers pass over empty lines.
        let is_alone = columns.len() == 1;
        let mut value = String::new();
        for row in 0..batch.num_rows() {
            for (position, cells) in columns.iter().enumerate() {
                if position > 0 {
                    lines.push(self.delimiter);
                }
                if cells.is_null(row) && !is_alone {
                    continue;
                }
                value.clear();
                cells.formatter.value(row).write(&mut value)?;
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
