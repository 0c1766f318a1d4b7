//! An error as it travels from an executor to the client: the same variant, message and exit code on both
//! sides.

use std::io;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Place};

/// An [`Error`] in the form in which it travels.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum RemoteError {
    Usage(String),
    NoInput(RemotePlace, RemoteReason),
    BadData(RemotePlace, String),
    BadRows(RemotePlace, String),
    Engine(String),
    OutputExists(PathBuf),
    OtherOutput(PathBuf, String),
    OtherKind(PathBuf, String),
    CannotCreate(PathBuf, RemoteReason),
    Io(RemotePlace, String, RemoteReason),
    Interrupted,
    NoThread(RemoteReason),
    Transient(RemotePlace, String),
    ExecutorLost(RemotePlace, String),
    Bundle { bundle: PathBuf, file: String, field: Option<String>, what: String },
    Config(String),
    Internal(String),
}

/// What stands before an error in the text of a task's failure, and behind it.
const MARKS: [&str; 2] = ["lsmi-etl-error:", ":lsmi-etl-error"];

/// An error as a part of a text.
///
/// # Errors
/// [`Error::Internal`].
pub(super) fn to_text(error: &RemoteError) -> crate::error::Result<String> {
    let bytes = rmp_serde::to_vec_named(error).map_err(|e| Error::Internal(e.to_string()))?;
    Ok(format!("{}{}{}", MARKS[0], BASE64_STANDARD.encode(bytes), MARKS[1]))
}

/// The error in a text, if there is one.
pub(super) fn of_text(text: &str) -> Option<Error> {
    let (_, rest) = text.split_once(MARKS[0])?;
    let (encoded, _) = rest.split_once(MARKS[1])?;
    let bytes = BASE64_STANDARD.decode(encoded).ok()?;
    rmp_serde::from_slice::<RemoteError>(&bytes).ok().map(Error::from)
}

/// A [`Place`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RemotePlace {
    file: String,
    row_group: Option<usize>,
    column: Option<String>,
}

/// The reason of an operating system.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RemoteReason {
    code: Option<i32>,
    text: String,
}

impl From<Place> for RemotePlace {
    fn from(Place { file, row_group, column }: Place) -> Self {
        Self { file, row_group, column }
    }
}

impl From<RemotePlace> for Place {
    fn from(RemotePlace { file, row_group, column }: RemotePlace) -> Self {
        Self { file, row_group, column }
    }
}

impl From<io::Error> for RemoteReason {
    fn from(error: io::Error) -> Self {
        Self { code: error.raw_os_error(), text: error.to_string() }
    }
}

impl From<RemoteReason> for io::Error {
    fn from(RemoteReason { code, text }: RemoteReason) -> Self {
        code.map_or_else(|| io::Error::other(text), io::Error::from_raw_os_error)
    }
}

impl From<Error> for RemoteError {
    fn from(error: Error) -> Self {
        match error {
            Error::Usage(what) => Self::Usage(what),
            Error::NoInput { place, source } => Self::NoInput(place.into(), source.into()),
            Error::BadData { place, what } => Self::BadData(place.into(), what),
            Error::BadRows { place, what } => Self::BadRows(place.into(), what),
            Error::Engine(what) => Self::Engine(what),
            Error::OutputExists(path) => Self::OutputExists(path),
            Error::OtherOutput { path, why } => Self::OtherOutput(path, why),
            Error::OtherKind { path, what } => Self::OtherKind(path, what),
            Error::CannotCreate { path, source } => Self::CannotCreate(path, source.into()),
            Error::Io { place, doing, source } => Self::Io(place.into(), doing.to_owned(), source.into()),
            Error::Interrupted => Self::Interrupted,
            Error::NoThread(source) => Self::NoThread(source.into()),
            Error::Transient { place, what } => Self::Transient(place.into(), what),
            Error::ExecutorLost { place, what } => Self::ExecutorLost(place.into(), what),
            Error::Bundle { bundle, file, field, what } => Self::Bundle { bundle, file, field, what },
            Error::Config(what) => Self::Config(what),
            Error::Internal(what) => Self::Internal(what),
        }
    }
}

impl From<RemoteError> for Error {
    fn from(error: RemoteError) -> Self {
        match error {
            RemoteError::Usage(what) => Self::Usage(what),
            RemoteError::NoInput(place, source) => {
                Self::NoInput { place: place.into(), source: source.into() }
            }
            RemoteError::BadData(place, what) => Self::BadData { place: place.into(), what },
            RemoteError::BadRows(place, what) => Self::BadRows { place: place.into(), what },
            RemoteError::Engine(what) => Self::Engine(what),
            RemoteError::OutputExists(path) => Self::OutputExists(path),
            RemoteError::OtherOutput(path, why) => Self::OtherOutput { path, why },
            RemoteError::OtherKind(path, what) => Self::OtherKind { path, what },
            RemoteError::CannotCreate(path, source) => Self::CannotCreate { path, source: source.into() },
            RemoteError::Io(place, doing, source) => {
                Self::Io { place: place.into(), doing: operation(&doing), source: source.into() }
            }
            RemoteError::Interrupted => Self::Interrupted,
            RemoteError::NoThread(source) => Self::NoThread(source.into()),
            RemoteError::Transient(place, what) => Self::Transient { place: place.into(), what },
            RemoteError::ExecutorLost(place, what) => Self::ExecutorLost { place: place.into(), what },
            RemoteError::Bundle { bundle, file, field, what } => Self::Bundle { bundle, file, field, what },
            RemoteError::Config(what) => Self::Config(what),
            RemoteError::Internal(what) => Self::Internal(what),
        }
    }
}

/// The noun of an operation, as [`Error::Io`] keeps it.
fn operation(doing: &str) -> &'static str {
    const KNOWN: [&str; 8] = ["read", "write", "fsync", "rename", "removal", "seek", "copy", "open"];
    KNOWN.into_iter().find(|known| *known == doing).unwrap_or("an operation")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_texts_have_no_error() {
        for text in ["", "Job failed", "lsmi-etl-error:", "lsmi-etl-error:AAAA:lsmi-etl-error"] {
            assert!(of_text(text).is_none(), "{text}");
        }
    }

    #[test]
    fn an_error_arrives_as_it_left() {
        let place = || Place::file("in/a.parquet").row_group(3).column("x1");
        let full = || io::Error::from_raw_os_error(28);
        let errors = [
            Error::Usage("no".to_owned()),
            Error::NoInput { place: place(), source: full() },
            Error::bad_data(place(), "is cut off"),
            Error::OutputExists("out.parquet".into()),
            Error::OtherOutput { path: "out.parquet".into(), why: "made otherwise".to_owned() },
            Error::CannotCreate { path: "out.parquet".into(), source: full() },
            Error::io(place(), "write", full()),
            Error::Interrupted,
            Error::Transient { place: place(), what: "no answer".to_owned() },
            Error::ExecutorLost { place: place(), what: "lost its rows".to_owned() },
            Error::Internal("never".to_owned()),
        ];
        for error in errors {
            let (text, code) = (error.to_string(), error.exit_code());
            let told = format!("Job failed: {:?}", to_text(&RemoteError::from(error)).unwrap());
            let error = of_text(&told).unwrap();
            assert_eq!((error.to_string(), error.exit_code()), (text, code));
        }
    }
}
