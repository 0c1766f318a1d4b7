//! The paths that a command reads and writes, compared before it starts: no output may take the place
//! of an input or of another output, by whatever name, nor of a file of another kind without
//! `--overwrite`.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

use super::discover::{DataFiles, DataNames};
use super::file_kind::FileKind;
use super::object_store::{exists, read_object};
use super::output_folders::{lies_in, require_folder};
use super::path_identity::{PathIdentity, resolve};
use super::regular_file::{TEXT_BYTES, require_regular};
use super::stdio::is_stdio;
use super::store_url::{StoreUrl, is_url};

/// The paths of a command. Those that are `-` are not compared.
#[derive(Debug, Default)]
pub struct Destinations {
    read: Vec<NamedPath>,
    searched: Vec<(PathBuf, DataNames)>,
    written: Vec<NamedPath>,
    folders: Vec<NamedPath>,
    /// Folders that are created for outputs.
    created: Vec<PathBuf>,
    /// Folders of data sets that are written elsewhere.
    datasets: Vec<NamedPath>,
}

/// A path, and what it is to the command, for messages.
#[derive(Debug, Clone)]
struct NamedPath {
    what: Cow<'static, str>,
    path: PathBuf,
    /// The input that it may replace, because it holds all of it.
    over: Option<PathBuf>,
    /// What a file that is there must be, to be replaced.
    kind: Option<FileKind>,
    /// Whether its folder must be there.
    needs_folder: bool,
}

impl NamedPath {
    fn new(what: impl Into<Cow<'static, str>>, path: &Path) -> Self {
        Self { what: what.into(), path: path.to_owned(), over: None, kind: None, needs_folder: false }
    }
}

impl Destinations {
    /// Adds a file that is read.
    pub fn reads(&mut self, what: impl Into<Cow<'static, str>>, path: &Path) {
        if !is_stdio(path) {
            self.read.push(NamedPath::new(what, path));
        }
    }

    /// Adds the files of a local folder, such as a bundle.
    pub fn reads_folder(&mut self, what: &'static str, folder: &Path) {
        if is_url(folder) {
            return;
        }
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            self.reads(what, &entry.path());
        }
    }

    /// Adds the data files that a path, glob or URL names. They are listed only where an output is one
    /// of them perhaps.
    pub fn searches(&mut self, path: &Path, names: DataNames) {
        if !is_stdio(path) {
            self.searched.push((path.to_owned(), names));
        }
    }

    /// Adds a file that is written.
    pub fn writes(&mut self, what: impl Into<Cow<'static, str>>, path: &Path) {
        if !is_stdio(path) {
            self.written.push(NamedPath::new(what, path));
        }
    }

    /// Adds a file that is written into a folder that is there.
    pub fn writes_beside(&mut self, what: impl Into<Cow<'static, str>>, path: &Path) {
        if !is_stdio(path) {
            self.written.push(NamedPath { needs_folder: true, ..NamedPath::new(what, path) });
        }
    }

    /// Adds a folder that is created for outputs, with those that it lies in.
    pub fn creates_folder(&mut self, folder: &Path) {
        if !is_url(folder) && self.created.last().is_none_or(|last| last != folder) {
            self.created.push(folder.to_owned());
        }
    }

    /// Adds the folder of a data set that is written by another step: what else lies in it would be read as
    /// a part of it.
    pub fn reserves(&mut self, what: impl Into<Cow<'static, str>>, folder: &Path) {
        self.datasets.push(NamedPath::new(what, folder));
    }

    /// Adds a file that is written and holds all of an input, which it may replace.
    pub fn writes_over(&mut self, what: impl Into<Cow<'static, str>>, path: &Path, input: &Path) {
        if !is_stdio(path) {
            let over = Some(input.to_owned());
            self.written.push(NamedPath { over, needs_folder: true, ..NamedPath::new(what, path) });
        }
    }

    /// Adds a file that is written into a folder that is there, and replaces one of its kind, or any where
    /// `overwrite` is given.
    pub fn writes_kind(
        &mut self,
        what: impl Into<Cow<'static, str>>,
        path: &Path,
        kind: FileKind,
        overwrite: bool,
    ) {
        if !is_stdio(path) {
            let kind = (!overwrite).then_some(kind);
            self.written.push(NamedPath { kind, needs_folder: true, ..NamedPath::new(what, path) });
        }
    }

    /// Adds a local folder that is written as a whole: what is in it is replaced.
    pub fn writes_folder(&mut self, what: impl Into<Cow<'static, str>>, folder: &Path) {
        self.folders.push(NamedPath::new(what, folder));
    }

    /// Compares all paths, looks for the folders of outputs, and then at the kinds of the files that would be replaced.
    ///
    /// # Errors
    /// As for [`Self::compare`], [`Self::missing_folders`] and [`Self::check_kinds`].
    pub fn check(mut self) -> Result<()> {
        self.compare()?;
        match self.missing_folders().next() {
            Some((_, error)) => Err(error),
            None => self.check_kinds(),
        }
    }

    /// Compares all paths with each other.
    ///
    /// # Errors
    /// [`Error::Usage`] where two outputs are one file, or an output is an input, or lies in a data set;
    /// [`Error::CannotCreate`] where an output is a pipe, socket or device.
    pub fn compare(&mut self) -> Result<()> {
        for NamedPath { path, .. } in self.written.iter().filter(|output| !is_url(&output.path)) {
            match std::fs::metadata(path) {
                Ok(metadata) if !metadata.is_dir() => require_regular(&metadata)
                    .map_err(|source| Error::CannotCreate { path: path.clone(), source })?,
                _ => {}
            }
        }
        self.list_searched();
        let mut known: HashMap<PathIdentity, &NamedPath> = HashMap::new();
        for input in &self.read {
            known.entry(PathIdentity::of(&input.path)).or_insert(input);
        }
        for output in &self.written {
            let over = output.over.as_deref().map(PathIdentity::of);
            match known.entry(PathIdentity::of(&output.path)) {
                Entry::Vacant(free) => _ = free.insert(output),
                Entry::Occupied(taken) if over.as_ref() == Some(taken.key()) => {}
                Entry::Occupied(taken) => return Err(same_file(output, taken.get())),
            }
        }
        self.check_folders()?;
        self.check_datasets()
    }

    /// The outputs whose folder is not there, each with what it is and an [`Error::CannotCreate`].
    pub fn missing_folders(&self) -> impl Iterator<Item = (&str, Error)> {
        let in_folders = self.written.iter().filter(|output| output.needs_folder);
        in_folders.filter_map(|output| {
            let error = require_folder(&output.path, &self.created).err()?;
            Some((output.what.as_ref(), error))
        })
    }

    /// Looks at the files that would be replaced.
    ///
    /// # Errors
    /// [`Error::OtherKind`] where a file of another kind is there; [`Error::CannotCreate`] where it can't be read; of
    /// a store.
    pub fn check_kinds(&self) -> Result<()> {
        self.written.iter().try_for_each(check_kind)
    }

    /// Asks the store of each output for it, which writes nothing: whether there are credentials, and whether the
    /// store takes them.
    ///
    /// # Errors
    /// [`Error::Config`] where there are none; as for [`exists`].
    pub fn check_stores(&self) -> Result<()> {
        let mut asked = HashSet::new();
        for NamedPath { path, .. } in self.written.iter().filter(|output| is_url(&output.path)) {
            if asked.insert(StoreUrl::parse(path)?.bucket) {
                exists(path)?;
            }
        }
        Ok(())
    }

    /// Nothing that is read or written may lie in a folder that is replaced.
    fn check_folders(&self) -> Result<()> {
        for folder in &self.folders {
            let within = resolve(&folder.path);
            let mut others = self.read.iter().chain(&self.written).filter(|other| !is_url(&other.path));
            if let Some(other) = others.find(|other| resolve(&other.path).starts_with(&within)) {
                return Err(Error::Usage(format!(
                    "{}, {}, lies in {}, {}, which is written as a whole; name another folder",
                    other.path.display(),
                    other.what,
                    folder.path.display(),
                    folder.what
                )));
            }
        }
        Ok(())
    }

    /// Nothing else may lie in a data set that another step writes.
    fn check_datasets(&self) -> Result<()> {
        for NamedPath { what, path: folder, .. } in &self.datasets {
            if let Some(output) = self.written.iter().find(|output| lies_in(&output.path, folder)) {
                return Err(Error::Usage(format!(
                    "{}, {}, would be written among {what} in {}, and the next run would take it for one of them; write \
                     elsewhere",
                    output.path.display(),
                    output.what,
                    folder.display()
                )));
            }
        }
        Ok(())
    }

    /// Adds the files of the searches that may find an output: a search of the local files where one
    /// exists, of a store where one is an object.
    fn list_searched(&mut self) {
        let is_local = |output: &NamedPath| !is_url(&output.path) && output.path.exists();
        let local = !self.folders.is_empty() || self.written.iter().any(is_local);
        let remote = self.written.iter().any(|output| is_url(&output.path));
        for (path, names) in std::mem::take(&mut self.searched) {
            let is_wanted = if is_url(&path) { remote } else { local };
            // Whoever reads the files says what is wrong with them.
            let found = is_wanted.then(|| DataFiles::find(&path, names).ok()).flatten();
            let files = found.into_iter().flat_map(|found| found.files);
            self.read.extend(files.map(|file| NamedPath::new("an input", &file.path)));
        }
    }
}

/// An output of a kind takes the place of a file of that kind only.
fn check_kind(NamedPath { path, kind, .. }: &NamedPath) -> Result<()> {
    let Some(kind) = kind else { return Ok(()) };
    let found = match is_url(path) {
        true => read_object(path, TEXT_BYTES)?.and_then(|content| FileKind::of_content(&content)),
        false => FileKind::of(path).or_else(|source| match source.kind() {
            // Whoever writes it says that this can't be.
            ErrorKind::NotADirectory | ErrorKind::IsADirectory => Ok(None),
            _ => Err(Error::CannotCreate { path: path.clone(), source }),
        })?,
    };
    match found {
        Some(found) if !kind.may_replace(found) => {
            Err(Error::OtherKind { path: path.clone(), what: format!("{found}, not {kind}") })
        }
        _ => Ok(()),
    }
}

fn same_file(output: &NamedPath, other: &NamedPath) -> Error {
    let (path, what) = (output.path.display(), &output.what);
    Error::Usage(match output.path == other.path {
        true => format!("{path} is {} and {what}; name another file", other.what),
        false => format!(
            "{path}, {what}, is the same file as {}, {}; name another file",
            other.path.display(),
            other.what
        ),
    })
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["in.parquet", "out.parquet", "data/1.parquet"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "PAR1 and so on").unwrap();
        }
        symlink(folder.path().join("data"), folder.path().join("link")).unwrap();
        folder
    }

    fn refused(paths: Destinations, words: &[&str]) {
        let error = paths.check().unwrap_err();
        assert_eq!(error.exit_code(), 64, "{error}");
        for word in words {
            assert!(error.to_string().contains(word), "no {word} in {error}");
        }
    }

    #[test]
    fn an_output_is_no_input_by_any_name() {
        let folder = folder();
        let path = |name: &str| folder.path().join(name);
        for (input, output) in [("in.parquet", "in.parquet"), ("data/1.parquet", "link/1.parquet")] {
            let mut paths = Destinations::default();
            paths.reads("the input", &path(input));
            paths.writes("--rejects", &path(output));
            refused(paths, &["the input", "--rejects", "name another file"]);
        }
        let mut paths = Destinations::default();
        paths.searches(&path("link"), DataNames::PARQUET);
        paths.writes("--output", &path("data/1.parquet"));
        refused(paths, &["an input", "--output"]);
        let mut paths = Destinations::default();
        paths.reads("the input", &path("in.parquet"));
        paths.writes_over("the output", &path("in.parquet"), &path("in.parquet"));
        paths.writes("--rejects", &path("new.parquet"));
        paths.check().unwrap();
    }

    #[test]
    fn two_outputs_are_two_files() {
        let folder = folder();
        let path = |name: &str| folder.path().join(name);
        let mut paths = Destinations::default();
        paths.writes("the output", &path("data/new"));
        paths.writes("--rejects", &path("link/new"));
        refused(paths, &["data/new", "link/new", "the same file"]);
        let mut paths = Destinations::default();
        paths.writes("the output", Path::new("s3://data/a"));
        paths.writes("--rejects", Path::new("s3://data/a"));
        refused(paths, &["the output", "--rejects"]);
        let mut paths = Destinations::default();
        paths.writes("the output", Path::new("-"));
        paths.writes("--output", Path::new("-"));
        paths.check().unwrap();
    }

    #[test]
    fn a_folder_that_is_replaced_holds_no_other_file() {
        let folder = folder();
        let path = |name: &str| folder.path().join(name);
        let mut paths = Destinations::default();
        paths.searches(&path("data"), DataNames::PARQUET);
        paths.writes_folder("--bundle", &path("link"));
        refused(paths, &["data/1.parquet", "lies in", "--bundle"]);
        let mut paths = Destinations::default();
        paths.writes("--metrics", &path("bundle/fit.prom"));
        paths.writes_folder("--bundle", &path("bundle"));
        refused(paths, &["fit.prom", "lies in"]);
    }

    #[test]
    fn another_kind_is_kept() {
        let folder = folder();
        let (path, new) = (folder.path().join("in.parquet"), folder.path().join("new.json"));
        let written = |path: &Path, overwrite| {
            let mut paths = Destinations::default();
            paths.writes_kind("--summary", path, FileKind::Summary, overwrite);
            paths
        };
        let error = written(&path, false).check().unwrap_err();
        assert_eq!(error.exit_code(), 73);
        assert!(error.to_string().contains("is a Parquet file, not a summary"), "{error}");
        written(&path, true).check().unwrap();
        written(&new, false).check().unwrap();
        std::fs::write(&new, "{\"seconds\": 1}").unwrap();
        written(&new, false).check().unwrap();
        // That it is an input matters more than its kind.
        let mut paths = written(&path, false);
        paths.reads("the input", &path);
        refused(paths, &["the input", "--summary"]);
    }

    #[test]
    fn a_device_is_no_output() {
        let mut paths = Destinations::default();
        paths.writes("--output", Path::new("/dev/null"));
        let error = paths.check().unwrap_err();
        assert_eq!(error.exit_code(), 73, "{error}");
        assert!(error.to_string().contains("it is a device"), "{error}");
    }
}
