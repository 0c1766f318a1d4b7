//! The fate of a row: computed, or left without values for a reason that is counted. A row
//! has one fate: the label is checked first, then x1, then x2.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One of the two embeddings of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Modality {
    /// x1.
    First,
    /// x2.
    Second,
}

/// The fate of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// The row can be computed.
    Good,
    /// The label is null.
    NullLabel,
    /// The label is none of the bundle's classes.
    UnknownLabel,
    /// The embedding is null.
    NullEmbedding(Modality),
    /// The embedding is a list of another length.
    WrongLength(Modality),
    /// The embedding holds NaN, an infinity (in f32) or a null element.
    NonFinite(Modality),
    /// The models returned NaN or an infinity: the embedding lies too far from the training
    /// data.
    NonFiniteResult,
}

impl Fate {
    /// The name of this fate in the summary and the rejects file. These names are a contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::NullLabel => "null_label",
            Self::UnknownLabel => "unknown_label",
            Self::NullEmbedding(Modality::First) => "null_x1",
            Self::NullEmbedding(Modality::Second) => "null_x2",
            Self::WrongLength(Modality::First) => "wrong_length_x1",
            Self::WrongLength(Modality::Second) => "wrong_length_x2",
            Self::NonFinite(Modality::First) => "non_finite_x1",
            Self::NonFinite(Modality::Second) => "non_finite_x2",
            Self::NonFiniteResult => "non_finite_result",
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Rows by fate. Fields are [`Fate::name`]s.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FateCounts {
    /// Rows that were computed.
    pub good: u64,
    /// Rows whose label is null.
    pub null_label: u64,
    /// Rows whose label is none of the bundle's classes.
    pub unknown_label: u64,
    /// Rows whose first embedding is null.
    pub null_x1: u64,
    /// Rows whose second embedding is null.
    pub null_x2: u64,
    /// Rows whose first embedding has another length than the bundle's.
    pub wrong_length_x1: u64,
    /// Rows whose second embedding has another length than the bundle's.
    pub wrong_length_x2: u64,
    /// Rows whose first embedding holds NaN, an infinity or a null element.
    pub non_finite_x1: u64,
    /// Rows whose second embedding holds NaN, an infinity or a null element.
    pub non_finite_x2: u64,
    /// Rows for which the models gave NaN or an infinity.
    pub non_finite_result: u64,
}

impl FateCounts {
    /// Counts one row.
    pub fn add(&mut self, fate: Fate) {
        *self.slot(fate) += 1;
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.good += other.good;
        for (fate, rows) in other.bad_by_reason() {
            *self.slot(fate) += rows;
        }
    }

    /// Rows that could not be computed.
    pub fn bad(&self) -> u64 {
        self.bad_by_reason().iter().map(|(_, rows)| rows).sum()
    }

    /// The reasons of bad rows with their numbers, as in "3 null label, 2 null x1".
    pub fn reasons(&self) -> String {
        let reasons = self.bad_by_reason();
        let reasons = reasons.iter().filter(|(_, rows)| *rows > 0);
        reasons.map(|(fate, rows)| format!("{rows} {fate}")).collect::<Vec<_>>().join(", ")
    }

    /// All rows counted.
    pub fn rows(&self) -> u64 {
        self.good + self.bad()
    }

    /// Every reason with its number of rows, zeros included.
    pub fn bad_by_reason(&self) -> [(Fate, u64); 9] {
        use Modality::{First, Second};
        [
            (Fate::NullLabel, self.null_label),
            (Fate::UnknownLabel, self.unknown_label),
            (Fate::NullEmbedding(First), self.null_x1),
            (Fate::NullEmbedding(Second), self.null_x2),
            (Fate::WrongLength(First), self.wrong_length_x1),
            (Fate::WrongLength(Second), self.wrong_length_x2),
            (Fate::NonFinite(First), self.non_finite_x1),
            (Fate::NonFinite(Second), self.non_finite_x2),
            (Fate::NonFiniteResult, self.non_finite_result),
        ]
    }

    fn slot(&mut self, fate: Fate) -> &mut u64 {
        match fate {
            Fate::Good => &mut self.good,
            Fate::NullLabel => &mut self.null_label,
            Fate::UnknownLabel => &mut self.unknown_label,
            Fate::NullEmbedding(Modality::First) => &mut self.null_x1,
            Fate::NullEmbedding(Modality::Second) => &mut self.null_x2,
            Fate::WrongLength(Modality::First) => &mut self.wrong_length_x1,
            Fate::WrongLength(Modality::Second) => &mut self.wrong_length_x2,
            Fate::NonFinite(Modality::First) => &mut self.non_finite_x1,
            Fate::NonFinite(Modality::Second) => &mut self.non_finite_x2,
            Fate::NonFiniteResult => &mut self.non_finite_result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_kept_under_the_fates_names() {
        let mut counts = FateCounts::default();
        counts.add(Fate::Good);
        for (rank, (fate, _)) in FateCounts::default().bad_by_reason().into_iter().enumerate() {
            (0..=rank).for_each(|_| counts.add(fate));
        }
        let mut twice = counts.clone();
        twice.merge(&counts);
        assert_eq!((twice.good, twice.bad(), twice.rows()), (2, 90, 92));
        let json = serde_json::to_value(&counts).unwrap();
        for (fate, rows) in counts.bad_by_reason() {
            assert_eq!(json[fate.name()], rows, "{fate}");
        }
    }
}
