//! Search in object stores, by listing a prefix.

use std::path::{Path, PathBuf};

use glob::Pattern;
use object_store::{Error as StoreError, ObjectMeta};

use crate::error::{Error, Result};
use crate::storage::object_store::{Location, join_path};

use super::found_file::{Candidate, DataNames, FoundFile, PARQUET_MAGIC};
use super::local::SHELL_RULES;

/// The meaning of an input URL.
pub(super) enum Search {
    /// One object.
    File(ObjectMeta),
    /// The objects below a prefix, or those that match a glob.
    Prefix(Prefix),
}

/// A prefix to list, and the glob that paths below it must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prefix {
    base: PathBuf,
    pattern: Option<Pattern>,
}

impl Search {
    /// Requests the size of the object, unless the URL ends in `/`. A URL with wildcards is a glob
    /// only where there is neither such an object nor one below it.
    pub(super) fn new(url: &Path) -> Result<Self> {
        let location = Location::open(url)?;
        let text = url.to_string_lossy();
        // The third slash ends the bucket.
        let bucket = text.match_indices('/').nth(2).map_or(text.len(), |(slash, _)| slash);
        let is_wildcard = |&(at, _): &(usize, &str)| at > bucket;
        let wildcard = text.match_indices(['*', '?', '[']).find(is_wildcard).map(|(at, _)| at);
        let can_be_file = !location.is_folder() && (wildcard.is_none() || location.object().is_ok());
        if can_be_file {
            match location.head()? {
                Ok(meta) => return Ok(Self::File(meta)),
                Err(StoreError::NotFound { .. }) if location.has_keys() => {}
                Err(error) => return Err(location.read_error(error)),
            }
        }
        let wildcard = match wildcard {
            Some(at) if !location.has_objects()? => at,
            _ => return Ok(Self::Prefix(Prefix { base: url.to_owned(), pattern: None })),
        };
        let base_end = text.get(..wildcard).and_then(|fixed| fixed.rfind('/')).map_or(0, |slash| slash + 1);
        let (base, pattern) = text.split_at_checked(base_end).unwrap_or((&text, ""));
        let pattern = Pattern::new(pattern)
            .map_err(|error| Error::Usage(format!("{text}: not a glob: {}", error.msg)))?;
        Ok(Self::Prefix(Prefix { base: base.into(), pattern: Some(pattern) }))
    }
}

impl Prefix {
    /// Lists the data files. Those whose keys can't be requested are among them.
    pub(super) fn list(&self, names: DataNames) -> Result<Vec<FoundFile>> {
        let base = Location::open(&self.base)?;
        let mut found = Vec::new();
        for object in base.list()? {
            let relative = PathBuf::from(&object.relative);
            let is_data = match (self.judge(&relative, names), &object.object) {
                (Candidate::Data, _) => true,
                (Candidate::Perhaps, Ok(meta)) => {
                    base.head_bytes(meta, PARQUET_MAGIC.len())? == PARQUET_MAGIC
                }
                _ => false,
            };
            if is_data {
                let bytes = object.bytes();
                found.push(FoundFile { path: object.url, relative, bytes, object: object.object.ok() });
            }
        }
        Ok(found)
    }

    /// Whether a URL would be found, if it existed.
    pub(super) fn matches(&self, url: &Path, names: DataNames) -> bool {
        // Of paths, strip_prefix would take `//` for `/`.
        let base = join_path(&self.base, Path::new(""));
        let below = url.to_str().zip(base.to_str()).and_then(|(url, base)| url.strip_prefix(base));
        below.is_some_and(|relative| self.judge(Path::new(relative), names) != Candidate::No)
    }

    fn judge(&self, relative: &Path, names: DataNames) -> Candidate {
        let matches = |pattern: &Pattern| pattern.matches_path_with(relative, SHELL_RULES);
        match self.pattern.as_ref().is_none_or(matches) {
            true => names.judge(relative),
            false => Candidate::No,
        }
    }
}
