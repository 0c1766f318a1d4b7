//! A Parquet file, or a schema, without some of its columns: what a copy that replaces them is made of. The bytes of
//! the file are as they are; its metadata no longer know the columns.

use std::sync::Arc;

use arrow::datatypes::Schema;
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::{
    FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataBuilder, RowGroupMetaData, SortingColumn,
};
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor, Type};

use crate::error::{Error, Result};
use crate::parquet_file::{Input, catch_panics};
use crate::storage::io_errors;

use super::key_values;
use super::omitted_columns::OmittedColumns;

impl OmittedColumns {
    /// The input as if it had never had them.
    ///
    /// # Errors
    /// [`Error::Usage`] of an encrypted input: its columns are encrypted with their positions.
    /// [`Error::BadData`] where its metadata are damaged.
    pub fn of(&self, input: &Input) -> Result<Input> {
        if self.is_empty() {
            return Ok(input.clone());
        }
        if input.encryption().is_some() {
            return Err(Error::Usage(format!(
                "{}: is encrypted, and columns of an encrypted file are not replaced; --prefix NAME_ gives the new \
                 columns other names, or annotate the file that it was made of",
                input.place()
            )));
        }
        let old = input.metadata();
        let key_values = old.file_metadata().key_value_metadata().map(Vec::as_slice).unwrap_or_default();
        let names: Vec<&str> = input.schema().fields().iter().map(|field| field.name().as_str()).collect();
        let key_values = key_values::without(key_values, self, &names)
            .map_err(|what| Error::bad_data(input.place(), what))?;
        let metadata = catch_panics(|| self.metadata(old, key_values))
            .map_err(|error| io_errors::parquet(input.place(), "read", error))?;
        let projected = Input::with_metadata(input.file().clone(), Arc::new(metadata))?;
        Ok(projected.ignoring_checksums(input.ignores_checksums()))
    }

    /// The positions of those columns of a schema that are kept, and the schema of these, whose metadata say nothing
    /// of the others.
    pub fn kept(&self, schema: &Schema) -> (Vec<usize>, Schema) {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let kept: Vec<usize> = (0..names.len()).filter(|column| !self.columns.contains(column)).collect();
        let fields = kept.iter().filter_map(|column| schema.fields().get(*column)).cloned();
        let metadata = schema.metadata().iter().filter(|(key, _)| !self.keys.contains(key));
        let metadata =
            metadata.map(|(key, value)| (key.clone(), key_values::without_columns(key, value, self, &names)));
        let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), metadata.collect());
        (kept, schema)
    }

    fn metadata(&self, old: &ParquetMetaData, key_values: Vec<KeyValue>) -> ParquetResult<ParquetMetaData> {
        let file = old.file_metadata();
        let schema = file.schema_descr();
        let kept: Vec<usize> = (0..schema.num_columns())
            .filter(|leaf| !self.columns.contains(&schema.get_column_root_idx(*leaf)))
            .collect();
        let fields = schema.root_schema().get_fields().iter().enumerate();
        let fields =
            fields.filter(|(root, _)| !self.columns.contains(root)).map(|(_, field)| Arc::clone(field));
        let root = Type::group_type_builder(schema.name()).with_fields(fields.collect()).build()?;
        let projected: SchemaDescPtr = Arc::new(SchemaDescriptor::new(Arc::new(root)));
        let orders = file.column_orders().map(|orders| of_leaves(orders, &kept));
        let groups = old.row_groups().iter().map(|group| row_group(group, &projected, &kept));
        let groups = groups.collect::<ParquetResult<Vec<_>>>()?;
        let footer = FileMetaData::new(
            file.version(),
            file.num_rows(),
            file.created_by().map(str::to_owned),
            (!key_values.is_empty()).then_some(key_values),
            projected,
            orders,
        );
        Ok(ParquetMetaDataBuilder::new(footer)
            .set_row_groups(groups)
            .set_column_index(
                old.column_index().map(|all| all.iter().map(|one| of_leaves(one, &kept)).collect()),
            )
            .set_offset_index(
                old.offset_index().map(|all| all.iter().map(|one| of_leaves(one, &kept)).collect()),
            )
            .build())
    }
}

fn row_group(
    old: &RowGroupMetaData,
    schema: &SchemaDescPtr,
    kept: &[usize],
) -> ParquetResult<RowGroupMetaData> {
    let columns = of_leaves(old.columns(), kept);
    let bytes = columns.iter().map(|column| column.uncompressed_size()).sum();
    // Rows that are sorted by an omitted column are sorted by those before it alone.
    let sorted = old.sorting_columns().map(|columns| {
        let position = |column: &SortingColumn| {
            let leaf = usize::try_from(column.column_idx).ok()?;
            i32::try_from(kept.iter().position(|kept| *kept == leaf)?).ok()
        };
        let columns = columns
            .iter()
            .map_while(|column| Some(SortingColumn { column_idx: position(column)?, ..column.clone() }));
        columns.collect::<Vec<_>>()
    });
    let mut group = RowGroupMetaData::builder(Arc::clone(schema))
        .set_column_metadata(columns)
        .set_total_byte_size(bytes)
        .set_num_rows(old.num_rows())
        .set_sorting_columns(sorted.filter(|columns| !columns.is_empty()));
    if let Some(ordinal) = old.ordinal() {
        group = group.set_ordinal(ordinal);
    }
    if let Some(offset) = old.file_offset() {
        group = group.set_file_offset(offset);
    }
    group.build()
}

/// The values of the leaves that are kept.
fn of_leaves<T: Clone>(all: &[T], kept: &[usize]) -> Vec<T> {
    kept.iter().filter_map(|leaf| all.get(*leaf)).cloned().collect()
}
