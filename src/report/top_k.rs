//! A top-k list of rows by one quantity.

use std::sync::Arc;

/// The values of a row: r, u1 … uM, s, and the information of all modalities together where it is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct RowValues {
    /// `None` where the modalities that the row has make no such value.
    pub(super) parts: Vec<Option<f64>>,
    pub(super) information: Option<f64>,
}

/// An order of rows by one quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ranking {
    /// By the part of this position among r, u1 … uM, s, the largest first.
    Part(usize),
    /// By the information of all modalities together, the smallest first.
    Contradicted,
}

impl Ranking {
    /// The rankings by each of so many parts, then by the information where it is known.
    pub(super) fn all(parts: usize, has_information: bool) -> Vec<Self> {
        (0..parts).map(Self::Part).chain(has_information.then_some(Self::Contradicted)).collect()
    }

    /// The sort key of a row; larger ranks first. `None` of a row without the value.
    #[inline]
    fn rank(self, row: &RowValues) -> Option<f64> {
        match self {
            Self::Part(part) => row.parts.get(part).copied().flatten(),
            Self::Contradicted => row.information.map(|information| -information),
        }
    }
}

/// The file of a row, as DataFusion names it, and its position in the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowLocation {
    pub(super) file: Arc<str>,
    pub(super) row: u64,
}

/// A row of a ranking, with its class and key.
#[derive(Debug, Clone)]
pub(super) struct ExtremeRow {
    pub(super) location: RowLocation,
    pub(super) values: RowValues,
    pub(super) class: String,
    pub(super) key: Vec<String>,
}

/// The highest-ranking rows, best first. Ties are ordered by file and position, so that the result
/// does not depend on the order of arrival.
#[derive(Debug, Clone)]
pub(super) struct TopK {
    ranking: Ranking,
    limit: usize,
    pub(super) rows: Vec<ExtremeRow>,
}

impl TopK {
    pub(super) fn new(ranking: Ranking, limit: usize) -> Self {
        Self { ranking, limit, rows: Vec::with_capacity(limit + 1) }
    }

    /// Whether a row ranks high enough to be inserted.
    #[inline]
    pub(super) fn accepts(&self, values: &RowValues, location: &RowLocation) -> bool {
        let Some(rank) = self.ranking.rank(values) else { return false };
        match self.rows.last() {
            Some(last) if self.rows.len() >= self.limit => {
                let lowest = self.ranking.rank(&last.values).unwrap_or(f64::NEG_INFINITY);
                rank > lowest || rank == lowest && *location < last.location
            }
            _ => self.limit > 0,
        }
    }

    pub(super) fn insert(&mut self, row: ExtremeRow) {
        let rank = self.ranking.rank(&row.values);
        let ranking = self.ranking;
        let at = self.rows.partition_point(|other| {
            let other_rank = ranking.rank(&other.values);
            other_rank > rank || other_rank == rank && other.location < row.location
        });
        self.rows.insert(at, row);
        self.rows.truncate(self.limit);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        other.rows.iter().for_each(|row| self.insert(row.clone()));
    }
}
