//! Search in the local file system, below a folder or by a glob.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use crate::error::{Error, Result};
use crate::storage::local::is_dangling_link;

use super::found_file::{Candidate, DataNames, FoundFile, begins_like_parquet, no_input};

/// Shell rules: `*` matches within one folder and skips hidden files.
pub(super) const SHELL_RULES: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// Whether a path, or a part of it, contains wildcards.
pub(super) fn has_wildcard(path: &OsStr) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

/// The data files below a folder. Symbolic links are followed except for cycles.
pub(super) fn folder(folder: &Path, names: DataNames) -> Result<Vec<FoundFile>> {
    let mut found = Vec::new();
    walk(folder, Path::new(""), names, &mut Vec::new(), &mut found)?;
    Ok(found)
}

fn walk(
    folder: &Path,
    relative: &Path,
    names: DataNames,
    above: &mut Vec<PathBuf>,
    found: &mut Vec<FoundFile>,
) -> Result<()> {
    let real = folder.canonicalize().map_err(|source| no_input(folder, source))?;
    if above.contains(&real) {
        return Ok(());
    }
    above.push(real);
    for entry in std::fs::read_dir(folder).map_err(|source| no_input(folder, source))? {
        let name = entry.map_err(|source| no_input(folder, source))?.file_name();
        let (path, relative) = (folder.join(&name), relative.join(&name));
        let file = names.judge(&relative);
        // A folder is searched if a file in it would be a data file.
        let may_be_folder = names.judge(&relative.join("part")) != Candidate::No;
        if file == Candidate::No && !may_be_folder {
            continue;
        }
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            // A dangling link that does not name a data file is ignored.
            Err(_) if file != Candidate::Data => continue,
            Err(_) if is_dangling_link(&path) => {
                found.push(dangling(path, relative));
                continue;
            }
            Err(source) => return Err(no_input(&path, source)),
        };
        if metadata.is_dir() {
            if may_be_folder {
                walk(&path, &relative, names, above, found)?;
            }
        } else if is_data(&path, file, &metadata)? {
            found.push(FoundFile { path, relative, bytes: metadata.len(), object: None });
        }
    }
    above.pop();
    Ok(())
}

/// A dangling link that names a data file. It is found, so that its reader names it as a bad file and
/// the others are read.
fn dangling(path: PathBuf, relative: PathBuf) -> FoundFile {
    FoundFile { path, relative, bytes: 0, object: None }
}

fn is_data(path: &Path, name: Candidate, metadata: &Metadata) -> Result<bool> {
    match name {
        Candidate::Data => Ok(metadata.is_file()),
        Candidate::Perhaps if metadata.is_file() => {
            begins_like_parquet(path).map_err(|source| no_input(path, source))
        }
        _ => Ok(false),
    }
}

/// A glob below a folder: the longest part of the path that exists, in which brackets and the like
/// are what they are.
#[derive(Debug)]
pub(super) struct Glob {
    base: PathBuf,
    /// The pattern of paths below the base.
    pattern: String,
}

impl Glob {
    pub(super) fn new(path: &Path) -> Result<Self> {
        // The glob crate returns paths without a leading "./".
        let path = path.strip_prefix(".").unwrap_or(path);
        let exists = |above: &&Path| above.as_os_str().is_empty() || above.exists();
        let base = path.ancestors().skip(1).find(exists).unwrap_or(Path::new(""));
        let pattern = path.strip_prefix(base).unwrap_or(path).to_str().map(str::to_owned);
        let pattern =
            pattern.ok_or_else(|| Error::Usage(format!("{}: a glob must be UTF-8", path.display())))?;
        Ok(Self { base: base.to_owned(), pattern })
    }

    /// The data files that match.
    pub(super) fn files(&self, names: DataNames) -> Result<Vec<FoundFile>> {
        let base = self.base.to_str();
        let base = base.ok_or_else(|| Error::Usage(format!("{}: not UTF-8", self.base.display())))?;
        let path = Path::new(&Pattern::escape(base)).join(&self.pattern);
        let paths = glob::glob_with(&path.to_string_lossy(), SHELL_RULES)
            .map_err(|error| Error::Usage(format!("{}: not a glob: {}", self.pattern, error.msg)))?;
        let mut found = Vec::new();
        for path in paths {
            let path = path.map_err(|error| {
                let folder = error.path().to_path_buf();
                no_input(&folder, error.into())
            })?;
            let relative = path.strip_prefix(&self.base).unwrap_or(&path).to_owned();
            let name = names.judge(&relative);
            if name != Candidate::No {
                let metadata = match std::fs::metadata(&path) {
                    Ok(metadata) => metadata,
                    Err(_) if is_dangling_link(&path) => {
                        if name == Candidate::Data {
                            found.push(dangling(path, relative));
                        }
                        continue;
                    }
                    Err(source) => return Err(no_input(&path, source)),
                };
                if is_data(&path, name, &metadata)? {
                    found.push(FoundFile { path, relative, bytes: metadata.len(), object: None });
                }
            }
        }
        Ok(found)
    }

    /// Whether a path would be found, if it existed.
    pub(super) fn matches(&self, path: &Path, names: DataNames) -> bool {
        let base = if self.base.as_os_str().is_empty() { Path::new(".") } else { &self.base };
        let base = resolve(base);
        let Ok(relative) = resolve(path).strip_prefix(&base).map(Path::to_owned) else { return false };
        let pattern = Pattern::new(&self.pattern);
        names.judge(&relative) != Candidate::No
            && pattern.is_ok_and(|pattern| pattern.matches_path_with(&relative, SHELL_RULES))
    }
}

/// The absolute path, with symbolic links resolved in the part of it that exists.
pub(super) fn resolve(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let real = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    match real {
        Some((above, real)) => real.join(path.strip_prefix(above).unwrap_or(Path::new(""))),
        None => path,
    }
}
