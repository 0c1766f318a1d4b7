//! The parts of a split, and the names of their files.

use std::path::{Path, PathBuf};

use crate::storage::join_path;

/// A part of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// What models are fitted on.
    Train,
    /// What they are tried on.
    Test,
    /// What is chosen by.
    Validation,
}

impl Part {
    /// All parts.
    pub const ALL: [Self; 3] = [Self::Train, Self::Test, Self::Validation];

    /// The name of the part and of its file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
            Self::Validation => "validation",
        }
    }

    /// The part's file in a folder.
    pub fn file(self, folder: &Path) -> PathBuf {
        join_path(folder, Path::new(&format!("{}.parquet", self.name())))
    }
}
