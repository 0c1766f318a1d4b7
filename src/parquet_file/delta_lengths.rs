//! Numbers of values in pages of DELTA_LENGTH_BYTE_ARRAY and DELTA_BYTE_ARRAY. Their decoders allocate
//! what the encoded lengths say that they are, before they read one, and an allocation that fails ends
//! the process. The numbers lie within the compressed part of a page, so pages of these encodings are
//! decompressed once more.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageReader};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

use super::decoder_panics::catch_panics;

/// Whether pages of a column chunk may have these encodings.
pub(super) fn has_lengths(chunk: &ColumnChunkMetaData) -> bool {
    chunk
        .encodings()
        .any(|encoding| matches!(encoding, Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY))
}

/// Whether the pages in a range of a column chunk have no more lengths than values. Of pages that can't
/// be read their reader says more.
pub(super) fn are_possible<R: ChunkReader + 'static>(
    chunk: &ColumnChunkMetaData,
    reader: R,
    range: Range<u64>,
    rows: usize,
) -> bool {
    let Some(pages) = part(chunk, &range) else { return true };
    let levels = [chunk.column_descr().max_rep_level(), chunk.column_descr().max_def_level()];
    let mut is_possible = true;
    let read = catch_panics(|| {
        let mut pages = SerializedPageReader::new(Arc::new(reader), &pages, rows, None)?;
        while let Some(page) = pages.get_next_page()? {
            is_possible &= is_page_possible(&page, levels);
        }
        Ok::<_, ParquetError>(())
    });
    // What was seen before an error counts.
    drop(read);
    is_possible
}

/// The column chunk as if it were this part of its pages.
fn part(chunk: &ColumnChunkMetaData, range: &Range<u64>) -> Option<ColumnChunkMetaData> {
    let (start, bytes) = (i64::try_from(range.start).ok()?, i64::try_from(range.end - range.start).ok()?);
    let (whole_start, whole_bytes) = chunk.byte_range();
    if (whole_start..whole_start + whole_bytes) == *range {
        return Some(chunk.clone());
    }
    let part = chunk.clone().into_builder();
    part.set_dictionary_page_offset(None)
        .set_data_page_offset(start)
        .set_total_compressed_size(bytes)
        .build()
        .ok()
}

/// Bytes of a file from an offset on.
pub(super) struct Part {
    pub(super) start: u64,
    pub(super) bytes: Bytes,
}

impl Length for Part {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Part {
    type T = <Bytes as ChunkReader>::T;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        self.bytes.get_read(start.checked_sub(self.start).ok_or_else(before)?)
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        self.bytes.get_bytes(start.checked_sub(self.start).ok_or_else(before)?, length)
    }
}

fn before() -> ParquetError {
    ParquetError::General("a read before the page".to_owned())
}

fn is_page_possible(page: &Page, [max_repetition, max_definition]: [i16; 2]) -> bool {
    let (encoding, values, count) = match page {
        Page::DataPage { buf, num_values, encoding, .. } => {
            let values =
                behind_levels(buf, max_repetition).and_then(|rest| behind_levels(rest, max_definition));
            (*encoding, values, *num_values)
        }
        Page::DataPageV2 { buf, num_values, encoding, def_levels_byte_len, rep_levels_byte_len, .. } => {
            let levels = u64::from(*def_levels_byte_len) + u64::from(*rep_levels_byte_len);
            (*encoding, usize::try_from(levels).ok().and_then(|levels| buf.get(levels..)), *num_values)
        }
        Page::DictionaryPage { .. } => return true,
    };
    let Some(values) = values else { return true };
    let is_possible = |lengths: u64| lengths <= u64::from(count);
    match encoding {
        Encoding::DELTA_LENGTH_BYTE_ARRAY => lengths(values).is_none_or(|(first, _)| is_possible(first)),
        Encoding::DELTA_BYTE_ARRAY => lengths(values).is_none_or(|(first, rest)| {
            is_possible(first)
                && behind_blocks(rest, first).and_then(lengths).is_none_or(|(second, _)| is_possible(second))
        }),
        _ => true,
    }
}

/// What follows levels of a page of version 1, which are run lengths behind their number of bytes.
fn behind_levels(bytes: &[u8], max: i16) -> Option<&[u8]> {
    if max == 0 {
        return Some(bytes);
    }
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.get(usize::try_from(u32::from_le_bytes(*length)).ok()?..)
}

/// The header of binary packed differences.
struct Blocks<'a> {
    block: u64,
    miniblocks: u64,
    rest: &'a [u8],
}

/// The number of values of binary packed differences, and their blocks; `None` of bytes that the decoder
/// refuses.
fn lengths(bytes: &[u8]) -> Option<(u64, Blocks<'_>)> {
    let (block, rest) = varint(bytes)?;
    let (miniblocks, rest) = varint(rest)?;
    let (values, rest) = varint(rest)?;
    let (_, rest) = varint(rest)?;
    (miniblocks > 0).then_some((values, Blocks { block, miniblocks, rest }))
}

/// What follows the blocks of so many values.
fn behind_blocks(Blocks { block, miniblocks, mut rest }: Blocks<'_>, values: u64) -> Option<&[u8]> {
    let in_miniblock = block.checked_div(miniblocks).filter(|values| *values > 0)?;
    let mut left = values.saturating_sub(1);
    while left > 0 {
        let (_, widths) = varint(rest)?;
        let (widths, mut packed) = widths.split_at_checked(usize::try_from(miniblocks).ok()?)?;
        for width in widths {
            if left == 0 {
                break;
            }
            let bytes = (in_miniblock.checked_mul(u64::from(*width))?).div_ceil(8);
            packed = packed.get(usize::try_from(bytes).ok()?..)?;
            left = left.saturating_sub(in_miniblock);
        }
        rest = packed;
    }
    Some(rest)
}

/// A little-endian base-128 number.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f).checked_shl(7 * index as u32).unwrap_or(0);
        if *byte < 0x80 {
            return bytes.get(index + 1..).map(|rest| (value, rest));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::{WriterProperties, WriterVersion};
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    /// A file of one column of text in an encoding.
    fn file(encoding: Encoding, version: WriterVersion) -> Bytes {
        use arrow::array::{ArrayRef, RecordBatch, StringArray};
        let texts = (0..1000).map(|i| (i % 7 != 0).then(|| format!("text {}", i * i)));
        let column: ArrayRef = Arc::new(texts.collect::<StringArray>());
        let batch = RecordBatch::try_from_iter_with_nullable([("t", column, true)]).unwrap();
        let properties = WriterProperties::builder()
            .set_dictionary_enabled(false)
            .set_encoding(encoding)
            .set_writer_version(version)
            .build();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        bytes.into()
    }

    fn check(bytes: &Bytes) -> bool {
        let file = SerializedFileReader::new(bytes.clone()).unwrap();
        let group = file.metadata().row_group(0);
        let chunk = group.column(0);
        assert!(has_lengths(chunk));
        let (start, length) = chunk.byte_range();
        let part = bytes.slice(start as usize..(start + length) as usize);
        are_possible(chunk, Part { start, bytes: part }, start..start + length, 1000)
    }

    #[test]
    fn lengths_beyond_the_values_are_found() {
        for encoding in [Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY] {
            for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
                let good = file(encoding, version);
                assert!(check(&good), "{encoding} {version:?}");
                // Blocks of 128 values in 4 parts, 857 values: every header of lengths says more now.
                let header = [0x80, 0x01, 0x04, 0xd9, 0x06];
                let mut places = good.windows(5).enumerate().filter(|(_, bytes)| *bytes == header);
                let places: Vec<usize> = places.by_ref().map(|(at, _)| at).collect();
                let expected = if encoding == Encoding::DELTA_BYTE_ARRAY { 2 } else { 1 };
                assert_eq!(places.len(), expected, "{encoding} {version:?}");
                for at in places {
                    let mut bad = good.to_vec();
                    bad[at + 4] = 0x7f;
                    assert!(!check(&bad.into()), "{encoding} {version:?} {at}");
                }
            }
        }
    }
}
