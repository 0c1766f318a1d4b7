//! An optimizer rule by which every scan of Parquet files compares pages with their checksums.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileScanConfig, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;

use crate::error::Place;

use super::checked_reader::CheckedReader;

/// Decorates the readers of all scans.
#[derive(Debug)]
pub(super) struct PageChecks;

impl PhysicalOptimizerRule for PageChecks {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let checked = |plan: Arc<dyn ExecutionPlan>| match checked_scan(plan.as_ref()) {
            Some(scan) => Ok(Transformed::yes(scan)),
            None => Ok(Transformed::no(plan)),
        };
        plan.transform_up(checked).data()
    }

    fn name(&self) -> &str {
        "page_checks"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn checked_scan(plan: &dyn ExecutionPlan) -> Option<Arc<dyn ExecutionPlan>> {
    let (config, source) =
        plan.downcast_ref::<DataSourceExec>()?.downcast_to_file_source::<ParquetSource>()?;
    let readers = Arc::clone(source.parquet_file_reader_factory()?);
    let store = config.object_store_url.as_str();
    // A local file is named by its path.
    let store = store.strip_prefix("file://").unwrap_or(store).to_owned();
    let source = source.clone().with_parquet_file_reader_factory(Arc::new(CheckedReaders { readers, store }));
    let config: FileScanConfig =
        FileScanConfigBuilder::from(config.clone()).with_source(Arc::new(source)).build();
    Some(DataSourceExec::from_data_source(config))
}

/// A factory of checked readers.
#[derive(Debug)]
struct CheckedReaders {
    readers: Arc<dyn ParquetFileReaderFactory>,
    /// What precedes the location of a file in its name.
    store: String,
}

impl ParquetFileReaderFactory for CheckedReaders {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let place = Place::file(format!("{}{}", self.store, file.object_meta.location));
        let reader = self.readers.create_reader(partition, file, metadata_size_hint, metrics)?;
        Ok(Box::new(CheckedReader::new(reader, place)))
    }
}
