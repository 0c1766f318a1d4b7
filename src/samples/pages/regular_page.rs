//! A regular data page: plain floats of lists of the models' dimension, none of them null.
//! It is recognised by its encoded levels alone; its values need no decoding, and may stay
//! in the file.

use std::ops::Range;

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::Page;
use parquet::errors::Result as ParquetResult;
use parquet::file::reader::ChunkReader;
use parquet::schema::types::ColumnDescPtr;

use super::header_reader::HeaderReader;
use super::levels::{all_max, all_regular};

/// The unread part of a regular page.
pub(super) struct RegularPage {
    pub(super) values: PageValues,
    /// The position of the first value in its list.
    pub(super) element_offset: usize,
}

/// Plain floats.
pub(super) enum PageValues {
    InMemory(Bytes),
    InFile(Range<u64>),
}

impl PageValues {
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::InMemory(bytes) => bytes.len() as u64,
            Self::InFile(range) => range.end - range.start,
        }
    }

    /// Takes bytes from the front.
    pub(super) fn take(&mut self, bytes: usize, file: &HeaderReader) -> ParquetResult<Bytes> {
        match self {
            Self::InMemory(values) => Ok(values.split_to(bytes)),
            Self::InFile(range) => {
                let start = range.start;
                range.start += bytes as u64;
                file.file().get_bytes(start, bytes)
            }
        }
    }
}

/// The range of the values in a page's bytes, if the page is regular and its first value is
/// element `element_offset` of a list. Only the first `known` bytes of the page hold data.
pub(super) fn value_range(
    page: &Page,
    column: &ColumnDescPtr,
    dim: usize,
    element_offset: usize,
    known: usize,
) -> Option<Range<usize>> {
    let sections = PlainSections::of(page)?;
    let count = page.num_values() as usize;
    let max = u8::try_from(column.max_def_level()).ok()?;
    let start = page.buffer().len() - sections.values.len();
    let is_regular = count > 0
        && start <= known
        && count * 4 <= sections.values.len()
        && all_regular(sections.repetition_levels, dim, element_offset, count)
        && all_max(sections.definition_levels, max, count);
    is_regular.then(|| start..start + count * 4)
}

/// The sections of a data page of plain values.
struct PlainSections<'a> {
    repetition_levels: &'a [u8],
    definition_levels: &'a [u8],
    values: &'a [u8],
}

impl<'a> PlainSections<'a> {
    fn of(page: &'a Page) -> Option<Self> {
        match page {
            Page::DataPage {
                buf,
                encoding: Encoding::PLAIN,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                ..
            } => {
                let (repetition_levels, rest) = length_prefixed(buf)?;
                let (definition_levels, values) = length_prefixed(rest)?;
                Some(Self { repetition_levels, definition_levels, values })
            }
            Page::DataPageV2 {
                buf,
                encoding: Encoding::PLAIN,
                rep_levels_byte_len,
                def_levels_byte_len,
                ..
            } => {
                let (repetition_levels, rest) =
                    buf.split_at_checked(usize::try_from(*rep_levels_byte_len).ok()?)?;
                let (definition_levels, values) =
                    rest.split_at_checked(usize::try_from(*def_levels_byte_len).ok()?)?;
                Some(Self { repetition_levels, definition_levels, values })
            }
            _ => None,
        }
    }
}

fn length_prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}
