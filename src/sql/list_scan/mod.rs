//! Scans of local Parquet files that read columns of lists of floats with the page reader of samples, and
//! all other columns with DataFusion's. Arrow decodes two levels for every element of a list, which costs
//! more than the models of `lsmi`.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::physical_plan::{FileScanConfig, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

use self::file_lists::ListScan;
use self::source::ListSource;
use super::parquet_reader::MetadataCache;
use super::spare_threads::SpareThreads;

mod columns;
mod file_lists;
mod morsels;
mod source;

pub(super) use self::file_lists::LocalName;

/// An optimizer rule for scans of local files. What a predicate or a limit leaves out, DataFusion's reader
/// decides: it gives the numbers of the rows that it reads.
#[derive(Debug)]
pub(super) struct ListScans {
    cache: MetadataCache,
    ignores_checksums: bool,
    limit_bytes: u64,
}

impl ListScans {
    /// Files are read by the metadata of `cache`, and their pages compared with their checksums unless
    /// those are ignored; some are loaded ahead within a share of `limit_bytes`.
    pub(super) fn new(cache: MetadataCache, ignores_checksums: bool, limit_bytes: u64) -> Self {
        Self { cache, ignores_checksums, limit_bytes }
    }

    fn rewrite(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        threads: usize,
    ) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
        let scan = plan.downcast_ref::<DataSourceExec>().map(DataSourceExec::data_source);
        let Some(config) = scan.and_then(|scan| scan.downcast_ref::<FileScanConfig>()) else {
            return Ok(Transformed::no(plan));
        };
        let source = &config.file_source;
        let is_plain = source.downcast_ref::<ParquetSource>().is_some()
            && config.object_store_url.as_str().starts_with("file:");
        let scan = || ListScan {
            cache: self.cache.clone(),
            ignores_checksums: self.ignores_checksums,
            threads: SpareThreads::new(threads),
            limit_bytes: self.limit_bytes,
        };
        match is_plain.then(|| ListSource::over(source, scan())).flatten() {
            None => Ok(Transformed::no(plan)),
            Some(source) => {
                let mut config = config.clone();
                config.file_source = Arc::new(source);
                Ok(Transformed::yes(DataSourceExec::from_data_source(config)))
            }
        }
    }
}

impl PhysicalOptimizerRule for ListScans {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let threads = config.execution.target_partitions;
        plan.transform_down(|plan| self.rewrite(plan, threads)).data()
    }

    fn name(&self) -> &str {
        "list_scans"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
