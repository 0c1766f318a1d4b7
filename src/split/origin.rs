//! What a part is of, as its footer keeps it: the inputs and how they were divided. Parts are published one after
//! the other; by their origin a run knows those of one that ended in between, and completes them.

use std::path::Path;

use parquet::file::metadata::KeyValue;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::parquet_file::Input;
use crate::provenance::SPLIT;

use super::options::SplitOptions;

/// The inputs and options of a split. The same origin gives the same parts.
#[derive(Serialize)]
struct Origin<'a> {
    test: f64,
    validation: f64,
    by: Option<&'a str>,
    group: Option<&'a str>,
    seed: u64,
    /// SHA-256 of the sizes and footers of the inputs, in their order.
    inputs_sha256: String,
}

/// A digest of the inputs.
#[derive(Default)]
pub(super) struct InputsDigest(Sha256);

impl InputsDigest {
    /// Adds an input.
    ///
    /// # Errors
    /// Of reading its footer.
    pub(super) fn add(&mut self, input: &Input) -> Result<()> {
        self.0.update(input.file().bytes().to_le_bytes());
        self.0.update(Sha256::digest(input.footer()?));
        Ok(())
    }

    /// The key-value of the parts.
    ///
    /// # Errors
    /// [`Error::Internal`] where the options are no JSON.
    pub(super) fn origin(self, options: &SplitOptions) -> Result<KeyValue> {
        let origin = Origin {
            test: options.test,
            validation: options.validation,
            by: options.by.as_deref(),
            group: options.group.as_deref(),
            seed: options.seed,
            inputs_sha256: format!("{:x}", self.0.finalize()),
        };
        let json = serde_json::to_string(&origin).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(KeyValue::new(SPLIT.to_owned(), json))
    }
}

/// Whether an existing file is a part of this origin.
pub(super) fn is_of(path: &Path, origin: &KeyValue, options: &SplitOptions) -> bool {
    // What cannot be read is no part.
    let Ok(input) = options.open(path) else { return false };
    let pairs = input.metadata().file_metadata().key_value_metadata();
    pairs.is_some_and(|pairs| pairs.contains(origin))
}
