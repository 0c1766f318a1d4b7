//! The encoder of the new columns of a row group, of the types of [`check_new_fields`](crate::parquet_file). They are appended batch by
//! batch, while later rows are still computed; encoded pages wait in a spill store until the column
//! chunk is complete, so that memory does not grow with the row group.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Field, FieldRef};
use parquet::arrow::arrow_writer::{ArrowColumnWriter, compute_leaves};
use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType};
use parquet::errors::Result as ParquetResult;
use parquet::file::properties::EnabledStatistics;
use parquet::file::writer::SerializedRowGroupWriter;
use parquet::schema::types::{SchemaDescriptor, Type};

use crate::error::{Error, Place, Result};
use crate::parquet_file::Input;
use crate::storage::io_errors;

use super::row_group_error::RowGroupError;

/// The new columns of the row group that is being written.
pub struct AppendedColumns {
    columns: Vec<(FieldRef, ArrowColumnWriter)>,
    rows: usize,
    /// The row group of the output.
    place: Place,
}

impl AppendedColumns {
    /// Columns without rows: an encoder for each field, in their order.
    pub(super) fn new(
        fields: &[FieldRef],
        encoders: impl IntoIterator<Item = ArrowColumnWriter>,
        place: Place,
    ) -> Self {
        Self { columns: fields.iter().cloned().zip(encoders).collect(), rows: 0, place }
    }

    /// Appends the next rows, as an array for each new column.
    ///
    /// # Errors
    /// [`Error::Internal`] where they are not of the columns' types or of several lengths;
    /// [`Error::Io`] of the spill store.
    pub fn append(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        let rows = arrays.first().map_or(0, Array::len);
        let fits = |((field, _), array): (&(FieldRef, _), &ArrayRef)| {
            array.len() == rows && array.data_type() == field.data_type()
        };
        if arrays.len() != self.columns.len() || !self.columns.iter().zip(arrays).all(fits) {
            return Err(Error::Internal(format!("{}: rows that do not fit the new columns", self.place)));
        }
        for ((field, encoder), array) in self.columns.iter_mut().zip(arrays) {
            let mut encode = || compute_leaves(field, array)?.iter().try_for_each(|leaf| encoder.write(leaf));
            encode().map_err(|error| io_errors::parquet(self.place.clone(), "write", error))?;
        }
        self.rows += rows;
        Ok(())
    }

    /// Appends the column chunks, of `rows` rows, to a row group.
    pub(super) fn finish<W: Write + Send>(
        self,
        group: &mut SerializedRowGroupWriter<'_, W>,
        rows: usize,
    ) -> std::result::Result<(), RowGroupError> {
        if self.rows != rows {
            let what = format!("the new columns have {} rows, the row group {rows}", self.rows);
            return Err(RowGroupError::Mismatch(what));
        }
        for (_, encoder) in self.columns {
            encoder.close()?.append_to_row_group(group)?;
        }
        Ok(())
    }
}

/// A schema with the new columns behind its own.
pub(super) fn extended_schema(old: &Type, new_fields: &[Field]) -> ParquetResult<SchemaDescriptor> {
    let mut fields = old.get_fields().to_vec();
    for field in new_fields {
        let (physical, logical) = match field.data_type() {
            DataType::Boolean => (PhysicalType::BOOLEAN, None),
            DataType::Int32 => (PhysicalType::INT32, None),
            DataType::Int64 => (PhysicalType::INT64, None),
            DataType::Utf8 => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
            _ => (PhysicalType::FLOAT, None),
        };
        let column = Type::primitive_type_builder(field.name(), physical).with_logical_type(logical);
        fields.push(Arc::new(column.with_repetition(Repetition::OPTIONAL).build()?));
    }
    let root = Type::group_type_builder(old.name()).with_fields(fields).build()?;
    Ok(SchemaDescriptor::new(Arc::new(root)))
}

/// Statistics of pages where the input has a column index, else of column chunks.
pub(super) fn statistics_level(input: &Input) -> EnabledStatistics {
    match input.metadata().column_index() {
        Some(_) => EnabledStatistics::Page,
        None => EnabledStatistics::Chunk,
    }
}

/// The nearest compression that can be written.
pub(super) fn writable(compression: Compression) -> Compression {
    match compression {
        Compression::LZ4 => Compression::LZ4_RAW,
        Compression::LZO => Compression::UNCOMPRESSED,
        other => other,
    }
}
