//! The comparison of an output's old columns with those of an input, for an input that was written
//! again after its output was made: a file that is delivered again is most often the same.

use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::ChunkReader;

use crate::error::Result;
use crate::parquet_file::{ColumnReader, Input};
use crate::storage::io_errors;

use super::writer::CopyMethod;

/// Bytes compared at once.
const BLOCK_BYTES: u64 = 4 << 20;
/// Rows compared at once.
const BLOCK_ROWS: usize = 1024;

/// Whether an output holds the columns of an input, whose footer is that of the input from which
/// it was made: column chunks byte for byte, and value for value where they were encoded again.
/// `check_stop` is called before each block.
///
/// # Errors
/// [`Error::BadData`](crate::Error::BadData) and [`Error::Io`](crate::Error::Io) of reading either; of `check_stop`.
pub fn has_columns_of(output: &Input, input: &Input, check_stop: &dyn Fn() -> Result<()>) -> Result<bool> {
    if output.metadata().num_row_groups() != input.metadata().num_row_groups() {
        return Ok(false);
    }
    for row_group in 0..input.metadata().num_row_groups() {
        let same = match CopyMethod::of(input) {
            CopyMethod::Spliced => has_chunks_of(output, input, row_group, check_stop)?,
            CopyMethod::ReEncoded => has_values_of(output, input, row_group, check_stop)?,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

fn has_chunks_of(
    output: &Input,
    input: &Input,
    row_group: usize,
    check_stop: &dyn Fn() -> Result<()>,
) -> Result<bool> {
    let chunks = |file: &Input| file.metadata().row_group(row_group).columns().to_vec();
    let (of_input, of_output) = (chunks(input), chunks(output));
    if of_output.len() < of_input.len() {
        return Ok(false);
    }
    for (one, other) in of_input.iter().zip(&of_output) {
        if one.compressed_size() != other.compressed_size() {
            return Ok(false);
        }
        let bytes = one.compressed_size().unsigned_abs();
        for offset in (0..bytes).step_by(BLOCK_BYTES as usize) {
            check_stop()?;
            let length = (bytes - offset).min(BLOCK_BYTES) as usize;
            let read = |file: &Input, chunk: &ColumnChunkMetaData| {
                let place = file.place().row_group(row_group).column(chunk.column_path().string());
                let bytes = file.file().get_bytes(start(chunk) + offset, length);
                bytes.map_err(|error| io_errors::parquet(place, "read", error))
            };
            if read(input, one)? != read(output, other)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// The offset of a column chunk. Some writers set 0 where there is no dictionary.
fn start(chunk: &ColumnChunkMetaData) -> u64 {
    let dictionary = chunk.dictionary_page_offset().filter(|offset| *offset > 0);
    dictionary.unwrap_or(chunk.data_page_offset()).unsigned_abs()
}

fn has_values_of(
    output: &Input,
    input: &Input,
    row_group: usize,
    check_stop: &dyn Fn() -> Result<()>,
) -> Result<bool> {
    let rows = input.rows_in(row_group);
    if output.rows_in(row_group) != rows {
        return Ok(false);
    }
    for (position, field) in input.schema().fields().iter().enumerate() {
        if output.schema().fields().get(position).map(|other| other.name()) != Some(field.name()) {
            return Ok(false);
        }
        let open =
            |file| ColumnReader::open(file, position, field.name(), row_group, 0..rows, BLOCK_ROWS.min(rows));
        let (mut of_input, mut of_output) = (open(input)?, open(output)?);
        for first in (0..rows).step_by(BLOCK_ROWS) {
            check_stop()?;
            let rows = BLOCK_ROWS.min(rows - first);
            if of_input.read(rows)?.to_data() != of_output.read(rows)?.to_data() {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
