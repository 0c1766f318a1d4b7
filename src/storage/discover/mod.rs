//! Discovery of input files and their outputs. A file is written to a file; a folder or glob
//! to a folder in which every file keeps its relative path, so that Hive partitions
//! (`key=value` folders) survive.

mod found_file;
mod local;
mod remote;
mod share;

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

use self::found_file::{FoundFile, no_input};
use self::remote::Search;
use super::object_store::{is_url, join_path};

pub use share::Share;

/// An input file and its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePair {
    /// The file to read.
    pub input: PathBuf,
    /// The file to write.
    pub output: PathBuf,
    /// The path of both relative to the input and output folders; empty if the input is one
    /// file.
    pub relative: PathBuf,
    /// Size of the input.
    pub bytes: u64,
}

/// The files of a run, ordered by their paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    input: PathBuf,
    output: PathBuf,
    pairs: Vec<FilePair>,
    is_file: bool,
}

impl Files {
    /// Finds the files that `input` names: a file; a folder, with all Parquet files
    /// (`*.parquet`) below it; or a glob, in which `**` matches any number of folders.
    /// Folders and globs skip names that begin with `.` or `_`, as other tools do, except
    /// for folders such as `_key=value`. Both paths may be URLs of an object store. An empty
    /// result is no error: see [`Self::require_any`].
    ///
    /// # Errors
    /// [`Error::NoInput`] if `input` does not exist or a folder is not readable;
    /// [`Error::Usage`] if `input` is not a valid glob, or files of a folder or glob would
    /// be written to a file, among the inputs, or to the same output; for URLs also
    /// [`Error::Transient`] and [`Error::Config`].
    pub fn discover(input: &Path, output: &Path) -> Result<Self> {
        if is_url(input) {
            return Self::remote(input, output);
        }
        match std::fs::metadata(input) {
            Ok(metadata) if metadata.is_dir() => Self::folder(input, output),
            Ok(metadata) => Ok(Self::file(input, output, metadata.len())),
            Err(_) if local::has_wildcard(input.as_os_str()) => Self::glob(input, output),
            Err(source) => Err(no_input(input, source)),
        }
    }

    fn file(input: &Path, output: &Path, bytes: u64) -> Self {
        let pair = FilePair { input: input.into(), output: output.into(), relative: PathBuf::new(), bytes };
        Self { input: input.into(), output: output.into(), pairs: vec![pair], is_file: true }
    }

    fn remote(input: &Path, output: &Path) -> Result<Self> {
        let prefix = match Search::new(input)? {
            Search::File(bytes) => return Ok(Self::file(input, output, bytes)),
            Search::Prefix(prefix) => prefix,
        };
        Self::pair(input, output, prefix.list()?, |output| prefix.matches(output))
    }

    fn folder(input: &Path, output: &Path) -> Result<Self> {
        let folder = local::resolve(input);
        Self::pair(input, output, local::folder(input)?, |output| {
            !is_url(output) && local::resolve(output).starts_with(&folder)
        })
    }

    fn glob(input: &Path, output: &Path) -> Result<Self> {
        let glob = local::Glob::new(input)?;
        Self::pair(input, output, glob.files()?, |output| !is_url(output) && glob.matches(output))
    }

    fn pair(
        input: &Path,
        output: &Path,
        mut found: Vec<FoundFile>,
        is_among_inputs: impl Fn(&Path) -> bool,
    ) -> Result<Self> {
        if std::fs::metadata(output).is_ok_and(|there| !there.is_dir()) {
            return Err(Error::Usage(format!(
                "{} is {} files and {} is a file; name a folder to write to",
                input.display(),
                found.len(),
                output.display()
            )));
        }
        found.sort_by(|a, b| a.relative.cmp(&b.relative));
        if let Some((a, b)) = found.iter().zip(found.iter().skip(1)).find(|(a, b)| a.relative == b.relative) {
            return Err(Error::Usage(format!(
                "{} and {} would both become {}; annotate them one after the other",
                a.path.display(),
                b.path.display(),
                join_path(output, &a.relative).display()
            )));
        }
        let pair = |file: FoundFile| FilePair {
            output: join_path(output, &file.relative),
            input: file.path,
            relative: file.relative,
            bytes: file.bytes,
        };
        let pairs: Vec<FilePair> = found.into_iter().map(pair).collect();
        if let Some(pair) = pairs.iter().find(|pair| is_among_inputs(&pair.output)) {
            return Err(Error::Usage(format!(
                "{} would be written among the inputs, and the next run would take it for one; write elsewhere",
                pair.output.display()
            )));
        }
        Ok(Self { input: input.into(), output: output.into(), pairs, is_file: false })
    }

    /// Fails if there are no files.
    ///
    /// # Errors
    /// [`Error::NoInput`].
    pub fn require_any(self) -> Result<Self> {
        if self.pairs.is_empty() {
            let what = "no *.parquet file is there; names that begin with . or _ do not count";
            return Err(no_input(&self.input, io::Error::new(io::ErrorKind::NotFound, what)));
        }
        Ok(self)
    }

    /// The files of one share, balanced by bytes. The shares 1/N to N/N hold every file once;
    /// with few files a share may be empty.
    #[must_use]
    pub fn share(self, share: Share) -> Self {
        let sizes: Vec<u64> = self.pairs.iter().map(|pair| pair.bytes).collect();
        let mine = share.select(&sizes);
        let pairs = self.pairs.into_iter().zip(mine).filter_map(|(pair, mine)| mine.then_some(pair));
        Self { pairs: pairs.collect(), ..self }
    }

    /// The files.
    pub fn pairs(&self) -> &[FilePair] {
        &self.pairs
    }

    /// Size of all inputs.
    pub fn bytes(&self) -> u64 {
        self.pairs.iter().map(|pair| pair.bytes).sum()
    }

    /// Whether the input was given as one file, so that the output is a file, too.
    pub fn is_file(&self) -> bool {
        self.is_file
    }

    /// The input as given.
    pub fn input(&self) -> &Path {
        &self.input
    }

    /// The output as given.
    pub fn output(&self) -> &Path {
        &self.output
    }
}

/// The input files alone, found as by [`Files::discover`] and ordered by their paths.
///
/// # Errors
/// [`Error::NoInput`], [`Error::Usage`]; for URLs also [`Error::Transient`] and
/// [`Error::Config`].
pub fn find_files(input: &Path) -> Result<Vec<PathBuf>> {
    let mut found = if is_url(input) {
        match Search::new(input)? {
            Search::File(_) => return Ok(vec![input.to_owned()]),
            Search::Prefix(prefix) => prefix.list()?,
        }
    } else {
        match std::fs::metadata(input) {
            Ok(metadata) if metadata.is_dir() => local::folder(input)?,
            Ok(_) => return Ok(vec![input.to_owned()]),
            Err(_) if local::has_wildcard(input.as_os_str()) => local::Glob::new(input)?.files()?,
            Err(source) => return Err(no_input(input, source)),
        }
    };
    if found.is_empty() {
        let what = "no *.parquet file is there; names that begin with . or _ do not count";
        return Err(no_input(input, io::Error::new(io::ErrorKind::NotFound, what)));
    }
    found.sort_by(|a, b| a.relative.cmp(&b.relative));
    Ok(found.into_iter().map(|file| file.path).collect())
}

/// Creates the parent folder of a file. Object stores have no folders.
///
/// # Errors
/// [`Error::CannotCreate`].
pub fn create_parent_folder(path: &Path) -> Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !is_url(path) => std::fs::create_dir_all(folder)
            .map_err(|source| Error::CannotCreate { path: folder.to_owned(), source }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
