//! Discovery of input files and their outputs. A file is written to a file; a folder or glob
//! to a folder in which every file keeps its relative path, so that Hive partitions
//! (`key=value` folders) survive.

mod data_files;
mod found_file;
mod local;
mod partitions;
mod remote;
mod share;
mod walk;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use object_store::ObjectMeta;

use crate::error::{Error, Result};
use crate::printable::counted;

use super::object_store::{is_url, join_path};
use super::path_identity::PathIdentity;
use super::remote::RemoteFile;
use super::source_file::SourceFile;

pub use data_files::DataFiles;
pub use found_file::{DataNames, FoundFile};
pub use partitions::{
    PartitionValue, partition_folder, partition_integer, partition_value, partition_values,
};
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
    /// The search for the inputs, without its result.
    search: DataFiles,
    output: PathBuf,
    pairs: Vec<FilePair>,
    /// The metadata of the input, if it is one object.
    object: Option<ObjectMeta>,
}

impl Files {
    /// Finds the Parquet files that `input` names (see [`DataFiles::find`]) and their outputs. An
    /// empty result is no error: see [`Self::require_any`].
    ///
    /// # Errors
    /// As for [`DataFiles::find`]; [`Error::Usage`] if files of a folder or glob would be written to
    /// a file, among the inputs, or to the same output.
    pub fn discover(input: &Path, output: &Path) -> Result<Self> {
        let mut found = DataFiles::find(input, DataNames::PARQUET)?;
        let is_file = found.is_file();
        // An input without files is the graver fault: the caller says what it is.
        if !found.files.is_empty() && !is_file && std::fs::metadata(output).is_ok_and(|there| !there.is_dir())
        {
            return Err(Error::Usage(format!(
                "{} is {} and {} is a file; name a folder to write to",
                input.display(),
                counted(found.files.len(), "file"),
                output.display()
            )));
        }
        let pair = |file: &FoundFile| FilePair {
            output: if is_file { output.to_owned() } else { join_path(output, &file.relative) },
            input: file.path.clone(),
            relative: file.relative.clone(),
            bytes: file.bytes,
        };
        let pairs: Vec<FilePair> = found.files.iter().map(pair).collect();
        if let Some((a, b)) = same_output(&pairs) {
            return Err(Error::Usage(format!(
                "{} and {} would both become {}; annotate them one after the other",
                a.input.display(),
                b.input.display(),
                a.output.display()
            )));
        }
        let object = found.files.first().filter(|_| is_file).and_then(|file| file.object.clone());
        found.files.clear();
        let files = Self { search: found, output: output.into(), pairs, object };
        files.pairs.iter().try_for_each(|pair| files.check_outside(&pair.output))?;
        Ok(files)
    }

    /// Checks that an output would not be found among the inputs.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn check_outside(&self, output: &Path) -> Result<()> {
        self.search.check_outside(output)
    }

    /// Fails if there are no files.
    ///
    /// # Errors
    /// [`Error::NoInput`].
    pub fn require_any(self) -> Result<Self> {
        if self.pairs.is_empty() { Err(data_files::nothing_found(&self.search.input)) } else { Ok(self) }
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

    /// Opens the input, if it is one object, and requests its ends: it is about to be read. Where that fails, to
    /// open it says why.
    pub fn prefetch(&self) -> Option<SourceFile> {
        let pair = self.pairs.first()?;
        RemoteFile::prefetch(&pair.input, self.object.clone()?).ok().map(SourceFile::Remote)
    }

    /// Size of all inputs.
    pub fn bytes(&self) -> u64 {
        self.pairs.iter().map(|pair| pair.bytes).sum()
    }

    /// Whether the input was given as one file, so that the output is a file, too.
    pub fn is_file(&self) -> bool {
        self.search.is_file()
    }

    /// The input as given.
    pub fn input(&self) -> &Path {
        &self.search.input
    }

    /// The output as given.
    pub fn output(&self) -> &Path {
        &self.output
    }
}

/// Two files with one output. Compared as text: a key with `//` is another than that with `/`, and
/// as paths both are the same.
fn same_output(pairs: &[FilePair]) -> Option<(&FilePair, &FilePair)> {
    let mut sorted: Vec<&FilePair> = pairs.iter().collect();
    sorted.sort_by_key(|pair| pair.output.as_os_str());
    let mut neighbours = sorted.iter().zip(sorted.iter().skip(1));
    neighbours.find(|(a, b)| a.output.as_os_str() == b.output.as_os_str()).map(|(a, b)| (*a, *b))
}

/// The Parquet files that a path names, at least one, ordered by their paths.
///
/// # Errors
/// As for [`DataFiles::find`] and [`DataFiles::require_any`].
pub fn find_files(input: &Path) -> Result<Vec<PathBuf>> {
    let found = DataFiles::find(input, DataNames::PARQUET)?.require_any()?;
    Ok(found.files.into_iter().map(|file| file.path).collect())
}

/// The Parquet files that several paths name, each once, in the order of the paths.
///
/// # Errors
/// As for [`find_files`].
pub fn find_files_of(inputs: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let (mut files, mut known) = (Vec::new(), HashSet::new());
    for input in inputs {
        files.extend(find_files(input)?.into_iter().filter(|file| known.insert(PathIdentity::of(file))));
    }
    Ok(files)
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
