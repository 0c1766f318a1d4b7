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
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};

    let source = match source.downcast::<Error>() {
        Ok(error) => return *error,
        Err(source) => source,
    };
    match source.downcast::<io::Error>() {
        // Decompressors report bad bytes as InvalidData or InvalidInput; readers of headers, an end
        // too soon; zstd, words that the system did not say.
        Ok(source)
            if matches!(source.kind(), InvalidData | InvalidInput | UnexpectedEof) || is_words(&source) =>
        {
            damaged(place, &*source)
        }
        Ok(source) => io(place, doing, *source),
        Err(other) => damaged(place, &*other),
    }
}

/// Whether an I/O error is neither of the system nor one of ours.
fn is_words(error: &io::Error) -> bool {
    let is_ours = || error.get_ref().is_some_and(|inner| inner.is::<Error>());
    error.kind() == io::ErrorKind::Other && error.raw_os_error().is_none() && !is_ours()
}

fn damaged(place: Place, error: &dyn StdError) -> Error {
    Error::bad_data(place, undecodable(&error.to_string()))
}

/// What is wrong with a file of which a decoder says this.
pub(crate) fn undecodable(error: &str) -> String {
    // The crates wrap each other's errors; only the innermost text says something.
    const WRAPPERS: [&str; 5] =
        ["Parquet argument error: ", "Parquet error: ", "External: ", "Arrow: ", "EOF: "];
    let mut error = error;
    while let Some(inner) = WRAPPERS.iter().find_map(|wrapper| error.strip_prefix(wrapper)) {
        error = inner;
    }
    unreadable_encoding(error)
        .or_else(|| unknown_type(error))
        .unwrap_or_else(|| format!("cannot be decoded: {error}; the file is damaged, write it again"))
}

/// What to do about a type that the Parquet crate does not have, as the 128-bit integers of polars.
fn unknown_type(error: &str) -> Option<String> {
    let is_unknown = error.contains("bit width of") && error.contains("not supported");
    is_unknown
        .then(|| format!("has a type that can't be read ({}); write the column in another", error.trim_end()))
}

/// What to do about an encoding that the Parquet crate can't read in a whole file, if that is what an
/// error of it says. DuckDB writes the differences of 32-bit integers in up to 64 bits, which other
/// readers take; this one wants them in 32.
fn unreadable_encoding(error: &str) -> Option<String> {
    const WIDE: [&str; 3] = ["first value too large", "'min_delta' too large", "Invalid delta bit width"];
    WIDE.iter().any(|text| error.contains(text)).then(|| {
        format!(
            "has an encoding that can't be read: DELTA_BINARY_PACKED with values of more than the type's bits \
             ({}), as DuckDB writes INTEGER and UINTEGER under PARQUET_VERSION v2; write the column again with \
             PARQUET_VERSION v1, or as BIGINT",
            error.rsplit("error: ").next().unwrap_or(error).trim_end()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_text_is_told() {
        for text in
            ["snappy: corrupt input", "External: snappy: corrupt input", "Arrow: EOF: snappy: corrupt input"]
        {
            let error = parquet(Place::file("f"), "read", ParquetError::General(text.into())).to_string();
            assert!(error.contains("cannot be decoded: snappy: corrupt input; the file"), "{error}");
        }
    }

    #[test]
    fn an_encoding_that_is_not_read_is_no_damage() {
        let of =
            |text: &str| parquet(Place::file("f"), "read", ParquetError::General(text.into())).to_string();
        let error = of("first value too large");
        assert!(
            error.contains("can't be read: DELTA_BINARY_PACKED") && !error.contains("damaged"),
            "{error}"
        );
        assert!(error.contains("bits (first value too large), as DuckDB"), "{error}");
        assert!(
            of("Invalid delta bit width 33 which is larger than expected 32 ").contains("expected 32), as")
        );
        assert!(of("Not enough data to decode 'min_delta'").contains("damaged"));
        let wide = of("INTEGER type with bit width of 128 and signed = true not supported");
        assert!(wide.contains("has a type that can't be read") && !wide.contains("damaged"), "{wide}");
    }
}
