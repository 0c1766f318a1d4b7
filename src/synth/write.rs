//! The writer of synthetic files. All threads draw the next batch while the previous one is
//! encoded; row groups have a bounded size; the file is published when it is complete.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::error::{Error, Place, Result};
use crate::interaction::truth::Generator;
use crate::storage::Staged;

use super::rows::SyntheticRows;
use super::schema::{FileColumns, Truth};

/// Limits of a row group's and a batch's embeddings: one encoded row group and two batches
/// are in memory at a time.
const ROW_GROUP_BYTES: u64 = 128 << 20;
const BATCH_BYTES: u64 = 8 << 20;

/// Options of a synthetic file.
#[derive(Debug, Clone, PartialEq)]
pub struct SynthOptions {
    /// The output file.
    pub output: PathBuf,
    /// Number of rows. Zero writes a file with a schema and no rows.
    pub rows: u64,
    /// Seed of the random rows.
    pub seed: u64,
    /// Rows a row group. By default 65 536, or fewer if wide embeddings would exceed 128 MiB.
    pub row_group_rows: Option<usize>,
    /// The exact columns.
    pub truth: Truth,
    /// Whether an existing output is replaced.
    pub overwrite: bool,
    /// Key-value metadata of the file, with its lineage.
    pub lineage: Vec<(String, String)>,
}

/// Size of a written file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SynthSummary {
    /// Rows.
    pub rows: u64,
    /// Row groups.
    pub row_groups: usize,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Writes the file and returns its size. Checks `should_stop` between batches.
///
/// # Errors
/// [`Error::OutputExists`] without `overwrite`; [`Error::CannotCreate`] if the folder is
/// missing or not writable; [`Error::Interrupted`] after a stop; [`Error::Io`] if a write
/// fails; [`Error::Usage`] for row groups of no rows. After an error no output is published.
pub fn write(
    generator: &Generator,
    options: &SynthOptions,
    should_stop: &(dyn Fn() -> bool + Sync),
) -> Result<SynthSummary> {
    if options.row_group_rows == Some(0) {
        return Err(Error::Usage("--row-group-rows must be positive".into()));
    }
    let staged = Staged::create(&options.output, options.overwrite)?;
    let row_groups = encode(generator, options, should_stop, staged.writer()?)?;
    let bytes = staged.bytes()?;
    staged.commit()?;
    Ok(SynthSummary { rows: options.rows, row_groups, bytes })
}

/// Draws and encodes all rows, and returns the number of row groups.
fn encode(
    generator: &Generator,
    options: &SynthOptions,
    should_stop: &(dyn Fn() -> bool + Sync),
    file: impl Write + Send,
) -> Result<usize> {
    let failed = |error| parquet_error(&options.output, error);
    let columns = FileColumns::new(generator, options.truth)?;
    let schema = columns.schema();
    let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties(generator, options)))
        .map_err(failed)?;

    let batch_rows = rows_in(generator, BATCH_BYTES).min(8192);
    let draw = |from: u64| -> Result<Option<RecordBatch>> {
        let to = options.rows.min(from + batch_rows);
        if from == to {
            return Ok(None);
        }
        let rows = SyntheticRows::draw(generator, options.seed, from..to, options.truth != Truth::None);
        columns.batch(&schema, rows).map(Some)
    };

    let mut from = 0;
    let mut next = draw(from)?;
    while let Some(batch) = next {
        if should_stop() {
            return Err(Error::Interrupted);
        }
        from += batch.num_rows() as u64;
        let (encoded, drawn) = rayon::join(|| writer.write(&batch), || draw(from));
        encoded.map_err(failed)?;
        next = drawn?;
    }
    let metadata = writer.close().map_err(failed)?;
    Ok(metadata.num_row_groups())
}

/// Plain uncompressed pages for the floats: noise is incompressible except for the byte of
/// sign and exponent (zstd gains a tenth and costs most of the speed), and a dictionary of
/// values that never recur fills up and is abandoned. Statistics over the elements of an
/// embedding prune nothing.
fn properties(generator: &Generator, options: &SynthOptions) -> WriterProperties {
    let row_group_rows =
        options.row_group_rows.unwrap_or_else(|| rows_in(generator, ROW_GROUP_BYTES).min(1 << 16) as usize);
    let lineage =
        options.lineage.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(false)
        .set_column_dictionary_enabled(ColumnPath::from("y"), true)
        .set_max_row_group_row_count(Some(row_group_rows))
        .set_key_value_metadata(Some(lineage));
    for m in 1..=generator.dims().len() {
        let column = ColumnPath::new(vec![format!("x{m}"), "list".into(), "element".into()]);
        properties = properties.set_column_statistics_enabled(column, EnabledStatistics::None);
    }
    properties.build()
}

/// Number of rows whose embeddings fit into `bytes`; at least one.
fn rows_in(generator: &Generator, bytes: u64) -> u64 {
    let values: usize = generator.dims().iter().sum();
    (bytes / (4 * values as u64)).max(1)
}

/// An I/O error such as a full disk is reported as one; any other error of the Parquet crate
/// is a bug, since the batches are made here.
fn parquet_error(path: &Path, error: ParquetError) -> Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(source) => Error::io(Place::file(path.display()), "write", *source),
            Err(other) => Error::Internal(other.to_string()),
        },
        other => Error::Internal(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
