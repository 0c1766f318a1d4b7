//! The kinds of a classifier's output, as exported.

use std::fmt;

use super::manifest::ClassifierOutput;

/// What the output of an exported classifier holds for each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// ln p(y|x), normalised.
    LogProb,
    /// p(y|x), which sum to one. A bundle holds such a model with its logarithm taken.
    Prob,
    /// Anything whose log-softmax is ln p(y|x).
    Logits,
}

impl OutputKind {
    /// The value of `bundle pack --output`.
    pub fn name(self) -> &'static str {
        match self {
            Self::LogProb => "log-prob",
            Self::Prob => "prob",
            Self::Logits => "logits",
        }
    }

    /// The kind in the manifest of a bundle, once the logarithm of probabilities is taken.
    pub(super) fn packed(self) -> ClassifierOutput {
        match self {
            Self::LogProb | Self::Prob => ClassifierOutput::LogProb,
            Self::Logits => ClassifierOutput::Logits,
        }
    }
}

impl From<ClassifierOutput> for OutputKind {
    fn from(output: ClassifierOutput) -> Self {
        match output {
            ClassifierOutput::LogProb => Self::LogProb,
            ClassifierOutput::Logits => Self::Logits,
        }
    }
}

impl fmt::Display for OutputKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LogProb => "log-probabilities",
            Self::Prob => "probabilities",
            Self::Logits => "logits",
        })
    }
}
