//! The error type of the crate, with the exit code (sysexits.h) of each error. Its messages hold no
//! secrets of URLs, and no characters that a terminal obeys.

mod shortage;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::printable::{escape_line, message, redact, shown};

pub(crate) use shortage::shortage;

/// The result of every fallible function of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// The name of rows in memory in place of a file's.
const IN_MEMORY: &str = "the data";

/// A place in a dataset: a file, with a row group and a column if they are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Path or URL as the user writes it, without the secrets of a URL.
    pub file: String,
    /// Zero-based row group.
    pub row_group: Option<usize>,
    /// Column name.
    pub column: Option<String>,
}

impl Place {
    /// A whole file.
    pub fn file(file: impl fmt::Display) -> Self {
        Self { file: redact(&file.to_string()).into_owned(), row_group: None, column: None }
    }

    /// Rows in the memory of a program that links this library.
    pub fn in_memory() -> Self {
        Self::file(IN_MEMORY)
    }

    /// Whether it is those rows, or a batch of them.
    pub fn is_in_memory(&self) -> bool {
        let batch = self.file.strip_prefix(IN_MEMORY);
        batch.is_some_and(|batch| batch.is_empty() || batch.starts_with(", record batch "))
    }

    /// The same place, in a row group.
    #[must_use]
    pub fn row_group(mut self, row_group: usize) -> Self {
        self.row_group = Some(row_group);
        self
    }

    /// The same place, in a column.
    #[must_use]
    pub fn column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape_line(&self.file))?;
        if let Some(row_group) = self.row_group {
            write!(f, ", row group {row_group}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column {column:?}")?;
        }
        Ok(())
    }
}

/// An error. Messages are lower-case fragments that end with the remedy.
#[derive(Debug)]
pub enum Error {
    /// The command line is invalid or contradictory.
    Usage(String),

    /// An input does not exist or cannot be opened.
    NoInput {
        /// The input.
        place: Place,
        /// The operating system's reason.
        source: io::Error,
    },

    /// An input has invalid content.
    BadData {
        /// File, row group and column.
        place: Place,
        /// The fault and its remedy.
        what: String,
    },

    /// Rows that end the run, although their file is in order: without values, where the run was told
    /// to bear fewer of them or none, or with a value of a model that can't be.
    BadRows {
        /// File, and the row group and column of a single row.
        place: Place,
        /// The rows and the remedy.
        what: String,
    },

    /// No engine can run the models on the requested device.
    Engine(String),

    /// The output already exists.
    OutputExists(PathBuf),

    /// The output already exists, and is not what this run would write.
    OtherOutput {
        /// The output.
        path: PathBuf,
        /// What it is instead.
        why: String,
    },

    /// The output already exists, and is a file of another kind than is written there.
    OtherKind {
        /// The output.
        path: PathBuf,
        /// Its kind.
        what: String,
    },

    /// The output cannot be created.
    CannotCreate {
        /// The output.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },

    /// A read or write failed.
    Io {
        /// The file or object.
        place: Place,
        /// The operation, as a noun: "write", "read", "fsync".
        doing: &'static str,
        /// The operating system's reason.
        source: io::Error,
    },

    /// A signal ended the run before its output was complete.
    Interrupted,

    /// The operating system starts no more threads.
    NoThread(io::Error),

    /// A temporary failure, for example of an object store.
    Transient {
        /// The file or object.
        place: Place,
        /// The failure.
        what: String,
    },

    /// An executor of a cluster was lost, and with it what it kept for a job.
    ExecutorLost {
        /// The scheduler, or the executor that asked.
        place: Place,
        /// What is lost.
        what: String,
    },

    /// A bundle contradicts its manifest, or lacks something this program needs.
    Bundle {
        /// The directory of the bundle.
        bundle: PathBuf,
        /// The file in it.
        file: String,
        /// The manifest's field, if the fault is in one.
        field: Option<String>,
        /// The fault and its remedy.
        what: String,
    },

    /// A configuration file or setting is invalid.
    Config(String),

    /// A violated invariant: a bug of this program.
    Internal(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(what) = self.shortage() {
            let place = self.place().unwrap_or_default();
            return f.write_str(&message(&format!("{place}: {what}; run again")));
        }
        let text = match self {
            Self::Usage(what) | Self::Engine(what) | Self::Config(what) => what.clone(),
            Self::NoInput { place, source } => format!("{place}: cannot open the input: {source}"),
            Self::BadData { place, what } | Self::BadRows { place, what } => format!("{place}: {what}"),
            Self::OutputExists(path) => {
                format!("{} exists; write elsewhere or give --overwrite", shown(path))
            }
            Self::OtherOutput { path, why } => format!(
                "{} exists, {why}; write elsewhere, or give --overwrite to annotate it anew",
                shown(path)
            ),
            Self::OtherKind { path, what } => format!(
                "{} exists and is {what}; write elsewhere, or give --overwrite to replace it",
                shown(path)
            ),
            Self::CannotCreate { path, source } => {
                let advice = if path.to_string_lossy().contains("://") {
                    "check that the bucket exists and may be written to"
                } else if source.kind() == io::ErrorKind::IsADirectory {
                    "name a file in it"
                } else {
                    "check that the folder exists and is writable"
                };
                format!("{}: cannot create the output: {source}; {advice}", shown(path))
            }
            Self::Io { place, doing, source } => format!("{place}: {doing} failed: {source}"),
            Self::Interrupted => {
                "interrupted; what is finished stays, and nothing unfinished has an output's name; run again"
                    .to_owned()
            }
            Self::NoThread(source) => format!(
                "cannot start a thread: {source}; the limit of processes or of memory is reached (ulimit -u or \
                 -v, or that of a container), raise it or give fewer --workers or --threads, and run again"
            ),
            Self::Transient { place, what } | Self::ExecutorLost { place, what } => {
                format!("{place}: {what}; run again")
            }
            Self::Bundle { bundle, file, field, what } => {
                let field = field.as_ref().map(|field| format!(", field {field}")).unwrap_or_default();
                format!("bundle {}, {file}{field}: {what}", shown(bundle))
            }
            Self::Internal(what) => format!("internal error: {what}; please report it"),
        };
        f.write_str(&message(&text))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoInput { source, .. } | Self::CannotCreate { source, .. } | Self::Io { source, .. } => {
                Some(source)
            }
            _ => None,
        }
    }
}

impl Clone for Error {
    /// The same message and exit code. An operating system's reason keeps its kind and text.
    fn clone(&self) -> Self {
        let reason = |source: &io::Error| match source.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(source.kind(), source.to_string()),
        };
        match self {
            Self::Usage(what) => Self::Usage(what.clone()),
            Self::NoInput { place, source } => Self::NoInput { place: place.clone(), source: reason(source) },
            Self::BadData { place, what } => Self::BadData { place: place.clone(), what: what.clone() },
            Self::BadRows { place, what } => Self::BadRows { place: place.clone(), what: what.clone() },
            Self::Engine(what) => Self::Engine(what.clone()),
            Self::OutputExists(path) => Self::OutputExists(path.clone()),
            Self::OtherOutput { path, why } => Self::OtherOutput { path: path.clone(), why: why.clone() },
            Self::OtherKind { path, what } => Self::OtherKind { path: path.clone(), what: what.clone() },
            Self::CannotCreate { path, source } => {
                Self::CannotCreate { path: path.clone(), source: reason(source) }
            }
            Self::Io { place, doing, source } => {
                Self::Io { place: place.clone(), doing, source: reason(source) }
            }
            Self::Interrupted => Self::Interrupted,
            Self::NoThread(source) => Self::NoThread(reason(source)),
            Self::Transient { place, what } => Self::Transient { place: place.clone(), what: what.clone() },
            Self::ExecutorLost { place, what } => {
                Self::ExecutorLost { place: place.clone(), what: what.clone() }
            }
            Self::Bundle { bundle, file, field, what } => Self::Bundle {
                bundle: bundle.clone(),
                file: file.clone(),
                field: field.clone(),
                what: what.clone(),
            },
            Self::Config(what) => Self::Config(what.clone()),
            Self::Internal(what) => Self::Internal(what.clone()),
        }
    }
}

impl Error {
    /// Invalid data at a place.
    pub fn bad_data(place: Place, what: impl fmt::Display) -> Self {
        Self::BadData { place, what: what.to_string() }
    }

    /// An I/O error at a place, also for a missing file: only the opening of an input makes
    /// it an [`Error::NoInput`].
    pub fn io(place: Place, doing: &'static str, source: io::Error) -> Self {
        Self::Io { place, doing, source }
    }

    /// The same error of a file, with what names the file behind the reason of the operating system.
    #[must_use]
    pub fn named_by(self, what: &str) -> Self {
        let told = |source: io::Error| io::Error::new(source.kind(), format!("{source}; {what}"));
        match self {
            Self::NoInput { place, source } => Self::NoInput { place, source: told(source) },
            Self::CannotCreate { path, source } => Self::CannotCreate { path, source: told(source) },
            Self::BadData { place, what: told } => Self::BadData { place, what: format!("{told}; {what}") },
            other => other,
        }
    }

    /// The same error of a file by another name, such as one that holds what came through stdin.
    #[must_use]
    pub fn of_file_called(mut self, path: &Path, name: &str) -> Self {
        let path = path.display().to_string();
        match &mut self {
            Self::NoInput { place, .. }
            | Self::BadData { place, .. }
            | Self::BadRows { place, .. }
            | Self::Io { place, .. }
            | Self::Transient { place, .. } => place.file = place.file.replace(&path, name),
            Self::Usage(what) => *what = what.replace(&path, name),
            _ => {}
        }
        self
    }

    /// What it is about, as the message names it: a file with its row group and column, an output, a file of a
    /// bundle.
    pub fn place(&self) -> Option<String> {
        let place = match self {
            Self::NoInput { place, .. }
            | Self::BadData { place, .. }
            | Self::BadRows { place, .. }
            | Self::Io { place, .. }
            | Self::Transient { place, .. }
            | Self::ExecutorLost { place, .. } => place.to_string(),
            Self::OutputExists(path)
            | Self::OtherOutput { path, .. }
            | Self::OtherKind { path, .. }
            | Self::CannotCreate { path, .. } => shown(path).to_string(),
            Self::Bundle { bundle, file, .. } => format!("bundle {}, {file}", shown(bundle)),
            Self::Usage(_)
            | Self::Engine(_)
            | Self::Interrupted
            | Self::NoThread(_)
            | Self::Config(_)
            | Self::Internal(_) => return None,
        };
        Some(message(&place))
    }

    /// What the system had none left of, if that is why something failed.
    fn shortage(&self) -> Option<String> {
        match self {
            Self::NoInput { source, .. } | Self::CannotCreate { source, .. } | Self::Io { source, .. } => {
                shortage(source)
            }
            _ => None,
        }
    }

    /// The exit code of the process (sysexits.h; table in the README).
    pub fn exit_code(&self) -> u8 {
        match self {
            error if error.shortage().is_some() => 75,
            Self::Usage(_) => 64,
            Self::BadData { .. } | Self::BadRows { .. } => 65,
            Self::NoInput { .. } => 66,
            Self::Engine(_) => 69,
            Self::Internal(_) => 70,
            Self::OutputExists(_)
            | Self::OtherOutput { .. }
            | Self::OtherKind { .. }
            | Self::CannotCreate { .. } => 73,
            Self::Io { .. } => 74,
            Self::Interrupted | Self::NoThread(_) | Self::Transient { .. } | Self::ExecutorLost { .. } => 75,
            Self::Bundle { .. } | Self::Config(_) => 78,
        }
    }
}
