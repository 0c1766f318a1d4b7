//! A checker of the pages of a column chunk: checksums (CRC-32), where pages have them, and
//! headers, which no checksum covers, against the footer. It takes the bytes of a chunk as they
//! pass by, in pieces of any length. A chunk whose first pages have no checksum is not checked.

use std::io::{self, Read};

use crc32fast::Hasher;

use crate::error::Error;

use super::page_header::{PageHeader, Parsed};
use super::page_walk::{ChunkFacts, PageName, PageWalk, check_levels, damaged, mismatch};

/// Whether the pages of a column chunk have checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checksums {
    Present,
    Absent,
    /// The first page header is damaged.
    Unknown,
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
mod tests;
