//! Panics of a query's readers, taken for damage of the files: decoders of Parquet and Arrow panic at
//! some bytes that no writer writes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, Place, Result};
use crate::printable::panic_message;
use crate::threads::is_start_panic;

/// What stands for the file that is not known.
pub(super) const UNKNOWN_FILE: &str = "a file of the query";

/// Runs work that reads files. What it changes must not be used after an error.
///
/// # Errors
/// [`Error::BadData`] where the work panicked.
pub(crate) fn catch_reader_panics<T>(work: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| reader_panic(&panic_message(panic.as_ref())))
}

/// The error of a panic of a reader.
pub(super) fn reader_panic(message: &str) -> Error {
    if is_start_panic(message) {
        return Error::NoThread(std::io::ErrorKind::WouldBlock.into());
    }
    let what = format!(
        "cannot be decoded, most likely because it is damaged ({message}); query the files one by one to find it"
    );
    Error::bad_data(Place::file(UNKNOWN_FILE), what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_bad_data() {
        let error = catch_reader_panics(|| panic!("range end {} out of range", 7)).unwrap_err();
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().contains("range end 7 out of range"), "{error}");
        assert_eq!(catch_reader_panics(|| 3).unwrap(), 3);
    }
}
