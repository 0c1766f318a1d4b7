//! The strata of a split: the distinct values of a column and their rows.

use std::collections::HashMap;

use crate::error::{Error, Place, Result};
use crate::samples::MAX_CLASSES;

use super::summary::StratumRows;

/// Distinct values in the order of their first rows; a null is one.
#[derive(Debug, Default)]
pub(super) struct Strata {
    values: HashMap<Vec<u8>, usize>,
    null: Option<usize>,
    rows: Vec<u64>,
}

impl Strata {
    /// Adds rows of a value, and returns its place.
    ///
    /// # Errors
    /// [`Error::BadData`] where there are too many.
    pub(super) fn add(
        &mut self,
        value: Option<&[u8]>,
        rows: u64,
        place: impl FnOnce() -> Place,
    ) -> Result<usize> {
        let at = match self.find(value) {
            Some(at) => at,
            None if self.rows.len() == MAX_CLASSES => {
                let what = format!(
                    "holds more than {MAX_CLASSES} distinct values: it looks like an identifier; choose another column \
                     with --by"
                );
                return Err(Error::bad_data(place(), what));
            }
            None => {
                let at = self.rows.len();
                match value {
                    Some(value) => _ = self.values.insert(value.to_owned(), at),
                    None => self.null = Some(at),
                }
                self.rows.push(0);
                at
            }
        };
        self.rows.get_mut(at).into_iter().for_each(|sum| *sum += rows);
        Ok(at)
    }

    /// The place of a value.
    pub(super) fn find(&self, value: Option<&[u8]>) -> Option<usize> {
        value.map_or(self.null, |value| self.values.get(value).copied())
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The rows of each.
    pub(super) fn rows(&self) -> &[u64] {
        &self.rows
    }

    /// What each part got of them, in the order of the values; numbers come first, by their size.
    pub(super) fn summary(&self, written: &[[u64; 3]]) -> Vec<StratumRows> {
        let null = self.null.map(|at| (None, at));
        let values = self.values.iter().map(|(value, at)| (Some(shown(value)), *at)).chain(null);
        let mut all: Vec<StratumRows> = values
            .filter_map(|(value, at)| {
                let [train, test, validation] = *written.get(at)?;
                Some(StratumRows { value, train, test, validation })
            })
            .collect();
        let number = |row: &StratumRows| {
            row.value.as_ref().and_then(|value| value.parse().ok()).unwrap_or(f64::INFINITY)
        };
        all.sort_by(|a, b| number(a).total_cmp(&number(b)).then_with(|| a.value.cmp(&b.value)));
        all
    }
}

/// A value as a summary has it: bytes that are no text as hexadecimal digits.
fn shown(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().fold("0x".to_owned(), |digits, byte| format!("{digits}{byte:02x}")),
    }
}
