//! Panics of the Parquet and Arrow crates, which do not validate every length and type that a
//! damaged file can hold, as errors.

use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::errors::ParquetError;

pub(crate) use crate::printable::panic_message;

/// Decodes, and takes a panic for damage. Nothing that `decode` changes may be used after an
/// error.
///
/// # Errors
/// Those of `decode`; [`ParquetError::General`] with the panic's message.
pub(crate) fn catch_panics<T, E: From<ParquetError>>(decode: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    caught(decode).unwrap_or_else(|panic| Err(E::from(ParquetError::General(panic))))
}

/// Runs work on foreign bytes. Nothing that it changes may be used after an error.
///
/// # Errors
/// The message of a panic.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| panic_message(panic.as_ref()))
}

/// As [`catch_panics`], for the next item of an iterator.
pub(crate) fn next_or_panic<T, E: From<ParquetError>>(
    items: &mut impl Iterator<Item = Result<T, E>>,
) -> Option<Result<T, E>> {
    catch_panics(|| items.next().transpose()).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::errors::Result as ParquetResult;

    #[test]
    fn a_panic_is_an_error_with_its_message() {
        let caught = |decode: fn() -> ParquetResult<u8>| catch_panics(decode).unwrap_err().to_string();
        assert_eq!(caught(|| panic!("length {} of {}\nmore", 3, 2)), "Parquet error: length 3 of 2");
        assert_eq!(caught(|| panic!("plain")), "Parquet error: plain");
        assert_eq!(caught(|| Err(ParquetError::EOF("end".to_owned()))), "EOF: end");
    }
}
