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
#[derive(Debug)]
pub(super) struct Prefix {
    base: PathBuf,
    pattern: Option<Pattern>,
}

impl Search {
    /// Requests the size of the object, unless the URL has wildcards or ends in `/`.
    pub(super) fn new(url: &Path) -> Result<Self> {
        let text = url.to_string_lossy();
        if let Some(sign) = text.find(['*', '?', '[']) {
            let base_end = text.get(..sign).and_then(|fixed| fixed.rfind('/')).unwrap_or(sign);
            let (base, pattern) = text.split_at_checked(base_end).unwrap_or((&text, ""));
            let pattern = Pattern::new(pattern.trim_start_matches('/'))
                .map_err(|error| Error::Usage(format!("{text}: not a glob: {}", error.msg)))?;
            return Ok(Self::Prefix(Prefix { base: base.into(), pattern: Some(pattern) }));
        }
        let folder = Prefix { base: text.trim_end_matches('/').into(), pattern: None };
        let location = Location::open(url)?;
        if text.ends_with('/') || location.path.as_ref().is_empty() {
            return Ok(Self::Prefix(folder));
        }
        match location.head()? {
            Ok(meta) => Ok(Self::File(meta)),
            Err(StoreError::NotFound { .. }) => Ok(Self::Prefix(folder)),
            Err(error) => Err(location.read_error(error)),
        }
    }
}

impl Prefix {
    /// Lists the data files.
    pub(super) fn list(&self, names: DataNames) -> Result<Vec<FoundFile>> {
        let base = Location::open(&self.base)?;
        let mut found = Vec::new();
        for (relative, meta) in base.list()? {
            let relative = PathBuf::from(relative);
            let is_data = match self.judge(&relative, names) {
                Candidate::Data => true,
                Candidate::Perhaps => base.head_bytes(&meta, PARQUET_MAGIC.len())? == PARQUET_MAGIC,
                Candidate::No => false,
            };
            if is_data {
                let path = join_path(&self.base, &relative);
                found.push(FoundFile { path, relative, bytes: meta.size, object: Some(meta) });
            }
        }
        Ok(found)
    }

    /// Whether a URL would be found, if it existed.
    pub(super) fn matches(&self, url: &Path, names: DataNames) -> bool {
        url.strip_prefix(&self.base).is_ok_and(|relative| self.judge(relative, names) != Candidate::No)
    }

    fn judge(&self, relative: &Path, names: DataNames) -> Candidate {
        let matches = |pattern: &Pattern| pattern.matches_path_with(relative, SHELL_RULES);
        match self.pattern.as_ref().is_none_or(matches) {
            true => names.judge(relative),
            false => Candidate::No,
        }
    }
}
