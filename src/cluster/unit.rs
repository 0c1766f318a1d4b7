//! A unit of work and its outcome, as rows of record batches.

use std::ops::Range;
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

/// A file to annotate, a part of one to compute, or the question whether an executor can.
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
    pub(super) work: UnitWork,
}

/// The work of a unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum UnitWork {
    /// To say whether the executor can do the job.
    Check,
    /// To compute these row groups.
    Part(Range<usize>),
    /// To annotate the file, which is divided into these parts, or into none.
    File(Vec<Part>),
}

/// A part of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Part {
    /// Its row groups.
    pub(super) row_groups: Range<usize>,
    /// Where its rows are, when they are computed: Ballista's `PartitionLocation`, encoded.
    pub(super) place: Option<Vec<u8>>,
}

impl Unit {
    /// The unit of a file with absolute paths.
    pub(super) fn new(index: usize, name: PathBuf, pair: FilePair, is_file: bool, work: UnitWork) -> Self {
        let FilePair { input, output, relative, bytes } = pair;
        Self { index, name, input, output, relative, bytes, is_file, work }
    }

    /// The parts of its file.
    pub(super) fn parts(&self) -> &[Part] {
        match &self.work {
            UnitWork::File(parts) => parts,
            UnitWork::Check | UnitWork::Part(_) => &[],
        }
    }

    pub(super) fn parts_mut(&mut self) -> &mut [Part] {
        match &mut self.work {
            UnitWork::File(parts) => parts,
            UnitWork::Check | UnitWork::Part(_) => &mut [],
        }
    }

    /// The same file as a unit of other work.
    pub(super) fn with_work(&self, work: UnitWork) -> Self {
        Self { work, ..self.clone() }
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
    /// "NAME (VERSION) on DEVICE".
    pub(super) engine: String,
    /// Attempts until then.
    pub(super) attempts: u64,
    /// What the last attempt has measured, and those of its parts.
    pub(super) measures: UnitMeasures,
    pub(super) result: UnitResult,
}

impl UnitOutcome {
    /// Whether the output was there already.
    pub(super) fn is_skipped(&self) -> bool {
        matches!(&self.result, UnitResult::File(FileResult::Done(summary)) if summary.skipped)
    }
}

/// The result of a unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum UnitResult {
    /// The executor can do the job.
    Able,
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
    bytes_batch(&rmp_serde::to_vec_named(row).map_err(|e| DataFusionError::External(Box::new(e)))?)
}

/// A batch of one row of these bytes.
pub(super) fn bytes_batch(bytes: &[u8]) -> Result<RecordBatch> {
    let column = BinaryArray::from_vec(vec![bytes]);
    Ok(RecordBatch::try_new(rows_schema(), vec![Arc::new(column)])?)
}

/// The rows of a batch.
pub(super) fn rows_of<T: DeserializeOwned>(batch: &RecordBatch) -> Result<Vec<T>> {
    let decode = |bytes| rmp_serde::from_slice(bytes).map_err(|e| DataFusionError::External(Box::new(e)));
    bytes_of(batch)?.iter().flatten().map(decode).collect()
}

/// The rows of a batch as they are encoded.
pub(super) fn bytes_of(batch: &RecordBatch) -> Result<&BinaryArray> {
    let column = batch.columns().first().and_then(|column| column.as_any().downcast_ref::<BinaryArray>());
    column.ok_or_else(|| DataFusionError::Internal("rows of another schema".to_owned()))
}

/// A source of units, one a partition, in their order. Ballista cuts it to the partition of a task.
pub(super) fn source(units: &[Unit]) -> Result<Arc<dyn ExecutionPlan>> {
    let partition = |unit| Ok(vec![row_batch(unit)?]);
    let partitions = units.iter().map(partition).collect::<Result<Vec<_>>>()?;
    let source = MemorySourceConfig::try_new(&partitions, rows_schema(), None)?;
    Ok(DataSourceExec::from_data_source(source))
}
