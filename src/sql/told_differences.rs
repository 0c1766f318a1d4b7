//! The differences between a table's files that a session has told: each column once a table.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::printable::shown;

use super::merged_schema::Difference;

/// Columns that one warning names.
const MOST_COLUMNS: usize = 8;

/// Tables and columns that were warned of.
#[derive(Debug, Default)]
pub(super) struct ToldDifferences(Mutex<HashSet<(String, usize)>>);

impl ToldDifferences {
    /// Warns of the differences of a table's columns that it has not warned of.
    pub(super) fn warn<'a>(&self, table: &str, differences: impl Iterator<Item = (usize, &'a Difference)>) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = differences.filter(|(column, _)| told.insert((table.to_owned(), *column)));
        let new: Vec<String> = new.map(|(_, difference)| difference.to_string()).collect();
        if let Some(text) = listed(&new) {
            tracing::warn!("{}: its files differ: {text}", shown(table.as_ref()));
        }
    }
}

fn listed(differences: &[String]) -> Option<String> {
    let mut text = differences.iter().take(MOST_COLUMNS).cloned().collect::<Vec<_>>().join("; ");
    match differences.len() {
        0 => return None,
        1..=MOST_COLUMNS => {}
        all => text.push_str(&format!("; and {} columns more", all - MOST_COLUMNS)),
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_ends() {
        assert_eq!(listed(&[]), None);
        let all: Vec<String> = (0..10).map(|at| format!("c{at}")).collect();
        assert_eq!(listed(&all).unwrap(), "c0; c1; c2; c3; c4; c5; c6; c7; and 2 columns more");
        assert_eq!(listed(&all[..2]).unwrap(), "c0; c1");
    }
}
