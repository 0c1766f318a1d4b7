//! The treatment of a row without the embedding of a modality.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The treatment of a row whose embedding of some modality is null, and not of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnMissingModality {
    /// It is a bad row: its columns are null
    #[default]
    Null,
    /// It gets the values of the modalities that it has; columns that are not of these are null
    Reduce,
}

impl OnMissingModality {
    /// Its name on the command line and in footers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Reduce => "reduce",
        }
    }
}
