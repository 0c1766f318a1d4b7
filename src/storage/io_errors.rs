//! What a failure of the Parquet or Arrow crates means here: a file that is
//! damaged, or an operating system that refused.

use std::error::Error as StdError;
use std::io;

use arrow::error::ArrowError;
use parquet::errors::ParquetError;

use crate::error::{Error, Place};

/// A [`ParquetError`] met while `doing` something at a place.
pub fn parquet(place: Place, doing: &'static str, error: ParquetError) -> Error {
    match error {
        ParquetError::External(source) => external(place, doing, source),
        other => damaged(place, &other),
    }
}

/// An error of reading or writing, met while `doing` it: what an object store had to say
/// is inside.
pub fn io(place: Place, doing: &'static str, source: io::Error) -> Error {
    match source.downcast::<Error>() {
        Ok(error) => error,
        Err(source) => Error::io(place, doing, source),
    }
}

/// An [`ArrowError`] met while `doing` something at a place.
pub fn arrow(place: Place, doing: &'static str, error: ArrowError) -> Error {
    match error {
        ArrowError::ExternalError(source) => external(place, doing, source),
        ArrowError::IoError(_, source) => io(place, doing, source),
        other => damaged(place, &other),
    }
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
