//! A source of the pages of a column chunk, in order, each classified as regular or general. It reads
//! ahead: pages to decompress wait in a queue for those who help.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::parquet_file::{RawPage, RawPages};
use crate::storage::{SourceFile, io_errors};

use super::decoded::DecodedPage;
use super::dictionary::Dictionary;
use super::lazy_page::{ChunkContext, LazyPage, LoadedPage, LoadedValues};
use super::leaf::EmbeddingLeaf;
use super::levels::{all_max, all_regular};
use super::page_values::{PageValues, Segment};
use super::read_ahead::ReadAhead;
use super::row_runs::RowRun;

/// Pages below this size are not left in the file.
const MIN_IN_FILE_BYTES: u64 = 64 << 10;
/// Bytes that are read of the levels of a page: some, and for each list a few runs.
const LEVEL_BYTES: u64 = 4 << 10;
const LIST_LEVEL_BYTES: u64 = 8;

/// Loads the pages of a column chunk.
pub(super) struct PageSource {
    pages: RawPages,
    chunk: ChunkContext,
    read_ahead: ReadAhead,
    /// Pages behind `next`.
    ahead: VecDeque<Ahead>,
    ahead_bytes: u64,
    /// The next page, once it is loaded.
    pub(super) next: Option<NextPage>,
}

/// A page that was located.
enum Ahead {
    /// Values that may stay in the file, at these bytes behind the page's header.
    InFile(RawPage, Range<u64>),
    Lazy(Arc<LazyPage>),
}

/// The page behind the assembled rows.
pub(super) enum NextPage {
    Regular(RegularPage),
    /// A page whose rows have to be assembled.
    General(GeneralPage),
    End,
}

/// The unread part of a page of any levels.
pub(super) struct GeneralPage {
    page: DecodedPage,
    run: usize,
    element: usize,
}

impl GeneralPage {
    fn new(page: DecodedPage) -> Self {
        Self { page, run: 0, element: 0 }
    }

    /// The next run of levels.
    pub(super) fn next_run(&self) -> Option<RowRun> {
        self.page.runs.get(self.run).copied()
    }

    pub(super) fn pass_run(&mut self) {
        self.run += 1;
    }

    /// The place of the next element in the page.
    pub(super) fn element(&self) -> usize {
        self.element
    }

    /// Takes the next elements. None where there are fewer.
    pub(super) fn take_elements(&mut self, count: usize) -> Option<()> {
        self.element = self.element.checked_add(count).filter(|end| *end <= self.page.elements)?;
        Some(())
    }

    pub(super) fn values(&self) -> &PageValues {
        &self.page.values
    }
}

/// The unread part of a page of lists of the models' dimension, none of them null.
pub(super) struct RegularPage {
    pub(super) segment: Segment,
    /// The position of the first element in its list.
    pub(super) element_offset: usize,
}

impl PageSource {
    /// The pages of a leaf's column chunk, in a row group of `rows` rows.
    pub(super) fn new(pages: RawPages, leaf: EmbeddingLeaf, rows: usize, read_ahead: ReadAhead) -> Self {
        let chunk = ChunkContext::new(leaf, rows);
        Self { pages, chunk, read_ahead, ahead: VecDeque::new(), ahead_bytes: 0, next: None }
    }

    pub(super) fn file(&self) -> &Arc<SourceFile> {
        self.pages.file()
    }

    pub(super) fn leaf(&self) -> &EmbeddingLeaf {
        &self.chunk.leaf
    }

    /// Whether all pages were loaded and taken.
    pub(super) fn is_at_end(&self) -> bool {
        matches!(self.next, Some(NextPage::End))
    }

    /// Whether all pages were located.
    pub(super) fn is_read_ahead(&mut self) -> Result<bool> {
        Ok(self.pages.peek()?.is_none())
    }

    /// Skips the next page if it is not loaded, and the page header or the offset index has
    /// its number of rows, at most `most`. Returns that number. Without `most` none is skipped.
    pub(super) fn skip_page(&mut self, most: Option<usize>) -> Result<Option<usize>> {
        if self.next.is_some() || !self.ahead.is_empty() {
            return Ok(None);
        }
        self.take_other_pages()?;
        let rows = self.pages.peek()?.and_then(RawPage::rows);
        let rows = rows.filter(|rows| most.is_some_and(|most| *rows <= most));
        if rows.is_some() {
            self.pages.take()?;
        }
        Ok(rows)
    }

    /// Loads the next page, unless it is loaded. It counts as regular if its first value is
    /// element `element_offset` of a list.
    pub(super) fn load(&mut self, element_offset: usize) -> Result<()> {
        if self.next.is_some() {
            return Ok(());
        }
        if self.ahead.is_empty() {
            self.locate()?;
        }
        let page = self.ahead.pop_front();
        if let Some(page) = &page {
            self.ahead_bytes -= page.memory_bytes();
        }
        self.read_ahead()?;
        self.next = Some(match page {
            None => NextPage::End,
            Some(Ahead::InFile(page, body)) => match self.left_in_file(&page, &body, element_offset)? {
                Some(page) => page,
                None => self.classify(&self.lazy(page)?, element_offset)?,
            },
            Some(Ahead::Lazy(page)) => self.classify(&page, element_offset)?,
        });
        Ok(())
    }

    /// Locates pages, as far ahead as there is room for them.
    pub(super) fn read_ahead(&mut self) -> Result<()> {
        loop {
            self.take_other_pages()?;
            let Some(page) = self.pages.peek()? else { return Ok(()) };
            let bytes = memory_bytes(page);
            if !self.read_ahead.has_room(self.ahead.len(), self.ahead_bytes, bytes) {
                return Ok(());
            }
            self.locate()?;
        }
    }

    fn locate(&mut self) -> Result<()> {
        self.take_other_pages()?;
        let Some(page) = self.pages.take()? else { return Ok(()) };
        let ahead = match page.usable_in_file() {
            Some(body) if self.is_worth_leaving(&page, &body) => Ahead::InFile(page, body),
            _ => {
                let page = Arc::new(self.lazy(page)?);
                self.read_ahead.push(&page);
                Ahead::Lazy(page)
            }
        };
        self.ahead_bytes += ahead.memory_bytes();
        self.ahead.push_back(ahead);
        Ok(())
    }

    /// Takes the dictionary, and pages of other kinds, in front of the next data page.
    fn take_other_pages(&mut self) -> Result<()> {
        while let Some(page) = self.pages.peek()?.filter(|page| !page.is_data()) {
            if page.is_dictionary() {
                let body = page.load(None, 0)?;
                self.chunk.dictionary = Some(Arc::new(Dictionary::new(&self.chunk.leaf, page.clone(), body)));
            }
            self.pages.take()?;
        }
        Ok(())
    }

    fn lazy(&self, page: RawPage) -> Result<LazyPage> {
        // A store's bytes are requested in order, by one thread.
        let is_local = matches!(**self.file(), SourceFile::Local(_));
        let bytes = if is_local { None } else { Some(page.read()?) };
        Ok(LazyPage::new(page, bytes, self.chunk.clone()))
    }

    fn classify(&self, page: &LazyPage, element_offset: usize) -> Result<NextPage> {
        let LoadedPage { body, values } = page.take()?;
        let (values, elements) = match values {
            LoadedValues::Decoded(page) => return Ok(NextPage::General(GeneralPage::new(page))),
            LoadedValues::Dense(values, elements) => (values, elements),
        };
        let sections = self.chunk.leaf.sections(page.raw.header(), &body);
        let is_regular = self.chunk.leaf.is_whole_row
            || sections.is_some_and(|sections| {
                all_regular(sections.repetition_levels, self.chunk.leaf.dim, element_offset, elements)
            });
        Ok(match is_regular {
            true => {
                let segment = Segment { values, elements: 0..elements };
                NextPage::Regular(RegularPage { segment, element_offset })
            }
            false => NextPage::General(GeneralPage::new(page.decode(&body)?)),
        })
    }

    fn is_worth_leaving(&self, page: &RawPage, body: &Range<u64>) -> bool {
        let length = body.end - body.start;
        let is_plain = page.header().encoding == Some(0) && cfg!(target_endian = "little");
        is_plain && length >= MIN_IN_FILE_BYTES && self.level_bytes(length) < length / 2
    }

    /// How many of a page's first bytes hold its levels, if it is regular.
    fn level_bytes(&self, length: u64) -> u64 {
        LEVEL_BYTES + length / (self.chunk.leaf.float.bytes() * self.chunk.leaf.dim) as u64 * LIST_LEVEL_BYTES
    }

    /// A page whose values are left in the file: only its levels are read. None where it is better read whole.
    fn left_in_file(
        &self,
        page: &RawPage,
        body: &Range<u64>,
        element_offset: usize,
    ) -> Result<Option<NextPage>> {
        let leaf = &self.chunk.leaf;
        let length = body.end - body.start;
        let mut head = vec![0; self.level_bytes(length).min(length) as usize];
        let read = self.file().read_exact(body.start, &mut head);
        read.map_err(|error| io_errors::parquet(page.place(), "read", error))?;
        let Some(sections) = leaf.sections(page.header(), &head) else { return Ok(None) };
        let count = page.header().values.unwrap_or(0) as usize;
        let elements = count.saturating_mul(leaf.value_elements());
        let max = u8::try_from(leaf.max_level()).map_err(|e| Error::Internal(e.to_string()))?;
        let start = sections.values.start as u64;
        let in_file = |values: usize| {
            let stored = (values as u64).saturating_mul((leaf.value_elements() * leaf.float.bytes()) as u64);
            let values = PageValues::InFile(body.start + start, leaf.float);
            (start.saturating_add(stored) <= length).then_some(values)
        };
        let is_regular = count > 0
            && page.header().has_nulls(0)
            && (leaf.is_whole_row
                || all_regular(sections.repetition_levels, leaf.dim, element_offset, count))
            && (max == 0 || all_max(sections.definition_levels, max, count));
        if is_regular {
            let segment = in_file(count).map(|values| Segment { values, elements: 0..elements });
            return Ok(segment.map(|segment| NextPage::Regular(RegularPage { segment, element_offset })));
        }
        let decoded = self.chunk.decode_runs(page.header(), &sections, in_file);
        let decoded = decoded.filter(|page| page.has_few_other_rows(leaf));
        Ok(decoded.map(|page| NextPage::General(GeneralPage::new(page))))
    }
}

impl Ahead {
    fn memory_bytes(&self) -> u64 {
        match self {
            Self::InFile(..) => 0,
            Self::Lazy(page) => memory_bytes(&page.raw),
        }
    }
}

/// Memory of a page, or of its decoded values where it has nulls: four bytes each.
fn memory_bytes(page: &RawPage) -> u64 {
    page.plain_bytes().max(u64::from(page.header().values.unwrap_or(0)) * 4)
}
