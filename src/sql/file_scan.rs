//! The physical plan of a scan of a table's files. The plan knows of the files their names, partition values
//! and numbers of rows, and nothing that statistics claim.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::config::{ConfigOptions, TableParquetOptions};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfig, FileScanConfigBuilder, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

use crate::error::{Error, Place};
use crate::storage::{VersionedPath, is_url};

use super::list_scan::LocalName;
use super::located_source::name_files;
use super::parquet_metadata::INT96_UNIT;
use super::parquet_reader::{FileNames, MetadataCache, ReaderFactory};
use super::read_chunks::ReadChunks;
use super::scan_functions::{canonical_nan, same_partition, widened};
use super::schema_adapter::SchemaAdapterFactory;
use super::table_format::TableFormat;

/// What scans of a table's files share.
#[derive(Debug)]
pub(super) struct FileScan {
    pub(super) store_url: ObjectStoreUrl,
    pub(super) reader: TableReader,
    pub(super) names: Arc<FileNames>,
    /// Columns of the files and the partition columns, the hidden ones last.
    pub(super) columns: TableSchema,
    /// The columns that queries see: all but the hidden ones.
    pub(super) schema: SchemaRef,
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
    Other(TableFormat, Arc<dyn FileFormat>),
}

#[cfg(feature = "cluster")]
impl TableReader {
    /// The format.
    pub(super) fn format(&self) -> TableFormat {
        match self {
            Self::Parquet => TableFormat::Parquet,
            Self::Other(format, _) => *format,
        }
    }
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
    pub(super) fn versioned(&self) -> crate::Result<Self> {
        let Self { file, rows } = self;
        let name = file.extension::<LocalName>().filter(|LocalName(name)| !is_url(Path::new(name)));
        let Some(LocalName(name)) = name else { return Ok(self.clone()) };
        match VersionedPath::now(Path::new(name)) {
            Ok(now) if now.bytes() == file.object_meta.size => {
                Ok(Self { file: file.clone().with_extension(now), rows: *rows })
            }
            _ => {
                let what = format!(
                    "was changed since it was first looked into; run again, and in a shell make the table again, or name the \
                     file in quotes ('{name}')"
                );
                Err(Error::Transient { place: Place::file(name), what })
            }
        }
    }
}

impl FileScan {
    /// The scan of these files, at least one, with these columns that queries see.
    ///
    /// # Errors
    /// Of DataFusion.
    pub(super) async fn plan(
        &self,
        state: &dyn Session,
        files: &[ScannedFile],
        projection: &[usize],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let checked: Vec<usize> = projection
            .iter()
            .filter_map(|column| self.checks.get(column))
            .map(|check| check.hidden)
            .collect();
        let mut read = projection.to_vec();
        read.extend(&checked);
        if !checked.is_empty() || projection.iter().any(|column| self.inexact.contains(column)) {
            read.push(self.columns.table_schema().fields().len() - 1);
        }
        let scan = self.scan_files(state, files, read.clone(), limit).await?;
        self.treat(scan, projection, &read)
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
            TableReader::Other(kind, format) => {
                let source = format.file_source(self.columns.clone());
                let builder = FileScanConfigBuilder::new(self.store_url.clone(), source);
                let scan = format.create_physical_plan(state, config(builder)?).await?;
                Ok(name_files(scan, &self.names, *kind))
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
pub(super) fn statistics(files: &[ScannedFile], schema: &Schema) -> Statistics {
    let rows: Option<usize> = files.iter().map(|file| file.rows).sum();
    let rows = rows.map_or(Precision::Absent, Precision::Exact);
    Statistics { num_rows: rows, ..Statistics::new_unknown(schema) }
}
