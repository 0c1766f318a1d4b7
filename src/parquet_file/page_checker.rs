//! A checker of the pages of a column chunk: checksums (CRC-32), where pages have them, and
//! headers, which no checksum covers, against the footer. It takes the bytes of a chunk as they
//! pass by, in pieces of any length. A chunk whose first pages have no checksum is not checked.

use std::fmt;
use std::io::{self, Read};

use crc32fast::Hasher;
use parquet::basic::Compression;

use crate::error::{Error, Place};

use super::level_runs::are_levels;
use super::page_header::{PageHeader, PageKind, Parsed};

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
    /// The highest definition and repetition level.
    pub(super) max_levels: [i16; 2],
    /// Whether the pages are taken for pages without checksums.
    pub(super) ignores_checksums: bool,
}

impl ChunkFacts {
    /// The checksum to compare a page with.
    fn checksum(&self, header: &PageHeader) -> Option<u32> {
        header.checksum.filter(|_| !self.ignores_checksums)
    }

    fn is_compressed(&self) -> bool {
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

/// Whether the pages of a column chunk have checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checksums {
    Present,
    Absent,
    /// The first page header is damaged.
    Unknown,
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
    // Eight booleans take a byte, and all other values one or more.
    let values = u64::from(header.values.unwrap_or(0));
    plain <= most && (header.is_data() || values <= 8 * (plain + 1))
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
fn mismatch(facts: &ChunkFacts, page: PageName) -> Error {
    damaged(facts, &format!("{page} does not match its checksum"))
}

fn damaged(facts: &ChunkFacts, what: &str) -> Error {
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
fn check_levels(facts: &ChunkFacts, page: PageName, header: &PageHeader, bytes: &[u8]) -> Result<(), Error> {
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

/// The checker.
#[derive(Debug)]
pub(super) struct PageChecker {
    facts: ChunkFacts,
    walk: PageWalk,
    state: State,
}

/// The sum of the bytes of a page that have passed, and its levels of version 2.
#[derive(Debug)]
struct PageSum {
    header: PageHeader,
    expected: u32,
    hasher: Hasher,
    levels: Vec<u8>,
}

impl PageSum {
    fn new(facts: &ChunkFacts, header: &PageHeader) -> Option<Self> {
        let expected = facts.checksum(header)?;
        Some(Self { header: header.clone(), expected, hasher: Hasher::new(), levels: Vec::new() })
    }

    fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        if let Some(lengths) = self.header.level_bytes {
            let missing = lengths.iter().map(|length| *length as usize).sum::<usize>() - self.levels.len();
            self.levels.extend(bytes.iter().take(missing));
        }
    }

    fn finish(self, facts: &ChunkFacts, page: PageName) -> Result<(), Error> {
        if self.hasher.finalize() == self.expected {
            check_levels(facts, page, &self.header, &self.levels)
        } else {
            Err(mismatch(facts, page))
        }
    }
}

#[derive(Debug)]
enum State {
    /// Between two pages, or within a header of which these bytes have passed.
    Header(Vec<u8>),
    /// Within a page.
    Body { page: PageName, left: u64, sum: Option<PageSum> },
    /// The pages have no checksums.
    Unchecked,
    /// The first header is damaged.
    Unknown,
}

impl PageChecker {
    /// A checker of bytes that start with a page header.
    pub(super) fn new(facts: ChunkFacts, first: PageName) -> Self {
        Self { facts, walk: PageWalk::from(first), state: State::Header(Vec::new()) }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`Error::BadData`] with file, row group, column and page.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        loop {
            match &mut self.state {
                State::Body { page, left, sum } => {
                    let most = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    let (taken, rest) = bytes.split_at(most);
                    bytes = rest;
                    *left -= taken.len() as u64;
                    if let Some(sum) = sum {
                        sum.update(taken);
                    }
                    if *left > 0 {
                        return Ok(());
                    }
                    if let Some(sum) = sum.take() {
                        sum.finish(&self.facts, *page)?;
                    }
                    self.state = State::Header(Vec::new());
                }
                State::Header(_) if bytes.is_empty() => return Ok(()),
                State::Header(partial) => {
                    let before = partial.len();
                    let parsed = if before == 0 {
                        PageHeader::parse(bytes)
                    } else {
                        let (more, _) = bytes.split_at(bytes.len().min(before.max(1 << 10)));
                        partial.extend_from_slice(more);
                        PageHeader::parse(partial)
                    };
                    let passed = partial.len() - before;
                    match parsed {
                        Parsed::Complete(header, length) => {
                            bytes = bytes.get(length - before..).unwrap_or_default();
                            self.enter(&header, length)?;
                        }
                        Parsed::Incomplete if before == 0 => {
                            partial.extend_from_slice(bytes);
                            return Ok(());
                        }
                        Parsed::Incomplete => bytes = bytes.get(passed..).unwrap_or_default(),
                        Parsed::Invalid if self.walk.checksums() == Some(true) => {
                            return Err(self.walk.unreadable(&self.facts));
                        }
                        Parsed::Invalid => self.state = State::Unknown,
                    }
                }
                State::Unchecked | State::Unknown => return Ok(()),
            }
        }
    }

    fn enter(&mut self, header: &PageHeader, length: usize) -> Result<(), Error> {
        let page = self.walk.enter(&self.facts, header, length)?;
        self.state = if self.walk.checksums() == Some(false) {
            State::Unchecked
        } else {
            State::Body { page, left: u64::from(header.stored_bytes), sum: PageSum::new(&self.facts, header) }
        };
        Ok(())
    }

    /// Ends the pages at a page's end, which need not be that of the column chunk.
    ///
    /// # Errors
    /// [`Error::BadData`] where a page is cut off.
    pub(super) fn finish_page(&self) -> Result<Checksums, Error> {
        let has_checksums = self.walk.checksums() == Some(true);
        match &self.state {
            State::Body { page, .. } if has_checksums => {
                Err(damaged(&self.facts, &format!("{page} does not end with the column chunk")))
            }
            State::Header(partial) if has_checksums && !partial.is_empty() => {
                Err(self.walk.unreadable(&self.facts))
            }
            State::Header(partial) if !partial.is_empty() => Ok(Checksums::Unknown),
            State::Unknown => Ok(Checksums::Unknown),
            _ if has_checksums => Ok(Checksums::Present),
            _ => Ok(Checksums::Absent),
        }
    }

    /// Ends the column chunk.
    ///
    /// # Errors
    /// [`Error::BadData`] where the last page is cut off or a page is missing.
    pub(super) fn finish(&self) -> Result<Checksums, Error> {
        let checksums = self.finish_page()?;
        self.walk.finish(&self.facts)?;
        Ok(checksums)
    }
}

/// A reader of the bytes of a column chunk that checks its pages as they pass.
#[derive(Debug)]
pub(crate) struct CheckedPages<R> {
    reader: R,
    checker: PageChecker,
}

impl<R> CheckedPages<R> {
    pub(super) fn new(reader: R, facts: ChunkFacts) -> Self {
        Self { reader, checker: PageChecker::new(facts, PageName::Data(0)) }
    }

    /// Ends the column chunk, of which all bytes have passed.
    ///
    /// # Errors
    /// [`Error::BadData`] where the last page is cut off or a page is missing.
    pub(crate) fn finish(self) -> Result<Checksums, Error> {
        self.checker.finish()
    }
}

impl<R: Read> Read for CheckedPages<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.checker.take(buffer.get(..read).unwrap_or_default()).map_err(io::Error::other)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::super::page_header::tests::page;
    use super::*;

    fn facts(values: u64) -> ChunkFacts {
        let place = Place::file("f").row_group(2).column("c");
        let plain_bytes = chunk(Some(0)).len() as u64;
        let max_levels = [1, 1];
        ChunkFacts {
            place,
            values,
            rows: values,
            encodings: 1,
            codec: Compression::UNCOMPRESSED,
            plain_bytes,
            max_levels,
            ignores_checksums: false,
        }
    }

    /// Three pages, with checksums of their bodies plus `change`.
    fn chunk(change: Option<u32>) -> Vec<u8> {
        let bodies = [vec![1; 4000], vec![2; 8], vec![3; 100_000]];
        let sum = |body: &[u8]| change.map(|change| crc32fast::hash(body).wrapping_add(change));
        bodies.iter().flat_map(|body| page(body, 10, sum(body))).collect()
    }

    fn check(bytes: &[u8], values: u64, step: usize) -> Result<Checksums, Error> {
        let mut checker = PageChecker::new(facts(values), PageName::Data(0));
        for piece in bytes.chunks(step) {
            checker.take(piece)?;
        }
        checker.finish()
    }

    #[test]
    fn pages_are_found_in_pieces_of_any_length() {
        for step in [1, 3, 7, 1000, 4003, 1 << 20] {
            assert_eq!(check(&chunk(Some(0)), 30, step).unwrap(), Checksums::Present);
            assert_eq!(check(&chunk(None), 30, step).unwrap(), Checksums::Absent);
            let error = check(&chunk(Some(1)), 30, step).unwrap_err();
            assert_eq!(error.exit_code(), 65);
            let expected = "f, row group 2, column \"c\": page 0 does not match its checksum; ";
            assert!(error.to_string().starts_with(expected), "{error}");
        }
    }

    #[test]
    fn every_changed_byte_of_a_page_is_found_and_its_page_named() {
        let good = chunk(Some(0));
        for at in (0..good.len()).step_by(37) {
            let mut bytes = good.clone();
            bytes[at] ^= 0x10;
            let outcome = check(&bytes, 30, 5000);
            let number = [4000, 4100, usize::MAX].iter().position(|end| at < *end).unwrap();
            match outcome {
                Err(error) => assert_eq!(error.exit_code(), 65),
                // A header that lost its checksum, or says the same in other words.
                Ok(_) => assert!([0..60, 4020..4140].iter().any(|headers| headers.contains(&at)), "{at}"),
            }
            if (100..3900).contains(&at) || at > 4200 {
                let error = check(&bytes, 30, 5000).unwrap_err().to_string();
                assert!(error.contains(&format!("page {number} does not match")), "{at}: {error}");
            }
        }
    }

    #[test]
    fn pages_that_are_missing_or_cut_off_are_found() {
        let good = chunk(Some(0));
        let text = |bytes: &[u8], values| check(bytes, values, 999).unwrap_err().to_string();
        assert!(text(&good, 31).contains("its pages hold 30 values"));
        assert!(text(&good[..good.len() - 1], 30).contains("page 2 does not end"));
        assert!(text(&[&good[..], &[0xff; 50]].concat(), 30).contains("header of page 3 cannot be read"));
        assert_eq!(check(&[0xff; 50], 30, 20).unwrap(), Checksums::Unknown);
        assert_eq!(check(&[], 0, 20).unwrap(), Checksums::Absent);
    }
}
