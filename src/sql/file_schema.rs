//! The schema of files of CSV, JSON and Arrow: as it is declared, or by their first rows.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::runtime::SpawnedTask;
use datafusion::datasource::file_format::FileFormat;
use datafusion::execution::session_state::SessionState;
use datafusion::object_store::ObjectStore;
use futures::{FutureExt, StreamExt, stream};

use crate::error::{Error, Place, Result};
use crate::parquet_file::panic_message;

use super::csv_schema::csv_schema;
use super::declared_columns::FileColumns;
use super::json_schema::{check_declared, json_schema};
use super::located_source::{convert_reader_error, undecodable};
use super::merged_schema::{MergedSchema, SchemaMerger};
use super::table_files::TableFile;
use super::table_format::{JsonFields, TableFormat};
use super::value_widths::check_value_widths;

/// Files whose first rows are read at a time.
const CONCURRENT_FILES: usize = 32;

/// The schema of files of another format.
pub(super) async fn other_schema(
    state: &SessionState,
    store: &Arc<dyn ObjectStore>,
    (kind, format): (TableFormat, &Arc<dyn FileFormat>),
    (files, declared): (&[TableFile], &FileColumns),
) -> Result<MergedSchema> {
    let first = files.first().ok_or_else(|| Error::Internal("a table without files".to_owned()))?;
    if kind == TableFormat::Json(JsonFields::Declared) {
        check_declared(store.as_ref(), files, &declared.in_files()).await?;
    }
    let (mut merger, mut columns): (_, Option<SchemaRef>) = (SchemaMerger::default(), None);
    if files.len() > 1 {
        let state = Arc::new(state.clone());
        // On the threads of the query: to parse the rows takes longer than to read them. They arrive in the order of
        // the files, so that the first fault is the same each time.
        let inferred = stream::iter(files.iter().cloned()).map(|file| {
            let (state, store, format) = (Arc::clone(&state), Arc::clone(store), Arc::clone(format));
            let declared = declared.clone();
            SpawnedTask::spawn(async move {
                inferred_schema(&state, &store, (kind, &format), (&file, &declared)).await
            })
        });
        let mut inferred = inferred.buffered(CONCURRENT_FILES).zip(stream::iter(files));
        while let Some((schema, file)) = inferred.next().await {
            let schema =
                schema.map_err(|e| Error::Internal(format!("the look into {} failed: {e}", file.name)))??;
            // An empty file has no columns and no rows.
            if schema.fields().is_empty() {
                continue;
            }
            let columns = columns.get_or_insert_with(|| Arc::clone(&schema));
            if kind.csv().is_some() {
                check_same_names(columns, first, &schema, file)?;
            }
            merger.add(&file.name, &schema);
        }
    }
    if columns.is_some() {
        return Ok(merger.finish().of_texts(kind));
    }
    if files.iter().all(|file| file.meta.size == 0) {
        let what = "is empty, without even the names of columns; write it again";
        return Err(Error::bad_data(Place::file(&first.name), what));
    }
    let schema = inferred_schema(state, store, (kind, format), (first, declared)).await?;
    Ok(MergedSchema::of(schema).of_texts(kind))
}

/// The schema of a file as it is declared, or by its first rows.
async fn inferred_schema(
    state: &SessionState,
    store: &Arc<dyn ObjectStore>,
    (kind, format): (TableFormat, &Arc<dyn FileFormat>),
    (file, declared): (&TableFile, &FileColumns),
) -> Result<SchemaRef> {
    let inferred = async {
        match kind {
            TableFormat::Csv(layout) => csv_schema(store.as_ref(), file, layout).await,
            // The declaration says all.
            TableFormat::Json(JsonFields::Declared) => Ok(Arc::new(Schema::empty())),
            TableFormat::Json(JsonFields::Inferred) => json_schema(store.as_ref(), file).await,
            TableFormat::Arrow | TableFormat::Parquet => format
                .infer_schema(state, store, std::slice::from_ref(&file.meta))
                .await
                .map_err(|e| convert_reader_error(e, &file.name)),
        }
    };
    let schema = AssertUnwindSafe(inferred).catch_unwind().await;
    let schema = schema.map_err(|panic| undecodable(&file.name, &panic_message(panic.as_ref())))??;
    let schema = declared.of_file(kind, schema, &file.name)?;
    check_value_widths(&schema, &file.name).map(|()| schema)
}

/// Values of delimited files are known by their position: in files of other columns they would be mixed up.
fn check_same_names(
    columns: &SchemaRef,
    first: &TableFile,
    schema: &SchemaRef,
    file: &TableFile,
) -> Result<()> {
    let names = |schema: &SchemaRef| -> Vec<String> {
        schema.fields().iter().map(|field| field.name().clone()).collect()
    };
    let (expected, found) = (names(columns), names(schema));
    if expected == found {
        return Ok(());
    }
    let what = format!(
        "has the columns {}, and {} has {}; files of one table have the same, in the same order: query them apart, \
         and put them together with UNION ALL BY NAME",
        found.join(", "),
        first.name,
        expected.join(", ")
    );
    Err(Error::bad_data(Place::file(&file.name), what))
}
