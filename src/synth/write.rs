//! The file: batches drawn on all threads while the last one is encoded, row groups of
//! a bounded size, and the name taken only when all is written.

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

use super::schema::{batch, schema};
use super::{Rows, Truth};

/// The most bytes of embeddings in a row group and in a batch: the writer holds one
/// encoded row group, and two batches are in memory at a time.
const ROW_GROUP_BYTES: u64 = 128 << 20;
const BATCH_BYTES: u64 = 8 << 20;

/// What to write.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The output file.
    pub output: PathBuf,
    /// How many rows; zero makes a file with a schema and no rows.
    pub rows: u64,
    /// Decides every row.
    pub seed: u64,
    /// Rows a row group; where none, 65 536, or fewer when the embeddings are so wide
    /// that these would pass 128 MiB.
    pub row_group_rows: Option<usize>,
    /// The exact columns.
    pub truth: Truth,
    /// Replace an output that exists.
    pub overwrite: bool,
    /// Key-value metadata of the file: how it was made.
    pub lineage: Vec<(String, String)>,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Row groups.
    pub row_groups: usize,
    /// Size of the file.
    pub bytes: u64,
}

/// Writes the file and returns its size. Between batches it asks `should_stop`.
///
/// # Errors
/// [`Error::OutputExists`] without `overwrite`; [`Error::CannotCreate`] where the folder
/// is missing or not writable; [`Error::Interrupted`] when asked to stop;
/// [`Error::Io`] when writing fails; [`Error::Usage`] for row groups of no rows. None
/// leaves anything under the output's name.
pub fn write(
    generator: &Generator,
    options: &Options,
    should_stop: &(dyn Fn() -> bool + Sync),
) -> Result<Written> {
    if options.row_group_rows == Some(0) {
        return Err(Error::Usage("--row-group-rows must be positive".into()));
    }
    let staged = Staged::create(&options.output, options.overwrite)?;
    let row_groups = encode(generator, options, should_stop, staged.writer()?)?;
    let bytes = staged.bytes()?;
    staged.commit()?;
    Ok(Written { rows: options.rows, row_groups, bytes })
}

/// Draws, encodes and closes; returns the number of row groups.
fn encode(
    generator: &Generator,
    options: &Options,
    should_stop: &(dyn Fn() -> bool + Sync),
    file: impl Write + Send,
) -> Result<usize> {
    let failed = |error| parquet_error(&options.output, error);
    let schema = schema(generator, options.truth);
    let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties(generator, options)))
        .map_err(failed)?;

    let batch_rows = rows_in(generator, BATCH_BYTES).min(8192);
    let draw = |from: u64| -> Result<Option<RecordBatch>> {
        let to = options.rows.min(from + batch_rows);
        if from == to {
            return Ok(None);
        }
        let rows = Rows::draw(generator, options.seed, from..to, options.truth != Truth::None);
        let batch = batch(&schema, generator, options.truth, rows);
        batch.map(Some).map_err(|error| Error::Internal(error.to_string()))
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

/// Plain pages without compression for the floats: noise has nothing to compress but
/// a byte of sign and exponent (zstd gains a tenth and costs most of the speed), and a
/// dictionary of numbers that never recur only fills up before it is given up.
/// Statistics over the elements of an embedding prune nothing.
fn properties(generator: &Generator, options: &Options) -> WriterProperties {
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
    for x in ["x1", "x2"] {
        let column = ColumnPath::new(vec![x.into(), "list".into(), "element".into()]);
        properties = properties.set_column_statistics_enabled(column, EnabledStatistics::None);
    }
    properties.build()
}

/// How many rows' embeddings fit; at least one.
fn rows_in(generator: &Generator, bytes: u64) -> u64 {
    let [d1, d2] = generator.dims();
    (bytes / (4 * (d1 + d2) as u64)).max(1)
}

/// A full disk is an I/O error that passes; anything else Parquet objects to in a batch
/// we made ourselves is our fault.
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
