//! The options of a split.

use std::path::Path;

use crate::error::Result;
use crate::parquet_file::{EncryptionKeys, Input};

use super::part::Part;

/// Options of [`split`](super::split()).
#[derive(Debug, Clone, Default)]
pub struct SplitOptions {
    /// Share of the rows of the test part, between 0 and 1.
    pub test: f64,
    /// Share of the validation part; there is none where it is 0.
    pub validation: f64,
    /// Column of whose every value each part gets its share.
    pub by: Option<String>,
    /// Column whose equal values stay in one part.
    pub group: Option<String>,
    /// Seed of the choice.
    pub seed: u64,
    /// Decryption keys of encrypted files.
    pub keys: Option<EncryptionKeys>,
    /// Whether pages are not compared with their checksums.
    pub no_page_checksums: bool,
    /// Whether existing parts are replaced.
    pub overwrite: bool,
}

impl SplitOptions {
    /// The parts that there are.
    pub fn parts(&self) -> impl Iterator<Item = Part> + use<> {
        let has_validation = self.validation > 0.0;
        Part::ALL.into_iter().filter(move |part| *part != Part::Validation || has_validation)
    }

    /// The share of each part.
    pub(super) fn shares(&self) -> [f64; 3] {
        [1.0 - self.test - self.validation, self.test, self.validation]
    }

    pub(super) fn open(&self, file: &Path) -> Result<Input> {
        let input = Input::open_with(file, self.keys.as_ref())?.ignoring_checksums(self.no_page_checksums);
        input.check_keys()?;
        Ok(input)
    }
}
