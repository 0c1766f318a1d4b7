//! Search in object stores, by listing a prefix.

use std::path::{Path, PathBuf};

use glob::Pattern;
use object_store::Error as StoreError;

use crate::error::{Error, Result};
use crate::storage::object_store::{Location, join_path};

use super::found_file::{FoundFile, is_data_file};
use super::local::SHELL_RULES;

/// The meaning of an input URL.
pub(super) enum Search {
    /// One object of this size.
    File(u64),
    /// The objects below a prefix, or those that match a glob.
    Prefix(Prefix),
}

/// A prefix to list, and the glob that paths below it must match.
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
            Ok(meta) => Ok(Self::File(meta.size)),
            Err(StoreError::NotFound { .. }) => Ok(Self::Prefix(folder)),
            Err(error) => Err(location.read_error(error)),
        }
    }
}

impl Prefix {
    /// Lists the data files.
    pub(super) fn list(&self) -> Result<Vec<FoundFile>> {
        let objects = Location::open(&self.base)?.list()?;
        let objects = objects.into_iter().map(|(relative, meta)| (PathBuf::from(relative), meta.size));
        Ok(objects
            .filter(|(relative, _)| self.accepts(relative))
            .map(|(relative, bytes)| FoundFile { path: join_path(&self.base, &relative), relative, bytes })
            .collect())
    }

    /// Whether a URL would be found, if it existed.
    pub(super) fn matches(&self, url: &Path) -> bool {
        url.strip_prefix(&self.base).is_ok_and(|relative| self.accepts(relative))
    }

    fn accepts(&self, relative: &Path) -> bool {
        let matches = |pattern: &Pattern| pattern.matches_path_with(relative, SHELL_RULES);
        is_data_file(relative) && self.pattern.as_ref().is_none_or(matches)
    }
}
