//! The assembler of rows from the repetition and definition levels of pages: a list may continue in the next
//! page. Values stay in their pages until a batch needs them.

use std::collections::VecDeque;

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::BooleanBuffer;
use parquet::errors::{ParquetError, Result as ParquetResult};

use super::leaf::EmbeddingLeaf;
use super::page_source::{GeneralPage, RegularPage};
use super::page_values::{Segment, SegmentQueue};
use super::row_runs::RowRun;

/// The shape of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowShape {
    Null,
    /// A list of `length` elements, of which so many are null.
    List {
        length: usize,
        nulls: usize,
    },
}

/// The levels of a row so far.
#[derive(Debug, Clone, Copy)]
enum OpenRow {
    /// DuckDB writes as many levels for a null array as it would have elements.
    Null {
        levels: usize,
    },
    List {
        length: usize,
        nulls: usize,
    },
}

/// Rows of one shape that follow each other: a run length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EqualRows {
    pub(super) shape: RowShape,
    pub(super) count: usize,
}

impl EqualRows {
    /// Elements of all rows.
    pub(super) fn elements(self) -> usize {
        match self.shape {
            RowShape::Null => 0,
            RowShape::List { length, .. } => length * self.count,
        }
    }

    /// Elements of all rows that are not null.
    pub(super) fn values(self) -> usize {
        match self.shape {
            RowShape::Null => 0,
            RowShape::List { length, nulls } => (length - nulls) * self.count,
        }
    }
}

/// Rows that were assembled.
#[derive(Debug)]
pub(super) struct AssembledRows {
    pub(super) rows: Vec<EqualRows>,
    /// The elements of all rows that are not null.
    pub(super) segments: SegmentQueue,
    /// The validity of the elements. None if no element is null.
    pub(super) valid: Option<BooleanBuffer>,
}

/// The rows assembled so far.
#[derive(Debug)]
pub(super) struct RowAssembler {
    /// Length of the lists of regular pages.
    dim: usize,
    /// Those that are complete and were not taken, `complete` in all.
    rows: VecDeque<EqualRows>,
    complete: usize,
    /// Elements of these rows, then of the open row.
    segments: SegmentQueue,
    /// Number of these elements, null ones among them.
    elements: usize,
    /// Their validity. None if none of them is null.
    valid: Option<BooleanBufferBuilder>,
    /// A row that may continue with the next level.
    open_row: Option<OpenRow>,
}

impl RowAssembler {
    /// Of pages whose lists have `dim` elements where they are regular.
    pub(super) fn new(dim: usize) -> Self {
        Self {
            dim,
            rows: VecDeque::new(),
            complete: 0,
            segments: SegmentQueue::default(),
            elements: 0,
            valid: None,
            open_row: None,
        }
    }

    /// Number of complete rows.
    pub(super) fn complete(&self) -> usize {
        self.complete
    }

    pub(super) fn has_open_row(&self) -> bool {
        self.open_row.is_some()
    }

    /// The element of the open row at which a regular page would continue: 0 at the start
    /// of a list, also where no regular page can continue the open row.
    pub(super) fn element_offset(&self) -> usize {
        match self.open_row {
            Some(OpenRow::List { length, nulls: 0 }) if length < self.dim => length,
            _ => 0,
        }
    }

    /// Appends lists of length `dim` from a page until there are `wanted` rows.
    ///
    /// # Errors
    /// As for [`Self::end_row`].
    pub(super) fn append_regular(&mut self, page: &mut RegularPage, wanted: usize) -> ParquetResult<()> {
        if page.element_offset == 0 {
            self.end_row()?;
        }
        let rows = wanted.saturating_sub(self.complete);
        if rows == 0 {
            return Ok(());
        }
        let segment = page.segment.split_to(rows * self.dim - page.element_offset);
        let read = page.element_offset + segment.elements.len();
        self.add_elements(segment.elements.len(), true);
        self.segments.push(segment);
        page.element_offset = read % self.dim;
        // The last list of a page may continue in the next page.
        let last = read.saturating_sub(1);
        self.append(RowShape::List { length: self.dim, nulls: 0 }, last / self.dim);
        self.open_row = Some(OpenRow::List { length: last % self.dim + 1, nulls: 0 });
        if !page.segment.elements.is_empty() {
            self.end_row()?;
        }
        Ok(())
    }

    /// Appends rows of a page of any levels until there are `wanted`.
    ///
    /// # Errors
    /// Where the page has fewer values than levels, or these are not those of rows.
    pub(super) fn append_general(
        &mut self,
        page: &mut GeneralPage,
        wanted: usize,
        leaf: &EmbeddingLeaf,
    ) -> ParquetResult<()> {
        let first = page.element();
        while let Some(run) = page.next_run() {
            if run.starts_row {
                self.end_row()?;
                if self.complete >= wanted {
                    break;
                }
            }
            page.pass_run();
            self.append_run(run, page, leaf)?;
        }
        if page.element() > first {
            self.segments.push(Segment { values: page.values().clone(), elements: first..page.element() });
        }
        Ok(())
    }

    fn append_run(&mut self, run: RowRun, page: &mut GeneralPage, leaf: &EmbeddingLeaf) -> ParquetResult<()> {
        let RowRun { starts_row, definition, count } = run;
        let (definition, count) = (i16::from(definition), usize::from(count));
        let is_value = definition == leaf.max_level();
        let open = if starts_row { None } else { self.open_row };
        let is_null = !is_value && definition < leaf.empty_level;
        let is_element = is_value || definition > leaf.empty_level;
        self.open_row = Some(match (open, starts_row) {
            (None, true) if is_null => OpenRow::Null { levels: count },
            (Some(OpenRow::Null { levels }), _) if is_null => OpenRow::Null { levels: levels + count },
            (None, true) if !is_element && count == 1 => OpenRow::List { length: 0, nulls: 0 },
            (None, true) if is_element => self.append_elements((0, 0), is_value, count, page)?,
            (Some(OpenRow::List { length, nulls }), _) if is_element && length > 0 => {
                self.append_elements((length, nulls), is_value, count, page)?
            }
            _ => return Err(contradicting_levels()),
        });
        Ok(())
    }

    /// Appends elements of a page to a list of so many, some of which are null.
    fn append_elements(
        &mut self,
        (length, nulls): (usize, usize),
        are_values: bool,
        count: usize,
        page: &mut GeneralPage,
    ) -> ParquetResult<OpenRow> {
        if are_values {
            let too_few = || ParquetError::EOF("a page has fewer values than levels".to_owned());
            page.take_elements(count).ok_or_else(too_few)?;
        }
        self.add_elements(count, are_values);
        Ok(OpenRow::List { length: length + count, nulls: if are_values { nulls } else { nulls + count } })
    }

    fn add_elements(&mut self, count: usize, are_valid: bool) {
        if !are_valid && self.valid.is_none() {
            let mut valid = BooleanBufferBuilder::new(self.elements + count);
            valid.append_n(self.elements, true);
            self.valid = Some(valid);
        }
        if let Some(valid) = &mut self.valid {
            valid.append_n(count, are_valid);
        }
        self.elements += count;
    }

    /// Ends the open row, if there is one.
    ///
    /// # Errors
    /// Where it is null, and has some levels.
    pub(super) fn end_row(&mut self) -> ParquetResult<()> {
        match self.open_row.take() {
            Some(OpenRow::Null { levels }) if levels != 1 && levels != self.dim => {
                return Err(contradicting_levels());
            }
            Some(OpenRow::Null { .. }) => self.append(RowShape::Null, 1),
            Some(OpenRow::List { length, nulls }) => self.append(RowShape::List { length, nulls }, 1),
            None => {}
        }
        Ok(())
    }

    fn append(&mut self, shape: RowShape, count: usize) {
        self.complete += count;
        let rows = EqualRows { shape, count };
        match self.rows.back_mut() {
            Some(last) if last.shape == shape => last.count += count,
            _ if count > 0 => self.rows.push_back(rows),
            _ => {}
        }
    }

    /// Takes the first complete rows, at most `wanted`.
    pub(super) fn take(&mut self, wanted: usize) -> AssembledRows {
        let (mut rows, mut left) = (Vec::new(), wanted.min(self.complete));
        self.complete -= left;
        while left > 0
            && let Some(first) = self.rows.front_mut()
        {
            let count = first.count.min(left);
            rows.push(EqualRows { count, ..*first });
            first.count -= count;
            left -= count;
            if first.count == 0 {
                self.rows.pop_front();
            }
        }
        let segments = self.segments.take(rows.iter().map(|rows| rows.values()).sum());
        let valid = self.take_valid(rows.iter().map(|rows| rows.elements()).sum());
        AssembledRows { rows, segments, valid }
    }

    /// Takes the validity of the first elements. None if none of them is null.
    fn take_valid(&mut self, elements: usize) -> Option<BooleanBuffer> {
        self.elements -= elements;
        let valid = self.valid.take()?.finish();
        let behind = valid.slice(elements, self.elements);
        if behind.count_set_bits() < self.elements {
            let mut left = BooleanBufferBuilder::new(self.elements);
            left.append_buffer(&behind);
            self.valid = Some(left);
        }
        Some(valid.slice(0, elements)).filter(|valid| valid.count_set_bits() < elements)
    }
}

fn contradicting_levels() -> ParquetError {
    ParquetError::General("a page has levels that contradict each other".to_owned())
}
