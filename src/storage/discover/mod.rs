//! Which files a run reads and where each one goes: a file to a file; a folder or a
//! glob to a folder in which every file keeps the path it had below the input, so
//! that `key=value` folders stay what they are.

mod found;
mod local;
mod remote;
mod share;

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

use self::found::{Found, no_input};
use self::remote::Search;
use super::object_store::{below, is_url};

pub use share::Share;

/// One input file and the output it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The file to read.
    pub input: PathBuf,
    /// The file to write.
    pub output: PathBuf,
    /// The path of both below what was named, for what else is written; empty for a file.
    pub relative: PathBuf,
    /// Size of the input.
    pub bytes: u64,
}

/// The files of a run, ordered by their paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    input: PathBuf,
    output: PathBuf,
    pairs: Vec<Pair>,
    is_file: bool,
}

impl Files {
    /// Finds the files that `input` means: a file; a folder, with all Parquet files
    /// (`*.parquet`) below it; or else a glob, in which `**` is any number of folders.
    /// In folders and globs, names that begin with `.` or `_` are left out, as other
    /// tools do, but for folders such as `_key=value`. Either may be the URL of an object
    /// store. A folder that is there may hold no file, and a glob may match none: see
    /// [`Self::require_any`].
    ///
    /// # Errors
    /// [`Error::NoInput`] where `input` is not there or a folder can't be read;
    /// [`Error::Usage`] where `input` is no glob, or files of a folder or glob would
    /// be written into a file, among the inputs, or to one output; for URLs also
    /// [`Error::Transient`] and [`Error::Config`].
    pub fn discover(input: &Path, output: &Path) -> Result<Self> {
        if is_url(input) {
            return Self::remote(input, output);
        }
        match std::fs::metadata(input) {
            Ok(metadata) if metadata.is_dir() => Self::folder(input, output),
            Ok(metadata) => Ok(Self::file(input, output, metadata.len())),
            Err(_) if local::is_pattern(input.as_os_str()) => Self::glob(input, output),
            Err(source) => Err(no_input(input, source)),
        }
    }

    fn file(input: &Path, output: &Path, bytes: u64) -> Self {
        let pair = Pair { input: input.into(), output: output.into(), relative: PathBuf::new(), bytes };
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
        let folder = local::resolved(input);
        Self::pair(input, output, local::folder(input)?, |output| {
            !is_url(output) && local::resolved(output).starts_with(&folder)
        })
    }

    fn glob(input: &Path, output: &Path) -> Result<Self> {
        let glob = local::Glob::new(input)?;
        Self::pair(input, output, glob.files()?, |output| !is_url(output) && glob.matches(output))
    }

    fn pair(
        input: &Path,
        output: &Path,
        mut found: Vec<Found>,
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
                below(output, &a.relative).display()
            )));
        }
        let pair = |file: Found| Pair {
            output: below(output, &file.relative),
            input: file.path,
            relative: file.relative,
            bytes: file.bytes,
        };
        let pairs: Vec<Pair> = found.into_iter().map(pair).collect();
        if let Some(pair) = pairs.iter().find(|pair| is_among_inputs(&pair.output)) {
            return Err(Error::Usage(format!(
                "{} would be written among the inputs, and the next run would take it for one; write elsewhere",
                pair.output.display()
            )));
        }
        Ok(Self { input: input.into(), output: output.into(), pairs, is_file: false })
    }

    /// Refuses to have found nothing.
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

    /// One of several parts of the files, balanced by bytes: the shares 1/N to N/N hold
    /// every file once. A share of few files can be empty.
    #[must_use]
    pub fn share(self, share: Share) -> Self {
        let sizes: Vec<u64> = self.pairs.iter().map(|pair| pair.bytes).collect();
        let mine = share.select(&sizes);
        let pairs = self.pairs.into_iter().zip(mine).filter_map(|(pair, mine)| mine.then_some(pair));
        Self { pairs: pairs.collect(), ..self }
    }

    /// The files.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// Size of all inputs.
    pub fn bytes(&self) -> u64 {
        self.pairs.iter().map(|pair| pair.bytes).sum()
    }

    /// Whether the input was named as one file, and the output is no folder.
    pub fn is_file(&self) -> bool {
        self.is_file
    }

    /// The input as it was given.
    pub fn input(&self) -> &Path {
        &self.input
    }

    /// The output as it was given.
    pub fn output(&self) -> &Path {
        &self.output
    }
}

/// The files that `input` means, found as [`Files::discover`] finds them and ordered by
/// their paths, for whoever writes none.
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
            Err(_) if local::is_pattern(input.as_os_str()) => local::Glob::new(input)?.files()?,
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

/// Creates the folder that a file is to be in; object stores have none.
///
/// # Errors
/// [`Error::CannotCreate`].
pub fn create_folder_of(path: &Path) -> Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !is_url(path) => std::fs::create_dir_all(folder)
            .map_err(|source| Error::CannotCreate { path: folder.to_owned(), source }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
