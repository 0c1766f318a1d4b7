//! The files of a folder or glob that could not be annotated: without data, damaged, or without
//! the columns. The run goes on with the others, and enforces `--on-bad-file` at its end.

use std::fmt;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Place, Result};

use super::options::OnBadFile;

/// An input that could not be annotated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BadFile {
    /// Its path.
    pub input: String,
    /// Zero-based row group of the fault, where it is in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row_group: Option<usize>,
    /// Column of the fault, where it is in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The fault and its remedy.
    pub error: String,
}

impl BadFile {
    /// The bad file, where the error is about the content of this input.
    ///
    /// # Errors
    /// The error, where it is about anything else.
    pub(super) fn of(input: &Path, error: Error) -> Result<Self> {
        match error {
            Error::BadData { place: Place { file, row_group, column }, what }
                if file == Place::file(input.display()).file =>
            {
                Ok(Self { input: file, row_group, column, error: what })
            }
            error => Err(error),
        }
    }

    fn place(&self) -> Place {
        let Self { input, row_group, column, .. } = self;
        Place { file: input.clone(), row_group: *row_group, column: column.clone() }
    }
}

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.error)
    }
}

/// The bad files of a run, in the order in which they were found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct BadFiles(Vec<BadFile>);

impl BadFiles {
    /// Adds the input that this error is about, warns of it and returns it.
    ///
    /// # Errors
    /// The error, where it is not about the content of this input: it ends the run.
    pub(super) fn add(&mut self, input: &Path, error: Error) -> Result<BadFile> {
        let file = BadFile::of(input, error)?;
        self.push(file.clone());
        Ok(file)
    }

    /// Adds a bad file and warns of it.
    pub fn push(&mut self, file: BadFile) {
        tracing::warn!("{file}; the run goes on without this file");
        self.0.push(file);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their number.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The bad files.
    pub fn iter(&self) -> impl Iterator<Item = &BadFile> {
        self.0.iter()
    }

    /// Enforces `--on-bad-file` at the end of a run of this many files. A run that could annotate
    /// none of its files fails in any case, since the cause is then rather a wrong column or key,
    /// unless `may_be_all` says that it had only a share of them. `others` says what became of the others.
    ///
    /// # Errors
    /// [`Error::BadData`] of the first bad file, with the number of all.
    pub fn check(&self, of: usize, on_bad_file: OnBadFile, may_be_all: bool, others: &str) -> Result<()> {
        let Some(first) = self.0.first() else { return Ok(()) };
        let bad = self.len();
        let verb = if bad == 1 { "is" } else { "are" };
        let others = if bad < of { format!(", the others are {others}") } else { String::new() };
        if on_bad_file == OnBadFile::Skip && (bad < of || may_be_all) {
            tracing::warn!("{bad} of {of} files {verb} bad and left out{others}");
            return Ok(());
        }
        let what = format!("{} ({bad} of {of} files {verb} bad{others})", first.error);
        Err(Error::bad_data(first.place(), what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> BadFiles {
        let mut bad = BadFiles::default();
        for (file, what) in [("in/a.parquet", "is empty"), ("in/b.parquet", "is cut off")] {
            let place = Place::file(file).row_group(3).column("x1");
            bad.add(Path::new(file), Error::bad_data(place, what)).unwrap();
        }
        bad
    }

    #[test]
    fn only_the_content_of_this_file_makes_it_bad() {
        let mut bad = BadFiles::default();
        let place = || Place::file("in/a.parquet");
        let io = std::io::Error::from(std::io::ErrorKind::NotFound);
        let others = [
            (Path::new("in/b.parquet"), Error::bad_data(place(), "is empty")),
            (Path::new("in/a.parquet"), Error::BadRows { place: place(), what: "are too many".to_owned() }),
            (Path::new("in/a.parquet"), Error::Transient { place: place(), what: "changed".to_owned() }),
            (Path::new("in/a.parquet"), Error::NoInput { place: place(), source: io }),
        ];
        for (input, error) in others {
            let text = error.to_string();
            assert_eq!(bad.add(input, error).unwrap_err().to_string(), text);
        }
        assert!(bad.is_empty());
        assert_eq!(two().len(), 2);
    }

    #[test]
    fn the_end_says_how_many_and_the_first() {
        let bad = two();
        let error = bad.check(5, OnBadFile::Fail, false, "done").unwrap_err();
        assert_eq!(error.exit_code(), 65);
        let expected =
            "in/a.parquet, row group 3, column \"x1\": is empty (2 of 5 files are bad, the others are done)";
        assert_eq!(error.to_string(), expected);
        let all = bad.check(2, OnBadFile::Fail, true, "done").unwrap_err().to_string();
        assert!(all.ends_with("is empty (2 of 2 files are bad)"), "{all}");
    }

    #[test]
    fn what_may_be_skipped() {
        assert!(two().check(3, OnBadFile::Skip, false, "done").is_ok());
        assert_eq!(two().check(2, OnBadFile::Skip, false, "done").unwrap_err().exit_code(), 65);
        assert!(two().check(2, OnBadFile::Skip, true, "done").is_ok());
        assert!(BadFiles::default().check(0, OnBadFile::Fail, false, "done").is_ok());
    }

    #[test]
    fn in_json_it_is_a_list_with_the_place() {
        let json = serde_json::to_value(two()).unwrap();
        let first = serde_json::json!({
            "input": "in/a.parquet", "row_group": 3, "column": "x1", "error": "is empty",
        });
        assert_eq!(json[0], first);
    }
}
