//! A data page that is read, decompressed and decoded by whoever gets to it first: a worker that has it
//! from the queue of pages ahead, or the reader of the column when it needs the page.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use bytes::Bytes;

use crate::error::Result;
use crate::parquet_file::{PageHeader, RawPage, caught};
use crate::storage::io_errors;

use super::decoded::{self, DecodedPage};
use super::dictionary::Dictionary;
use super::leaf::{EmbeddingLeaf, Sections};
use super::levels::all_max;
use super::page_values::PageValues;
use super::row_runs::RowLevels;

/// Parquet's numbers of encodings.
const PLAIN: u32 = 0;
const PLAIN_DICTIONARY: u32 = 2;
const RLE_DICTIONARY: u32 = 8;
const BYTE_STREAM_SPLIT: u32 = 9;

/// A data page, and its content once somebody has loaded it.
#[derive(Debug)]
pub(super) struct LazyPage {
    pub(super) raw: RawPage,
    /// Its bytes, if they were read before: those of a store are requested in order.
    bytes: Option<Bytes>,
    chunk: ChunkContext,
    state: Mutex<State>,
}

/// What the pages of a column chunk share.
#[derive(Debug, Clone)]
pub(super) struct ChunkContext {
    pub(super) leaf: Arc<EmbeddingLeaf>,
    /// In front of the data pages that use it.
    pub(super) dictionary: Option<Arc<Dictionary>>,
    /// Rows of the row group.
    rows: usize,
    /// The most elements that all of them can have.
    most_elements: usize,
    /// Where the values begin in the page that was decompressed last. Levels of whole embeddings have the
    /// same length in nearly all pages, so that the values of the next one can be aligned by it.
    values_start: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum State {
    Waiting,
    Loaded(Box<Result<LoadedPage>>),
    Taken,
}

/// A decompressed data page, without its header.
#[derive(Debug)]
pub(super) struct LoadedPage {
    pub(super) body: Bytes,
    pub(super) values: LoadedValues,
}

/// The values of a page.
#[derive(Debug)]
pub(super) enum LoadedValues {
    /// Those of a page without a null, which may be regular, and their number.
    Dense(PageValues, usize),
    /// Those of any other page.
    Decoded(DecodedPage),
}

impl ChunkContext {
    /// A column chunk in a row group of `rows` rows.
    pub(super) fn new(leaf: EmbeddingLeaf, rows: usize) -> Self {
        let most_elements = rows.saturating_mul(leaf.dim);
        Self { leaf: Arc::new(leaf), dictionary: None, rows, most_elements, values_start: Arc::default() }
    }

    /// A page with nulls, or of lists of several lengths, with the `values` of so many that are not null. None
    /// where something is wrong with it, which is left to the Parquet crate to say.
    pub(super) fn decode_runs(
        &self,
        header: &PageHeader,
        sections: &Sections<'_>,
        values: impl FnOnce(usize) -> Option<PageValues>,
    ) -> Option<DecodedPage> {
        let count = usize::try_from(header.values?).ok()?;
        let levels = RowLevels { leaf: &self.leaf, sections, count, most_rows: self.rows };
        let stored = levels.values().filter(|values| (1..=self.most_elements).contains(values))?;
        if !header.has_nulls(count - stored) {
            return None;
        }
        let elements = stored.checked_mul(self.leaf.value_elements())?;
        // First the values: only where they are there, levels may take memory.
        let values = values(stored)?;
        Some(DecodedPage { runs: levels.runs()?, values, elements })
    }
}

impl LazyPage {
    /// A page of a column chunk.
    pub(super) fn new(raw: RawPage, bytes: Option<Bytes>, chunk: ChunkContext) -> Self {
        Self { raw, bytes, chunk, state: Mutex::new(State::Waiting) }
    }

    /// Loads the page, unless somebody has done it or is at it.
    pub(super) fn prepare(&self) {
        let state = match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(mut state) = state
            && let State::Waiting = *state
        {
            *state = State::Loaded(Box::new(self.load()));
        }
    }

    /// Takes the page, and loads it before that if need be.
    pub(super) fn take(&self) -> Result<LoadedPage> {
        match std::mem::replace(&mut *self.lock(), State::Taken) {
            State::Loaded(loaded) => *loaded,
            State::Waiting | State::Taken => self.load(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load(&self) -> Result<LoadedPage> {
        // A wrong guess costs a copy.
        let values_at = self.chunk.values_start.load(Ordering::Relaxed);
        let body = self.raw.load(self.bytes.clone(), values_at)?;
        let dense = caught(|| self.dense(&body)).unwrap_or_default();
        let values = match dense {
            Some((values, elements)) => LoadedValues::Dense(values, elements),
            None => LoadedValues::Decoded(self.decode(&body)?),
        };
        Ok(LoadedPage { body, values })
    }

    /// The values of a page that has no null, in an encoding of which parts can be converted.
    fn dense(&self, body: &Bytes) -> Option<(PageValues, usize)> {
        let (leaf, header) = (&self.chunk.leaf, self.raw.header());
        let sections = leaf.sections(header, body)?;
        self.chunk.values_start.store(sections.values.start, Ordering::Relaxed);
        let count = usize::try_from(header.values?).ok()?;
        let elements = count.checked_mul(leaf.value_elements())?;
        let max = u8::try_from(leaf.max_level()).ok()?;
        let no_null = header.has_nulls(0) && (max == 0 || all_max(sections.definition_levels, max, count));
        if count == 0 || elements > self.chunk.most_elements || !no_null {
            return None;
        }
        Some((self.values(body.slice(sections.values), count)?, elements))
    }

    /// The `count` values that are not null, in an encoding of which parts can be converted.
    fn values(&self, values: Bytes, count: usize) -> Option<PageValues> {
        let leaf = &self.chunk.leaf;
        let stored = count.checked_mul(leaf.value_elements())?.checked_mul(leaf.float.bytes())?;
        Some(match self.raw.header().encoding? {
            PLAIN if stored <= values.len() => PageValues::Plain(values.slice(..stored), leaf.float),
            BYTE_STREAM_SPLIT if stored == values.len() && !leaf.is_whole_row => {
                PageValues::Split(values, leaf.float)
            }
            PLAIN_DICTIONARY | RLE_DICTIONARY => {
                PageValues::Indexed(self.chunk.dictionary.as_ref()?.index(&values, count)?)
            }
            _ => return None,
        })
    }

    /// Decodes any page: in an encoding of which parts can be converted here, else by the Parquet crate.
    ///
    /// # Errors
    /// [`Error::BadData`](crate::Error::BadData) with file, row group and column.
    pub(super) fn decode(&self, body: &Bytes) -> Result<DecodedPage> {
        if let Some(decoded) = caught(|| self.decode_runs(body)).unwrap_or_default() {
            return Ok(decoded);
        }
        let dictionary = self.chunk.dictionary.as_ref().and_then(|dictionary| dictionary.page());
        let page = self.raw.as_page(body.clone());
        let pages = dictionary.into_iter().chain(page).collect();
        let decoded = decoded::decode(&self.chunk.leaf, pages);
        decoded.map_err(|error| io_errors::parquet(self.raw.place(), "read", error))
    }

    fn decode_runs(&self, body: &Bytes) -> Option<DecodedPage> {
        let sections = self.chunk.leaf.sections(self.raw.header(), body)?;
        let values = |count| self.values(body.slice(sections.values.clone()), count);
        self.chunk.decode_runs(self.raw.header(), &sections, values)
    }
}
