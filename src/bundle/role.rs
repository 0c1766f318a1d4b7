//! The five roles of models in a bundle.

use std::fmt;

/// One of the five models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// −ln p(x1).
    Density1,
    /// −ln p(x2).
    Density2,
    /// ln p(y|x1).
    Classifier1,
    /// ln p(y|x2).
    Classifier2,
    /// ln p(y|x1, x2).
    Classifier12,
}

impl Role {
    /// All roles, in the order of a bundle's files and of an evaluation's outputs.
    pub const ALL: [Self; 5] =
        [Self::Density1, Self::Density2, Self::Classifier1, Self::Classifier2, Self::Classifier12];

    /// The model's name, and the stem of its file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Density1 => "density_1",
            Self::Density2 => "density_2",
            Self::Classifier1 => "classifier_1",
            Self::Classifier2 => "classifier_2",
            Self::Classifier12 => "classifier_12",
        }
    }

    /// Indices of the modalities that it reads.
    pub fn modalities(self) -> &'static [usize] {
        match self {
            Self::Density1 | Self::Classifier1 => &[0],
            Self::Density2 | Self::Classifier2 => &[1],
            Self::Classifier12 => &[0, 1],
        }
    }

    /// The model's file in a bundle: a main model's, or that of a fold.
    pub fn file_name(self, fold: Option<usize>) -> String {
        match fold {
            None => format!("{self}.onnx"),
            Some(fold) => format!("fold_{fold}.{self}.onnx"),
        }
    }

    /// Whether it is a density; else it is a classifier.
    pub fn is_density(self) -> bool {
        matches!(self, Self::Density1 | Self::Density2)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
