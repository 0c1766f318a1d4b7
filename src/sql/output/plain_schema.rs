//! A schema of widely supported Arrow types. View types become plain strings and binary values; the
//! file format, which allows one dictionary for each column, gets no dictionaries.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::output::{stored_column, stored_schema};

/// Treatment of dictionary-encoded columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dictionaries {
    Keep,
    Decode,
}

/// The output schema, and the casts to it.
pub(super) struct PlainSchema(SchemaRef);

impl PlainSchema {
    pub(super) fn new(schema: &Schema, dictionaries: Dictionaries) -> Self {
        let fields = schema.fields().iter().map(|field| plain_field(field, dictionaries));
        Self(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
    }

    /// The schema of Parquet.
    pub(super) fn stored(schema: &Schema) -> Self {
        Self(Arc::new(stored_schema(&Self::new(schema, Dictionaries::Keep).0)))
    }

    pub(super) fn schema(&self) -> SchemaRef {
        self.0.clone()
    }

    pub(super) fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let columns = self.0.fields().iter().zip(batch.columns());
        let columns = columns.map(|(field, column)| stored_column(column, field.data_type()));
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.0.clone(), columns.collect::<Result<_, _>>()?, &rows)
    }
}

/// A field with plain types, recursively in lists and structs.
fn plain_field(field: &Arc<Field>, dictionaries: Dictionaries) -> Arc<Field> {
    let inner = |field| plain_field(field, dictionaries);
    let kind = match field.data_type() {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) if dictionaries == Dictionaries::Decode => values.as_ref().clone(),
        DataType::List(values) => DataType::List(inner(values)),
        DataType::LargeList(values) => DataType::LargeList(inner(values)),
        DataType::FixedSizeList(values, length) => DataType::FixedSizeList(inner(values), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        other => other.clone(),
    };
    Arc::new(field.as_ref().clone().with_data_type(kind))
}
