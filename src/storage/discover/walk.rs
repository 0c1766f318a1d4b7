//! A walk over the folders below one. Symbolic links are followed, but a file or folder is visited
//! once, however many links lead to it: a link to a folder above neither multiplies files nor makes an
//! endless walk. Of several paths to one the walk takes that without links, else the first.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::storage::file_version::FileId;
use crate::storage::local::is_dangling_link;
use crate::storage::near_names::no_input;
use crate::storage::regular_file::require_regular;

use super::found_file::{Candidate, FoundFile, begins_like_parquet};

/// What a walk takes, by paths below the folder.
pub(super) trait Selection {
    /// Judges a path as that of a file.
    fn judge(&self, relative: &Path) -> Candidate;

    /// Whether a folder may hold a file that is taken.
    fn may_hold(&self, relative: &Path) -> bool;
}

/// What a walk comes by.
pub(super) struct Below {
    /// The files that are taken, in the order of the walk.
    pub(super) files: Vec<FoundFile>,
    /// The folders that are searched, the first among them.
    pub(super) folders: Vec<PathBuf>,
}

/// The files below a folder that a selection takes, and the folders that are searched for them.
///
/// # Errors
/// [`Error::NoInput`](crate::Error::NoInput) of a folder that is not readable, and of a pipe, socket
/// or device with the name of a data file.
pub(super) fn files_below(folder: &Path, selection: &impl Selection) -> Result<Below> {
    let found = Below { files: Vec::new(), folders: Vec::new() };
    let mut walk = Walk { root: folder, selection, visited: HashSet::new(), links: BTreeSet::new(), found };
    let metadata = std::fs::metadata(folder).map_err(|source| no_input(folder, source))?;
    walk.visited.insert(FileId::of(folder, &metadata));
    walk.folder(Path::new(""))?;
    // Links in a folder behind a link come after all those before it.
    while let Some(relative) = walk.links.pop_first() {
        walk.target(&relative)?;
    }
    Ok(walk.found)
}

struct Walk<'a, S> {
    root: &'a Path,
    selection: &'a S,
    visited: HashSet<FileId>,
    /// Links that are not followed yet.
    links: BTreeSet<PathBuf>,
    found: Below,
}

impl<S: Selection> Walk<'_, S> {
    /// Visits the entries of a folder in the order of their names.
    fn folder(&mut self, relative: &Path) -> Result<()> {
        let folder =
            if relative.as_os_str().is_empty() { self.root.to_owned() } else { self.root.join(relative) };
        let failed = |source| no_input(&folder, source);
        let entries = std::fs::read_dir(&folder).map_err(failed)?;
        let names = entries.map(|entry| {
            let entry = entry?;
            Ok((entry.file_name(), entry.file_type()?.is_symlink()))
        });
        let mut names: Vec<(OsString, bool)> = names.collect::<io::Result<_>>().map_err(failed)?;
        self.found.folders.push(folder);
        names.sort();
        for (name, is_link) in names {
            let relative = relative.join(name);
            if self.selection.judge(&relative) == Candidate::No && !self.selection.may_hold(&relative) {
                continue;
            }
            match is_link {
                true => _ = self.links.insert(relative),
                false => self.target(&relative)?,
            }
        }
        Ok(())
    }

    /// Visits what a path leads to.
    fn target(&mut self, relative: &Path) -> Result<()> {
        let path = self.root.join(relative);
        let file = self.selection.judge(relative);
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            // A dangling link that does not name a data file is ignored.
            Err(_) if file != Candidate::Data => return Ok(()),
            Err(_) if is_dangling_link(&path) => {
                // It is found, so that its reader names it as a bad file and the others are read.
                self.found.files.push(FoundFile {
                    path,
                    relative: relative.to_owned(),
                    bytes: 0,
                    object: None,
                });
                return Ok(());
            }
            Err(source) => return Err(no_input(&path, source)),
        };
        if metadata.is_dir() {
            let is_taken =
                self.selection.may_hold(relative) && self.visited.insert(FileId::of(&path, &metadata));
            return if is_taken { self.folder(relative) } else { Ok(()) };
        }
        if !is_data(&path, file, &metadata)? {
            return Ok(());
        }
        if !self.visited.insert(FileId::of(&path, &metadata)) {
            tracing::warn!("{}: another path leads to the same file, which is read once", path.display());
            return Ok(());
        }
        let bytes = metadata.len();
        self.found.files.push(FoundFile { path, relative: relative.to_owned(), bytes, object: None });
        Ok(())
    }
}

fn is_data(path: &Path, name: Candidate, metadata: &Metadata) -> Result<bool> {
    match name {
        Candidate::Data => require_regular(metadata).map(|()| true).map_err(|source| no_input(path, source)),
        Candidate::Perhaps if metadata.is_file() => {
            begins_like_parquet(path).map_err(|source| no_input(path, source))
        }
        _ => Ok(false),
    }
}
