//! The plan of a dry run, from footers and a short calibration of the engine.

use std::path::Path;
use std::time::Duration;

use parquet::file::metadata::ColumnChunkMetaData;
use serde::Serialize;

use crate::engine::measure;
use crate::error::Result;
use crate::parquet_file::{Input, check_new_fields};
use crate::storage::Files;

use super::bad_files::BadFiles;
use super::requested_columns::RequestedColumns;
use super::run::Run;

/// Duration of the engine's calibration.
const CALIBRATION: Duration = Duration::from_millis(400);

/// The plan of a file.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// Files to annotate.
    pub files: u64,
    /// Files that can not be annotated, with their faults.
    #[serde(default, skip_serializing_if = "BadFiles::is_empty")]
    pub bad_files: BadFiles,
    /// The rows of the others.
    pub rows: u64,
    /// Their row groups.
    pub row_groups: u64,
    /// Columns that are read: those of the modalities and the label.
    pub reads: Vec<String>,
    /// Columns that are added.
    pub adds: Vec<String>,
    /// Dimensions of the modalities.
    pub dimensions: Vec<usize>,
    /// Bytes of old columns, copied as they are.
    pub bytes_to_copy: u64,
    /// Bytes of the embeddings and the label, as stored, that are decoded too.
    pub bytes_to_decode: u64,
    /// Bytes of new columns, before compression.
    pub bytes_to_add: u64,
    /// The engine that would run.
    pub engine: String,
    /// Workers.
    pub workers: usize,
    /// Rows of a batch, tuned where the work repays it.
    pub batch_rows: usize,
    /// What all workers together evaluate in a second of rows in memory, from a short trial.
    pub engine_rows_per_second: f64,
    /// Seconds at that rate, of this machine alone.
    pub estimated_seconds: f64,
    /// The cluster that would annotate the files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}

impl Run<'_> {
    /// The plan of annotating these files. Reads their footers and no rows but the first ones,
    /// whose lengths are checked. A bad file of a folder or glob is left out, as annotating does.
    ///
    /// # Errors
    /// As annotating would give before a file's first row.
    pub fn plan(&self, files: &Files) -> Result<Plan> {
        let columns = self.requested_columns()?;
        let mut plan = Plan {
            files: files.pairs().len() as u64,
            bad_files: BadFiles::default(),
            rows: 0,
            row_groups: 0,
            reads: columns.read().into_iter().map(str::to_owned).collect(),
            adds: columns.names(),
            dimensions: self.bundle.dims(),
            bytes_to_copy: 0,
            bytes_to_decode: 0,
            bytes_to_add: 0,
            engine: self.engine.describe().to_string(),
            workers: self.workers(),
            batch_rows: 0,
            engine_rows_per_second: 0.0,
            estimated_seconds: 0.0,
            cluster: None,
        };
        for pair in files.pairs() {
            match self.open_for_plan(&pair.input, &columns) {
                Ok(input) => plan.add(&input),
                Err(error) if files.is_file() => return Err(error),
                Err(error) => _ = plan.bad_files.add(&pair.input, error)?,
            }
        }
        let (batch_rows, sessions) = self.choose_batch(plan.rows)?;
        let mut sessions = sessions.map_or_else(|| self.sessions(), Ok)?;
        let rate = measure::rows_per_second(&mut sessions, &self.bundle.dims(), batch_rows, CALIBRATION)?;
        plan.batch_rows = batch_rows;
        plan.engine_rows_per_second = rate;
        plan.estimated_seconds = if rate > 0.0 { plan.rows as f64 / rate } else { 0.0 };
        Ok(plan)
    }

    /// Opens an input and checks its columns.
    fn open_for_plan(&self, input: &Path, columns: &RequestedColumns) -> Result<Input> {
        let (input, _) = self.open(input, columns)?;
        self.source(&input, columns)?;
        check_new_fields(input.schema(), &input.place(), &columns.fields())?;
        Ok(input)
    }
}

impl Plan {
    fn add(&mut self, input: &Input) {
        let chunks = || input.metadata().row_groups().iter().flat_map(|group| group.columns());
        let bytes = |chunk: &ColumnChunkMetaData| chunk.compressed_size().unsigned_abs();
        let is_read = |chunk: &&ColumnChunkMetaData| {
            chunk.column_path().parts().first().is_some_and(|root| self.reads.contains(root))
        };
        self.bytes_to_decode += chunks().filter(is_read).map(bytes).sum::<u64>();
        self.bytes_to_copy += chunks().map(bytes).sum::<u64>();
        self.bytes_to_add += input.rows() * 4 * self.adds.len() as u64;
        self.rows += input.rows();
        self.row_groups += input.metadata().num_row_groups() as u64;
    }
}
