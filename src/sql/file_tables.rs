//! Tables by the names of files: a path, folder, glob or URL in a query becomes a [`FileTable`].

use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::{TableProvider, UrlTableFactory};
use datafusion::common::TableReference;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::transform_schema_to_view;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::object_store::{ObjectStore, ObjectStoreExt};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::error::{Error, Place, Result};
use crate::parquet_file::{HEAD_BYTES, check_footer, not_parquet, panic_message};

use super::arrow_lengths::check_arrow_files;
use super::declared_columns::DeclaredColumns;
use super::errors::convert_error;
use super::file_scan::{FileScan, PartitionCheck, ScannedFile, TableReader};
use super::file_schema::other_schema;
use super::file_table::FileTable;
use super::hive_partitions::HivePartitions;
use super::list_scan::LocalName;
use super::merged_schema::{MergedSchema, SchemaMerger};
use super::parquet_metadata::{arrow_schema, believable, names_of, read_footer};
use super::parquet_reader::MetadataCache;
use super::table_files::{TableFile, TableFiles, find_table_files};
use super::table_format::{JsonFields, TableFormat};
use super::unique_names::unique;
use super::value_widths::check_value_widths;

/// Files whose footers are read at a time.
const CONCURRENT_FILES: usize = 32;

/// Registers a file, folder, glob or object store URL as a named table.
///
/// The ending determines a file's format: `.parquet`, `.csv`, `.tsv`, `.json` or `.ndjson`
/// (lines, or one array), `.arrow`; other files are read if they begin like Parquet or Arrow. A
/// folder or glob comprises the Parquet files that `annotate` finds there, or if there are none,
/// those of one other format. Its `column=value` folders are partition columns, of integers where
/// all values are integers.
///
/// # Errors
/// [`Error::NoInput`] where nothing is there, [`Error::BadData`] where a file is not
/// what its name says; for URLs also [`Error::Config`] and [`Error::Transient`].
pub async fn register_table(context: &SessionContext, name: &str, path: &str) -> Result<()> {
    let table = open_table(&context.state(), path).await?;
    context.register_table(name, table).map_err(|e| convert_error(e, path))?;
    Ok(())
}

/// The name under which a query finds a table that is registered by a name.
pub fn table_name(name: &str) -> String {
    TableReference::from(name).to_string()
}

/// A factory of tables for names in a query that are no registered table.
pub(super) struct FileTableFactory {
    state: Box<dyn Fn() -> Option<SessionState> + Send + Sync>,
}

impl FileTableFactory {
    pub(super) fn new(context: &SessionContext) -> Self {
        let state = context.state_weak_ref();
        Self { state: Box::new(move || state.upgrade().map(|state| state.read().clone())) }
    }
}

impl std::fmt::Debug for FileTableFactory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileTableFactory")
    }
}

#[async_trait]
impl UrlTableFactory for FileTableFactory {
    async fn try_new(&self, name: &str) -> datafusion::error::Result<Option<Arc<dyn TableProvider>>> {
        // A plain word is more likely a missing table than a file.
        if !name.contains(['/', '\\', '.', '*']) && !Path::new(name).exists() {
            return Ok(None);
        }
        let Some(state) = (self.state)() else { return Ok(None) };
        let table = open_table(&state, name).await.map_err(|e| DataFusionError::External(Box::new(e)))?;
        Ok(Some(table))
    }
}

async fn open_table(state: &SessionState, name: &str) -> Result<Arc<dyn TableProvider>> {
    let files = find_table_files(state, name, None).await?;
    Ok(Arc::new(open_files(state, files, &DeclaredColumns::default()).await?))
}

/// The table of these files. Those of text are read as the declared columns, where there are any.
///
/// # Errors
/// [`Error::BadData`] where a file is not what its name says; [`Error::Usage`] where it has not the declared columns;
/// those of reading.
pub(super) async fn open_files(
    state: &SessionState,
    found: TableFiles,
    declared: &DeclaredColumns,
) -> Result<FileTable> {
    let TableFiles { name, store_url, store, files, format } = found;
    let partitions = HivePartitions::of(&files, declared);
    let (reader, schema) = match format {
        TableFormat::Parquet => {
            (TableReader::Parquet, parquet_schema(state, store.as_ref(), &files, &partitions).await?)
        }
        other => {
            if other == TableFormat::Arrow {
                check_arrow_files(state, store.as_ref(), &files).await?;
            }
            let columns = declared.of_files(&partitions.columns);
            let other = match other {
                TableFormat::Json(_) if columns.are_declared() => TableFormat::Json(JsonFields::Declared),
                other => other,
            };
            let format = other.reader(state)?;
            let merged = other_schema(state, &store, (other, &format), (&files, &columns)).await?;
            let lacking = Vec::new();
            (
                TableReader::Other(other, format),
                FilesSchema { merged, rows: vec![None; files.len()], lacking },
            )
        }
    };
    Ok(with_partitions(name, store_url, reader, schema, partitions, &files))
}

/// What is known of a table's files.
struct FilesSchema {
    merged: MergedSchema,
    /// The number of rows of each.
    rows: Vec<Option<usize>>,
    /// By partition column: for each file, whether it lacks a column of this name. Known of Parquet.
    lacking: Vec<Vec<bool>>,
}

/// Puts files, their schema and their partitions together. A partition column that the files have,
/// too, is theirs, and its path's value a hidden column for comparison.
fn with_partitions(
    name: String,
    store_url: datafusion::datasource::object_store::ObjectStoreUrl,
    reader: TableReader,
    schema: FilesSchema,
    partitions: HivePartitions,
    files: &[TableFile],
) -> FileTable {
    let FilesSchema { merged, rows, lacking } = schema;
    let MergedSchema { schema: file_schema, conflicts, inexact, mut differences } = merged;
    // A plan knows of the columns only, and a scan that has more would be of another schema.
    let file_schema = Arc::new(Schema::new(file_schema.fields().clone()));
    let in_files = |column: &FieldRef| file_schema.index_of(column.name()).ok();
    // The order of the partition columns in the table: the visible ones first.
    let mut order: Vec<usize> = (0..partitions.columns.len()).collect();
    order
        .sort_by_key(|&column| partitions.columns.get(column).is_some_and(|field| in_files(field).is_some()));
    let (mut columns, mut visible, mut checks) = (Vec::new(), file_schema.fields().to_vec(), HashMap::new());
    for (at, field) in order.iter().filter_map(|&at| Some((at, partitions.columns.get(at)?))) {
        match in_files(field) {
            Some(column) => {
                let hidden = file_schema.fields().len() + columns.len();
                let lacking = files.iter().zip(lacking.get(at).into_iter().flatten());
                let lacking = lacking.filter(|(_, lacks)| **lacks).map(|(file, _)| file.name.clone());
                // The paths tell what a file lacks.
                differences.remove(&column);
                checks.insert(column, PartitionCheck { hidden, lacking: Arc::new(lacking.collect()) });
                let hidden = field.as_ref().clone().with_name(format!("partition {}", field.name()));
                columns.push(Arc::new(hidden));
            }
            None => {
                visible.push(Arc::clone(field));
                columns.push(Arc::clone(field));
            }
        }
    }
    let has_names = !checks.is_empty() || !inexact.is_empty();
    if has_names {
        columns.push(Arc::new(Field::new("partition file", DataType::Utf8, false)));
    }
    let scanned = files.iter().zip(partitions.values).zip(rows).map(|((file, values), rows)| {
        let mut partition_values: Vec<ScalarValue> =
            order.iter().filter_map(|&column| values.get(column).cloned()).collect();
        if has_names {
            partition_values.push(ScalarValue::Utf8(Some(file.name.clone())));
        }
        let scanned = PartitionedFile::new_from_meta(file.meta.clone());
        let mut scanned = scanned.with_extension(LocalName(file.name.clone()));
        scanned.partition_values = partition_values;
        ScannedFile { file: scanned, rows }
    });
    let scan = FileScan {
        store_url,
        reader,
        names: Arc::new(files.iter().map(|file| (file.meta.location.clone(), file.name.clone())).collect()),
        columns: TableSchema::builder(file_schema).with_table_partition_cols(columns).build(),
        schema: Arc::new(Schema::new(visible)),
        inexact,
        checks,
    };
    FileTable { name, scan: Arc::new(scan), files: scanned.collect(), conflicts, differences }
}

/// The schema of Parquet files.
async fn parquet_schema(
    state: &SessionState,
    store: &dyn ObjectStore,
    files: &[TableFile],
    partitions: &HivePartitions,
) -> Result<FilesSchema> {
    let cache = MetadataCache::new(state.runtime_env().cache_manager.get_file_metadata_cache());
    let mut footers = Vec::with_capacity(files.len());
    for file in files {
        let footer = AssertUnwindSafe(file_schema(store, &cache, file)).catch_unwind();
        footers.push(footer.map(|read| read.unwrap_or_else(|panic| Err(damaged(file, panic)))).boxed());
    }
    let mut footers = stream::iter(footers).buffered(CONCURRENT_FILES);
    let (mut merger, mut rows) = (SchemaMerger::default(), Vec::with_capacity(files.len()));
    let mut renamed = false;
    let mut lacking = vec![Vec::new(); partitions.columns.len()];
    let mut names = files.iter();
    while let Some(footer) = footers.try_next().await? {
        let Some(file) = names.next() else { break };
        for (column, names) in footer.renamed.iter().filter(|_| !renamed) {
            tracing::warn!(
                "{}: has {} columns {column}; here they are {}",
                file.name,
                names.len(),
                names.join(", ")
            );
        }
        renamed |= !footer.renamed.is_empty();
        check_value_widths(&footer.schema, &file.name)?;
        merger.add(&file.name, &footer.schema);
        for (column, lacking) in partitions.columns.iter().zip(&mut lacking) {
            lacking.push(footer.schema.index_of(column.name()).is_err());
        }
        rows.push(footer.rows);
    }
    let mut merged = merger.finish();
    if state.config_options().execution.parquet.schema_force_view_types {
        merged.schema = Arc::new(transform_schema_to_view(&merged.schema));
    }
    Ok(FilesSchema { merged, rows, lacking })
}

/// What a table needs of a footer.
struct FileFooter {
    schema: SchemaRef,
    rows: Option<usize>,
    /// Columns of one name: the name, and those that they have here.
    renamed: Vec<(String, Vec<String>)>,
}

async fn file_schema(store: &dyn ObjectStore, cache: &MetadataCache, file: &TableFile) -> Result<FileFooter> {
    let failed = |e: DataFusionError| convert_error(e, &file.name);
    if let (0, Some(what)) = (file.meta.size, not_parquet(Path::new(&file.name), &[], &[], 0)) {
        return Err(Error::bad_data(Place::file(&file.name), what));
    }
    let (metadata, renamed) = match cache.get(&file.meta) {
        Some(metadata) => (metadata, Vec::new()),
        None => {
            let raw = match read_footer(store, &file.meta).await {
                Ok(raw) => raw,
                Err(error) => return Err(no_footer(store, file).await.unwrap_or_else(|| failed(error))),
            };
            check_footer(&raw, file.meta.size, &Place::file(&file.name))?;
            let fields = raw.file_metadata().schema_descr().root_schema().get_fields();
            let unique = unique(&names_of(raw.file_metadata().schema_descr())).unwrap_or_default();
            let mut renamed: Vec<(String, Vec<String>)> = Vec::new();
            for (field, unique) in fields.iter().zip(unique) {
                match renamed.iter_mut().find(|(name, _)| name == field.name()) {
                    Some((_, names)) => names.push(unique),
                    None => renamed.push((field.name().to_owned(), vec![unique])),
                }
            }
            renamed.retain(|(_, names)| names.len() > 1);
            let metadata = believable(raw).map_err(|e| failed(e.into()))?;
            cache.put(&file.meta, &metadata);
            (metadata, renamed)
        }
    };
    let schema = arrow_schema(&metadata).map_err(|e| failed(e.into()))?;
    let schema = Arc::new(Schema::new(schema.fields().clone()));
    Ok(FileFooter { schema, rows: usize::try_from(metadata.file_metadata().num_rows()).ok(), renamed })
}

/// What is wrong with a file whose footer cannot be read, where its ends say it.
async fn no_footer(store: &dyn ObjectStore, file: &TableFile) -> Option<Error> {
    let bytes = file.meta.size;
    let location = &file.meta.location;
    let head = store.get_range(location, 0..bytes.min(HEAD_BYTES)).await.ok()?;
    let tail = store.get_range(location, bytes.saturating_sub(4)..bytes).await.ok()?;
    not_parquet(Path::new(&file.name), &head, &tail, bytes)
        .map(|what| Error::bad_data(Place::file(&file.name), what))
}

/// Readers panic at some lengths and types of a footer.
fn damaged(file: &TableFile, panic: Box<dyn Any + Send>) -> Error {
    let what = format!(
        "its footer cannot be read ({}): the file is damaged or cut off",
        panic_message(panic.as_ref())
    );
    Error::bad_data(Place::file(&file.name), what)
}

#[cfg(test)]
mod tests;
