//! The comparison of an output's old columns with those of an input: whether the output was made from
//! this input, or from another one with the same footer.

use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::ChunkReader;

use crate::error::Result;
use crate::parquet_file::{ColumnReader, Input};
use crate::storage::{SourceFile, io_errors};

use super::writer::CopyMethod;

/// Bytes compared at once.
const BLOCK_BYTES: u64 = 4 << 20;
/// Rows compared at once.
const BLOCK_ROWS: usize = 1024;
/// Blocks of a sample, spread over all columns alike: each column has at least one.
const SAMPLED_BLOCKS: u64 = 64;
/// The same where each block is a request to a store.
const SAMPLED_REQUESTS: u64 = 8;
/// Bytes of a block of a sample.
const SAMPLED_BYTES: u64 = 16 << 10;

/// How much of the columns is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of them.
    Whole,
    /// Blocks of every column, a megabyte in all. They tell another dataset, or other labels, but not
    /// the change of a few rows.
    Sample,
}

/// Whether an output holds the columns of an input, whose footer is that of the input from which
/// it was made: column chunks byte for byte, and value for value where they were encoded again.
/// `check_stop` is called before each block.
///
/// # Errors
/// [`Error::BadData`](crate::Error::BadData) and [`Error::Io`](crate::Error::Io) of reading either; of `check_stop`.
pub fn has_columns_of(
    output: &Input,
    input: &Input,
    extent: Extent,
    check_stop: &dyn Fn() -> Result<()>,
) -> Result<bool> {
    let row_groups = input.metadata().num_row_groups();
    if output.metadata().num_row_groups() != row_groups {
        return Ok(false);
    }
    match (CopyMethod::of(input), extent) {
        // The footer of an encrypted file has a random nonce: it is that of this file alone.
        (CopyMethod::ReEncoded, Extent::Sample) => Ok(true),
        (CopyMethod::ReEncoded, Extent::Whole) => {
            all_of(0..row_groups, |row_group| has_values_of(output, input, row_group, check_stop))
        }
        (CopyMethod::Spliced, extent) => {
            let columns = input.metadata().file_metadata().schema_descr().num_columns();
            all_of(0..columns, |column| has_chunks_of(output, input, column, extent, check_stop))
        }
    }
}

fn all_of(indexes: std::ops::Range<usize>, mut holds: impl FnMut(usize) -> Result<bool>) -> Result<bool> {
    for index in indexes {
        if !holds(index)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Compares the chunks of a column in all row groups.
fn has_chunks_of(
    output: &Input,
    input: &Input,
    column: usize,
    extent: Extent,
    check_stop: &dyn Fn() -> Result<()>,
) -> Result<bool> {
    let chunks = |file: &Input| -> Vec<Option<ColumnChunkMetaData>> {
        file.metadata().row_groups().iter().map(|group| group.columns().get(column).cloned()).collect()
    };
    let (mut pairs, mut bytes) = (Vec::new(), 0_u64);
    for (row_group, (one, other)) in chunks(input).into_iter().zip(chunks(output)).enumerate() {
        let (Some(one), Some(other)) = (one, other) else { return Ok(false) };
        if one.compressed_size() != other.compressed_size() {
            return Ok(false);
        }
        let start = bytes;
        bytes = bytes.saturating_add(one.compressed_size().unsigned_abs());
        pairs.push((row_group, start..bytes, one, other));
    }
    let columns = input.metadata().file_metadata().schema_descr().num_columns() as u64;
    let is_remote = |file: &Input| matches!(file.file(), SourceFile::Remote(_));
    let sampled = match is_remote(input) || is_remote(output) {
        true => SAMPLED_REQUESTS,
        false => SAMPLED_BLOCKS,
    };
    for (block, length) in blocks(bytes, extent, sampled / columns.max(1)) {
        check_stop()?;
        let block_end = block.saturating_add(length);
        let at = pairs.partition_point(|(_, range, ..)| range.end <= block);
        for (row_group, range, one, other) in pairs.iter().skip(at) {
            let (from, end) = (block.max(range.start), block_end.min(range.end));
            if range.start >= block_end {
                break;
            }
            if from >= end {
                continue;
            }
            let read = |file: &Input, chunk: &ColumnChunkMetaData| {
                let place = file.place().row_group(*row_group).column(chunk.column_path().string());
                let bytes = file.file().get_bytes(start(chunk) + (from - range.start), (end - from) as usize);
                bytes.map_err(|error| io_errors::parquet(place, "read", error))
            };
            if read(input, one)? != read(output, other)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// The blocks (offset, length) of a column that are compared, of its bytes in all row groups: all, or
/// `sampled` at even distances from the first byte to the last.
fn blocks(bytes: u64, extent: Extent, sampled: u64) -> impl Iterator<Item = (u64, u64)> {
    let (count, length) = match extent {
        Extent::Whole => (bytes.div_ceil(BLOCK_BYTES), BLOCK_BYTES),
        Extent::Sample => (sampled.max(1).min(bytes.div_ceil(SAMPLED_BYTES)), SAMPLED_BYTES),
    };
    let last = bytes.saturating_sub(length);
    let offset = move |block: u64| match (extent, count) {
        (Extent::Whole, _) => block * BLOCK_BYTES,
        (Extent::Sample, 1) => last / 2,
        // The product of a size and 64 at most may not fit.
        (Extent::Sample, _) => (u128::from(last) * u128::from(block) / u128::from(count - 1)) as u64,
    };
    (0..count).map(move |block| (offset(block), length))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_over_a_column_and_bounded() {
        let sample = |bytes, count| blocks(bytes, Extent::Sample, count).collect::<Vec<_>>();
        assert_eq!(sample(0, 9), []);
        assert_eq!(sample(5, 3), [(0, SAMPLED_BYTES)]);
        assert_eq!(sample(1 << 30, 0), [((1 << 29) - SAMPLED_BYTES / 2, SAMPLED_BYTES)]);
        let spread = sample(u64::MAX / 2, 16);
        assert_eq!(spread.len(), 16);
        assert_eq!(spread.first().unwrap().0, 0);
        assert_eq!(spread.last().unwrap().0, u64::MAX / 2 - SAMPLED_BYTES);
        assert!(spread.is_sorted());
        let whole: Vec<_> = blocks(2 * BLOCK_BYTES + 1, Extent::Whole, 1).collect();
        assert_eq!(
            whole.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(),
            [0, BLOCK_BYTES, 2 * BLOCK_BYTES]
        );
    }
}
