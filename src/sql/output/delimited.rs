//! An encoder of CSV and TSV, with a header even for no rows. Lists and structs are written as text,
//! because these formats do not support them.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, StringArray};
use datafusion::arrow::csv::WriterBuilder;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use super::row_encoder::RowEncoder;

pub(super) struct DelimitedEncoder {
    schema: SchemaRef,
    delimiter: u8,
    header: bool,
}

impl DelimitedEncoder {
    pub(super) fn new(schema: SchemaRef, delimiter: u8, header: bool) -> Self {
        Self { schema, delimiter, header }
    }
}

impl RowEncoder for DelimitedEncoder {
    fn encode(&mut self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        let mut writer =
            WriterBuilder::new().with_delimiter(self.delimiter).with_header(self.header).build(text);
        writer.write(&nested_as_text(batch)?)?;
        self.header = false;
        Ok(())
    }

    fn finish(&mut self, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        match self.header {
            true => self.encode(&RecordBatch::new_empty(self.schema.clone()), text),
            false => Ok(()),
        }
    }
}

/// Converts nested columns to text.
fn nested_as_text(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let (fields, columns): (Vec<Arc<Field>>, Vec<ArrayRef>) = batch
        .schema()
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            if !column.data_type().is_nested() {
                return Ok((field.clone(), column.clone()));
            }
            let field = field.as_ref().clone().with_data_type(DataType::Utf8);
            Ok((Arc::new(field), Arc::new(text(column)?) as ArrayRef))
        })
        .collect::<Result<Vec<_>, ArrowError>>()?
        .into_iter()
        .unzip();
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &rows)
}

fn text(column: &dyn Array) -> Result<StringArray, ArrowError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column, &options)?;
    let cell = |row| match column.is_null(row) {
        true => Ok(None),
        false => formatter.value(row).try_to_string().map(Some),
    };
    (0..column.len()).map(cell).collect()
}
