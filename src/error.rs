//! The one error type of the program, and what each error means to a caller:
//! an exit code (sysexits) and whether running again can help. Imports nothing.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// What every fallible function of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Where in a dataset something was found: a file, and within it a row group
/// and a column where they are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Path or URL as the user would write it.
    pub file: String,
    /// Zero-based row group.
    pub row_group: Option<usize>,
    /// Column name.
    pub column: Option<String>,
}

impl Place {
    /// A place that is a whole file.
    pub fn file(file: impl fmt::Display) -> Self {
        Self { file: file.to_string(), row_group: None, column: None }
    }

    /// The same place, in one row group.
    #[must_use]
    pub fn row_group(mut self, row_group: usize) -> Self {
        self.row_group = Some(row_group);
        self
    }

    /// The same place, in one column.
    #[must_use]
    pub fn column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(row_group) = self.row_group {
            write!(f, ", row group {row_group}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column {column:?}")?;
        }
        Ok(())
    }
}

/// Everything that can go wrong. Messages are lower-case fragments that end in
/// what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line asks for something that does not exist or does not fit together.
    #[error("{0}")]
    Usage(String),

    /// An input is not there or can't be opened.
    #[error("{place}: cannot open the input: {source}")]
    NoInput {
        /// The input.
        place: Place,
        /// The operating system's reason.
        source: io::Error,
    },

    /// An input is there but is not what it must be.
    #[error("{place}: {what}")]
    BadData {
        /// File, row group and column.
        place: Place,
        /// What is wrong and what to do.
        what: String,
    },

    /// No engine can run the models on the device asked for.
    #[error("{0}")]
    Engine(String),

    /// The output is there already.
    #[error("{0} exists; write elsewhere or give --overwrite")]
    OutputExists(PathBuf),

    /// The output can't be created.
    #[error("{path}: cannot create the output: {source}; check that the folder exists and is writable")]
    CannotCreate {
        /// The output.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },

    /// Reading or writing failed midway.
    #[error("{place}: {doing} failed: {source}")]
    Io {
        /// What was read or written.
        place: Place,
        /// The operation, as a noun: "write", "read", "fsync".
        doing: &'static str,
        /// The operating system's reason.
        source: io::Error,
    },

    /// A signal ended the run before its output was whole.
    #[error("interrupted; nothing was written under the output's name, run again")]
    Interrupted,

    /// A service failed in a way that passes.
    #[error("{place}: {what}; run again")]
    Transient {
        /// What was read or written.
        place: Place,
        /// What happened.
        what: String,
    },

    /// A bundle does not hold what its manifest or this program needs.
    #[error("bundle {bundle}, {file}{}: {what}", field.as_ref().map(|f| format!(", field {f}")).unwrap_or_default())]
    Bundle {
        /// The bundle's directory.
        bundle: PathBuf,
        /// The file in it.
        file: String,
        /// The manifest's field, where one is to blame.
        field: Option<String>,
        /// What is wrong and what to do.
        what: String,
    },

    /// A configuration file or a setting does not hold together.
    #[error("{0}")]
    Config(String),

    /// A promise of this program to itself was broken.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}

impl Error {
    /// Data at a place is not what it must be.
    pub fn bad_data(place: Place, what: impl fmt::Display) -> Self {
        Self::BadData { place, what: what.to_string() }
    }

    /// An I/O error at a place. A missing file becomes [`Error::NoInput`] only
    /// where the caller opens an input; here it is an I/O error like others.
    pub fn io(place: Place, doing: &'static str, source: io::Error) -> Self {
        Self::Io { place, doing, source }
    }

    /// The process's exit code (sysexits.h; the README's table).
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 64,
            Self::BadData { .. } => 65,
            Self::NoInput { .. } => 66,
            Self::Engine(_) => 69,
            Self::Internal(_) => 70,
            Self::OutputExists(_) | Self::CannotCreate { .. } => 73,
            Self::Io { .. } => 74,
            Self::Interrupted | Self::Transient { .. } => 75,
            Self::Bundle { .. } | Self::Config(_) => 78,
        }
    }

    /// Whether the same command may succeed when it is run again unchanged.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Interrupted | Self::Transient { .. } | Self::Io { .. })
    }
}
