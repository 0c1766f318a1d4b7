//! Rows put together from pages, of which a list may go on in the next one.

use parquet::errors::Result as ParquetResult;

use crate::samples::extract::Flaw;
use crate::samples::pages::header_reader::HeaderReader;

use super::decoded;
use super::regular::Regular;

/// Rows put together so far.
pub(super) struct Rows {
    pub(super) dim: usize,
    /// `[closed, dim]`, then what has been read of the open row, at most `dim` of it.
    pub(super) values: Vec<f32>,
    /// Rows that are known to be complete.
    pub(super) closed: usize,
    /// Flaws of closed rows other than values that are not finite.
    flaws: Vec<(usize, Flaw)>,
    /// A row that may go on with the next level.
    pub(super) open: Option<OpenRow>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct OpenRow {
    length: usize,
    is_null: bool,
    has_null_item: bool,
}

impl Rows {
    pub(super) fn new(dim: usize) -> Self {
        Self { dim, values: Vec::new(), closed: 0, flaws: Vec::new(), open: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.closed == 0 && self.open.is_none()
    }

    /// The element of a list at which a regular page would go on: 0 at the start of
    /// a list, also where the open row cannot go on regularly.
    pub(super) fn phase(&self) -> usize {
        match self.open {
            Some(row) if !row.is_null && !row.has_null_item && row.length < self.dim => row.length,
            _ => 0,
        }
    }

    /// Makes room for so many rows at once.
    pub(super) fn reserve(&mut self, rows: usize) {
        self.values.reserve_exact((rows * self.dim).saturating_sub(self.values.len()));
    }

    /// Takes lists of length `dim` out of a page until there are `wanted` rows.
    pub(super) fn append_regular(
        &mut self,
        regular: &mut Regular,
        wanted: usize,
        file: &HeaderReader,
    ) -> ParquetResult<()> {
        if regular.phase == 0 {
            self.close();
        }
        let rows = wanted.saturating_sub(self.closed);
        if rows == 0 {
            return Ok(());
        }
        let most = ((rows * self.dim - regular.phase) * 4) as u64;
        let bytes = regular.values.take(most.min(regular.values.bytes()) as usize, file)?;
        self.values.extend(bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        let read = regular.phase + bytes.len() / 4;
        regular.phase = read % self.dim;
        // The last list of a page may still turn out longer.
        let last = read.saturating_sub(1);
        self.closed += last / self.dim;
        self.open = Some(OpenRow { length: last % self.dim + 1, ..OpenRow::default() });
        if regular.values.bytes() > 0 {
            self.close();
        }
        Ok(())
    }

    pub(super) fn append_odd(&mut self, levels: &decoded::Levels, empty_level: i16, max_level: i16) {
        let mut values = levels.values.iter();
        for (repetition, definition) in levels.repetition.iter().zip(&levels.definition) {
            if *repetition == 0 {
                self.close();
            }
            let row = self.open.get_or_insert_default();
            if *definition == max_level {
                let value = values.next().copied().unwrap_or(f32::NAN);
                if row.length < self.dim {
                    self.values.push(value);
                }
                row.length += 1;
            } else if *definition < empty_level {
                row.is_null = true;
            } else if *definition > empty_level {
                row.has_null_item = true;
                if row.length < self.dim {
                    self.values.push(0.0);
                }
                row.length += 1;
            }
        }
    }

    /// Ends the open row, if there is one.
    pub(super) fn close(&mut self) {
        let Some(row) = self.open.take() else { return };
        let flaw = if row.is_null {
            Some(Flaw::Null)
        } else if row.length != self.dim {
            Some(Flaw::WrongLength(row.length))
        } else if row.has_null_item {
            Some(Flaw::NonFinite)
        } else {
            None
        };
        if let Some(flaw) = flaw {
            self.values.truncate(self.closed * self.dim);
            self.flaws.push((self.closed, flaw));
        }
        self.closed += 1;
        self.values.resize(self.closed * self.dim, 0.0);
    }

    /// Takes the first `rows` of the closed rows out.
    pub(super) fn take(&mut self, rows: usize) -> (Vec<f32>, Vec<(usize, Flaw)>) {
        let rest = self.values.split_off(rows * self.dim);
        let values = std::mem::replace(&mut self.values, rest);
        let later = self.flaws.iter().position(|(row, _)| *row >= rows).unwrap_or(self.flaws.len());
        let mut later = self.flaws.split_off(later);
        later.iter_mut().for_each(|(row, _)| *row -= rows);
        self.closed -= rows;
        (values, std::mem::replace(&mut self.flaws, later))
    }
}
