//! The fate of a row: computed, or left without values for a reason that is counted. A row
//! has one fate: the label is checked first, then x1, x2, and so on.

use std::fmt;

use crate::interaction::lattice::Lattice;

/// One of the embeddings of a sample, by its index from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Modality(pub u8);

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

/// The names of the fates of each embedding.
const NULL: [&str; Lattice::MODALITIES] = ["null_x1", "null_x2", "null_x3", "null_x4"];
const WRONG_LENGTH: [&str; Lattice::MODALITIES] =
    ["wrong_length_x1", "wrong_length_x2", "wrong_length_x3", "wrong_length_x4"];
const NON_FINITE: [&str; Lattice::MODALITIES] =
    ["non_finite_x1", "non_finite_x2", "non_finite_x3", "non_finite_x4"];

impl Modality {
    fn name(self, names: &'static [&'static str; Lattice::MODALITIES]) -> &'static str {
        names.get(usize::from(self.0)).copied().unwrap_or("invalid")
    }
}

impl Fate {
    /// The name of this fate in the summary and the rejects file. These names are a contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::NullLabel => "null_label",
            Self::UnknownLabel => "unknown_label",
            Self::NullEmbedding(modality) => modality.name(&NULL),
            Self::WrongLength(modality) => modality.name(&WRONG_LENGTH),
            Self::NonFinite(modality) => modality.name(&NON_FINITE),
            Self::NonFiniteResult => "non_finite_result",
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
