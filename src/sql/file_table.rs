//! A table of files: its schema, and the plan of a scan. The plan knows of the files their names,
//! partition values and numbers of rows, and nothing that statistics claim.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, Statistics, project_schema};
use datafusion::config::{ConfigOptions, TableParquetOptions};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfig, FileScanConfigBuilder, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::datasource::{TableProvider, TableType};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use datafusion::scalar::ScalarValue;

use crate::error::{Error, Place};
use crate::storage::{VersionedPath, is_url};

use super::errors::to_datafusion_error;
use super::list_scan::LocalName;
use super::located_source::name_files;
use super::merged_schema::Conflict;
use super::parquet_metadata::INT96_UNIT;
use super::parquet_reader::{FileNames, MetadataCache, ReaderFactory};
use super::read_chunks::ReadChunks;
use super::scan_functions::{canonical_nan, same_partition, widened};
use super::schema_adapter::SchemaAdapterFactory;

/// A table of files of one format.
#[derive(Debug)]
pub(super) struct FileTable {
    pub(super) store_url: ObjectStoreUrl,
    pub(super) reader: TableReader,
    pub(super) files: Vec<ScannedFile>,
    pub(super) names: Arc<FileNames>,
    /// Columns of the files and the partition columns, the hidden ones last.
    pub(super) columns: TableSchema,
    /// The columns that queries see: all but the hidden ones.
    pub(super) schema: SchemaRef,
    /// By column of the files: what a query that reads it is told.
    pub(super) conflicts: HashMap<usize, Conflict>,
    /// Columns of the files whose values may not all be values of the table's type.
    pub(super) inexact: HashSet<usize>,
    /// Columns of the files that are partition columns, too. Beside these and the inexact ones, a last hidden column holds the file's
    /// name.
    pub(super) checks: HashMap<usize, PartitionCheck>,
}

/// A column of files that their paths have, too.
#[derive(Debug)]
pub(super) struct PartitionCheck {
    /// The hidden partition column of the paths' values.
    pub(super) hidden: usize,
    /// The names of the files without the column.
    pub(super) lacking: Arc<BTreeSet<String>>,
}

/// How files are read.
#[derive(Debug)]
pub(super) enum TableReader {
    Parquet,
    Other(Arc<dyn FileFormat>),
}

/// A file and what is known of it.
#[derive(Debug, Clone)]
pub(super) struct ScannedFile {
    pub(super) file: PartitionedFile,
    /// Known of Parquet.
    pub(super) rows: Option<usize>,
}

impl ScannedFile {
    /// The file with the version that it has now, if it is local. It must have the size that it had when
    /// the table was made: its footer is read by that, and another file's would look like damage.
    fn versioned(&self) -> crate::Result<Self> {
        let Self { file, rows } = self;
        let name = file.extension::<LocalName>().filter(|LocalName(name)| !is_url(Path::new(name)));
        let Some(LocalName(name)) = name else { return Ok(self.clone()) };
        match VersionedPath::now(Path::new(name)) {
            Ok(now) if now.bytes() == file.object_meta.size => {
                Ok(Self { file: file.clone().with_extension(now), rows: *rows })
            }
            _ => {
                let what = format!(
                    "is not the file that it was when the table was made; name it in quotes ('{name}'), or make the table again"
                );
                Err(Error::Transient { place: Place::file(name), what })
            }
        }
    }
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let partitions = self.partition_schema();
        let support = |filter: &&Expr| match refers_only_to(filter, &partitions) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let projection = projection.unwrap_or(&all);
        if let Some(conflict) = projection.iter().find_map(|column| self.conflicts.get(column)) {
            return Err(to_datafusion_error(conflict.error()));
        }
        let files = self.files_that_pass(state, filters)?;
        if files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(project_schema(&self.schema, Some(projection))?)));
        }
        let files: crate::Result<Vec<ScannedFile>> = files.into_iter().map(ScannedFile::versioned).collect();
        let files = files.map_err(to_datafusion_error)?;
        let checked: Vec<usize> = projection
            .iter()
            .filter_map(|column| self.checks.get(column))
            .map(|check| check.hidden)
            .collect();
        let mut read = projection.clone();
        read.extend(&checked);
        if !checked.is_empty() || projection.iter().any(|column| self.inexact.contains(column)) {
            read.push(self.columns.table_schema().fields().len() - 1);
        }
        let scan = self.scan_files(state, &files, read.clone(), limit).await?;
        self.treat(scan, projection, &read)
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(statistics(&self.files, &self.schema))
    }
}

impl FileTable {
    /// The partition columns that queries see.
    fn partition_schema(&self) -> SchemaRef {
        let files = self.columns.file_schema().fields().len();
        Arc::new(Schema::new(self.schema.fields().iter().skip(files).cloned().collect::<Vec<_>>()))
    }

    /// Whether a column of this name is a partition column of text.
    pub(super) fn is_text_partition(&self, name: &str) -> bool {
        let partitions = self.partition_schema();
        partitions.field_with_name(name).is_ok_and(|field| *field.data_type() == DataType::Utf8)
    }

    /// Whether a partition column is of text.
    pub(super) fn has_text_partitions(&self) -> bool {
        self.partition_schema().fields().iter().any(|field| *field.data_type() == DataType::Utf8)
    }

    /// The files whose partition values pass the filters on these columns.
    fn files_that_pass(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<&ScannedFile>> {
        let schema = self.partition_schema();
        let mut files: Vec<&ScannedFile> = self.files.iter().collect();
        for filter in filters.iter().filter(|filter| refers_only_to(filter, &schema)) {
            let columns = (0..schema.fields().len()).map(|column| -> Result<ArrayRef> {
                let value = |file: &&ScannedFile| file.file.partition_values.get(column).cloned();
                ScalarValue::iter_to_array(files.iter().filter_map(value))
            });
            if files.is_empty() {
                break;
            }
            let rows = RecordBatchOptions::new().with_row_count(Some(files.len()));
            let columns = columns.collect::<Result<Vec<_>>>()?;
            let values = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &rows)?;
            let frame = DFSchema::try_from(schema.as_ref().clone())?;
            let filter = state.create_physical_expr(filter.clone(), &frame)?;
            let passes = filter.evaluate(&values)?.into_array(files.len())?;
            let passes = passes.as_boolean();
            let kept = files.into_iter().zip(passes).filter(|(_, passes)| *passes == Some(true));
            files = kept.map(|(file, _)| file).collect();
        }
        Ok(files)
    }

    async fn scan_files(
        &self,
        state: &dyn Session,
        files: &[ScannedFile],
        projection: Vec<usize>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let statistics = statistics(files, self.columns.table_schema());
        let group = FileGroup::new(files.iter().map(|file| file.file.clone()).collect());
        let groups = group.split_files(state.config().target_partitions());
        let config = |builder: FileScanConfigBuilder| -> Result<FileScanConfig> {
            Ok(builder
                .with_file_groups(groups)
                .with_statistics(statistics)
                .with_projection_indices(Some(projection))?
                .with_limit(limit)
                .build())
        };
        match &self.reader {
            TableReader::Parquet => {
                let runtime = state.runtime_env();
                let store = runtime.object_store(&self.store_url)?;
                let cache = MetadataCache::new(runtime.cache_manager.get_file_metadata_cache());
                let mut global = state.config_options().execution.parquet.clone();
                global.coerce_int96 = Some(INT96_UNIT.1.to_owned());
                let options = TableParquetOptions { global, ..TableParquetOptions::default() };
                let source = ParquetSource::new(self.columns.clone())
                    .with_table_parquet_options(options)
                    .with_parquet_file_reader_factory(Arc::new(ReaderFactory::new(
                        store,
                        cache,
                        Arc::clone(&self.names),
                        state.config().get_extension::<ReadChunks>().unwrap_or_default(),
                    )));
                let builder = FileScanConfigBuilder::new(self.store_url.clone(), Arc::new(source))
                    .with_expr_adapter(Some(Arc::new(SchemaAdapterFactory)));
                Ok(DataSourceExec::from_data_source(config(builder)?))
            }
            TableReader::Other(format) => {
                let source = format.file_source(self.columns.clone());
                let builder = FileScanConfigBuilder::new(self.store_url.clone(), source);
                let scan = format.create_physical_plan(state, config(builder)?).await?;
                Ok(name_files(scan, &self.names))
            }
        }
    }

    /// Adds what a scan does to columns before the query sees them; `read` is the scan's projection.
    fn treat(
        &self,
        scan: Arc<dyn ExecutionPlan>,
        projection: &[usize],
        read: &[usize],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = scan.schema();
        let options = Arc::new(ConfigOptions::default());
        let column = |at: usize| -> Arc<dyn PhysicalExpr> {
            Arc::new(Column::new(schema.fields().get(at).map_or("", |field| field.name()), at))
        };
        let mut treated = false;
        let mut columns = Vec::with_capacity(projection.len());
        for (at, which) in projection.iter().enumerate() {
            let name = schema.field(at).name().clone();
            let mut expr = column(at);
            if self.inexact.contains(which) {
                let function = widened(&name, schema.field(at).data_type());
                let args = vec![expr, column(read.len() - 1)];
                let call = ScalarFunctionExpr::try_new(function, args, &schema, Arc::clone(&options))?;
                expr = Arc::new(call);
                treated = true;
            }
            if let Some(PartitionCheck { hidden, lacking }) = self.checks.get(which) {
                let partition = read.iter().position(|read| read == hidden).unwrap_or(at);
                let args = vec![expr, column(partition), column(read.len() - 1)];
                let check = same_partition(&name, lacking);
                expr = Arc::new(ScalarFunctionExpr::try_new(check, args, &schema, Arc::clone(&options))?);
                treated = true;
            }
            if matches!(
                schema.field(at).data_type(),
                DataType::Float16 | DataType::Float32 | DataType::Float64
            ) {
                let nan = canonical_nan();
                expr = Arc::new(ScalarFunctionExpr::try_new(nan, vec![expr], &schema, Arc::clone(&options))?);
                treated = true;
            }
            columns.push((expr, name));
        }
        if !treated {
            return Ok(scan);
        }
        // Within the scan, so that what asks for a file's name or row still finds it.
        let projection = ProjectionExec::try_new(columns, Arc::clone(&scan))?;
        match scan.try_swapping_with_projection(&projection)? {
            Some(scan) => Ok(scan),
            None => Ok(Arc::new(projection)),
        }
    }
}

/// The number of rows, and nothing of the columns.
fn statistics(files: &[ScannedFile], schema: &Schema) -> Statistics {
    let rows: Option<usize> = files.iter().map(|file| file.rows).sum();
    let rows = rows.map_or(Precision::Absent, Precision::Exact);
    Statistics { num_rows: rows, ..Statistics::new_unknown(schema) }
}

fn refers_only_to(filter: &Expr, schema: &Schema) -> bool {
    let columns = filter.column_refs();
    !columns.is_empty() && columns.iter().all(|column| schema.field_with_name(&column.name).is_ok())
}
