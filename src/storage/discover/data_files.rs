//! A search for data files: what a path, glob or URL names.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use object_store::ObjectMeta;

use crate::error::{Error, Result};
use crate::printable::{counted, quoted_table, shown};
use crate::storage::near_names::no_input;
use crate::storage::object_store::is_url;
use crate::storage::path_identity::resolve;
use crate::storage::regular_file::require_regular;

use super::found_file::{DataNames, FoundFile};
use super::local::{self, Glob};
use super::remote::{Prefix, Search};

/// The data files that a path names, ordered by their relative paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFiles {
    /// The path as given.
    pub input: PathBuf,
    /// The files.
    pub files: Vec<FoundFile>,
    /// Of a local folder, that folder and those below it that were searched.
    pub folders: Vec<PathBuf>,
    source: Source,
    names: DataNames,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    File,
    Folder(PathBuf),
    Glob(Glob),
    Prefix(Prefix),
}

impl DataFiles {
    /// Finds the files that `input` names: a file, whatever its name; a folder, with all data files
    /// below it; or, where no such file exists, a glob in which `**` matches any number of folders.
    /// Folders and globs skip hidden names (see [`DataNames`]). The path may be the URL of an
    /// object store. An empty result is no error: see [`Self::require_any`].
    ///
    /// # Errors
    /// [`Error::NoInput`] if `input` does not exist, is a pipe, socket or
    /// device, or a folder is not readable; [`Error::Usage`] if it is not a valid glob; for URLs also
    /// [`Error::Transient`] and [`Error::Config`].
    pub fn find(input: &Path, names: DataNames) -> Result<Self> {
        let mut folders = Vec::new();
        let (source, mut files) = if is_url(input) {
            match Search::new(input)? {
                Search::File(meta) => (Source::File, vec![Self::one(input, meta.size, Some(meta))]),
                Search::Prefix(prefix) => {
                    let files = prefix.list(names)?;
                    (Source::Prefix(prefix), files)
                }
            }
        } else {
            match std::fs::metadata(input) {
                Ok(metadata) if metadata.is_dir() => {
                    let found = local::folder(input, names)?;
                    folders = found.folders;
                    (Source::Folder(resolve(input)), found.files)
                }
                Ok(metadata) => {
                    require_regular(&metadata).map_err(|source| no_input(input, source))?;
                    (Source::File, vec![Self::one(input, metadata.len(), None)])
                }
                Err(_) if local::has_wildcard(input.as_os_str()) => {
                    let glob = Glob::new(input)?;
                    let files = glob.files(names)?;
                    (Source::Glob(glob), files)
                }
                Err(source) => return Err(no_input(input, source)),
            }
        };
        files.sort_by(|a, b| a.relative.cmp(&b.relative));
        Ok(Self { input: input.to_owned(), files, folders, source, names })
    }

    fn one(path: &Path, bytes: u64, object: Option<ObjectMeta>) -> FoundFile {
        FoundFile { path: path.to_owned(), relative: PathBuf::new(), bytes, object }
    }

    /// Fails if there are no files.
    ///
    /// # Errors
    /// [`Error::NoInput`].
    pub fn require_any(self) -> Result<Self> {
        if self.files.is_empty() { Err(nothing_found(&self.input)) } else { Ok(self) }
    }

    /// Whether the input is one file, and not a folder or glob.
    pub fn is_file(&self) -> bool {
        matches!(self.source, Source::File)
    }

    /// Checks that an output would not be found among the inputs.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn check_outside(&self, output: &Path) -> Result<()> {
        match self.would_find(output) {
            true => Err(Error::Usage(format!(
                "{} would be written among the inputs, and the next run would take it for one; write elsewhere",
                output.display()
            ))),
            false => Ok(()),
        }
    }

    /// Whether a search would find a file of this path, if it existed.
    fn would_find(&self, path: &Path) -> bool {
        match &self.source {
            Source::File => false,
            Source::Folder(folder) => !is_url(path) && resolve(path).starts_with(folder),
            Source::Glob(glob) => !is_url(path) && glob.matches(path, self.names),
            Source::Prefix(prefix) => prefix.matches(path, self.names),
        }
    }
}

/// The error of a search without a result.
pub(super) fn nothing_found(input: &Path) -> Error {
    let what = match other_files(input) {
        _ if input.join(BUNDLE_MANIFEST).is_file() => {
            "is a bundle of models, not data; `lsmi-etl bundle inspect` shows it, and --bundle names it"
                .to_owned()
        }
        Some((ending, files)) => format!(
            "no *.parquet file is there, but {} named *.{ending}; write Parquet: lsmi-etl sql --output FILE.parquet \
             \"SELECT * FROM {}\"",
            counted(files, "file"),
            quoted_table(&shown(&input.join(format!("*.{ending}"))).to_string())
        ),
        None => "no *.parquet file is there; names that begin with . or _ do not count".to_owned(),
    };
    no_input(input, io::Error::new(io::ErrorKind::NotFound, what))
}

/// The file that makes a folder a bundle.
const BUNDLE_MANIFEST: &str = "bundle.json";

/// The most frequent ending in a folder of files that SQL reads, with their number.
fn other_files(folder: &Path) -> Option<(&'static str, usize)> {
    const ENDINGS: [&str; 6] = ["arrow", "feather", "csv", "tsv", "json", "jsonl"];
    let names: Vec<_> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.file_name()).collect();
    let is_of = |name: &OsString, ending| Path::new(name).extension().is_some_and(|found| found == ending);
    let number = |ending: &'static str| (ending, names.iter().filter(|name| is_of(name, ending)).count());
    ENDINGS.into_iter().map(number).max_by_key(|(_, files)| *files).filter(|(_, files)| *files > 0)
}
