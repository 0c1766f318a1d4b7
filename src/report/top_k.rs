//! A top-k list of rows by one quantity.

use std::sync::Arc;

/// An order of rows by one quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ranking {
    Redundant,
    Unique1,
    Unique2,
    Synergistic,
    Contradicted,
}

impl Ranking {
    pub(super) const ALL: [Self; 5] =
        [Self::Redundant, Self::Unique1, Self::Unique2, Self::Synergistic, Self::Contradicted];

    /// The sort key of a row; larger ranks first.
    #[inline]
    fn rank(self, [r, u1, u2, s]: [f64; 4]) -> f64 {
        match self {
            Self::Redundant => r,
            Self::Unique1 => u1,
            Self::Unique2 => u2,
            Self::Synergistic => s,
            Self::Contradicted => -(r + u1 + u2 + s),
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
    pub(super) parts: [f64; 4],
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
    pub(super) fn accepts(&self, parts: [f64; 4], location: &RowLocation) -> bool {
        match self.rows.last() {
            Some(last) if self.rows.len() >= self.limit => {
                let (rank, lowest) = (self.ranking.rank(parts), self.ranking.rank(last.parts));
                rank > lowest || rank == lowest && *location < last.location
            }
            _ => self.limit > 0,
        }
    }

    pub(super) fn insert(&mut self, row: ExtremeRow) {
        let rank = self.ranking.rank(row.parts);
        let ranking = self.ranking;
        let at = self.rows.partition_point(|other| {
            let other_rank = ranking.rank(other.parts);
            other_rank > rank || other_rank == rank && other.location < row.location
        });
        self.rows.insert(at, row);
        self.rows.truncate(self.limit);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        other.rows.iter().for_each(|row| self.insert(row.clone()));
    }
}
