//! A decorator of DataFusion's readers that names the file in their errors and panics, and compares a
//! local file with what it was when the scan began. Without it an error of Arrow's decoder looks like one
//! of the query.

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpenFuture, FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::object_store::ObjectStore;
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, ExecutionPlan, PhysicalExpr};
use futures::{FutureExt, StreamExt};

use crate::error::{Error, Place};
use crate::parquet_file::panic_message;
use crate::storage::VersionedPath;

use super::checked_text::CheckedText;
use super::compressed_text::Compression;
use super::errors::{convert_error, to_datafusion_error};
use super::inferred_types::unfit_value;
use super::parquet_reader::FileNames;
use super::scan_functions::is_canonical_nan_of_column;
use super::source_functions::is_file_name;
use super::table_format::TableFormat;
use super::text_values::may_cut;

/// A source whose errors name the file.
struct LocatedSource {
    source: Arc<dyn FileSource>,
    names: Arc<FileNames>,
    format: TableFormat,
}

/// Decorates the source of a scan of files of this format.
pub(super) fn name_files(
    scan: Arc<dyn ExecutionPlan>,
    names: &Arc<FileNames>,
    format: TableFormat,
) -> Arc<dyn ExecutionPlan> {
    let config = scan.downcast_ref::<DataSourceExec>().map(DataSourceExec::data_source);
    let Some(config) = config.and_then(|source| source.downcast_ref::<FileScanConfig>()) else { return scan };
    let mut config = config.clone();
    let source = Arc::clone(&config.file_source);
    config.file_source = Arc::new(LocatedSource { source, names: Arc::clone(names), format });
    DataSourceExec::from_data_source(config)
}

/// The error of a file's reader: its bytes are at fault where it blames nothing else.
pub(super) fn convert_reader_error(error: DataFusionError, file: &str) -> Error {
    match convert_error(error, file) {
        Error::Usage(what) | Error::Internal(what) => undecodable(file, &what),
        error => error,
    }
}

/// The error of a file whose reader fails or panics with these words.
pub(super) fn undecodable(file: &str, what: &str) -> Error {
    Error::bad_data(
        Place::file(file),
        format!("cannot be decoded: {what}; the file is damaged, write it again"),
    )
}

impl LocatedSource {
    /// The columns of the files that are read.
    fn read_columns(&self) -> HashSet<usize> {
        let all = self.table_schema().file_schema().fields().len();
        match self.projection() {
            None => (0..all).collect(),
            Some(projection) => {
                let columns = projection.iter().flat_map(|column| collect_columns(&column.expr));
                columns.map(|column| column.index()).filter(|column| *column < all).collect()
            }
        }
    }

    fn with_source(&self, source: Arc<dyn FileSource>) -> Arc<dyn FileSource> {
        Arc::new(Self { source, names: Arc::clone(&self.names), format: self.format })
    }
}

impl FileSource for LocatedSource {
    fn create_file_opener(
        &self,
        object_store: Arc<dyn ObjectStore>,
        base_config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        let names = Arc::clone(&self.names);
        let schema = Arc::clone(self.table_schema().file_schema());
        let object_store = Arc::new(CheckedText {
            store: object_store,
            names: Arc::clone(&names),
            format: self.format,
            schema: Arc::clone(&schema),
            read: self.read_columns(),
        });
        let opener = self.source.create_file_opener(object_store, base_config, partition)?;
        Ok(Arc::new(LocatedOpener { opener, names, format: self.format, schema }))
    }

    fn table_schema(&self) -> &TableSchema {
        self.source.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        self.with_source(self.source.with_batch_size(batch_size))
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.source.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.source.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.source.metrics()
    }

    fn file_type(&self) -> &str {
        self.source.file_type()
    }

    fn fmt_extra(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt_extra(kind, f)
    }

    /// Not where the text must be looked at, or decompressed, as a whole.
    fn supports_repartitioning(&self) -> bool {
        let is_compressed = |name: &String| Compression::of_name(name).1.is_some();
        let is_whole = match self.format {
            TableFormat::Json(_) => true,
            TableFormat::Csv(_) => {
                let fields = self.table_schema().file_schema().fields();
                fields.iter().any(|field| may_cut(field.data_type()))
                    || self.names.values().any(is_compressed)
            }
            TableFormat::Parquet | TableFormat::Arrow => false,
        };
        !is_whole && self.source.supports_repartitioning()
    }

    fn repartitioned(
        &self,
        target_partitions: usize,
        repartition_file_min_size: usize,
        output_ordering: Option<LexOrdering>,
        config: &FileScanConfig,
    ) -> Result<Option<FileScanConfig>> {
        match self.supports_repartitioning() {
            true => self.source.repartitioned(
                target_partitions,
                repartition_file_min_size,
                output_ordering,
                config,
            ),
            false => Ok(None),
        }
    }

    /// Takes what can't fail: an error of an expression would be taken for one of the file.
    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        let cannot_fail = |expr: &Arc<dyn PhysicalExpr>| {
            expr.downcast_ref::<Column>().is_some()
                || is_canonical_nan_of_column(expr.as_ref())
                || is_file_name(expr.as_ref())
        };
        if !projection.iter().all(|column| cannot_fail(&column.expr)) {
            return Ok(None);
        }
        let source = self.source.try_pushdown_projection(projection)?;
        Ok(source.map(|source| self.with_source(source)))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.source.apply_expressions(f)
    }
}

struct LocatedOpener {
    opener: Arc<dyn FileOpener>,
    names: Arc<FileNames>,
    format: TableFormat,
    schema: SchemaRef,
}

impl FileOpener for LocatedOpener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let location = &file.object_meta.location;
        let name = self.names.get(location).cloned().unwrap_or_else(|| location.to_string());
        let located = {
            let (name, schema, format) = (name.clone(), Arc::clone(&self.schema), self.format);
            move |error| {
                let unfit = unfit_value(&error, format, &schema, &name);
                to_datafusion_error(unfit.unwrap_or_else(|| convert_reader_error(error, &name)))
            }
        };
        let panicked = move |panic: Box<dyn Any + Send>| {
            to_datafusion_error(undecodable(&name, &panic_message(panic.as_ref())))
        };
        let scanned = file.extension::<VersionedPath>().cloned();
        let unchanged = move || scanned.as_ref().map_or(Ok(()), VersionedPath::verify_unchanged);
        let opened = self.opener.open(file).map_err(&located)?;
        let opened = AssertUnwindSafe(opened).catch_unwind();
        Ok(Box::pin(async move {
            let batches = opened.await.map_err(&panicked)?.map_err(&located)?;
            let batches = AssertUnwindSafe(batches).catch_unwind();
            let batches = batches.map(move |batch| {
                unchanged().map_err(to_datafusion_error)?;
                batch.map_err(&panicked)?.map_err(&located)
            });
            Ok(batches.boxed())
        }))
    }
}
