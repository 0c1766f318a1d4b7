//! The classes of the label, in the order of the classifiers' outputs.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One value of the label. A bundle's classes are all of one variant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Class {
    /// A boolean column.
    Boolean(bool),
    /// Any integer column that fits 64 signed bits.
    Integer(i64),
    /// Any string column.
    String(String),
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::String(value) => write!(f, "{value}"),
        }
    }
}
