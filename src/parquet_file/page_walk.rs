//! The walk along the pages of a column chunk: their headers, which no checksum covers, against the
//! footer, and the bytes of a whole page against its checksum (CRC-32).

use std::fmt;

use parquet::basic::Compression;

use crate::error::{Error, Place};

use super::level_runs::are_levels;
use super::page_header::{PageHeader, PageKind};

/// What the footer says of a column chunk.
#[derive(Debug, Clone)]
pub(super) struct ChunkFacts {
    /// File, row group and column.
    pub(super) place: Place,
    /// Values, nulls included.
    pub(super) values: u64,
    /// Rows of the row group.
    pub(super) rows: u64,
    /// Parquet's numbers of the encodings, a bit each.
    pub(super) encodings: u32,
    /// The codec of the pages.
    pub(super) codec: Compression,
    /// Bytes of all pages without compression, headers included.
    pub(super) plain_bytes: u64,
    /// The fewest bytes of a plain value, as a dictionary page has them.
    pub(super) value_bytes: u64,
    /// The highest definition and repetition level.
    pub(super) max_levels: [i16; 2],
    /// Whether the pages are taken for pages without checksums.
    pub(super) ignores_checksums: bool,
}

impl ChunkFacts {
    /// The checksum to compare a page with.
    pub(super) fn checksum(&self, header: &PageHeader) -> Option<u32> {
        header.checksum.filter(|_| !self.ignores_checksums)
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.codec != Compression::UNCOMPRESSED
    }

    /// The most bytes that the codec makes of one; none where there is no such number.
    fn largest_factor(&self) -> Option<u64> {
        match self.codec {
            Compression::UNCOMPRESSED => Some(1),
            // A copy of 64 bytes takes three.
            Compression::SNAPPY => Some(22),
            Compression::LZ4 | Compression::LZ4_RAW => Some(255),
            Compression::GZIP(_) => Some(1032),
            // A block of 2¹⁷ bytes takes four.
            Compression::ZSTD(_) => Some(1 << 15),
            Compression::BROTLI(_) | Compression::LZO => None,
        }
    }
}

/// A page of a column chunk, as errors name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageName {
    Dictionary,
    /// An index page, of which the format has the name only.
    Index,
    /// A data page by its number from 0.
    Data(usize),
    /// A data page of unknown number.
    AtByte(u64),
}

impl fmt::Display for PageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dictionary => f.write_str("the dictionary page"),
            Self::Index => f.write_str("an index page"),
            Self::Data(number) => write!(f, "page {number}"),
            Self::AtByte(offset) => write!(f, "the page at byte {offset}"),
        }
    }
}

/// The walk along the page headers of a column chunk.
#[derive(Debug)]
pub(super) struct PageWalk {
    next: PageName,
    /// Whether a page had a checksum; none before the first header.
    has_checksums: Option<bool>,
    values: u64,
    rows: Option<u64>,
    plain_bytes: u64,
}

impl PageWalk {
    /// A walk whose first data page is `next`.
    pub(super) fn from(next: PageName) -> Self {
        Self { next, has_checksums: None, values: 0, rows: Some(0), plain_bytes: 0 }
    }

    /// Whether there is something to check. The dictionary page alone does not decide: some
    /// writers leave out the checksums of one kind of page.
    pub(super) fn checksums(&self) -> Option<bool> {
        self.has_checksums
    }

    /// Takes the header of the next page, and its length.
    pub(super) fn enter(
        &mut self,
        facts: &ChunkFacts,
        header: &PageHeader,
        length: usize,
    ) -> Result<PageName, Error> {
        self.plain_bytes += length as u64 + u64::from(header.plain_bytes);
        let page = match header.kind {
            PageKind::Dictionary => PageName::Dictionary,
            PageKind::Index => PageName::Index,
            PageKind::Data | PageKind::DataV2 => self.next,
        };
        if facts.checksum(header).is_some() {
            self.has_checksums = Some(true);
        } else if header.is_data() {
            self.has_checksums.get_or_insert(false);
        }
        if header.is_data() {
            if let PageName::Data(number) = &mut self.next {
                *number += 1;
            }
            self.values += u64::from(header.values.unwrap_or(0));
            self.rows = self.rows.zip(header.rows).map(|(sum, rows)| sum + u64::from(rows));
        }
        let is_right = if self.has_checksums == Some(true) { agrees(facts, header) } else { true };
        if is_right && is_plausible(facts, header) { Ok(page) } else { Err(contradiction(facts, page)) }
    }

    /// Compares the pages with the footer behind the last one.
    pub(super) fn finish(&self, facts: &ChunkFacts) -> Result<(), Error> {
        if self.has_checksums != Some(true) {
            return Ok(());
        }
        let rows = self.rows.unwrap_or(facts.rows);
        if self.values != facts.values || (rows != facts.rows && facts.values > 0) {
            let (found, promised) = (self.values, facts.values);
            let what = format!(
                "its pages hold {found} values in {rows} rows, the footer promises {promised} in {}",
                facts.rows
            );
            return Err(damaged(facts, &what));
        }
        if self.plain_bytes != facts.plain_bytes {
            let (found, promised) = (self.plain_bytes, facts.plain_bytes);
            let what = format!("its pages say that they are {found} bytes, the footer says {promised}");
            return Err(damaged(facts, &what));
        }
        Ok(())
    }

    /// The error of a header that can't be parsed.
    pub(super) fn unreadable(&self, facts: &ChunkFacts) -> Error {
        damaged(facts, &format!("the header of {} cannot be read", self.next))
    }
}

/// Whether the page can be what its header says. A decoder allocates what it says, and an allocation
/// that fails ends the process.
fn is_plausible(facts: &ChunkFacts, header: &PageHeader) -> bool {
    /// What a codec's own header may stand for.
    const SLACK_BYTES: u64 = 1 << 16;
    let (stored, plain) = (u64::from(header.stored_bytes), u64::from(header.plain_bytes));
    let most = facts.largest_factor().map_or(u64::MAX, |factor| stored * factor + SLACK_BYTES);
    // Eight booleans take a byte.
    let values = u64::from(header.values.unwrap_or(0));
    let fits = values.saturating_mul(facts.value_bytes) <= plain && values <= 8 * (plain + 1);
    plain <= most && (header.is_data() || fits)
}

/// Whether a header agrees with itself and the footer.
fn agrees(facts: &ChunkFacts, header: &PageHeader) -> bool {
    let is_plain = !facts.is_compressed() || !header.is_compressed;
    let levels = header
        .level_bytes
        .map_or(0, |[repetition, definition]| u64::from(repetition) + u64::from(definition));
    let has_encoding = |encoding: u32| {
        // Dictionary indices have an old and a new number.
        let same = if matches!(encoding, 2 | 8) {
            1 << 2 | 1 << 8
        } else {
            1_u32.checked_shl(encoding).unwrap_or(0)
        };
        facts.encodings & same != 0
    };
    // Levels are run lengths (3) or, in old files, packed bits (4); where there are none, any.
    let has_levels = header.level_encodings.is_none_or(|encodings| {
        encodings.iter().zip(facts.max_levels).all(|(encoding, max)| max == 0 || matches!(encoding, 3 | 4))
    });
    has_levels
        && (!is_plain || header.stored_bytes == header.plain_bytes)
        && levels <= u64::from(header.plain_bytes.min(header.stored_bytes))
        && (!header.is_data() || header.encoding.is_some_and(has_encoding))
}

fn contradiction(facts: &ChunkFacts, page: PageName) -> Error {
    damaged(facts, &format!("the header of {page} contradicts its page or the footer"))
}

/// The error of a page whose bytes differ from its checksum.
pub(super) fn mismatch(facts: &ChunkFacts, page: PageName) -> Error {
    damaged(facts, &format!("{page} does not match its checksum"))
}

pub(super) fn damaged(facts: &ChunkFacts, what: &str) -> Error {
    Error::bad_data(facts.place.clone(), format!("{what}; the file is damaged, write it again"))
}

/// Compares a page's bytes with its checksum, if it has one.
pub(super) fn check_page(
    facts: &ChunkFacts,
    page: PageName,
    header: &PageHeader,
    bytes: &[u8],
) -> Result<(), Error> {
    match facts.checksum(header) {
        Some(expected) if crc32fast::hash(bytes) != expected => Err(mismatch(facts, page)),
        Some(_) => check_levels(facts, page, header, bytes),
        None => Ok(()),
    }
}

/// Compares the lengths that a header of version 2 gives to levels with the levels: a wrong one
/// would have values begin elsewhere.
pub(super) fn check_levels(
    facts: &ChunkFacts,
    page: PageName,
    header: &PageHeader,
    bytes: &[u8],
) -> Result<(), Error> {
    let Some(lengths) = header.level_bytes else { return Ok(()) };
    let (repetition, rest) = bytes.split_at(bytes.len().min(lengths[0] as usize));
    let (definition, _) = rest.split_at(rest.len().min(lengths[1] as usize));
    let values = u64::from(header.values.unwrap_or(0));
    let [max_definition, max_repetition] = facts.max_levels;
    if are_levels(repetition, max_repetition, values) && are_levels(definition, max_definition, values) {
        Ok(())
    } else {
        Err(contradiction(facts, page))
    }
}
