//! Search in the local file system, below a folder or by a glob.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use crate::error::{Error, Result};
use crate::storage::path_identity::resolve;

use super::found_file::{Candidate, DataNames, FoundFile};
use super::walk::{Below, Selection, files_below};

/// Shell rules: `*` matches within one folder and skips hidden files.
pub(super) const SHELL_RULES: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// Whether a path, or a part of it, contains wildcards.
pub(super) fn has_wildcard(path: &OsStr) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

/// The data files below a folder, and the folders.
pub(super) fn folder(folder: &Path, names: DataNames) -> Result<Below> {
    files_below(folder, &names)
}

impl Selection for DataNames {
    fn judge(&self, relative: &Path) -> Candidate {
        DataNames::judge(*self, relative)
    }

    fn may_hold(&self, relative: &Path) -> bool {
        DataNames::judge(*self, &relative.join("part")) != Candidate::No
    }
}

/// A glob below a folder: the longest part of the path that exists, in which brackets and the like
/// are what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    base: PathBuf,
    /// The pattern of paths below the base.
    pattern: Pattern,
    /// The patterns of the folders on the way, as far as they are known: up to the first `**`.
    folders: Vec<Pattern>,
    /// Whether folders below those are searched, too.
    is_recursive: bool,
}

impl Glob {
    pub(super) fn new(path: &Path) -> Result<Self> {
        let path = path.strip_prefix(".").unwrap_or(path);
        let exists = |above: &&Path| above.as_os_str().is_empty() || above.exists();
        let base = path.ancestors().skip(1).find(exists).unwrap_or(Path::new(""));
        let pattern = path.strip_prefix(base).unwrap_or(path);
        let parts: Option<Vec<&str>> = pattern.iter().map(OsStr::to_str).collect();
        let parts = parts.ok_or_else(|| Error::Usage(format!("{}: a glob must be UTF-8", path.display())))?;
        let parse = |text: &str| {
            Pattern::new(text).map_err(|error| Error::Usage(format!("{text}: not a glob: {}", error.msg)))
        };
        let known = parts.iter().position(|part| *part == "**").unwrap_or(parts.len().saturating_sub(1));
        Ok(Self {
            base: base.to_owned(),
            pattern: parse(&parts.join("/"))?,
            folders: parts.iter().take(known).map(|part| parse(part)).collect::<Result<_>>()?,
            is_recursive: parts.contains(&"**"),
        })
    }

    /// The data files that match.
    ///
    /// # Errors
    /// As for [`files_below`].
    pub(super) fn files(&self, names: DataNames) -> Result<Vec<FoundFile>> {
        let base = if self.base.as_os_str().is_empty() { Path::new(".") } else { &self.base };
        if !base.is_dir() {
            return Ok(Vec::new());
        }
        let mut found = files_below(base, &Matches { glob: self, names })?.files;
        // The paths are as they would be typed: without "./".
        found.iter_mut().for_each(|file| file.path = self.base.join(&file.relative));
        Ok(found)
    }

    /// Whether a path would be found, if it existed.
    pub(super) fn matches(&self, path: &Path, names: DataNames) -> bool {
        let base = if self.base.as_os_str().is_empty() { Path::new(".") } else { &self.base };
        let base = resolve(base);
        let Ok(relative) = resolve(path).strip_prefix(&base).map(Path::to_owned) else { return false };
        Matches { glob: self, names }.judge(&relative) != Candidate::No
    }
}

/// The data files that match a glob.
struct Matches<'a> {
    glob: &'a Glob,
    names: DataNames,
}

impl Selection for Matches<'_> {
    fn judge(&self, relative: &Path) -> Candidate {
        match self.glob.pattern.matches_path_with(relative, SHELL_RULES) {
            true => self.names.judge(relative),
            false => Candidate::No,
        }
    }

    fn may_hold(&self, relative: &Path) -> bool {
        let Glob { folders, is_recursive, .. } = self.glob;
        let mut known = folders.iter().zip(relative.iter());
        let fits = |pattern: &Pattern, name: &OsStr| pattern.matches_path_with(Path::new(name), SHELL_RULES);
        self.names.may_hold(relative)
            && (*is_recursive || relative.iter().count() <= folders.len())
            && known.all(|(pattern, name)| fits(pattern, name))
    }
}
