//! A table provider for files: a path, folder or glob becomes a listing table. The file ending
//! determines the format, and `column=value` folders are hive partition columns.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{TableProvider, UrlTableFactory};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::object_store::path::Path as ObjectPath;
use datafusion::object_store::{ObjectMeta, ObjectStore};
use datafusion::prelude::SessionContext;

use crate::error::{Error, Place, Result};

use super::errors::convert_error;
use super::table_files::{TableFiles, find_table_files};

/// Registers a file, folder, glob or object store URL as a named table.
///
/// The ending determines a file's format: `.parquet`, `.csv`, `.tsv`, `.json` or `.ndjson`
/// (lines, or one array), `.arrow`. A folder comprises all files below it that have the ending of
/// the first one; its `column=value` folders are partition columns, of integers where all values
/// are integers. A glob comprises the files that it matches.
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
    let failed = |e: DataFusionError| convert_error(e, name);
    let TableFiles { urls, store, mut objects } = find_table_files(state, name).await?;
    let Some((kind, ending)) = objects.iter().filter_map(|o| o.location.filename()).find_map(TableFormat::of)
    else {
        return Err(Error::bad_data(
            Place::file(name),
            format!("not a file that SQL can read; its name must end in one of {}", TableFormat::ENDINGS),
        ));
    };
    objects.retain(|object| object.location.as_ref().ends_with(&ending));

    let format = kind.format(state, &urls, &ending, name)?;
    let schema = match format.infer_schema(state, &store, &objects).await {
        Ok(schema) if kind == TableFormat::Parquet => {
            with_field_metadata(state, &store, &objects, schema).await
        }
        Ok(schema) => schema,
        Err(e) => {
            let file = first_unreadable(state, &store, format.as_ref(), &objects).await;
            let file = file.and_then(|location| Some(display_path(urls.first()?, &location)));
            return Err(convert_error(e, file.as_deref().unwrap_or(name)));
        }
    };
    let hive_partitions = match urls.as_slice() {
        [folder] if folder.is_collection() => hive_partitions(folder, &objects, name)?,
        _ => Vec::new(),
    };
    let options =
        ListingOptions::new(format).with_file_extension(ending).with_table_partition_cols(hive_partitions);
    let config =
        ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options).with_schema(schema);
    Ok(Arc::new(ListingTable::try_new(config).map_err(failed)?))
}

/// Adds the first file's field metadata (units, bundle) to the schema. DataFusion drops it, because
/// files may differ in it.
async fn with_field_metadata(
    state: &SessionState,
    store: &Arc<dyn ObjectStore>,
    objects: &[ObjectMeta],
    schema: SchemaRef,
) -> SchemaRef {
    let options = HashMap::from([("format.skip_metadata".to_owned(), "false".to_owned())]);
    let format = state.get_file_format_factory("parquet").map(|factory| factory.create(state, &options));
    let (Some(Ok(format)), Some(first)) = (format, objects.get(..1)) else { return schema };
    let Ok(first) = format.infer_schema(state, store, first).await else { return schema };
    let with_field_metadata = |field: &Arc<Field>| match first.field_with_name(field.name()) {
        Ok(known) => field.as_ref().clone().with_metadata(known.metadata().clone()),
        Err(_) => field.as_ref().clone(),
    };
    Arc::new(Schema::new(schema.fields().iter().map(with_field_metadata).collect::<Vec<_>>()))
}

/// An object's path or URL as the user would write it.
fn display_path(url: &ListingTableUrl, location: &ObjectPath) -> String {
    match url.scheme() {
        "file" => format!("/{location}"),
        _ => format!("{}{location}", url.object_store().as_str()),
    }
}

/// The first file whose schema cannot be read.
async fn first_unreadable(
    state: &SessionState,
    store: &Arc<dyn ObjectStore>,
    format: &dyn FileFormat,
    objects: &[ObjectMeta],
) -> Option<ObjectPath> {
    for object in objects {
        if format.infer_schema(state, store, std::slice::from_ref(object)).await.is_err() {
            return Some(object.location.clone());
        }
    }
    None
}

/// The partition columns of a folder, from the `column=value` components of every path.
fn hive_partitions(
    folder: &ListingTableUrl,
    objects: &[ObjectMeta],
    name: &str,
) -> Result<Vec<(String, DataType)>> {
    let mut columns: Option<Vec<(String, DataType)>> = None;
    for object in objects {
        let parts =
            folder.strip_prefix(&object.location).map(Iterator::collect::<Vec<_>>).unwrap_or_default();
        let pairs: Vec<(&str, &str)> = parts.iter().map_while(|part| part.split_once('=')).collect();
        let known = columns.get_or_insert_with(|| {
            pairs.iter().map(|(column, _)| ((*column).to_owned(), DataType::Int64)).collect()
        });
        if !known.iter().map(|(column, _)| column.as_str()).eq(pairs.iter().map(|(column, _)| *column)) {
            return Err(Error::bad_data(
                Place::file(name),
                format!(
                    "its files are not partitioned alike; {} is the first that differs",
                    display_path(folder, &object.location)
                ),
            ));
        }
        for ((_, kind), (_, value)) in known.iter_mut().zip(pairs) {
            if value.parse::<i64>().is_err() {
                *kind = DataType::Utf8;
            }
        }
    }
    Ok(columns.unwrap_or_default())
}

/// The formats that SQL reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TableFormat {
    Parquet,
    Csv,
    Json,
    Arrow,
}

impl TableFormat {
    const ENDINGS: &'static str = ".parquet, .csv, .tsv, .json, .ndjson, .arrow";

    /// The format that a file name's ending denotes, and the ending as written.
    fn of(file: &str) -> Option<(Self, String)> {
        let ending = file.rsplit_once('.').filter(|(stem, _)| !stem.is_empty() && !file.starts_with('_'))?.1;
        let kind = match ending.to_ascii_lowercase().as_str() {
            "parquet" | "pq" => Self::Parquet,
            "csv" | "tsv" => Self::Csv,
            "json" | "ndjson" | "jsonl" => Self::Json,
            "arrow" | "arrows" | "feather" | "ipc" => Self::Arrow,
            _ => return None,
        };
        Some((kind, format!(".{ending}")))
    }

    fn format(
        self,
        state: &SessionState,
        urls: &[ListingTableUrl],
        ending: &str,
        name: &str,
    ) -> Result<Arc<dyn FileFormat>> {
        let (factory, option) = match self {
            Self::Parquet => ("parquet", None),
            Self::Csv if ending.eq_ignore_ascii_case(".tsv") => ("csv", Some(("format.delimiter", "\t"))),
            Self::Csv => ("csv", None),
            Self::Json if holds_array(urls) => ("json", Some(("format.newline_delimited", "false"))),
            Self::Json => ("json", None),
            Self::Arrow => ("arrow", None),
        };
        let options: HashMap<_, _> =
            option.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let factory = state
            .get_file_format_factory(factory)
            .ok_or_else(|| Error::Internal(format!("DataFusion was built without {factory}")))?;
        factory.create(state, &options).map_err(|e| convert_error(e, name))
    }
}

/// Whether a file name has the ending of a table format.
pub(super) fn is_table_file(file: &str) -> bool {
    TableFormat::of(file).is_some()
}

/// Whether a local JSON file holds one array instead of lines.
fn holds_array(urls: &[ListingTableUrl]) -> bool {
    let Some(path) = urls.first().and_then(|url| url.get_url().to_file_path().ok()) else { return false };
    let mut head = [0; 64];
    let Ok(length) = File::open(path).and_then(|mut file| file.read(&mut head)) else { return false };
    head.iter().take(length).find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

#[cfg(test)]
mod tests {
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
    fn folders_partitioned_differently_are_refused() {
        let dir = TempDir::new().unwrap();
        parquet(&dir, "year=2024/1.parquet", 2);
        parquet(&dir, "2.parquet", 3);
        let error = query(&format!("SELECT * FROM '{}'", dir.path().display())).unwrap_err();
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().contains("not partitioned alike"), "{error}");
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
