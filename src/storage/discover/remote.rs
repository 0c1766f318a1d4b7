//! Prefix found in object stores, by listing what begins with a prefix.

use std::path::{Path, PathBuf};

use glob::Pattern;
use object_store::Error as StoreError;

use crate::error::{Error, Result};
use crate::storage::object_store::{Location, below};

use super::found::{Found, is_data};
use super::local::AS_A_SHELL;

/// What a URL means.
pub(super) enum Search {
    /// One object of this size.
    File(u64),
    /// The objects below a folder, or those that match a glob.
    Prefix(Prefix),
}

/// The folder to search, and what must match below it.
pub(super) struct Prefix {
    base: PathBuf,
    pattern: Option<Pattern>,
}

impl Search {
    /// Asks the store where the URL leaves it open. One that ends in `/` is a folder.
    pub(super) fn new(url: &Path) -> Result<Self> {
        let text = url.to_string_lossy();
        if let Some(sign) = text.find(['*', '?', '[']) {
            let cut = text.get(..sign).and_then(|fixed| fixed.rfind('/')).unwrap_or(sign);
            let (base, pattern) = text.split_at_checked(cut).unwrap_or((&text, ""));
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
            Err(error) => Err(location.reading(error)),
        }
    }
}

impl Prefix {
    /// The data files.
    pub(super) fn list(&self) -> Result<Vec<Found>> {
        let objects = Location::open(&self.base)?.list()?;
        let objects = objects.into_iter().map(|(relative, meta)| (PathBuf::from(relative), meta.size));
        Ok(objects
            .filter(|(relative, _)| self.takes(relative))
            .map(|(relative, bytes)| Found { path: below(&self.base, &relative), relative, bytes })
            .collect())
    }

    /// Whether a URL, which need not exist, would be found.
    pub(super) fn matches(&self, url: &Path) -> bool {
        url.strip_prefix(&self.base).is_ok_and(|relative| self.takes(relative))
    }

    fn takes(&self, relative: &Path) -> bool {
        let matches = |pattern: &Pattern| pattern.matches_path_with(relative, AS_A_SHELL);
        is_data(relative) && self.pattern.as_ref().is_none_or(matches)
    }
}
