//! A top-k list of rows by one quantity.

use std::sync::Arc;

/// The values of a row: r, u1 … uM, s, and the information of each modality and of all together, where it
/// is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct RowValues {
    /// `None` where the modalities that the row has make no such value.
    pub(super) parts: Vec<Option<f64>>,
    pub(super) singles: Vec<Option<f64>>,
    pub(super) information: Option<f64>,
}

/// An order of the rows that a quantity describes. A part that is large only because the others are very
/// negative describes no row: what must be positive besides is a condition where it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ranking {
    /// By r, the largest first, of rows with r > 0 and the information of every modality > 0.
    Redundant,
    /// By u of the modality of this index from 0, the largest first, of rows with u > 0 and the
    /// information of that modality > 0.
    Unique(usize),
    /// By s, the largest first, of rows with s > 0 and the information of all modalities together > 0.
    Synergistic,
    /// By the information of all modalities together, the smallest first, of rows where it is < 0.
    Contradicted,
}

impl Ranking {
    /// The rankings by each part of so many modalities, then by the information where it is known.
    pub(super) fn all(modalities: usize, has_information: bool) -> Vec<Self> {
        let unique = (0..modalities).map(Self::Unique);
        let parts = std::iter::once(Self::Redundant).chain(unique).chain([Self::Synergistic]);
        parts.chain(has_information.then_some(Self::Contradicted)).collect()
    }

    /// The sort key of a row; larger ranks first. `None` of a row that the ranking does not describe.
    #[inline]
    fn rank(self, row: &RowValues) -> Option<f64> {
        let is_positive = |information: &Option<f64>| information.is_none_or(|nats| nats > 0.0);
        let (part, is_described) = match self {
            Self::Redundant => (row.parts.first(), row.singles.iter().all(is_positive)),
            Self::Unique(index) => (row.parts.get(index + 1), row.singles.get(index).is_none_or(is_positive)),
            Self::Synergistic => (row.parts.last(), is_positive(&row.information)),
            Self::Contradicted => {
                return row.information.filter(|nats| *nats < 0.0).map(|nats| -nats);
            }
        };
        part.copied().flatten().filter(|nats| is_described && *nats > 0.0)
    }
}

/// The file of a row, as DataFusion names it, and its position in the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowLocation {
    pub(super) file: Arc<str>,
    pub(super) row: u64,
}

/// What is told of a row besides its values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RowDescription {
    pub(super) class: String,
    pub(super) key: Vec<String>,
    /// Whether the models were trained on the row, where the files tell.
    pub(super) is_trained: Option<bool>,
}

/// A row of a ranking.
#[derive(Debug, Clone)]
pub(super) struct ExtremeRow {
    pub(super) location: RowLocation,
    pub(super) values: RowValues,
    pub(super) description: RowDescription,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(ranking: Ranking, parts: [f64; 4], has_information: bool) -> Option<f64> {
        let [r, u1, u2, s] = parts;
        let known = |nats: f64| has_information.then_some(nats);
        let (singles, information) = (vec![known(r + u1), known(r + u2)], known(r + u1 + u2 + s));
        ranking.rank(&RowValues { parts: parts.map(Some).to_vec(), singles, information })
    }

    #[test]
    fn a_row_that_only_misleads_less_is_not_unique() {
        // i1 = −3, i2 = −1: u2 is large.
        let misled = [-3.0, 0.0, 2.0, 0.0];
        assert_eq!(rank(Ranking::Unique(1), misled, true), None);
        assert_eq!(rank(Ranking::Unique(1), misled, false), Some(2.0), "i2 is not known");
        assert_eq!(rank(Ranking::Unique(1), [-1.0, 0.0, 2.0, 0.0], true), Some(2.0));
        assert_eq!(rank(Ranking::Unique(0), [1.0, 0.0, 2.0, 0.0], true), None);
    }

    #[test]
    fn a_list_holds_only_rows_that_its_title_describes() {
        let one_sided = [1.0, 1.0, -3.0, 2.0];
        assert_eq!(rank(Ranking::Redundant, one_sided, true), None, "x2 misleads");
        assert_eq!(rank(Ranking::Redundant, [1.0, 1.0, 0.0, -3.0], true), Some(1.0));
        assert_eq!(rank(Ranking::Synergistic, one_sided, true), Some(2.0));
        assert_eq!(rank(Ranking::Synergistic, [-3.0, 0.0, 0.0, 2.0], true), None, "all together mislead");
        assert_eq!(rank(Ranking::Contradicted, one_sided, true), None);
        assert_eq!(rank(Ranking::Contradicted, [-3.0, 0.0, 0.0, 2.0], true), Some(1.0));
        assert_eq!(rank(Ranking::Contradicted, one_sided, false), None);
    }
}
