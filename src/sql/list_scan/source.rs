//! A source of Parquet files whose lists are read apart.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::physical_plan::{FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::functions::core::file_row_index;
use datafusion::object_store::ObjectStore;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, PhysicalExpr};
use datafusion_datasource::morsel::Morselizer;

use super::columns::ScannedColumns;
use super::file_lists::ListScan;
use super::morsels::ListMorselizer;

/// The column with the numbers of rows in their file, which no other place sees.
const ROW_NUMBER: &str = "row number";

/// A source that reads lists apart from other columns.
pub(super) struct ListSource {
    /// DataFusion's, of all columns.
    all: Arc<dyn FileSource>,
    /// The same, of the columns that are no lists, and the numbers of rows.
    others: Arc<dyn FileSource>,
    columns: ScannedColumns,
    scan: ListScan,
}

impl ListSource {
    /// Over DataFusion's source; none where its projection has no list.
    pub(super) fn over(all: &Arc<dyn FileSource>, scan: ListScan) -> Option<Self> {
        let projection = all.projection()?;
        let columns = ScannedColumns::split(projection, all.table_schema())?;
        let schema = projection.project_schema(all.table_schema().table_schema()).ok()?;
        let numbers =
            ScalarFunctionExpr::try_new(file_row_index(), Vec::new(), &schema, Arc::default()).ok()?;
        let numbers = ProjectionExpr::new(Arc::new(numbers), ROW_NUMBER);
        let others = ProjectionExprs::from_indices(&columns.others(), &schema);
        let others = ProjectionExprs::new(others.iter().cloned().chain([numbers]));
        let others = all.try_pushdown_projection(&others).ok().flatten()?;
        Some(Self { all: Arc::clone(all), others, columns, scan })
    }
}

impl FileSource for ListSource {
    fn create_file_opener(
        &self,
        _: Arc<dyn ObjectStore>,
        _: &FileScanConfig,
        _: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        Err(DataFusionError::Internal("lists of floats are read by morsels".to_owned()))
    }

    fn create_morselizer(
        &self,
        object_store: Arc<dyn ObjectStore>,
        base_config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        let morselizer = |source: &Arc<dyn FileSource>| {
            source.create_morselizer(Arc::clone(&object_store), base_config, partition)
        };
        Ok(Box::new(ListMorselizer {
            all: morselizer(&self.all)?,
            others: morselizer(&self.others)?,
            columns: self.columns.clone(),
            scan: self.scan.clone(),
        }))
    }

    fn table_schema(&self) -> &TableSchema {
        self.all.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        Arc::new(Self {
            all: self.all.with_batch_size(batch_size),
            others: self.others.with_batch_size(batch_size),
            columns: self.columns.clone(),
            scan: self.scan.clone(),
        })
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.all.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.all.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.all.metrics()
    }

    fn file_type(&self) -> &str {
        self.all.file_type()
    }

    fn fmt_extra(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.columns.lists().map(|list| list.name().as_str()).collect();
        match kind {
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(f, ", lists=[{}]", names.join(", "))?;
            }
            DisplayFormatType::TreeRender => writeln!(f, "lists={}", names.join(", "))?,
        }
        self.all.fmt_extra(kind, f)
    }

    fn supports_repartitioning(&self) -> bool {
        self.all.supports_repartitioning()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.all.apply_expressions(f)
    }
}
