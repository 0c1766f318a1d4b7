//! A unit of work and its outcome, as rows of record batches.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, BinaryArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_plan::ExecutionPlan;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::annotate::FileResult;
use crate::storage::FilePair;

use super::measures::UnitMeasures;
use super::remote_error::RemoteError;

/// A file to annotate.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Unit {
    /// Its position among the files of the run.
    pub(super) index: usize,
    /// Its input as it was given.
    pub(super) name: PathBuf,
    input: PathBuf,
    output: PathBuf,
    relative: PathBuf,
    bytes: u64,
    /// Whether it was named itself, and not found in a folder or by a glob.
    pub(super) is_file: bool,
}

impl Unit {
    /// The unit of a file with absolute paths, one of many.
    pub(super) fn new(index: usize, name: PathBuf, pair: FilePair) -> Self {
        let FilePair { input, output, relative, bytes } = pair;
        Self { index, name, input, output, relative, bytes, is_file: false }
    }

    /// The same, of a file that was named itself or not.
    #[must_use]
    pub(super) fn of_one_file(self, is_file: bool) -> Self {
        Self { is_file, ..self }
    }

    /// Its paths.
    pub(super) fn pair(&self) -> FilePair {
        let Self { input, output, relative, bytes, .. } = self.clone();
        FilePair { input, output, relative, bytes }
    }
}

/// What became of a unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct UnitOutcome {
    /// The unit's position among the files of the run.
    pub(super) index: usize,
    /// The executor, by its address.
    pub(super) executor: String,
    /// "NAME (VERSION) on DEVICE".
    pub(super) engine: String,
    /// Attempts until then.
    pub(super) attempts: u64,
    /// What the last attempt has measured.
    pub(super) measures: UnitMeasures,
    pub(super) result: UnitResult,
}

impl UnitOutcome {
    /// Whether there was nothing to do.
    pub(super) fn is_skipped(&self) -> bool {
        matches!(&self.result, UnitResult::File(FileResult::Done(summary)) if summary.skipped)
    }
}

/// The result of a unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum UnitResult {
    /// The file was annotated, or is bad.
    File(FileResult),
    /// An error that is not about the file's content.
    Failed(RemoteError),
    /// The executor can't do it, for this reason.
    Refused(String),
    /// The bundle that travels is gone with the executor that kept it.
    BundleLost(String),
}

/// One column of encoded rows.
static ROWS: LazyLock<SchemaRef> =
    LazyLock::new(|| Arc::new(Schema::new(vec![Field::new("row", DataType::Binary, false)])));

/// The schema of units and of outcomes.
pub(super) fn rows_schema() -> SchemaRef {
    Arc::clone(&ROWS)
}

/// A batch of one row.
pub(super) fn row_batch<T: Serialize>(row: &T) -> Result<RecordBatch> {
    let bytes = rmp_serde::to_vec_named(row).map_err(|e| DataFusionError::External(Box::new(e)))?;
    let column = BinaryArray::from_vec(vec![&bytes]);
    Ok(RecordBatch::try_new(rows_schema(), vec![Arc::new(column)])?)
}

/// The rows of a batch.
pub(super) fn rows_of<T: DeserializeOwned>(batch: &RecordBatch) -> Result<Vec<T>> {
    let column = batch.columns().first().and_then(|column| column.as_any().downcast_ref::<BinaryArray>());
    let column = column.ok_or_else(|| DataFusionError::Internal("rows of another schema".to_owned()))?;
    let decode = |bytes| rmp_serde::from_slice(bytes).map_err(|e| DataFusionError::External(Box::new(e)));
    column.iter().flatten().map(decode).collect()
}

/// A source of units, one a partition, in their order. Ballista cuts it to the partition of a task.
pub(super) fn source(units: &[Unit]) -> Result<Arc<dyn ExecutionPlan>> {
    let partition = |unit| Ok(vec![row_batch(unit)?]);
    let partitions = units.iter().map(partition).collect::<Result<Vec<_>>>()?;
    let source = MemorySourceConfig::try_new(&partitions, rows_schema(), None)?;
    Ok(DataSourceExec::from_data_source(source))
}
