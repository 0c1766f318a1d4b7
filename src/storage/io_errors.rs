//! Conversion of errors of the Parquet and Arrow crates: a damaged file is
//! [`Error::BadData`], a failed system call [`Error::Io`].

use std::error::Error as StdError;
use std::io;

use arrow::error::ArrowError;
use parquet::errors::ParquetError;

use crate::error::{Error, Place};

/// Converts a [`ParquetError`] of the operation `doing` at a place.
pub fn parquet(place: Place, doing: &'static str, error: ParquetError) -> Error {
    match error {
        ParquetError::External(source) => external(place, doing, source),
        other => damaged(place, &other),
    }
}

/// Converts an I/O error of the operation `doing`. An [`Error`] inside it, such as that of
/// an object store, is returned as it is.
pub fn io(place: Place, doing: &'static str, source: io::Error) -> Error {
    match source.downcast::<Error>() {
        Ok(error) => error,
        Err(source) => Error::io(place, doing, source),
    }
}

/// Converts an [`ArrowError`] of the operation `doing` at a place.
pub fn arrow(place: Place, doing: &'static str, error: ArrowError) -> Error {
    match error {
        ArrowError::ExternalError(source) => external(place, doing, source),
        ArrowError::IoError(_, source) => io(place, doing, source),
        other => damaged(place, &other),
    }
}

/// A violated invariant, as an I/O error from which [`io`] gets it back.
pub(crate) fn internal(what: &str) -> io::Error {
    io::Error::other(Error::Internal(what.to_owned()))
}

fn external(place: Place, doing: &'static str, source: Box<dyn StdError + Send + Sync>) -> Error {
    let source = match source.downcast::<Error>() {
        Ok(error) => return *error,
        Err(source) => source,
    };
    match source.downcast::<io::Error>() {
        // Decompressors report bad bytes as InvalidData or InvalidInput.
        Ok(source) if matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => {
            damaged(place, &*source)
        }
        Ok(source) => io(place, doing, *source),
        Err(other) => damaged(place, &*other),
    }
}

fn damaged(place: Place, error: &dyn StdError) -> Error {
    Error::bad_data(place, format!("cannot be decoded: {error}; the file is damaged, write it again"))
}
