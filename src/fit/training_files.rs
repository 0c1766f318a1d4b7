//! The Parquet files of a fit: those that `annotate` finds for the same paths, with the columns of
//! the first in each, and the classes of all.

use std::collections::{BTreeMap, HashMap};
use std::mem::discriminant;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::bundle::Class;
use crate::error::{Error, Place, Result};
use crate::parquet_file::{EncryptionKeys, Input};
use crate::samples::{self, FolderLabel};
use crate::storage::{OpenedVersions, find_files_of, partition_integer};

/// The files, at least one.
#[derive(Debug)]
pub(super) struct TrainingFiles<'a> {
    files: Vec<PathBuf>,
    keys: Option<&'a EncryptionKeys>,
    no_page_checksums: bool,
    /// Whether a file whose content is at fault is left out, and not an error.
    skip_bad: bool,
    /// The inputs as given, for messages.
    place: Place,
    /// The rows of every pass are of these.
    versions: OpenedVersions,
    /// The files that no pass reads any more, and why.
    left_out: Mutex<HashMap<PathBuf, Error>>,
}

impl<'a> TrainingFiles<'a> {
    /// Finds the files of all inputs, each once, in the order of the inputs.
    ///
    /// # Errors
    /// As for [`find_files_of`]; [`Error::Usage`] without an input.
    pub(super) fn find(
        inputs: &[PathBuf],
        keys: Option<&'a EncryptionKeys>,
        no_page_checksums: bool,
        skip_bad: bool,
    ) -> Result<Self> {
        let files = find_files_of(inputs)?;
        let place = match inputs {
            [] => return Err(Error::Usage("name a Parquet file to train on".into())),
            [input] => Place::file(input.display()),
            [first, others @ ..] => Place::file(format!("{} and {} more", first.display(), others.len())),
        };
        let versions = OpenedVersions::default();
        Ok(Self { files, keys, no_page_checksums, skip_bad, place, versions, left_out: Mutex::default() })
    }

    /// The inputs as given.
    pub(super) fn place(&self) -> Place {
        self.place.clone()
    }

    /// The first file that can be opened and has rows, or the first that has none.
    ///
    /// # Errors
    /// As for [`Input::open_with`].
    pub(super) fn first(&self) -> Result<Input> {
        let (mut empty, mut last) = (None, None);
        for file in self.files() {
            match self.open(file) {
                Ok(input) if input.rows() > 0 => return Ok(input),
                Ok(input) => _ = empty.get_or_insert(input),
                Err(error) if self.may_skip(&error) => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        empty.ok_or_else(|| last.unwrap_or_else(no_file))
    }

    /// Visits the files one after the other, but for those without rows, as Spark and pandas write them.
    ///
    /// # Errors
    /// Those of opening a file and of `visit`, unless bad files are skipped; [`Error::Transient`] of a file that is
    /// changed meanwhile or since the first pass.
    pub(super) fn for_each(&self, mut visit: impl FnMut(&Input) -> Result<()>) -> Result<()> {
        let mut visit = |input: Input| {
            if input.rows() > 0 {
                visit(&input).map_err(|error| input.file().or_input_changed(error))?;
            }
            input.verify_unchanged()
        };
        for file in self.files() {
            match self.open(file).and_then(&mut visit) {
                Err(error) if self.may_skip(&error) => {
                    tracing::warn!("{error}; the file is left out");
                    self.left_out().insert(file.clone(), error);
                }
                result => result?,
            }
        }
        Ok(())
    }

    /// Where bad files are left out, reads all files, so that no later pass takes rows of one whose damage is
    /// behind them. Returns whether that left out any more.
    ///
    /// # Errors
    /// As for [`Self::for_each`]; that of a file where all are left out.
    pub(super) fn leave_out_damaged(&self, read: impl FnMut(&Input) -> Result<()>) -> Result<bool> {
        if !self.skip_bad {
            return Ok(false);
        }
        let known = self.left_out().len();
        self.for_each(read)?;
        let left_out = self.left_out();
        match self.files.iter().find(|file| !left_out.contains_key(*file)) {
            Some(_) => Ok(left_out.len() > known),
            None => {
                Err(self.files.first().and_then(|file| left_out.get(file)).cloned().unwrap_or_else(no_file))
            }
        }
    }

    /// Those that are not left out.
    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().filter(|file| !self.left_out().contains_key(*file))
    }

    fn left_out(&self) -> MutexGuard<'_, HashMap<PathBuf, Error>> {
        self.left_out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The classes of all files in ascending order, each with its rows. Checks that the embeddings
    /// have these lengths in every file.
    ///
    /// # Errors
    /// [`Error::BadData`] where a file lacks a column, has embeddings of another length or a label of
    /// another type than the files before; those of reading; [`Error::Interrupted`].
    pub(super) fn count_classes(
        &self,
        embeddings: &[(String, usize)],
        label: &str,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Vec<(Class, u64)>> {
        let mut all: BTreeMap<Class, u64> = BTreeMap::new();
        let mut first: Option<(Class, Place)> = None;
        let mut folders: BTreeMap<Option<String>, u64> = BTreeMap::new();
        self.for_each(|input| {
            if interrupted() {
                return Err(Error::Interrupted);
            }
            for (column, dim) in embeddings {
                let found = samples::dimension_of(input, column)?;
                if found != *dim {
                    let what = format!("holds lists of {found} values, in the first file of {dim}");
                    return Err(Error::bad_data(input.place().column(column), what));
                }
            }
            if input.column(label).is_err()
                && let Some(value) = FolderLabel::text(&input.place().file, label)
            {
                *folders.entry(value).or_default() += input.rows();
                return Ok(());
            }
            let counts = samples::count_classes(input, label)?;
            let kind = counts.first().map(|(class, _)| class.clone());
            match (&first, kind) {
                (Some((class, place)), Some(found)) if discriminant(class) != discriminant(&found) => {
                    let what = format!(
                        "holds labels such as {found:?}, {place} such as {class:?}; cast the column to one type"
                    );
                    return Err(Error::bad_data(input.place().column(label), what));
                }
                (None, Some(found)) => first = Some((found, input.place())),
                _ => {}
            }
            counts.into_iter().for_each(|(class, rows)| *all.entry(class).or_default() += rows);
            if all.len() > samples::MAX_CLASSES {
                let what = format!(
                    "holds more than {} distinct values with the files before; choose the label with --label",
                    samples::MAX_CLASSES
                );
                return Err(Error::bad_data(input.place().column(label), what));
            }
            Ok(())
        })?;
        self.add_folders(folders, &mut all, first, label)?;
        Ok(all.into_iter().collect())
    }

    /// Adds the classes of files whose folders name them: integers where all are.
    fn add_folders(
        &self,
        folders: BTreeMap<Option<String>, u64>,
        all: &mut BTreeMap<Class, u64>,
        column: Option<(Class, Place)>,
        label: &str,
    ) -> Result<()> {
        let mut known = folders.into_iter().filter_map(|(value, rows)| Some((value?, rows))).peekable();
        if let (Some((value, _)), Some((_, place))) = (known.peek(), column) {
            let what = format!(
                "is a column of {place} and a folder ({label}={value}) of other files; fit on one kind"
            );
            return Err(Error::bad_data(self.place.clone().column(label), what));
        }
        let known: Vec<(String, u64)> = known.collect();
        let are_integers = known.iter().all(|(value, _)| partition_integer(value).is_some());
        for (value, rows) in known {
            let class = match partition_integer(&value).filter(|_| are_integers) {
                Some(value) => Class::Integer(value),
                None => Class::String(value),
            };
            *all.entry(class).or_default() += rows;
        }
        Ok(())
    }

    fn open(&self, file: &Path) -> Result<Input> {
        let input = Input::open_with(file, self.keys)?.ignoring_checksums(self.no_page_checksums);
        self.versions.check(input.file())?;
        input.check_keys()?;
        Ok(input)
    }

    fn may_skip(&self, error: &Error) -> bool {
        self.skip_bad && matches!(error, Error::BadData { .. })
    }
}

fn no_file() -> Error {
    Error::Internal("no file to train on".into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use parquet::arrow::ArrowWriter;

    use super::*;

    #[test]
    fn a_file_that_changes_during_a_pass_or_between_two_is_no_input() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in.parquet");
        // Of another size each time, since the clock of the file system may stand still meanwhile.
        let write = |value: i64| {
            let y: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100 * value));
            let rows = RecordBatch::try_from_iter([("y", y)]).unwrap();
            let mut writer =
                ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), rows.schema(), None).unwrap();
            writer.write(&rows).unwrap();
            writer.close().unwrap();
        };
        write(1);
        let find =
            |skip_bad| TrainingFiles::find(std::slice::from_ref(&path), None, false, skip_bad).unwrap();
        for skip_bad in [false, true] {
            let files = find(skip_bad);
            files.for_each(|_| Ok(())).unwrap();
            write(2);
            let between = files.for_each(|_| Ok(())).unwrap_err();
            assert!(between.exit_code() == 75 && between.to_string().contains("was changed"), "{between}");
            let during = find(skip_bad).for_each(|_| {
                write(3);
                Ok(())
            });
            assert_eq!(during.unwrap_err().exit_code(), 75);
            // What a changed file makes a reader say is no damage.
            let damaged = find(skip_bad).for_each(|input| {
                write(4);
                Err(Error::bad_data(input.place(), "cannot be decoded"))
            });
            assert_eq!(damaged.unwrap_err().exit_code(), 75);
        }
    }
}
