//! Tables by the names of files: a path, folder, glob or URL in a query becomes a [`FileTable`].

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::{TableProvider, UrlTableFactory};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::transform_schema_to_view;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::error::{Error, Place, Result};
use crate::parquet_file::{check_footer, not_parquet, panic_message};

use super::arrow_lengths::check_arrow_files;
use super::errors::convert_error;
use super::file_table::{FileTable, PartitionCheck, ScannedFile, TableReader};
use super::hive_partitions::HivePartitions;
use super::located_source::convert_reader_error;
use super::merged_schema::{MergedSchema, SchemaMerger};
use super::parquet_metadata::{arrow_schema, believable, read_footer, unique};
use super::parquet_reader::MetadataCache;
use super::table_files::{TableFile, TableFiles, find_table_files};
use super::table_format::TableFormat;

/// Footers that are read at a time.
const CONCURRENT_FOOTERS: usize = 32;

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
    open_files(state, find_table_files(state, name).await?).await
}

/// The table of these files.
///
/// # Errors
/// [`Error::BadData`] where a file is not what its name says; those of reading.
pub(super) async fn open_files(state: &SessionState, found: TableFiles) -> Result<Arc<dyn TableProvider>> {
    let TableFiles { store_url, store, files, format } = found;
    let Some(first) = files.first() else { return Err(Error::Internal("a table without files".to_owned())) };
    let partitions = HivePartitions::of(&files);
    let (reader, schema) = match format {
        TableFormat::Parquet => {
            (TableReader::Parquet, parquet_schema(state, store.as_ref(), &files, &partitions).await?)
        }
        other => {
            if other == TableFormat::Arrow {
                check_arrow_files(state, store.as_ref(), &files).await?;
            }
            let format = other.reader(state, store.as_ref(), &first.meta, &first.name).await?;
            let schema = other_schema(state, &store, format.as_ref(), &files).await?;
            let merged = MergedSchema { schema, conflicts: HashMap::new(), inexact: HashSet::new() };
            let lacking = Vec::new();
            (TableReader::Other(format), FilesSchema { merged, rows: vec![None; files.len()], lacking })
        }
    };
    Ok(Arc::new(with_partitions(store_url, reader, schema, partitions, &files)))
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
    store_url: datafusion::datasource::object_store::ObjectStoreUrl,
    reader: TableReader,
    schema: FilesSchema,
    partitions: HivePartitions,
    files: &[TableFile],
) -> FileTable {
    let FilesSchema { merged: MergedSchema { schema: file_schema, conflicts, inexact }, rows, lacking } =
        schema;
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
        let mut scanned = PartitionedFile::new_from_meta(file.meta.clone());
        scanned.partition_values = partition_values;
        ScannedFile { file: scanned, rows }
    });
    FileTable {
        store_url,
        reader,
        files: scanned.collect(),
        names: Arc::new(files.iter().map(|file| (file.meta.location.clone(), file.name.clone())).collect()),
        columns: TableSchema::builder(file_schema).with_table_partition_cols(columns).build(),
        schema: Arc::new(Schema::new(visible)),
        conflicts,
        inexact,
        checks,
    }
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
    let mut footers = stream::iter(footers).buffered(CONCURRENT_FOOTERS);
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
    if let (0, Some(what)) = (file.meta.size, not_parquet(&[], &[], 0)) {
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
            let unique = unique(raw.file_metadata().schema_descr()).unwrap_or_default();
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
    let head = store.get_range(location, 0..bytes.min(4)).await.ok()?;
    let tail = store.get_range(location, bytes.saturating_sub(4)..bytes).await.ok()?;
    not_parquet(&head, &tail, bytes).map(|what| Error::bad_data(Place::file(&file.name), what))
}

/// Readers panic at some lengths and types of a footer.
fn damaged(file: &TableFile, panic: Box<dyn Any + Send>) -> Error {
    let what = format!(
        "its footer cannot be read ({}): the file is damaged or cut off",
        panic_message(panic.as_ref())
    );
    Error::bad_data(Place::file(&file.name), what)
}

/// The schema of files of another format.
async fn other_schema(
    state: &SessionState,
    store: &Arc<dyn ObjectStore>,
    format: &dyn FileFormat,
    files: &[TableFile],
) -> Result<SchemaRef> {
    let objects: Vec<ObjectMeta> = files.iter().map(|file| file.meta.clone()).collect();
    let first = files.first().ok_or_else(|| Error::Internal("a table without files".to_owned()))?;
    let infer = async |objects: &[ObjectMeta], file: &TableFile| {
        let inferred = AssertUnwindSafe(format.infer_schema(state, store, objects)).catch_unwind().await;
        inferred.map_err(|panic| damaged(file, panic))?.map_err(|e| convert_reader_error(e, &file.name))
    };
    let error = match infer(&objects, first).await {
        Ok(schema) => return Ok(schema),
        Err(error) => error,
    };
    for file in files {
        infer(std::slice::from_ref(&file.meta), file).await?;
    }
    Err(error)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use datafusion::arrow::array::{Array, Int64Array, RecordBatch};
    use datafusion::arrow::compute::concat_batches;
    use tempfile::TempDir;

    use super::super::{SqlOptions, context};
    use super::*;

    /// The rows of a query, in one batch.
    fn query(sql: &str) -> Result<RecordBatch> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let context = context(&SqlOptions::default())?;
            let frame = context.sql(sql).await.map_err(|e| convert_error(e, ""))?;
            let schema = Arc::new(frame.schema().as_arrow().clone());
            let batches = frame.collect().await.map_err(|e| convert_error(e, ""))?;
            Ok(concat_batches(&schema, &batches).unwrap())
        })
    }

    fn integer(batch: &RecordBatch, column: &str) -> i64 {
        let column = batch.column_by_name(column).unwrap();
        column.as_any().downcast_ref::<Int64Array>().unwrap().value(0)
    }

    /// A Parquet file with one Int64 column `v` of 0..rows.
    fn parquet(dir: &TempDir, name: &str, rows: i64) -> String {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let values: Arc<dyn Array> = Arc::new(Int64Array::from_iter_values(0..rows));
        let batch = RecordBatch::try_from_iter([("v", values)]).unwrap();
        let file = File::create(&path).unwrap();
        let mut writer =
            datafusion::parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        path.to_string_lossy().into_owned()
    }

    #[test]
    fn a_file_is_a_table_in_either_quotes() {
        let dir = TempDir::new().unwrap();
        let path = parquet(&dir, "Out 1.parquet", 5);
        for quoted in [format!("'{path}'"), format!("\"{path}\"")] {
            let rows = query(&format!("SELECT sum(v) AS v FROM {quoted}")).unwrap();
            assert_eq!(integer(&rows, "v"), 10);
        }
    }

    #[test]
    fn a_folder_is_read_whole_with_its_partitions_as_columns() {
        let dir = TempDir::new().unwrap();
        parquet(&dir, "year=2024/site=a/1.parquet", 2);
        parquet(&dir, "year=2025/site=7/1.parquet", 3);
        let folder = dir.path().display();
        let rows = query(&format!(
            "SELECT max(year) AS year, count(*) AS n, min(site) AS site FROM '{folder}' WHERE year > 2024"
        ))
        .unwrap();
        assert_eq!((integer(&rows, "year"), integer(&rows, "n")), (2025, 3));
        assert_eq!(rows.column_by_name("site").unwrap().data_type().to_string(), "Utf8");
    }

    #[test]
    fn files_in_plain_folders_below_are_read_and_other_files_are_not() {
        let dir = TempDir::new().unwrap();
        parquet(&dir, "1.parquet", 2);
        parquet(&dir, "deep/2.parquet", 3);
        std::fs::write(dir.path().join("_SUCCESS"), "").unwrap();
        std::fs::write(dir.path().join("0.txt"), "notes").unwrap();
        let rows = query(&format!("SELECT count(*) AS n FROM '{}'", dir.path().display())).unwrap();
        assert_eq!(integer(&rows, "n"), 5);
    }

    #[test]
    fn a_partition_that_a_path_lacks_is_null() {
        let dir = TempDir::new().unwrap();
        parquet(&dir, "year=2024/1.parquet", 2);
        parquet(&dir, "2.parquet", 3);
        let table = dir.path().display();
        let rows = query(&format!("SELECT count(*) AS n FROM '{table}' WHERE year IS NULL")).unwrap();
        assert_eq!(integer(&rows, "n"), 3);
    }

    #[test]
    fn a_file_without_the_column_of_its_folder_takes_the_folders_value() {
        let dir = TempDir::new().unwrap();
        parquet(&dir, "v=0/1.parquet", 1);
        let path = dir.path().join("v=3/2.parquet");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let names: Arc<dyn Array> = Arc::new(Int64Array::from(vec![7, 8]));
        let batch = RecordBatch::try_from_iter([("w", names)]).unwrap();
        let file = File::create(&path).unwrap();
        let mut writer =
            datafusion::parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let table = dir.path().display();
        for (condition, count) in [("v = 3", 2), ("v = 0", 1), ("v IS NULL", 0), ("v >= 0", 3)] {
            let rows = query(&format!("SELECT count(*) AS n FROM '{table}' WHERE {condition}")).unwrap();
            assert_eq!(integer(&rows, "n"), count, "{condition}");
        }
        let rows = query(&format!("SELECT sum(v) AS v, max(w) AS w FROM '{table}'")).unwrap();
        assert_eq!((integer(&rows, "v"), integer(&rows, "w")), (6, 8));
        // What a file says itself is still compared.
        parquet(&dir, "v=5/3.parquet", 1);
        let error = query(&format!("SELECT v FROM '{table}'")).unwrap_err();
        assert!(error.to_string().contains("holds 0 where its folder says v=5"), "{error}");
    }

    #[test]
    fn partitions_of_text_are_compared_with_numbers() {
        let dir = TempDir::new().unwrap();
        for (folder, rows) in
            [("1", 1), ("02", 2), ("2.5", 4), ("x%20y", 8), ("__HIVE_DEFAULT_PARTITION__", 16)]
        {
            parquet(&dir, &format!("k={folder}/a.parquet"), rows);
        }
        let table = dir.path().display();
        let count = |from: &str| integer(&query(&format!("SELECT count(*) AS n FROM {from}")).unwrap(), "n");
        for (condition, rows) in [
            ("k = 2", 2),
            ("2 = k", 2),
            ("k = 2.5", 4),
            ("k > 1", 6),
            ("k <> 2", 5),
            ("k IN (1, 2)", 3),
            ("k BETWEEN 2 AND 3", 6),
            ("k = '02'", 2),
            ("k = 'x y'", 8),
            ("k IS DISTINCT FROM 2", 29),
        ] {
            assert_eq!(count(&format!("'{table}' WHERE {condition}")), rows, "{condition}");
            let renamed = format!("(SELECT t.k, v FROM '{table}' AS t) AS u WHERE {condition}");
            assert_eq!(count(&renamed), rows, "{renamed}");
        }
        // Text that is no partition is an error, as elsewhere.
        assert!(query("SELECT * FROM (VALUES ('x')) AS t(k) WHERE k = 2").is_err());
    }

    #[test]
    fn a_glob_matches_one_level_a_star() {
        let dir = TempDir::new().unwrap();
        parquet(&dir, "a1.parquet", 1);
        parquet(&dir, "a2.parquet", 2);
        parquet(&dir, "b.parquet", 4);
        parquet(&dir, "day=1/a3.parquet", 8);
        let count = |pattern: &str| {
            let sql = format!("SELECT count(*) AS n FROM '{}/{pattern}'", dir.path().display());
            query(&sql).map(|rows| integer(&rows, "n"))
        };
        assert_eq!(count("a*.parquet").unwrap(), 3);
        assert_eq!(count("day=*/*.parquet").unwrap(), 8);
        assert_eq!(count("**/a?.parquet").unwrap(), 11);
        assert_eq!(count("z*.parquet").unwrap_err().exit_code(), 66);
    }

    #[test]
    fn text_formats_are_told_by_the_ending() {
        let dir = TempDir::new().unwrap();
        for (name, text) in [
            ("t.csv", "v,w\n1,x\n2,y\n"),
            ("t.tsv", "v\tw\n1\tx\n2\ty\n"),
            ("t.ndjson", "{\"v\":1,\"w\":\"x\"}\n{\"v\":2,\"w\":\"y\"}\n"),
            ("t.json", " [{\"v\":1,\"w\":\"x\"},{\"v\":2,\"w\":\"y\"}]"),
        ] {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            let rows =
                query(&format!("SELECT sum(v) AS v FROM '{}' WHERE w <> 'q'", path.display())).unwrap();
            assert_eq!(integer(&rows, "v"), 3, "{name}");
        }
    }

    #[test]
    fn arrow_files_are_tables_too() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("t.arrow");
        let values: Arc<dyn Array> = Arc::new(Int64Array::from_iter_values(0..5));
        let batch = RecordBatch::try_from_iter([("v", values)]).unwrap();
        let file = File::create(&path).unwrap();
        let mut writer = datafusion::arrow::ipc::writer::FileWriter::try_new(file, &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        let rows = query(&format!("SELECT sum(v) AS v FROM '{}'", path.display())).unwrap();
        assert_eq!(integer(&rows, "v"), 10);
    }

    #[test]
    fn what_is_missing_or_broken_is_named() {
        let dir = TempDir::new().unwrap();
        let remote = query("SELECT * FROM 'ftp://host/file.parquet'").unwrap_err();
        assert_eq!(remote.exit_code(), 64);
        assert!(remote.to_string().contains("no URL of a store; use s3://"), "{remote}");

        let missing = query("SELECT * FROM 'no/such/file.parquet'").unwrap_err();
        assert_eq!(missing.exit_code(), 66);
        assert!(missing.to_string().starts_with("no/such/file.parquet: cannot open the input"), "{missing}");

        let whole = parquet(&dir, "data/1.parquet", 1000);
        let bytes = std::fs::read(&whole).unwrap();
        let half = dir.path().join("data/2.parquet");
        std::fs::write(&half, &bytes[..bytes.len() / 2]).unwrap();
        for table in [half.display().to_string(), dir.path().join("data").display().to_string()] {
            let error = query(&format!("SELECT * FROM '{table}'")).unwrap_err();
            assert_eq!(error.exit_code(), 65, "{error}");
            assert!(error.to_string().contains("2.parquet: "), "{error}");
        }

        let other = dir.path().join("notes.txt");
        std::fs::write(&other, "hello").unwrap();
        let error = query(&format!("SELECT * FROM '{}'", other.display())).unwrap_err();
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().contains(".parquet, .csv"), "{error}");
    }

    #[test]
    fn a_query_of_what_is_not_there_says_so() {
        let table = query("SELECT * FROM nowhere").unwrap_err();
        assert_eq!(table.exit_code(), 64);
        assert!(table.to_string().starts_with("there is no table nowhere"), "{table}");
        let dir = TempDir::new().unwrap();
        let path = parquet(&dir, "a.parquet", 1);
        let column = query(&format!("SELECT vv FROM '{path}'")).unwrap_err();
        assert_eq!(column.exit_code(), 64);
        assert!(column.to_string().contains("no field named vv. Did you mean"), "{column}");
        let syntax = query("SELEC 1").unwrap_err();
        assert_eq!(syntax.exit_code(), 64);
        assert!(syntax.to_string().contains("SELEC"), "{syntax}");
    }
}
