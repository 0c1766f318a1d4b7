//! Parquet metadata that a query plan can believe: statistics that may mislead are left out, and
//! columns have names of their own.
//!
//! Pruning takes a bound that is present for a bound of all values, and a null count that is absent
//! for zero. Neither holds for floating-point columns, whose bounds pass over NaN; for INT96, whose
//! bounds are in no defined order; for bounds of the deprecated kind, which compare bytes as signed;
//! and for chunks without a null count, which the format leaves optional.

use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema, TimeUnit};
use datafusion::datasource::physical_plan::parquet::Int96Coercer;
use datafusion::object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use datafusion::parquet::arrow::{ARROW_SCHEMA_META_KEY, encode_arrow_schema, parquet_to_arrow_schema};
use datafusion::parquet::basic::{LogicalType, SortOrder, Type as PhysicalType};
use datafusion::parquet::errors::{ParquetError, Result as ParquetResult};
use datafusion::parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, FooterTail, KeyValue, ParquetMetaData, ParquetMetaDataReader,
    RowGroupMetaData,
};
use datafusion::parquet::file::page_index::column_index::ColumnIndexMetaData;
use datafusion::parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

use crate::parquet_file::check_footer_bytes;

use super::unique_names::unique;

/// The unit of INT96 timestamps: the years 1677 to 2262 of nanoseconds do not hold what Spark and
/// Impala write.
pub(super) const INT96_UNIT: (TimeUnit, &str) = (TimeUnit::Microsecond, "us");

/// Bytes at the end of a file that are read at once: most footers are shorter.
const TAIL_BYTES: u64 = 64 << 10;
/// The length of a footer and the magic bytes behind it.
const FOOTER_END: u64 = 8;

/// Reads a file's metadata without its page index, as it is in the file. Its bytes are checked
/// before they are parsed.
pub(super) async fn read_footer(
    store: &dyn ObjectStore,
    file: &ObjectMeta,
) -> datafusion::error::Result<Arc<ParquetMetaData>> {
    let cut_off = || ParquetError::EOF("the file is shorter than its footer".to_owned());
    let from = file.size.saturating_sub(TAIL_BYTES);
    let mut tail = store.get_range(&file.location, from..file.size).await?;
    let end = tail.len().checked_sub(FOOTER_END as usize).ok_or_else(cut_off)?;
    let ending = tail.split_off(end);
    let ending = FooterTail::try_from(ending.as_ref())?;
    if ending.is_encrypted_footer() {
        let what = "the footer is encrypted, and SQL has no keys".to_owned();
        return Err(ParquetError::General(what).into());
    }
    let length = ending.metadata_length();
    let footer = match tail.len().checked_sub(length) {
        Some(start) => tail.split_off(start),
        None => {
            let end = file.size.saturating_sub(FOOTER_END);
            let start = end.checked_sub(length as u64).ok_or_else(cut_off)?;
            store.get_range(&file.location, start..end).await?
        }
    };
    check_footer_bytes(&footer)?;
    Ok(Arc::new(ParquetMetaDataReader::decode_metadata(&footer)?))
}

/// The Arrow schema of a file, as DataFusion will read it.
pub(super) fn arrow_schema(metadata: &ParquetMetaData) -> ParquetResult<Schema> {
    let file = metadata.file_metadata();
    let schema = parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata())?;
    Ok(Int96Coercer::new(file.schema_descr(), &schema, &INT96_UNIT.0).coerce().unwrap_or(schema))
}

/// Leaves out what may mislead, and renames columns of one name.
pub(super) fn believable(metadata: Arc<ParquetMetaData>) -> ParquetResult<Arc<ParquetMetaData>> {
    let file = unique_names(metadata.file_metadata())?;
    let misleads = metadata.row_groups().iter().any(|group| group.columns().iter().any(may_mislead));
    if file.is_none() && !misleads {
        return Ok(metadata);
    }
    let metadata = Arc::unwrap_or_clone(metadata);
    let mut file_builder = metadata.into_builder();
    let mut column_index = file_builder.take_column_index();
    let offset_index = file_builder.take_offset_index();
    let mut row_groups = Vec::new();
    for (at, group) in file_builder.take_row_groups().into_iter().enumerate() {
        let pages = column_index.as_mut().and_then(|index| index.get_mut(at));
        row_groups.push(without_misleading(group, pages)?);
    }
    let metadata = match file {
        Some(file) => ParquetMetaData::new(file, Vec::new()).into_builder(),
        None => file_builder,
    };
    let metadata = metadata.set_row_groups(row_groups);
    Ok(Arc::new(metadata.set_column_index(column_index).set_offset_index(offset_index).build()))
}

fn without_misleading(
    group: RowGroupMetaData,
    mut pages: Option<&mut Vec<ColumnIndexMetaData>>,
) -> ParquetResult<RowGroupMetaData> {
    let mut columns = Vec::with_capacity(group.num_columns());
    for (at, column) in group.columns().iter().enumerate() {
        if !may_mislead(column) {
            columns.push(column.clone());
            continue;
        }
        if let Some(pages) = pages.as_mut().and_then(|pages| pages.get_mut(at)) {
            *pages = ColumnIndexMetaData::NONE;
        }
        let column = column.clone().into_builder().clear_statistics();
        let column = column.set_column_index_offset(None).set_column_index_length(None);
        columns.push(column.set_bloom_filter_offset(None).set_bloom_filter_length(None).build()?);
    }
    group.into_builder().set_column_metadata(columns).build()
}

/// Whether bounds or null counts of a column chunk may be taken for more than they say.
fn may_mislead(column: &ColumnChunkMetaData) -> bool {
    let descriptor = column.column_descr();
    let has_no_order = match column.column_type() {
        PhysicalType::FLOAT | PhysicalType::DOUBLE | PhysicalType::INT96 => true,
        _ => matches!(descriptor.logical_type_ref(), Some(LogicalType::Float16)),
    };
    has_no_order
        || column.statistics().is_some_and(|statistics| {
            statistics.null_count_opt().is_none()
                || statistics.is_min_max_deprecated() && descriptor.sort_order() != SortOrder::SIGNED
        })
}

/// The file's metadata with unique column names, if they were not: `v`, `v_1`.
fn unique_names(file: &FileMetaData) -> ParquetResult<Option<FileMetaData>> {
    let Some(names) = unique(&names_of(file.schema_descr())) else { return Ok(None) };
    let fields = file.schema_descr().root_schema().get_fields();
    let arrow = parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata())?;
    let renamed = arrow.fields().iter().zip(&names);
    let renamed: Vec<Field> = renamed.map(|(field, name)| field.as_ref().clone().with_name(name)).collect();
    let arrow = Schema::new_with_metadata(renamed, arrow.metadata().clone());
    let mut key_values = file.key_value_metadata().cloned().unwrap_or_default();
    key_values.retain(|entry| entry.key != ARROW_SCHEMA_META_KEY);
    key_values.push(KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), encode_arrow_schema(&arrow)));

    let fields = fields.iter().zip(&names).map(|(field, name)| rename(field, name));
    let fields = fields.collect::<ParquetResult<Vec<TypePtr>>>()?;
    let root = Type::group_type_builder(file.schema_descr().name()).with_fields(fields).build()?;
    Ok(Some(FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(str::to_owned),
        Some(key_values),
        Arc::new(SchemaDescriptor::new(Arc::new(root))),
        file.column_orders().cloned(),
    )))
}

/// The names of a file's columns.
pub(super) fn names_of(schema: &SchemaDescriptor) -> Vec<&str> {
    schema.root_schema().get_fields().iter().map(|field| field.name()).collect()
}

fn rename(field: &TypePtr, name: &str) -> ParquetResult<TypePtr> {
    if field.name() == name {
        return Ok(Arc::clone(field));
    }
    let info = field.get_basic_info();
    let id = info.has_id().then(|| info.id());
    let renamed = match field.as_ref() {
        Type::PrimitiveType { physical_type, type_length, scale, precision, .. } => {
            Type::primitive_type_builder(name, *physical_type)
                .with_repetition(info.repetition())
                .with_converted_type(info.converted_type())
                .with_logical_type(info.logical_type_ref().cloned())
                .with_length(*type_length)
                .with_precision(*precision)
                .with_scale(*scale)
                .with_id(id)
                .build()?
        }
        Type::GroupType { fields, .. } => Type::group_type_builder(name)
            .with_repetition(info.repetition())
            .with_converted_type(info.converted_type())
            .with_logical_type(info.logical_type_ref().cloned())
            .with_fields(fields.clone())
            .with_id(id)
            .build()?,
    };
    Ok(Arc::new(renamed))
}
