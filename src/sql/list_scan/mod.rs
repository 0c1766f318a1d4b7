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
use self::row_group_ranges::cut_between_row_groups;
use self::source::ListSource;
use super::parquet_reader::MetadataCache;
use super::spare_threads::SpareThreads;

mod columns;
mod file_lists;
mod morsels;
mod row_group_ranges;
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
                config.file_groups = cut_between_row_groups(&config.file_groups, &self.cache);
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

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::num::NonZeroUsize;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, ListArray, RecordBatch};
    use datafusion::arrow::datatypes::{Float32Type, Int64Type};
    use datafusion::parquet::arrow::ArrowWriter;
    use datafusion::parquet::file::properties::WriterProperties;
    use futures::StreamExt;

    use crate::sql::{SqlOptions, SqlRequest, context, convert_error, run};

    const ROWS: usize = 100_000;

    /// A file of small row groups, in which `t` and the elements of `x` are this number.
    fn write(path: &Path, number: i64) {
        let list = || Some(vec![Some(number as f32); 2]);
        let x = ListArray::from_iter_primitive::<Float32Type, _, _>((0..ROWS).map(|_| list()));
        let t: ArrayRef = Arc::new(Int64Array::from(vec![number; ROWS]));
        let rows = RecordBatch::try_from_iter([("t", t), ("x", Arc::new(x) as ArrayRef)]).unwrap();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(500)).build();
        let file = std::fs::File::create(path).unwrap();
        let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(properties)).unwrap();
        writer.write(&rows).unwrap();
        writer.close().unwrap();
    }

    /// What is printed; at its first bytes a file takes another's place.
    struct Replacing {
        printed: Vec<u8>,
        paths: Option<[PathBuf; 2]>,
    }

    impl Write for Replacing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some([from, to]) = self.paths.take() {
                std::fs::rename(from, to)?;
            }
            self.printed.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_table_whose_file_was_replaced_is_no_damage() {
        let dir = tempfile::tempdir().unwrap();
        let [path, other] = ["t.parquet", "other.parquet"].map(|name| dir.path().join(name));
        write(&path, 1);
        std::fs::copy(&path, &other).unwrap();
        let longer = std::fs::OpenOptions::new().append(true).open(&other);
        longer.unwrap().write_all(b"more").unwrap();
        let tables = vec![("t".to_owned(), path.display().to_string())];
        let request = SqlRequest { tables, ..SqlRequest::new("SELECT 1 AS one; SELECT x FROM t") };
        let mut out = Replacing { printed: Vec::new(), paths: Some([other, path]) };
        let error = run(&request, &mut out).unwrap_err();
        assert_eq!(error.exit_code(), 75, "{error}");
        assert!(error.to_string().contains("make the table again"), "{error}");
    }

    #[test]
    fn no_row_is_of_two_files() {
        for columns in ["t, x", "t"] {
            no_row_of_two_files(columns);
        }
    }

    /// Replaces a file while these of its columns are read.
    fn no_row_of_two_files(columns: &str) {
        let dir = tempfile::tempdir().unwrap();
        let [path, other] = ["t.parquet", "other.parquet"].map(|name| dir.path().join(name));
        write(&path, 1);
        write(&other, 2);
        let context =
            context(&SqlOptions { threads: NonZeroUsize::new(1), ..SqlOptions::default() }).unwrap();
        let query = format!("SELECT {columns} FROM '{}' LIMIT {}", path.display(), ROWS - 1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut batches = context.sql(&query).await.unwrap().execute_stream().await.unwrap();
            let mut replaced = Some([other, path]);
            let mut read = 0;
            let error = loop {
                match batches.next().await.unwrap() {
                    Ok(batch) => {
                        let t = batch.column(0).as_primitive::<Int64Type>();
                        assert!(t.iter().all(|t| t == Some(1)), "{columns}: {read}");
                        if let Some(x) = batch.column_by_name("x") {
                            let x = x.as_list::<i32>().values().as_primitive::<Float32Type>();
                            assert!(x.iter().all(|x| x == Some(1.0)), "{read}");
                        }
                        read += batch.num_rows();
                    }
                    Err(error) => break convert_error(error, ""),
                }
                if let Some([from, to]) = replaced.take() {
                    std::fs::rename(from, to).unwrap();
                }
            };
            assert_eq!(error.exit_code(), 75, "{columns}: {error}");
            assert!(read > 0 && read < ROWS - 1, "{columns}: {read}");
        });
    }
}
