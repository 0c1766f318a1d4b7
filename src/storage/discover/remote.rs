//! Search in object stores, by listing a prefix.

use std::path::{Path, PathBuf};

use glob::Pattern;
use object_store::Error as StoreError;

use crate::error::{Error, Result};
use crate::storage::object_store::{ListedObject, Location, join_path};

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
                Ok(meta) => return Ok(Self::File(meta.size)),
                Err(StoreError::NotFound { .. }) => {}
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
    pub(super) fn list(&self) -> Result<Vec<FoundFile>> {
        let found = |object: ListedObject| FoundFile {
            bytes: object.bytes(),
            path: object.url,
            relative: object.relative.into(),
        };
        let objects = Location::open(&self.base)?.list()?.into_iter().map(found);
        Ok(objects.filter(|file| self.accepts(&file.relative)).collect())
    }

    /// Whether a URL would be found, if it existed.
    pub(super) fn matches(&self, url: &Path) -> bool {
        // Of paths, strip_prefix would take `//` for `/`.
        let base = join_path(&self.base, Path::new(""));
        let below = url.to_str().zip(base.to_str()).and_then(|(url, base)| url.strip_prefix(base));
        below.is_some_and(|relative| self.accepts(Path::new(relative)))
    }

    fn accepts(&self, relative: &Path) -> bool {
        let matches = |pattern: &Pattern| pattern.matches_path_with(relative, SHELL_RULES);
        is_data_file(relative) && self.pattern.as_ref().is_none_or(matches)
    }
}
